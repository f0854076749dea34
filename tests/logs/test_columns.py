"""Inspect's dataframe of our logs, with the columns that say what was explained and how well."""

from dataclasses import replace

import pytest
from inspect_ai import eval
from inspect_ai.analysis import SampleSummary, samples_df
from inspect_ai.log import read_eval_log

from neuron_eval.logs.columns import explanation_columns
from neuron_eval.sources import schema
from neuron_eval.tasks import formats
from neuron_eval.testing import fake_embedder, fake_explainer, fake_simulator, make_neuron

# Inspect calls pandas in a way that pandas 3.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")

LONG = "words about cats, " * 100


def _cat(explanation, tokens):
    return [10 * (token == " cat") for token in tokens]


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Two neurons in two epochs; the second has no reference."""
    folder = tmp_path_factory.mktemp("columns")
    cat = replace(make_neuron("t/L2N7", layer=2, neuron=7), group="clear")
    dog = make_neuron("puzzle", " dog", layer=-1, neuron=-1, reference=None)
    schema.write(folder / "n.jsonl", [cat, dog])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSPECT_CACHE_DIR", str(folder / "cache"))
        (done,) = eval(
            formats.avhs(neurons=str(folder / "n.jsonl"), excerpts=2),
            model=fake_explainer(LONG).model,
            model_roles={
                "embedder": fake_embedder(lambda text: [float(len(text)), 1.0]).model,
                "simulator": fake_simulator(_cat).model,
            },
            epochs=2,
            log_dir=str(folder / "logs"),
            display="none",
        )
    assert done.status == "success", done.error
    return done.location


def test_a_sample_has_its_explanation_its_reference_and_its_scores_as_columns(log):
    frame = samples_df(log, columns=explanation_columns(), quiet=True)
    assert len(frame) == 4
    samples = {(s.id, s.epoch): s for s in read_eval_log(log).samples}
    cat = frame[frame["id"] == "t/L2N7"].iloc[1]
    assert dict(cat[["format", "subject", "layer", "neuron", "group", "epoch"]]) == {
        "format": "avhs", "subject": "t", "layer": 2, "neuron": 7, "group": "clear", "epoch": 2,
    }  # fmt: skip
    assert cat["explanation"] == samples["t/L2N7", 2].output.completion
    assert len(cat["explanation"]) > 1024
    assert (cat["reference"], cat["reference_source"]) == ("cats", "made for a test")
    scores = samples["t/L2N7", 2].scores
    assert cat["adacs"] == scores["adacs"].as_float()
    assert cat["simulation_correlation"] == scores["simulation_correlation"].as_float()
    assert (cat["simulation"], cat["embedder"]) == ("sparse", "neuron-fake/embedder")


def test_what_is_not_there_is_missing_and_says_why(log):
    frame = samples_df(log, columns=explanation_columns(), quiet=True)
    dog = frame[frame["id"] == "puzzle"].iloc[0]
    absent = dog[["layer", "neuron", "group", "reference", "reference_source", "adacs"]]
    assert absent.isna().all()
    assert dog["unscored"] == (
        "simulation_correlation: the simulated activations are all 0, so nothing can correlate; "
        "adacs: no reference explanation"
    )


def test_the_columns_go_together_with_inspects_own(log):
    frame = samples_df(log, columns=[*SampleSummary, *explanation_columns()], quiet=True)
    assert {"explanation", "reference", "total_time", "metadata_layer"} <= set(frame.columns)
    assert list(frame["layer"].dropna()) == [2, 2]
