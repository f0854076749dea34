"""Evals against the misbehaving server: one with its faults, and a second one without."""

import csv
from collections import Counter
from dataclasses import dataclass

from inspect_ai import eval
from inspect_ai.log import read_eval_log
from inspect_ai.model import GenerateConfig, get_model

from neuron_eval.records import ActivationRecord, NeuronRecord, Reference
from neuron_eval.records.checks import check_record
from neuron_eval.sources import schema
from neuron_eval.tasks import formats
from neuron_eval.tasks.given import given
from neuron_eval.tasks.rate import rate

from .catalogue import RETRIES, SIMULATORS
from .server import MisbehavingServer, Misdeed, explanation_of

WELL = ("well-one", "well-two")
"""Neurons that no fault is about."""

REFERENCE = "the word cat"
TOKENS = 4
"""Tokens of an excerpt; two excerpts are held out."""

ATTEMPT_SECONDS = 2
"""For a server that trickles."""


@dataclass(frozen=True)
class Requests:
    """What the server was asked in one run."""

    about: dict[str, Counter[str]]
    """By neuron, the bodies, each with how often it came."""

    answered: frozenset[str]
    """The bodies that were answered as a good model would, the last time they came."""


@dataclass(frozen=True)
class Runs:
    """Two runs with the same cache: the server misbehaves in the first, not in the second."""

    address: str
    first: object
    """The log, read back from its file; likewise the second."""
    second: object
    asked: Requests
    asked_again: Requests

    def sample(self, name, again=False):
        log = self.second if again else self.first
        (found,) = (sample for sample in log.samples or [] if sample.id == f"faults/{name}")
        return found


def run_twice(role, faults, folder):
    """An eval with a sample a fault and the well ones, and another after the server's mending."""
    names = [*(fault.name for fault in faults), *WELL]
    misdeeds = {fault.name: Misdeed(fault.spoil, fault.first) for fault in faults}
    make = _task(role, names, folder)
    server_role = "simulator" if role in SIMULATORS else role
    with MisbehavingServer(misdeeds, server_role, refuses=names[0] == "refused") as server:
        first, asked = _run(role, make, server, folder, slow=names[0] == "slow"), _requests(server)
        server.listen()
        server.behave()
        second = _run(role, make, server, folder)
        return Runs(server.url, first, second, asked, _requests(server))


def _run(role, make, server, folder, slow=False):
    config = GenerateConfig(attempt_timeout=ATTEMPT_SECONDS if slow else None)

    def model(name, provider="openai-api/test"):
        return get_model(
            f"{provider}/{name}", base_url=server.url, api_key="x", memoize=False, config=config
        )

    provider = "openai-api-completions/test" if role == "all_at_once" else "openai-api/test"
    roles = {"embedder": model("embedder", "embed-openai")}
    if role == "explainer" or role in SIMULATORS:
        roles["simulator"] = model("simulator", provider)
    (log,) = eval(
        make(),
        model=model(role) if role in ("explainer", "rater") else "none",
        model_roles={} if role == "rater" else roles,
        log_dir=str(folder / "logs"),
        fail_on_error=False,
        max_retries=RETRIES,
        cache=True,
    )
    return read_eval_log(log.location)


def _requests(server):
    names = {request.name for request in server.requests}
    last = {request.body: request.answered for request in server.requests}
    return Requests(
        {name: server.about(name) for name in names},
        frozenset(body for body, answered in last.items() if answered),
    )


def _task(role, names, folder):
    neurons, table = folder / "neurons.jsonl", folder / "said.csv"
    schema.write(neurons, [_neuron(name, i) for i, name in enumerate(names)])
    with table.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["layer", "neuron", "right", "wrong"])
        writer.writerows([0, i, explanation_of(name), "dogs"] for i, name in enumerate(names))
    if role == "rater":
        return lambda: rate(explanations=str(table), neurons=str(neurons))
    simulation = {"explainer": "sparse", "embedder": "none"}.get(role, role)
    chosen = {
        "neurons": str(neurons), "excerpts": 1, "simulation": simulation, "calibration": "none"
    }  # fmt: skip
    if role == "explainer":
        return lambda: formats.summary(**chosen)
    return lambda: given(explanations=str(table), column="right", **chosen)


def _neuron(name, index):
    def record(kind, number):
        fires = kind == "top" or number % 3 == 1
        word, level = (" cat", 3.0) if fires else (" dog", 0.0)
        tokens = (f"{kind}{number}", f" of faults/{name}", word, " sat")
        return ActivationRecord(tokens, (0.0, 0.0, level, 0.0))

    return check_record(
        NeuronRecord(
            id=f"faults/{name}",
            model="faults",
            layer=0,
            neuron=index,
            top=tuple(record("top", i) for i in range(20)),
            random=tuple(record("random", i) for i in range(20)),
            quantiles=(0.5, 0.9, 0.99),
            quantile_boundaries=(0.0, 1.0, 2.0),
            reference=Reference(REFERENCE, "made for a test"),
        ),
        "tests",
    )
