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
    role: str
    requests: int = 0  # those that Inspect's cache answered included
    cached: int = 0  # how many of them Inspect's cache answered, so that they cost nothing
    retries: int = 0  # requests that the provider refused and that were sent again
    # Tokens; those of requests that Inspect's cache answered are left out.
    input_tokens: int = 0  # charged at the full rate
    output_tokens: int = 0
    cache_read_tokens: int = 0  # of prompts, which the provider had cached
    cache_write_tokens: int = 0  # of prompts, which the provider wrote to its cache


@dataclass(frozen=True, slots=True)
class Predicted:
    """A held-out excerpt: its tokens, the truth and what was simulated, each of shape [T]."""

    excerpt: str  # its name in the record, for instance ``top 2``
    record: ActivationRecord  # true raw activations
    expected: tuple[float, ...]  # simulated activations, in the simulator's units


@dataclass(frozen=True, slots=True)
class NeuronResult:
    """What one run says of one neuron, over all epochs."""

    id: str
    layer: int  # -1 where it is not part of a network
    group: str  # the set that the neuron was picked for; may be empty
    explanation: str  # the first epoch's
    reference: str = ""
    epochs: int = 1

    scores: Mapping[str, float] = field(default_factory=dict)
    """By scorer: the mean over the epochs that were scored; a scorer that measured nothing is
    not among them."""

    scores_of_text: Mapping[str, float] | None = None
    """The same over the epochs that explained the neuron as `explanation` says; None if all did."""

    unscored: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By scorer: the reason of each epoch that was not scored."""

    prompt_tokens: float | None = None  # of the explainer, mean; None if its provider tells none
    excerpts_scored: int = 0  # held-out excerpts with values, over all epochs
    excerpt_failures: tuple[str, ...] = ()  # why each held-out excerpt without values has none
    errors: tuple[str, ...] = ()  # what broke, of each epoch that ended in an error
    retries: int = 0  # how often the sample was run again after an error
    cut_off: int = 0  # epochs in which the explainer's reply stopped at ``max_tokens``
    unrelated: float | None = None  # AdaCS with other neurons' references, mean
    predicted: tuple[Predicted, ...] = ()  # of the first epoch, if they were asked for


@dataclass(frozen=True, slots=True)
class Run:
    """One log: a prompt format, its models, and the neurons."""

    log: str  # where it is
    created: str  # ISO 8601; later is greater
    format: str  # or the column of explanations that exist
    explainer: str
    simulator: str  # with the way to simulate; empty if nothing was simulated
    embedder: str  # empty if AdaCS was not scored
    neurons: str  # their source
    version: str  # the task's, ``N-X``; scores of different N cannot be compared
    identity: str  # all settings that a score depends on; equal for what was run twice
    results: Mapping[str, NeuronResult]  # by sample id
    spent: tuple[Spent, ...] = ()
    given: bool = False  # whether the explanations existed, and nothing was explained
    neurons_skipped: int = 0  # too few excerpts, nothing to explain, or missing
