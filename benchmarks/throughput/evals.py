"""The same work by Inspect: through this package, and by a solver and a scorer that do no more."""

from __future__ import annotations

from typing import Any

from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessage, ChatMessageUser, GenerateConfig, get_model
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer
from inspect_ai.solver import generate
from inspect_ai.util import collect

from neuron_eval.dataset import neuron_set
from neuron_eval.explain.prompting import cutoff, explainer_prompt
from neuron_eval.explain.solvers import chat_messages
from neuron_eval.formats.base import Shown
from neuron_eval.prompts.pack import default_pack
from neuron_eval.records.splits import DealtNeuron
from neuron_eval.simulation.all_at_once import all_at_once_prompt
from neuron_eval.simulation.packing import grouped
from neuron_eval.simulation.sparse import EXCERPTS_PER_CALL, SparseSimulation, sparse_prompt
from neuron_eval.tasks.formats import summary

PACK = default_pack()
EXPLAINER = "openai-api/fixed/explainer"
SIMULATORS = {
    "all_at_once": "openai-api-completions/fixed/simulator",
    "sparse": "openai-api/fixed/simulator",
    "embedding": "embed-openai/embedder",
}
EXPLANATION = "{the explanation}"

Request = tuple[list[ChatMessage], GenerateConfig]

REQUESTS: dict[str, list[Request]] = {}
"""Of each sample what its scorer asks; as the scorer's argument it would be in every event."""


def ours(way: str, neurons: str, connections: int, log_dir: str) -> int:
    """Explain and score by this package; how many have a score."""
    return _scored(summary(neurons=neurons, simulation=way, check=False), way, connections, log_dir)


def inspect_alone(way: str, neurons: str, connections: int, log_dir: str) -> int:
    """Make the requests that `ours` makes, and look at no reply."""
    samples = []
    for neuron in neuron_set(neurons).neurons:
        dealt, own = neuron.dealt, neuron.identity
        shown = Shown(dealt.shown, cutoff(dealt.neuron, dealt.shown))
        messages = chat_messages(explainer_prompt("summary", shown, PACK))
        target = own.reference.explanation if own.reference else ""
        samples.append(Sample(id=dealt.neuron.id, input=messages, target=target))
        REQUESTS[dealt.neuron.id] = simulator_requests(way, dealt)
    task = Task(
        MemoryDataset(samples),
        solver=generate(),
        scorer=requests_only(),
        config=GenerateConfig(temperature=1.0, top_p=1.0, max_tokens=60),
    )
    return _scored(task, way, connections, log_dir)


def simulator_requests(way: str, dealt: DealtNeuron) -> list[Request]:
    tokens = [excerpt.record.tokens for excerpt in dealt.valid]
    wording = PACK.simulation[way]
    if way == "sparse":
        return [
            (
                sparse_prompt(EXPLANATION, part, wording),
                GenerateConfig(temperature=0.0, max_tokens=SparseSimulation.room(part)),
            )
            for part in grouped(tokens, EXCERPTS_PER_CALL)
        ]
    config = GenerateConfig(
        temperature=0.0, max_tokens=0, logprobs=True, top_logprobs=15, extra_body={"echo": True}
    )
    prompts = (all_at_once_prompt(EXPLANATION, each, wording, PACK.few_shot) for each in tokens)
    return [([ChatMessageUser(content="".join(parts))], config) for parts in prompts]


@scorer(metrics=[mean()])
def requests_only() -> Scorer:
    """Ask the simulator and the embedder."""

    async def score(state: Any, target: Target) -> Score:
        simulator, embedder = get_model(role="simulator"), get_model(role="embedder")
        explanation = state.output.completion

        def stated(message: ChatMessage) -> ChatMessage:
            text = message.text.replace(EXPLANATION, explanation)
            return message.model_copy(update={"content": text})

        await collect(
            *(
                simulator.generate([stated(m) for m in messages], config=config)
                for messages, config in REQUESTS[str(state.sample_id)]
            )
        )
        output = await embedder.generate([ChatMessageUser(content=explanation)])
        (output.metadata or {}).clear()  # or each log would hold the vectors
        return Score(value=1.0)

    return score


def _scored(task: Task, way: str, connections: int, log_dir: str) -> int:
    (log,) = eval(
        task,
        model=EXPLAINER,
        model_roles={"simulator": SIMULATORS[way], "embedder": "embed-openai/embedder"},
        max_connections=connections,
        max_samples=connections,
        log_dir=log_dir,
        display="none",
    )
    assert log.results, log.error and log.error.message
    return log.results.scores[0].scored_samples or 0
