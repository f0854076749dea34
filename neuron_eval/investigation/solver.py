"""The solver `investigate`."""

from dataclasses import asdict
from typing import get_args

from inspect_ai.event import ModelEvent
from inspect_ai.log import transcript
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.solver import Generate, Solver, TaskState, solver

from neuron_eval.explain.prompting import CUTOFF_QUANTILE, cutoff, opening_phrases
from neuron_eval.explain.solvers import NOT_GIVEN, bad_explanation, explain
from neuron_eval.formats.base import Shown
from neuron_eval.generating.measuring import ignored_tokens, ignoring
from neuron_eval.investigation.experiment import Investigation, Protocol
from neuron_eval.investigation.protocols import (
    Setting,
    choose_protocol,
    investigate_by_tools,
    investigate_plainly,
)
from neuron_eval.parameters import check_choice, check_number
from neuron_eval.prompts.pack import load_pack
from neuron_eval.records import ActivationRecord
from neuron_eval.records.splits import from_metadata
from neuron_eval.subject.exchange import NeuronPlace, SubjectError, resolve_subject
from neuron_eval.usage_error import usage_errors

ROUNDS = 3
TEXTS = 5
PROTOCOLS = ("auto", *get_args(Protocol))


@solver
def investigate(
    format: str = "summary",
    rounds: int = ROUNDS,
    texts: int = TEXTS,
    protocol: str = "auto",
    cutoff_quantile: int = CUTOFF_QUANTILE,
    pack: str | None = None,
) -> Solver:
    """Explain the sample's neuron with a format, then test and revise the explanation.

    The model role ``subject`` says how the neuron responds to the texts that the explainer writes.
    The last explanation becomes the output's completion; the sample's store says what was tested,
    as ``investigation``. If the subject fails, nothing is measured: every scorer leaves the neuron
    unscored, with the reason. Inspect's limits hold (``--token-limit``, ``--message-limit``): a
    neuron that reaches one keeps its last explanation.

    Args:
        format: The prompt format to begin with.
        rounds: Experiments, at most. 2 requests each, or 1 by tools.
        texts: Texts of each experiment, at most. They are cut to 300 characters. In plain messages
            only those count that are new.
        protocol: ``tools`` lets the explainer call a tool, in Inspect's `react` agent; ``plain``
            asks in messages; ``auto`` decides by the model's provider.
        cutoff_quantile: See `neuron_eval.explain.solvers.explain`.
        pack: A prompt pack (YAML file) to use instead of the bundled one.

    Raises:
        UsageError: A parameter is not among the allowed values, there is no subject, it has not
            the neuron, or the pack words no investigation.
    """
    with usage_errors():
        check_number("rounds", rounds, least=1)
        check_number("texts", texts, least=1)
        check_choice("protocol", protocol, PROTOCOLS)
        start = explain(format, cutoff_quantile, pack)
        wording = load_pack(pack)
        words = wording.investigation_wording()
        phrases = opening_phrases(format, wording)
        # Also with the neuron by its name, which is common after some talk of its responses.
        named = (f"the neuron {phrase[3:]}" for phrase in phrases if phrase.startswith("it "))
        openings = (*phrases, *named)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        dealt = from_metadata(state.metadata, state.sample_id)
        subject = resolve_subject()
        with usage_errors():
            place = NeuronPlace.of(dealt.neuron)
            subject.check(place)
        state = await start(state, generate)
        if bad_explanation(state.output) is not None:
            return state

        ignored = ignored_tokens(dealt)

        async def run(texts: tuple[str, ...]) -> list[ActivationRecord]:
            records = await subject.activations(place, texts)
            return [ignoring(record, ignored) for record in records]

        shown = Shown(dealt.shown, cutoff(dealt.neuron, dealt.shown, cutoff_quantile))
        of_format = wording.wording(format)
        setting = Setting(format, shown, of_format, words, openings, rounds, texts, run)
        log = Investigation(*choose_protocol(protocol, get_model()), state.output.completion)
        try:
            if log.protocol == "tools":
                state.output = await investigate_by_tools(state, setting, log)
            else:
                state.output = await investigate_plainly(state, generate, setting, log)
        except SubjectError as error:
            log.stopped = f"the subject failed: {error}"
            reason = {NOT_GIVEN: log.stopped}
            state.output = ModelOutput(model=str(state.model), metadata=reason)
        finally:
            state.store.set("investigation", asdict(log))
            state.output.usage = explainer_usage()
        return state

    return solve


def explainer_usage() -> ModelUsage:
    """What the explainer read and wrote for the running sample, in all its requests."""
    events = (e for e in transcript().events if isinstance(e, ModelEvent) and e.role is None)
    return sum((e.output.usage for e in events if e.output.usage), ModelUsage())
