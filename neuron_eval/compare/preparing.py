"""From what the user typed to a plan and an estimate: what is read before anything is asked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from neuron_eval.compare.counting import Counted, count
from neuron_eval.compare.estimate import Estimate, estimate
from neuron_eval.compare.plan import READING, Plan, make_plan, named, provider
from neuron_eval.compare.present import assumptions
from neuron_eval.compare.remote import expected, is_elsewhere, stand_in
from neuron_eval.compare.running import find_done
from neuron_eval.dataset import NeuronSet, neuron_set
from neuron_eval.embedding.embedder import HOSTED_DEFAULT, LOCAL_DEFAULT
from neuron_eval.formats import worded_formats
from neuron_eval.messages import InputError
from neuron_eval.models.tokencount import counter
from neuron_eval.prompts.pack import load_pack
from neuron_eval.prompts.wording import Pack
from neuron_eval.report.prices import price_of, read_prices


def planned(asked: Mapping[str, Any], epochs: int) -> tuple[Plan, Pack]:
    """The plan and its prompt pack.

    Args:
        asked: The command's options by name; None where one was left out.
        epochs: How often each neuron is explained.

    Raises:
        ValueError: See `neuron_eval.compare.plan.make_plan`; or Inspect knows no such provider.
    """
    roles = ("formats", "models", "simulator", "embedder")
    parameters = {name: value for name, value in asked.items() if name not in roles}
    for name in ("layers", "index"):
        if parameters.get(name):
            parameters[name] = ",".join(parameters[name])
    if parameters.get("ignore_tokens"):
        parameters["ignore_tokens"] = list(parameters["ignore_tokens"])
    if str(parameters.get("window") or "").isdecimal():
        parameters["window"] = int(parameters["window"])
    pack, formats = load_pack(parameters.get("pack")), asked.get("formats")
    plan = make_plan(
        formats=worded_formats(pack) if formats is None else formats,
        models=asked.get("models") or (),
        simulator=asked.get("simulator"),
        embedder=asked.get("embedder"),
        epochs=epochs,
        parameters=named(parameters),
    )
    _check_providers((*plan.models, *plan.roles.values()))
    return plan, pack


def estimated(
    plan: Plan, pack: Pack, log_dir: str, prices: Path | None, *, may_fetch: bool
) -> tuple[Estimate, list[str]]:
    """What the comparison will take, and the sentences that belong to it.

    Args:
        plan: The comparison.
        pack: Its prompt pack.
        log_dir: Where an earlier run may have left logs.
        prices: A file of prices.
        may_fetch: Whether neurons that are not on this machine may be fetched to count them;
            if not, others stand in.

    Raises:
        ValueError: The neurons, the pack or the prices cannot be used.
        OSError: A file cannot be read.
    """
    known = read_prices(prices) if prices else None
    default = HOSTED_DEFAULT if os.environ.get("OPENAI_API_KEY") else LOCAL_DEFAULT
    embedder = plan.embedder or default
    counted = _counted(plan, pack, embedder, may_fetch)
    done = find_done(log_dir, plan)
    found = estimate(plan, pack, counted, done, lambda model: price_of(model, known), embedder)
    notes = assumptions(plan, pack, counted, found)
    if done.others:
        notes.append(
            f"{log_dir} holds {len(done.others)} logs of other settings, such as "
            f"{done.others[0]}; a comparison needs a --log-dir of its own."
        )
    return found, notes


def _check_providers(models: Iterable[str]) -> None:
    """Refuse a misspelt provider before anything is counted; Inspect would break off later."""
    from neuron_eval.inspect_private import has_provider

    for model in models:
        name = provider(model)
        if not has_provider(name):
            raise InputError(f"{model}: {name} is no provider that Inspect or a plugin of it has")


def _counted(plan: Plan, pack: Pack, embedder: str, may_fetch: bool) -> Counted:
    def counts(chosen: NeuronSet) -> Counted:
        return count(chosen, plan, pack, counter, embedder)

    if not may_fetch and is_elsewhere(plan.choice):
        return stand_in(plan, expected(plan.choice), counts)
    reading = {name: plan.parameters[name] for name in READING if name in plan.parameters}
    return counts(neuron_set(plan.choice, **reading))
