"""Published tables of puzzles: a row a puzzle's name, with the puzzle's answer beside."""

import json

import pytest
from click.testing import CliRunner
from inspect_ai import eval

from neuron_eval.cli.given import given as command
from neuron_eval.given.origin import given
from neuron_eval.given.reading import read_references, read_table
from neuron_eval.given.table import TableError
from neuron_eval.tasks.formats import summary
from neuron_eval.tasks.given import given as given_task
from neuron_eval.testing import fake_embedder

NAMED = (
    ",puzzle_name,answer,Original,Summary\n"
    "0,colors,words related to colors and nothing else,colors and shades., color words.\n"
    '1,char2,"the second named character, no narrator",names of characters.,\n'
)
SEEDED = (
    "Puzzle id,GT Explanation,Original,AVHS\n"
    "1:seed1,words related to colors,colors.,color words.\n"
    "1:seed2,words related to colors,hues.,color adjectives.\n"
    '2:seed1,"the second named character, no narrator",names.,names of characters.\n'
)


def write(tmp_path, content, name="puzzles_results.csv"):
    path = tmp_path / name
    path.write_text(content)
    return str(path)


def puzzles(tmp_path):
    one = {"sentences": [["A", [" red", 9]], ["No"]], "false_explanations": ["dogs"]}
    found = {name: {"name": name, "explanation": "its own answer", **one} for name in
             ("colors", "char2", "idioms")}  # fmt: skip
    return f"puzzles:{write(tmp_path, json.dumps(found), 'p.json')}"


def letters(text):
    return [float(text.count(letter)) + 0.1 for letter in "aeiou"]


def test_a_row_is_the_puzzles_of_that_name(tmp_path):
    table = read_table(write(tmp_path, NAMED))
    assert table.keys == ("puzzles/colors", "puzzles/char2")
    assert table.columns == ("Original", "Summary")
    assert table.texts["Summary"] == {"puzzles/colors": " color words."}
    assert table.answers["puzzles/char2"] == "the second named character, no narrator"


def test_rows_of_a_number_and_a_seed_are_told_apart(tmp_path):
    table = read_table(write(tmp_path, SEEDED))
    assert table.keys == ("puzzles/1:seed1", "puzzles/1:seed2", "puzzles/2:seed1")
    assert table.columns == ("Original", "AVHS")
    assert table.answers["puzzles/1:seed2"] == "words related to colors"


@pytest.mark.parametrize("name", ["puzzle", "Name", "PUZZLE_ID", "puzzle name"])
def test_the_column_of_names_may_be_called_otherwise(tmp_path, name):
    table = read_table(write(tmp_path, f"{name},Summary\ncolors,x\npuzzles/char2,y\n"))
    assert table.texts["Summary"] == {"puzzles/colors": "x", "puzzles/char2": "y"}
    assert table.answers == {}


def test_an_id_goes_before_a_name_and_an_answer_is_an_explanation_elsewhere(tmp_path):
    table = read_table(write(tmp_path, "id,name,answer\nm/L0N1,cats,words\n"))
    assert table.keys == ("m/L0N1",)
    assert table.columns == ("name", "answer")
    assert table.answers == {}


def test_a_puzzle_that_stands_twice_is_refused(tmp_path):
    path = write(tmp_path, "puzzle_name,Summary\ncolors,x\ncolors,y\n")
    with pytest.raises(TableError, match=r"line 3: id 'puzzles/colors' stands on line 2 too"):
        read_table(path)


def test_the_answers_are_the_references(tmp_path):
    _, references = read_references(write(tmp_path, NAMED))
    assert references["puzzles/colors"].explanation == "words related to colors and nothing else"
    assert references["puzzles/colors"].source == "puzzles_results.csv"


@pytest.mark.parametrize(("content", "count"), [(NAMED, 2), (SEEDED, 3)])
def test_a_published_file_is_scored_as_it_is(tmp_path, content, count):
    (log,) = eval(
        given_task(explanations=write(tmp_path, content), column="Original"),
        model="none",
        model_roles={"embedder": fake_embedder(letters).model},
    )
    assert log.status == "success"
    assert [result.scored_samples for result in log.results.scores] == [count]
    assert "the second named character, no narrator" in {one.target for one in log.samples}


def test_the_command_ranks_the_columns_of_a_published_file(tmp_path):
    embedder = str(fake_embedder(letters, name="puzzles-embedder").model)
    path = write(tmp_path, NAMED)
    places = ["--embedder", embedder, "--log-dir", str(tmp_path / "logs")]
    result = CliRunner().invoke(command, [path, "--all-columns", *places])
    assert result.exit_code == 0, result.output
    assert {"Original", "Summary"} <= set(result.output.split())


def test_the_puzzles_of_a_source_are_joined_by_name(tmp_path):
    neurons = puzzles(tmp_path)
    (log,) = eval(
        given_task(
            explanations=write(tmp_path, NAMED), column="Original", neurons=neurons,
            simulation="none",
        ),
        model="none",
        model_roles={"embedder": fake_embedder(letters).model},
    )  # fmt: skip
    assert log.status == "success"
    assert {sample.id: sample.output.completion for sample in log.samples} == {
        "puzzles/colors": "colors and shades.",
        "puzzles/char2": "names of characters.",
    }
    assert log.samples[0].target == "its own answer"


def test_the_solver_takes_the_explainers_place_on_puzzles(tmp_path):
    (log,) = eval(
        summary(neurons=puzzles(tmp_path), simulation="none"),
        solver=given(write(tmp_path, NAMED), "Original"),
        model="none",
        model_roles={"embedder": fake_embedder(letters).model},
    )
    found = {sample.id: sample.scores["adacs"] for sample in log.samples}
    assert found["puzzles/colors"].answer == "colors and shades."
    assert found["puzzles/idioms"].reason == "no explanation given"
