"""What makes two logs one run: what reaches explainer, simulator and scores, and nothing else."""

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from inspect_ai import eval
from inspect_ai.log import read_eval_log, write_eval_log
from inspect_ai.model import GenerateConfig

from neuron_eval.cli.main import main
from neuron_eval.explain import solvers
from neuron_eval.given.origin import given as given_solver
from neuron_eval.logs.identity import identity
from neuron_eval.prompts.pack import default_pack
from neuron_eval.reporting.collecting import collect, rater_identity
from neuron_eval.sources import schema
from neuron_eval.tasks import explain, formats, given, rate
from neuron_eval.testing import fake_embedder, fake_rater, make_neuron


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("identity")
    words = (" cat", " dog", " oak")
    neurons = [make_neuron(f"t/L0N{i}", w, neuron=i) for i, w in enumerate(words)]
    schema.write(folder / "n.jsonl", neurons)
    return folder


@pytest.fixture(scope="module")
def ran(folder):
    """Runs a task, and gives its log's header."""

    def run(task, model="neuron-baseline/lexical", roles=None, solver=None, **options):
        embedder = fake_embedder(lambda text: [float(len(text)), 1.0]).model
        [log] = eval(
            task,
            model=model,
            model_roles={"embedder": embedder, **(roles or {})},
            solver=solver,
            log_dir=str(folder / "logs"),
            display="none",
            **options,
        )
        assert log.status == "success", log.error
        return read_eval_log(log.location, header_only=True)

    return run


@pytest.fixture(scope="module")
def plain(folder, ran):
    return ran(formats.summary(neurons=str(folder / "n.jsonl"), excerpts=2))


def test_a_format_is_one_run_by_whatever_task_and_solver_it_was_run(folder, ran, plain):
    chosen = {"neurons": str(folder / "n.jsonl"), "excerpts": 2}
    others = [
        ran(explain.explain(format="summary", **chosen)),
        ran(formats.original(**chosen), solver=solvers.summary()),
        ran(formats.original(**chosen), solver=solvers.explain("summary")),
    ]
    assert {identity(log) for log in others} == {identity(plain)}
    found = collect([plain.location, *(log.location for log in others)])
    assert len(found.runs) == 1
    assert all("with the same settings" in note for note in found.notes)
    assert len(found.notes) == 3


def test_what_reaches_the_explainer_through_a_solver_makes_another_run(folder, ran, plain):
    chosen = {"neurons": str(folder / "n.jsonl"), "excerpts": 2}
    logs = [
        plain,
        ran(formats.summary(**chosen, cutoff_quantile=1)),
        ran(formats.summary(**chosen), solver=solvers.highlight()),
    ]
    assert len({identity(log) for log in logs}) == 3
    by_solver = ran(formats.original(**chosen), solver=solvers.summary(cutoff_quantile=1))
    assert identity(by_solver) == identity(logs[1])
    ignored = ran(formats.original(**chosen, cutoff_quantile=1), solver=solvers.summary())
    assert identity(ignored) == identity(plain)


def test_a_pack_is_told_by_what_it_holds_and_not_by_where_it_lies(folder, ran, plain):
    chosen = {"neurons": str(folder / "n.jsonl"), "excerpts": 2, "simulation": "embedding"}
    import neuron_eval.prompts

    text = (Path(neuron_eval.prompts.__file__).parent / "default.yaml").read_text()
    for name in ("a.yaml", "b.yaml"):
        (folder / name).write_text(text)
    (folder / "c.yaml").write_text(text + "# other\n")
    a, b, c = (
        identity(ran(formats.summary(**chosen, pack=str(folder / name))))
        for name in ("a.yaml", "b.yaml", "c.yaml")
    )
    assert a == b == identity(ran(formats.summary(**chosen)))
    assert a != c
    assert default_pack().sha256 in a


def header(plain, **changes):
    """The header with other arguments, choice, roles or settings."""
    log = plain.model_copy(deep=True)
    spec = log.eval
    spec.task_args |= changes.pop("arguments", {})
    spec.metadata["neurons_choice"] |= changes.pop("choice", {})
    spec.metadata |= changes.pop("metadata", {})
    for name, value in changes.items():
        setattr(spec, name, value)
    return identity(log)


