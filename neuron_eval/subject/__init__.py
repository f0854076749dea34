"""The subject: the model that has the neuron, asked for its activations on any text.

It is an Inspect model, of the role ``subject``, so that Inspect's cache, transcript and concurrency
apply. `Subject` asks it; `neuron_eval.subject.exchange` is what both sides speak.
"""

from __future__ import annotations

from neuron_eval.subject.client import ROLE, Subject, resolve_subject
from neuron_eval.subject.exchange import NeuronPlace, SubjectError

__all__ = ["ROLE", "NeuronPlace", "Subject", "SubjectError", "resolve_subject"]
