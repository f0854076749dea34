"""The solver of the task `rate`: puts a neuron's question to the rater, in one order or several."""

from __future__ import annotations

from inspect_ai.model import get_model
from inspect_ai.solver import Generate, Solver, TaskState, solver

from neuron_eval.dealt import from_metadata
from neuron_eval.parameters import check_choice, check_number
from neuron_eval.prompts.pack import load_pack
from neuron_eval.rating.asking import ask, is_person
from neuron_eval.rating.build import candidates, in_order, question
from neuron_eval.rating.prompt import rating_wording
from neuron_eval.rating.turns import STORE, Turn
from neuron_eval.usage_error import usage_errors

EXCERPTS = ("train", "valid")


@solver
def ask_rater(
    excerpts: str = "train", orders: int = 1, seed: int = 0, pack: str | None = None
) -> Solver:
    """Ask the model, or the person, to rate the sample's explanations and to choose the best.

    A person is asked once. A language model is asked at temperature 0 unless the user says
    otherwise, once an order, and again up to twice where its answer cannot be used. What was said
    is kept in the sample's store; messages and output are those of the first order.

    Args:
        excerpts: ``train`` shows the excerpts that the explainer saw, ``valid`` those held out.
        orders: In how many orders a language model sees the explanations.
        seed: What orders are drawn by, with neuron and rater.
        pack: A prompt pack (YAML file) to use instead of the bundled one.

    Raises:
        UsageError: A parameter is not among the allowed values, or the pack is bad.
    """
    with usage_errors():
        check_choice("excerpts", excerpts, EXCERPTS)
        check_number("orders", orders, least=1)
        check_number("seed", seed, least=0)
        loaded = load_pack(pack)
        wording = rating_wording(loaded)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        model, metadata = get_model(), state.metadata
        rater, id_ = str(model), str(state.sample_id)
        dealt = from_metadata(metadata, id_)
        planted = metadata.get("planted") or {}
        found = candidates(metadata["explanations"], planted.get("explanation"))
        turns: list[Turn] = []
        for number in range(1 if is_person(rater) else orders):
            order = in_order(found, seed, id_, rater, number)
            asked = question(id_, dealt, order, excerpts, wording)
            turn, messages, output = await ask(model, order, asked, wording)
            turns.append(turn)
            if number == 0:
                state.messages, state.output = messages, output
        state.store.set(
            STORE,
            {
                "rater": rater,
                "excerpts": excerpts,
                "pack": loaded.name,
                "pack_sha256": loaded.sha256,
                "turns": [turn.to_json() for turn in turns],
            },
        )
        return state

    return solve
