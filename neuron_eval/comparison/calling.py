"""The command `compare` as a function: the same arguments, and no questions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from inspect_ai.log import EvalLog

from neuron_eval.comparison import running
from neuron_eval.comparison.plan import planned
from neuron_eval.comparison.present import counted_neurons, estimated, too_dear
from neuron_eval.comparison.sampling import run_until
from neuron_eval.files.locking import alone_in
from neuron_eval.messages import InputError
from neuron_eval.preflight.asking import command_check
from neuron_eval.reporting.cost import SHIPPED, rates_of
from neuron_eval.reporting.notebook import Report, reported
from neuron_eval.task import Parameters


class UnfinishedError(RuntimeError):
    """Some samples failed; the same call goes on with them, and asks for nothing twice."""


def compare(
    models: str | Sequence[str],
    *,
    formats: str | Sequence[str] | None = None,
    simulator: str | None = None,
    embedder: str | None = None,
    epochs: int = 1,
    retries: int = 2,
    max_connections: int | None = None,
    max_tasks: int | None = None,
    batch: bool | int | str | None = None,
    until: float | None = None,
    log_dir: str = "logs/compare",
    out: str | Path | None = None,
    prices: str | Path | None = SHIPPED,
    confirm_over: float = 5.0,
    yes: bool = False,
    controls: bool = False,
    **parameters: Unpack[Parameters],
) -> Report:
    """Explain the same neurons with several prompt formats and models, and report.

    Called again with the same arguments, it goes on where it stopped.

    >>> from neuron_eval import compare
    >>> result = compare("neuron-baseline/lexical", formats="summary,avhs", limit=3)
    >>> result["scores"][["run", "neurons", "AdaCS"]].round(3)
           run  neurons  AdaCS
    0  summary        3  0.657
    1     avhs        3  0.692

    Args:
        models: Explainers, such as ``openai/gpt-4.1-mini``.
        formats: Prompt formats; None is all that the pack words.
        simulator: The model that simulates; None is the explainer itself.
        embedder: The model that embeds.
        epochs: Times explained.
        retries: How often failed samples are tried again.
        max_connections: Requests at once to a provider.
        max_tasks: Formats at once; None is all, but one with a server on this machine.
        batch: Whether requests go out in batches where a provider has them, so many in one, or a
            YAML file of Inspect's settings for that.
        until: To how much each mean score is to be known, such as 0.02: see the command.
        log_dir: A folder for the logs of this comparison alone.
        out: A folder to write the report to, too.
        prices: A YAML file with dollars per million tokens by model; ``example`` are those that
            ship, None is no file.
        confirm_over: More dollars than that are not spent without ``yes``.
        yes: Whether to go on whatever it costs, and where nobody knows what.
        controls: Whether reference, lexical, generic and shuffled explanations are scored too.
        **parameters: Those of the tasks, such as ``neurons`` and ``limit``.

    Raises:
        InputError: An argument cannot be used, or the cost needs ``yes``; the message says which.
        UnfinishedError: Some samples failed.
    """
    check = parameters.pop("check", True)  # no setting of the logs
    options: dict[str, Any] = {
        "formats": formats, "models": models, "simulator": simulator, "embedder": embedder,
        "controls": controls, "batch": batch, "until": until, **parameters,
    }  # fmt: skip
    if unknown := set(parameters) - set(Parameters.__annotations__):
        raise TypeError(f"compare() got an unexpected keyword argument {sorted(unknown)[0]!r}")
    places = [place for place in (log_dir, out) if place is not None]
    with alone_in(*places), command_check(check, "check=False"):
        plan, pack = planned(options, epochs)
        counted = counted_neurons(plan, pack, may_fetch=True)
        cost, _ = estimated(plan, pack, counted, log_dir, rates_of(prices))
        if not yes and (why := too_dear(cost, confirm_over, "confirm_over")):
            raise InputError(f"{why} Pass yes=True to go on.")

        def run(neurons: Sequence[str] | None = None) -> list[EvalLog]:
            logs = running.run(
                plan, log_dir, retries=retries, max_connections=max_connections,
                max_tasks=max_tasks, neurons=neurons,
            )  # fmt: skip
            if left := running.unfinished(logs):
                raise UnfinishedError("\n".join(left))
            return logs

        run_until(plan, counted, run)
        baseline = "original" if "original" in plan.formats else plan.formats[0]
        return reported([log_dir], Path(out) if out else None, baseline, prices=prices)