SAME = {
    "layers, where all are taken": {"choice": {"layers": "0", "index": "1"}},
    "limit": {"arguments": {"limit": 2}, "choice": {"limit": 2}},
    "simulation": {"arguments": {"simulation": "auto"}},
    "calibration": {"arguments": {"calibration": "none"}},
    "excerpts scored": {"arguments": {"excerpts_scored": "top_random"}},
    "the usual headline": {"metadata": {"headline": "pearson"}},
    "cutoff": {"arguments": {"cutoff_quantile": 2}},
    "no judge": {"arguments": {"judge": None}},
    "no pack": {"arguments": {"pack": None}},
    "no size of packs": {"arguments": {"excerpts_per_call": None}},
    "on_short": {"arguments": {"on_short": "skip"}},
    "by_layer": {"arguments": {"by_layer": True}},
    "the published sizes of sets": {"arguments": {"per_layer": None, "threshold": None}},
    "ways to write layers": {"arguments": {"layers": None}},
    "a seed of which nothing is drawn": {"arguments": {"seed": 3}, "choice": {"seed": 3}},
    "a longer path": {"metadata": {"neurons": "./x/../n.jsonl"}},
    "temperature": {"model_generate_config": GenerateConfig(temperature=1.0)},
    "room": {"model_generate_config": GenerateConfig(max_tokens=60, top_p=1.0)},
    "connections": {"model_generate_config": GenerateConfig(max_connections=3, timeout=9)},
    "a task's name": {"task": "my/summary", "task_file": "tasks/formats.py"},
}

OTHER = {
    "excerpts": {"arguments": {"excerpts": 5}},
    "a way": {"arguments": {"simulation": "sparse"}},
    "a judge": {"arguments": {"judge": ["detection"]}},
    "a calibration": {"arguments": {"calibration": "linear"}},
    "random excerpts": {"arguments": {"excerpts_scored": "random"}},
    "a cutoff": {"arguments": {"cutoff_quantile": 1}},
    "a size of packs": {"arguments": {"excerpts_per_call": 3}},
    "a set": {"choice": {"select": "random"}},
    "scores": {"choice": {"scores": "s.csv"}},
    "references": {"metadata": {"references_sha256": "0a"}},
    "neurons": {"metadata": {"neurons": "m.jsonl"}},
    "an address": {"metadata": {"neurons": "https://a//n.jsonl"}},
    "temperature": {"model_generate_config": GenerateConfig(temperature=0.5)},
    "room": {"model_generate_config": GenerateConfig(max_tokens=61)},
    "an effort": {"model_generate_config": GenerateConfig(reasoning_effort="low")},
    "a seed": {"model_generate_config": GenerateConfig(seed=1)},
    "a model": {"model": "neuron-baseline/other"},
    "a server": {"model_base_url": "http://127.0.0.1:1"},
    "a solver": {"solver": "mine/summary", "solver_args": {}},
    "no embedder": {"model_roles": None},
}


@pytest.fixture
def near(plain):
    """The header, its neurons named by a relative path."""
    log = plain.model_copy(deep=True)
    log.eval.metadata["neurons"] = "n.jsonl"
    return log


@pytest.mark.parametrize("name", SAME)
def test_what_reaches_nothing_makes_no_other_run(near, name):
    assert header(near, **SAME[name]) == identity(near)


@pytest.mark.parametrize("name", OTHER)
def test_what_reaches_a_model_or_a_score_makes_another_run(near, name):
    assert header(near, **OTHER[name]) != identity(near)


def test_the_published_number_of_excerpts_may_be_stated_or_left_out(near):
    del near.eval.task_args["excerpts"]
    assert header(near, arguments={"excerpts": 5}) == identity(near)


@pytest.mark.parametrize("way", ["chat", "sparse"])
def test_the_size_of_packs_that_a_way_has_may_be_stated_or_left_out(near, way):
    from neuron_eval.simulation.chat import EXCERPTS_PER_CALL as CHAT_PACK
    from neuron_eval.simulation.sparse import EXCERPTS_PER_CALL as SPARSE_PACK

    size = {"chat": CHAT_PACK, "sparse": SPARSE_PACK}[way]
    left_out = header(near, arguments={"simulation": way})
    assert header(near, arguments={"simulation": way, "excerpts_per_call": size}) == left_out
    assert header(near, arguments={"simulation": way, "excerpts_per_call": size + 1}) != left_out


@pytest.mark.parametrize("way", ["all_at_once", "per_token", "embedding", "none"])
def test_the_size_of_packs_has_no_part_where_there_are_none(near, way):
    found = {
        header(near, arguments={"simulation": way, "excerpts_per_call": n}) for n in (None, 1, 9)
    }
    assert len(found) == 1


@pytest.mark.parametrize("way", ["embedding", "none"])
def test_a_simulator_has_no_part_where_nothing_is_simulated(near, way):
    from inspect_ai.model import ModelConfig

    embedder = near.eval.model_roles["embedder"]
    bound = {"embedder": embedder, "simulator": ModelConfig(model="a/b")}
    asked = {"arguments": {"simulation": way}}
    assert header(near, **asked, model_roles=bound) == header(near, **asked)
    asked = {"arguments": {"simulation": "auto"}}
    assert header(near, **asked, model_roles=bound) != header(near, **asked)


