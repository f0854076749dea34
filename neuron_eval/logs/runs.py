"""What a report is made of: runs, and what each says of each neuron."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from neuron_eval.records import ActivationRecord

EXPLAINER = "explainer"
"""The role of the model that explains; others have the name of their Inspect model role."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Requests and tokens of one model in one role."""

    model: str
    """The model's name."""

    role: str
    """``explainer``, ``simulator``, ``embedder``, …"""

    requests: int = 0
    """Requests that were answered, those from Inspect's cache included."""

    cached: int = 0
    """How many of them came from Inspect's cache and cost nothing."""

    retries: int = 0
    """Requests that the provider refused and that were sent again."""

    input_tokens: int = 0
    """Prompt tokens charged at the full rate, requests from Inspect's cache left out."""

    output_tokens: int = 0
    """Tokens generated."""

    cache_read_tokens: int = 0
    """Prompt tokens that the provider had cached."""

    cache_write_tokens: int = 0
    """Prompt tokens that the provider wrote to its cache."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """A held-out excerpt: its tokens, the truth and what was simulated, each of shape [T]."""

    excerpt: str
    """Its name in the record, for instance ``top 2``."""

    record: ActivationRecord
    """Tokens and true raw activations."""

    expected: tuple[float, ...]
    """Simulated activations, in the simulator's units."""


@dataclass(frozen=True, slots=True)
class NeuronResult:
    """What one run says of one neuron, over all epochs."""

    id: str
    """The sample's id."""

    layer: int
    """The neuron's layer; -1 where it is not part of a network."""

    group: str
    """The set that the neuron was picked for; may be empty."""

    explanation: str
    """The explanation; the first epoch's."""

    reference: str = ""
    """The reference explanation, or nothing."""

    epochs: int = 1
    """How often the neuron was explained."""

    scores: Mapping[str, float] = field(default_factory=dict)
    """By scorer: the mean over the epochs that were scored; a scorer that measured nothing is
    not among them."""

    scores_of_text: Mapping[str, float] | None = None
    """The same over the epochs that explained the neuron as `explanation` says; None if all did."""

    unscored: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By scorer: the reason of each epoch that was not scored."""

    prompt_tokens: float | None = None
    """The explainer's prompt, mean over epochs; None if its provider reports none."""

    excerpts_scored: int = 0
    """Held-out excerpts with values, over all epochs."""

    excerpt_failures: tuple[str, ...] = ()
    """Why each held-out excerpt without values has none, over all epochs."""

    errors: tuple[str, ...] = ()
    """What broke, of each epoch that ended in an error."""

    retries: int = 0
    """How often the whole sample was run again after an error."""

    cut_off: int = 0
    """Epochs in which the explainer's reply stopped at ``max_tokens``."""

    unrelated: float | None = None
    """AdaCS with other neurons' references, mean; None if there are none."""

    predicted: tuple[Predicted, ...] = ()
    """The held-out excerpts of the first epoch, if they were asked for."""


@dataclass(frozen=True, slots=True)
class Run:
    """One log: a prompt format, its models, and the neurons."""

    log: str
    """Where the log is."""

    created: str
    """When it was begun, ISO 8601; later is greater."""

    format: str
    """The prompt format, or the column of explanations from elsewhere."""

    explainer: str
    """The model that explained."""

    simulator: str
    """The model that simulated, with the way; empty if none did."""

    embedder: str
    """The model that AdaCS embedded with; empty if none did."""

    neurons: str
    """The source of the neurons."""

    version: str
    """The task's version, ``N-X``; scores of different N cannot be compared."""

    identity: str
    """All settings that a score depends on; equal for what was run twice."""

    results: Mapping[str, NeuronResult]
    """By sample id."""

    spent: tuple[Spent, ...] = ()
    """Requests and tokens, by role and model."""

    given: bool = False
    """Whether the explanations come from elsewhere, and nothing was explained."""

    neurons_skipped: int = 0
    """Neurons left out for having too few excerpts or nothing to explain, or missing."""
