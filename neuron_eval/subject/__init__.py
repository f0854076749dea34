"""The subject: the model that has the neuron, asked for its activations on any text.

It is an Inspect model, of the role ``subject``, so that Inspect's cache, transcript and concurrency
apply. `Subject` asks it, see `neuron_eval.subject.exchange`. The provider
``neuron-subject/NAME`` runs a Hugging Face model (extra ``record``).
"""

from inspect_ai.model import ModelAPI, modelapi


@modelapi(name="neuron-subject")
def neuron_subject() -> type[ModelAPI]:
    from neuron_eval.subject.provider import NeuronSubject

    return NeuronSubject
