"""People as raters: ``human/NAME`` is a model that answers by a page in a browser."""

from inspect_ai.model import ModelAPI, modelapi


@modelapi(name="human")
def human() -> type[ModelAPI]:
    """The provider ``human/NAME``; see ``neuron_eval.rating.human.provider``."""
    from neuron_eval.rating.human.provider import HumanRater

    return HumanRater
