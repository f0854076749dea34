"""What faults cost: requests for replies that cannot be read, and for samples tried again."""

import pytest
from inspect_ai import eval, eval_retry
from inspect_ai.model import get_model

from neuron_eval.sources import schema
from neuron_eval.tasks import formats
from neuron_eval.testing import make_neuron

from . import wire
from .catalogue import AT_MOST
from .server import MisbehavingServer, Misdeed

UNREADABLE = {
    "prose": wire.says("I would rather not."),
    "empty": wire.says(""),
    "half": wire.changed(wire.half),
    "no-numbers": wire.value(float("nan")),
}


def at(server, role, provider="openai-api/test"):
    return get_model(f"{provider}/{role}", base_url=server.url, api_key="x", memoize=False)


def run(server, folder, names, **parameters):
    path = folder / "neurons.jsonl"
    schema.write(path, [make_neuron(f"faults/{n}", neuron=i) for i, n in enumerate(names)])
    (log,) = eval(
        formats.summary(neurons=str(path), **parameters),
        model=at(server, "explainer"),
        model_roles={
            "simulator": at(server, "simulator"),
            "embedder": at(server, "embedder", "embed-openai"),
        },
        log_dir=str(folder / "logs"),
        fail_on_error=False,
        max_retries=0,
    )
    assert log.status == "success", log.error
    return log


@pytest.mark.parametrize("fault", UNREADABLE)
@pytest.mark.parametrize("way", ["chat", "sparse"])
def test_a_reply_that_cannot_be_read_costs_at_most_four_times_a_good_run(way, fault, tmp_path):
    with MisbehavingServer({"ill": Misdeed(UNREADABLE[fault])}) as server:
        log = run(server, tmp_path, ["ill", "well"], simulation=way, calibration="linear")
        good = sum(server.about("well").values())
        spoilt = sum(server.about("ill").values())
    assert not any(sample.error for sample in log.samples)
    assert good == {"chat": 6, "sparse": 4}[way]
    assert good < spoilt <= AT_MOST * good


def test_samples_that_failed_are_tried_again_by_themselves(tmp_path):
    names = ["broken", "refused", "well"]
    refusal = wire.message(content=None, refusal="I cannot help with that.")
    misdeeds = {"broken": Misdeed(wire.status(500, "oh no")), "refused": Misdeed(refusal)}
    with MisbehavingServer(misdeeds, "explainer") as server:
        first = run(server, tmp_path, names, simulation="none", excerpts=2)
        broken = {sample.id: sample.error is not None for sample in first.samples}
        assert broken == {"faults/broken": True, "faults/refused": False, "faults/well": False}
        server.behave()
        (again,) = eval_retry(first, log_dir=str(tmp_path / "logs"), fail_on_error=False)
        assert again.status == "success", again.error
        # The question before an eval is about no neuron.
        assert [request.name for request in server.requests if request.name] == ["broken"]
    values = {sample.id: sample.scores["adacs"].as_float() for sample in again.samples}
    assert values["faults/well"] == first.samples[2].scores["adacs"].as_float() > 0
    assert values["faults/refused"] == 0
    assert values["faults/broken"] > 0
