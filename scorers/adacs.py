"""`adacs`: how near is the explanation to a reference explanation?"""

from inspect_ai.scorer import Score, Scorer, Target, mean, scorer
from inspect_ai.solver import TaskState

from neuron_eval.embedding.embedder import TextEmbedder, cosine, resolve_embedder
from neuron_eval.explain.solvers import bad_explanation
from neuron_eval.metrics import interval
from neuron_eval.models.server_errors import about_neuron, model_errors


@scorer(metrics=[mean(), interval()])
def adacs() -> Scorer:
    """Cosine similarity of the embeddings of explanation and reference (Lee et al. 2023).

    The value is in [-1, 1]; both texts are embedded as they are. The embedder is the model role
    ``embedder``. A neuron without a reference is unscored. An empty or refused explanation
    scores 0, with the reason.

    It rewards naming words: of the bundled references, said again as a list of words and as a right
    sentence without examples, the list gets .16 more (docs/study.md). So it compares explanations
    of one style, and can prefer a list that understands nothing. It also rewards near misses: false
    explanations in the references' style, of neighbouring words, get .12 more than those right
    sentences. It never looks at the neuron: what the reference gets wrong it does not notice.

    The metadata hold the mean cosine with other neurons' references: the level that an unrelated
    explanation reaches, without which the value says little.
    """

    async def score(state: TaskState, target: Target) -> Score:
        explanation, reference = state.output.completion, target.text
        if not reference:
            return Score.unscored(
                reason="no reference explanation",
                answer=explanation,
                explanation="Not scored: the neuron has no reference explanation.",
            )
        if (bad := bad_explanation(state.output)) is not None:
            return bad
        others: list[str] = (state.metadata or {}).get("unrelated_references", [])
        embedder = TextEmbedder(resolve_embedder())
        with about_neuron(state.sample_id), model_errors("embedder", embedder.model):
            vectors = {
                **await embedder.embed([reference, *others]),
                **await embedder.embed([explanation]),
            }
        value = cosine(vectors[explanation], vectors[reference])
        levels = [cosine(vectors[explanation], vectors[other]) for other in others]
        level = sum(levels) / len(levels) if levels else None
        beside = "" if level is None else f"; other neurons' references reach {level:.3f}"
        return Score(
            value=value,
            answer=explanation,
            explanation=f"cosine with the reference {value:.3f}{beside}.",
            metadata={
                "reference": reference,
                "embedder": str(embedder.model),
                "unrelated_mean": level,
                "unrelated_references": len(others),
            },
        )

    return score
