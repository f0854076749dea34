"""What is misspelt is answered with what was meant, and with options of the command that runs."""

import re
from inspect import signature

import click
import pytest
from click.testing import CliRunner
from inspect_ai import eval
from inspect_ai._eval.loader import scorer_from_spec
from inspect_ai.scorer._scorer import ScorerSpec
from inspect_ai.util import registry_info

from neuron_eval.cli.main import as_typed, main
from neuron_eval.cli.score import score
from neuron_eval.formats import format_names
from neuron_eval.inspect_private import PrerequisiteError
from neuron_eval.messages import InputError, near_miss
from neuron_eval.prompts.sections import check_keys
from neuron_eval.prompts.wording import PackError
from neuron_eval.records import TooFewExcerptsError
from neuron_eval.records.splits import deal
from neuron_eval.scorers import simulation_correlation
from neuron_eval.simulation import ways
from neuron_eval.sources import open_source
from neuron_eval.sources.base import SourceError
from neuron_eval.tasks import explain as explain_module
from neuron_eval.tasks import formats, given, rate
from neuron_eval.testing import fake_embedder, fake_explainer, make_neuron
from neuron_eval.usage_error import UsageError


@pytest.mark.parametrize(
    ("parameters", "meant"),
    [
        ({"format": "sumary"}, "summary"),
        ({"format": "Highlight-Summary"}, "highlight_summary"),
        ({"simulation": "per-token"}, "per_token"),
        ({"simulation": "nono"}, "none"),
        ({"calibration": "liner"}, "linear"),
        ({"headline": "auprc_ranom"}, "auprc_random"),
        ({"select": "interpretible"}, "interpretable"),
        ({"on_short": "skipp"}, "skip"),
        ({"simulaton": "chat"}, "simulation"),
        ({"neurons": "smolm2"}, "smollm2"),
        ({"neurons": "openai:gpt2xl"}, "openai:gpt2-xl"),
    ],
)
def test_a_near_miss_is_named(parameters, meant):
    with pytest.raises(UsageError, match=rf"; did you mean {re.escape(meant)}\?"):
        explain_module.explain(**parameters)


def test_what_is_like_nothing_is_answered_with_what_is_allowed():
    with pytest.raises(UsageError, match=r"simulation='psychic': allowed are .*, none$"):
        formats.summary(simulation="psychic")
    assert near_miss(["psychic"], ("chat", "sparse")) == ""


def test_a_file_of_nearly_this_name_is_named(tmp_path):
    (tmp_path / "neurons.jsonl").touch()
    with pytest.raises(SourceError, match=r"no such file; did you mean neurons\.jsonl\?$"):
        open_source(str(tmp_path / "nuerons.jsonl"))


def test_parameters_that_there_are_not_are_refused_by_every_task():
    with pytest.raises(UsageError, match=r"-T exerpts: no such param.* did you mean excerpts\?"):
        rate.rate(explanations="x", exerpts="valid")
    with pytest.raises(UsageError, match="-T colum: no such parameter where explanations are giv"):
        given.given(explanations="reference", colum="x")
    assert "unknown" not in str(signature(formats.summary))


def test_a_key_of_a_pack_that_is_misspelt_is_named():
    with pytest.raises(PackError, match=r"unknown key\(s\) formts; .*did you mean formats\?$"):
        check_keys({"formts": 1}, "mine.yaml", required=set(), allowed={"name", "formats"})


def test_a_role_that_is_misspelt_is_named():
    roles = {"simulater": fake_embedder(lambda text: [1.0]).model}
    with pytest.raises(UsageError, match=r"--model-role simulater: .* did you mean simulator\?"):
        eval(
            formats.summary, model=fake_explainer("cats").model, model_roles=roles,
            run_samples=False,
        )  # fmt: skip


def test_inspect_score_says_what_is_wrong_with_the_scorers_parameters():
    spec = ScorerSpec(
        scorer=registry_info(simulation_correlation.simulation_correlation).name,
        args={"simulation": "sprase"},
    )
    with pytest.raises(PrerequisiteError, match=r"allowed are auto, .* did you mean sparse\?"):
        scorer_from_spec(spec, None, **spec.args)


@pytest.mark.parametrize(
    ("neuron", "excerpts", "advice"),
    [
        (make_neuron(), 9, "it has enough for excerpts=5"),
        (make_neuron(excerpts=8), 3, "it has enough for excerpts=2"),
        (
            make_neuron(excerpts=1),
            1,
            "even excerpts=1 needs 4 top and 3 random ones, and it has 1 and 1: record more",
        ),
    ],
)
def test_what_can_be_asked_of_a_short_neuron_is_reckoned(neuron, excerpts, advice):
    with pytest.raises(TooFewExcerptsError, match=f"; {advice}$"):
        deal(neuron, excerpts)


def test_messages_name_the_options_of_the_command():
    with click.Context(score):
        assert as_typed("use -T simulation=sparse or -T on_short=skip") == (
            "use --simulation sparse or on_short=skip"
        )
        assert as_typed("name one with --model-role simulator=P/M") == (
            "name one with --simulator P/M"
        )


def test_a_command_that_is_misspelt_is_named():
    result = CliRunner().invoke(main, ["reprot"])
    assert result.exit_code == 2
    assert "No such command 'reprot'; did you mean report?" in result.output


def test_there_is_a_list_of_formats_of_ways_and_of_sources():
    listed = {name: CliRunner().invoke(main, [name]).output for name in LISTS}
    first = {name: [line.split()[0] for line in text.splitlines()] for name, text in listed.items()}
    assert first["formats"] == list(format_names())
    assert first["ways"] == ["auto", "none", *ways()]
    assert re.search(r"^hub:ORG/NAME\[:SPLIT\] +a Hugging Face", listed["sources"], re.MULTILINE)
    for text in listed.values():
        assert all(re.match(r"\S.*? {2,}\S", line) for line in text.splitlines())


def test_a_provider_that_is_misspelt_is_named(tmp_path):
    words = ["reference", "--neurons", "smollm2", "--log-dir", str(tmp_path / "logs")]
    result = CliRunner().invoke(main, ["given", *words, "--simulator", "opnai/gpt-4o"])
    assert result.exit_code == 1
    assert re.search(
        r"Error: opnai/gpt-4o: .* not recognized; did you mean openai\?", result.output
    )
    words = ["--models", "antropic/claude", "--limit", "1", "--dry-run"]
    result = CliRunner().invoke(main, ["compare", *words])
    assert result.output.endswith("has; did you mean anthropic?\n")


def test_what_is_no_text_has_no_near_miss():
    with pytest.raises(InputError, match="allowed are"):
        formats.summary(simulation=["chat"])


LISTS = ("formats", "ways", "sources")