def test_a_seed_counts_where_something_is_drawn(near):
    for select in ("random", "interpretable"):
        found = {header(near, choice={"select": select, "seed": n}) for n in (0, 1)}
        assert len(found) == 2
    for select in ("all", "top", "top_per_layer"):
        found = {header(near, choice={"select": select, "seed": n}) for n in (0, 1)}
        assert len(found) == 1


def test_explanations_from_a_file_are_told_by_what_it_holds(folder, ran):
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text("layer,neuron,mine,yours\n0,0,cats,dogs\n0,1,a,b\n0,2,c,d\n")
    (folder / "c.csv").write_text("layer,neuron,mine\n0,0,cat\n0,1,a\n0,2,c\n")
    chosen = {"neurons": str(folder / "n.jsonl"), "excerpts": 2, "simulation": "embedding"}

    def of(name, column):
        task = given.given(explanations=str(folder / name), column=column, **chosen)
        return identity(ran(task, model="none"))

    assert of("a.csv", "mine") == of("b.csv", "mine")
    assert len({of("a.csv", "mine"), of("a.csv", "yours"), of("c.csv", "mine")}) == 3


def test_what_the_neurons_hold_is_one_run_by_task_and_by_solver(folder, ran):
    chosen = {"neurons": str(folder / "n.jsonl"), "excerpts": 2, "simulation": "embedding"}
    task = ran(given.given(explanations="reference", **chosen), model="none")
    solver = ran(formats.avhs(**chosen), model="none", solver=given_solver("reference"))
    assert identity(task) == identity(solver)


def test_a_file_is_one_by_whatever_path_it_was_named(near, folder, tmp_path, monkeypatch):
    def named(path, **changes):
        return header(near, metadata={"neurons": str(path)}, **changes)

    (folder / "link.jsonl").symlink_to(folder / "n.jsonl")
    (folder / "smollm2").mkdir()
    monkeypatch.chdir(folder)
    whole = named(folder / "n.jsonl")
    assert {named(p) for p in ("n.jsonl", "./n.jsonl", "smollm2/../n.jsonl")} == {whole}
    assert named("link.jsonl") == named(folder / "link.jsonl") == whole
    assert named("puzzles:n.jsonl") == named(f"puzzles:{folder}/n.jsonl") != whole
    # What is bundled is no folder of that name.
    assert named("smollm2") != named("./smollm2") == named(folder / "smollm2")
    scored = [header(near, choice={"scores": p}) for p in ("n.jsonl", str(folder / "n.jsonl"))]
    assert scored[0] == scored[1] != header(near, choice={"scores": "other.csv"})
    monkeypatch.chdir(tmp_path)
    assert named("n.jsonl") != whole


def test_the_file_of_a_rater_is_one_by_whatever_path_it_was_named(near, folder, monkeypatch):
    def named(path):
        log = near.model_copy(deep=True)
        log.eval.metadata["neurons"] = str(path)
        return rater_identity(log)

    monkeypatch.chdir(folder)
    assert named("n.jsonl") == named(folder / "n.jsonl") != named("other.jsonl")


@pytest.mark.parametrize("task", ["neurons", "rows"])
def test_the_default_embedder_is_one_run_named_or_not(folder, monkeypatch, task):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr("neuron_eval.embedding.embedder.LOCAL_DEFAULT", "neuron-fake/usual")
    usual, other = (
        fake_embedder(lambda text: [float(len(text)), 1.0], name=name).model
        for name in ("usual", "other")
    )
    (folder / "rows.csv").write_text("layer,neuron,explanation\n0,0,cats\n0,1,dogs\n")
    rows = str(folder / "rows.csv")

    def run(**roles):
        made = (
            formats.summary(neurons=str(folder / "n.jsonl"), excerpts=2, simulation="embedding")
            if task == "neurons"
            else given.given(explanations=rows, references=rows)
        )
        [log] = eval(
            made,
            model="neuron-baseline/lexical",
            model_roles=roles or None,
            log_dir=str(folder / "logs"),
            display="none",
        )
        assert log.status == "success", log.error
        return log

    left_out, stated, another = run(), run(embedder=usual), run(embedder=other)
    assert identity(left_out) == identity(stated) != identity(another)
    assert len(collect([left_out.location, stated.location, another.location]).runs) == 2


