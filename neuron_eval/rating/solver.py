"""The solvers of the task `rate`: a neuron's question, asked of the rater or only written down."""

from __future__ import annotations

from inspect_ai.model import get_model
from inspect_ai.solver import Generate, Solver, TaskState, solver

from neuron_eval.models.edge import guarded
from neuron_eval.models.server_errors import about_neuron
from neuron_eval.parameters import check_choice, check_number
from neuron_eval.prompts.pack import load_pack
from neuron_eval.rating.asking import ask, is_person
from neuron_eval.rating.build import (
    Candidate,
    candidates,
    in_order,
    messages,
    question,
    rating_wording,
)
from neuron_eval.rating.judging import STORE, Turn
from neuron_eval.rating.question import Question
from neuron_eval.records.splits import from_metadata
from neuron_eval.usage_error import usage_errors

EXCERPTS = ("train", "valid")


@solver
def ask_rater(
    excerpts: str = "train", orders: int = 1, seed: int = 0, pack: str | None = None
) -> Solver:
    """Ask the model, or the person, to rate the sample's explanations and to choose the best.

    A person is asked once. A language model is asked at temperature 0 unless the user says
    otherwise, once an order, and again up to twice where its answer cannot be used. What comes of
    it is kept in the sample's store; messages and output are those of the first order.

    Args:
        excerpts: ``train`` shows the excerpts that the explainer saw, ``valid`` those held out.
        orders: In how many orders a language model sees the explanations.
        seed: What orders are drawn by, with neuron and rater.
        pack: A prompt pack (YAML file) to use instead of the bundled one.

    Raises:
        UsageError: A parameter is not among the allowed values, or the pack is bad.
    """
    return _solver(excerpts, orders, seed, pack, asks=True)


@solver
def put_question(excerpts: str = "train", seed: int = 0, pack: str | None = None) -> Solver:
    """Write down the question that the rater is to be asked, and ask nobody.

    The sample gets the messages that `ask_rater` sends first, and in its store one turn without an
    answer. The scorer `rating` takes the answer from a file.

    Args:
        excerpts: See `ask_rater`, as are ``seed`` and ``pack``.
        seed: What the order is drawn by, with neuron and rater.
        pack: A prompt pack.

    Raises:
        UsageError: A parameter is not among the allowed values, or the pack is bad.
    """
    return _solver(excerpts, 1, seed, pack, asks=False)


def _solver(excerpts: str, orders: int, seed: int, pack: str | None, *, asks: bool) -> Solver:
    with usage_errors():
        check_number("orders", orders, least=1)
        check_choice("excerpts", excerpts, EXCERPTS)
        check_number("seed", seed, least=0)
        loaded = load_pack(pack)
        wording = rating_wording(loaded)

    def shown(state: TaskState, rater: str, number: int) -> tuple[list[Candidate], Question]:
        """The sample's explanations in the rater's order, and the question that shows them so."""
        metadata, id_ = state.metadata, str(state.sample_id)
        planted = metadata.get("planted") or {}
        every = candidates(metadata["explanations"], planted.get("explanation"))
        order = in_order(every, seed, id_, rater, number)
        return order, question(id_, from_metadata(metadata, id_), order, excerpts, wording)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        model = guarded(get_model())
        rater = str(model)
        turns: list[Turn] = []
        for number in range(1 if is_person(rater) else orders):
            order, asking = shown(state, rater, number)
            if asks:
                with about_neuron(state.sample_id):
                    turn, exchange, output = await ask(model, order, asking, wording)
            else:
                turn, exchange, output = Turn(tuple(order)), messages(asking, wording), state.output
            turns.append(turn)
            if number == 0:
                state.messages, state.output = exchange, output
        stored = {
            "rater": rater,
            "excerpts": excerpts,
            "pack": loaded.name,
            "pack_sha256": loaded.sha256,
            "turns": [turn.to_json() for turn in turns],
        }
        state.store.set(STORE, stored)
        return state

    return solve