def test_a_rater_is_one_with_defaults_stated_or_left_out(folder, ran, plain):
    rater = fake_rater(lambda question, explanation: 3).model
    left_out = ran(rate.rate(explanations=plain.location), model=rater)
    stated = ran(
        rate.rate(explanations=[plain.location], orders=1, seed=0, columns="summary"), model=rater
    )
    other = ran(rate.rate(explanations=plain.location, seed=1), model=rater)
    assert rater_identity(left_out) == rater_identity(stated) != rater_identity(other)


# A log named more than once ----------------------------------------------------------------


def local(log):
    return Path(log.location.removeprefix("file://"))


def test_a_log_that_is_named_more_than_once_counts_once_and_nothing_is_said(
    plain, tmp_path, monkeypatch
):
    path = tmp_path / "in" / "a.eval"
    path.parent.mkdir()
    shutil.copy(local(plain), path)
    (tmp_path / "link.eval").symlink_to(path)
    (tmp_path / "folder").symlink_to(path.parent)
    os.link(path, tmp_path / "hard.eval")
    monkeypatch.chdir(tmp_path)
    names = [
        "in",
        "in/",
        "./in",
        "in/a.eval",
        "in/../in/a.eval",
        "link.eval",
        "folder",
        "folder/a.eval",
        "hard.eval",
        str(path),
        f"file://{path}",
        str(tmp_path),
    ]
    for places in (names, list(reversed(names)), ["in/a.eval", "in/a.eval"], ["in", "in"]):
        found = collect(places)
        assert (len(found.runs), found.notes) == (1, ())


def test_a_copy_of_a_log_is_said_to_be_one(plain, tmp_path):
    for name in ("a.eval", "b.eval"):
        shutil.copy(local(plain), tmp_path / name)
    found = collect([str(tmp_path / "a.eval"), str(tmp_path / "b.eval")])
    assert len(found.runs) == 1
    assert found.notes == ("b.eval left out: a.eval is the same log",)


def test_copies_of_one_name_are_told_apart_by_their_folders(plain, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shutil.copy(local(plain), tmp_path / name / "a.eval")
    found = collect([str(tmp_path / "one" / "a.eval"), str(tmp_path / "two" / "a.eval")])
    [note] = found.notes
    assert note == f"{tmp_path}/two/a.eval left out: {tmp_path}/one/a.eval is the same log"


def test_of_a_log_and_its_copy_with_a_further_score_the_copy_counts(plain, tmp_path, monkeypatch):
    embedder = fake_embedder(lambda text: [float(len(text)), 1.0]).model
    monkeypatch.setattr("neuron_eval.simulation.embedding.resolve_embedder", lambda: embedder)
    for name in ("a.eval", "z.eval"):
        shutil.copy(local(plain), tmp_path / name)
        done = CliRunner().invoke(
            main, ["score", str(tmp_path / name), "--simulation", "embedding"]
        )
        assert done.exit_code == 0, done.output
        copy = tmp_path / f"{name[0]}-scored.eval"
        for places in ([str(tmp_path / name), str(copy)], [str(copy), str(tmp_path / name)]):
            found = collect(places)
            assert [run.log for run in found.runs] == [str(copy)]
            assert found.notes == (
                f"{name} left out: {copy.name} is the same log with other scores",
            )


def test_of_a_log_and_its_copy_with_fewer_samples_the_whole_one_counts(plain, tmp_path):
    shutil.copy(local(plain), tmp_path / "b.eval")
    fewer = read_eval_log(str(tmp_path / "b.eval"))
    fewer.samples = fewer.samples[:2]
    fewer.results.completed_samples = 2
    write_eval_log(fewer, str(tmp_path / "a.eval"))
    found = collect([str(tmp_path)])
    assert found.notes == ("a.eval left out: b.eval is the same log with more samples",)


def test_score_takes_a_log_that_is_named_twice_once(plain, tmp_path, monkeypatch):
    embedder = fake_embedder(lambda text: [float(len(text)), 1.0]).model
    monkeypatch.setattr("neuron_eval.simulation.embedding.resolve_embedder", lambda: embedder)
    shutil.copy(local(plain), tmp_path / "a.eval")
    done = CliRunner().invoke(
        main,
        ["score", str(tmp_path), str(tmp_path / "a.eval"), "--simulation", "embedding"],
    )
    assert done.exit_code == 0, done.output
    assert done.output.count("simulation_correlation_embedding: mean") == 1
    assert "left as it is" not in done.output


def test_a_place_that_is_no_log_is_refused_or_named(plain, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such log file or folder"):
        collect([str(tmp_path / "none.eval")])
    (tmp_path / "folder.eval").mkdir()
    (tmp_path / "notes.txt").write_text("no log")
    found = collect([plain.location, str(tmp_path / "notes.txt"), str(tmp_path)])
    assert len(found.runs) == 1
    [note] = found.notes
    assert note.startswith("notes.txt cannot be read: ")
