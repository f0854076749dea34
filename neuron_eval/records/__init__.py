"""Neuron records: excerpts of text with one neuron's activation on every token.

The types follow the records of Bills et al. 2023 ("Language models can explain neurons in
language models"): the excerpts on which the neuron fires most, sorted by their peak, and a
random sample. They are frozen; everything downstream reads them and none of it writes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from neuron_eval.messages import InputError

T = TypeVar("T")
Textual = TypeVar("Textual", "ActivationRecord", "Excerpt")
# A recorded neuron's top and random excerpts, and its strata's; a puzzle's sentences, and further
Kind = Literal["top", "random", "quantile", "sentence", "further"]
SplitName = Literal["train", "calibration", "valid", "test"]
# The splits that top excerpts are dealt to in turn, and random ones, which the explainer never sees
TOP_SPLITS: tuple[SplitName, ...] = ("train", "calibration", "valid", "test")
RANDOM_SPLITS: tuple[SplitName, ...] = TOP_SPLITS[1:]


class RecordError(InputError):
    """A record that breaks the contract; the message names file, neuron, excerpt and field."""


class TooFewExcerptsError(RecordError):
    """A sound record that holds too few excerpts for the splits asked for."""


@dataclass(frozen=True, slots=True)
class ActivationRecord:
    """One excerpt of text and what the neuron did on it."""

    # The tokens, shape [T], T >= 1; joined they are the excerpt's text. None is empty.
    tokens: tuple[str, ...]
    # The neuron's raw activation on each token, shape [T]; any finite number, in the units of the
    # subject model (post-activation, so signed for GELU-like and gated MLPs)
    activations: tuple[float, ...]
    # Positions of tokens that are part of the text alone, ascending: they are neither marked nor
    # scored. Their activations are at most 0 and at most the lowest of the others, so that no peak
    # is there; but in what was scored, those that a simulator gave no value for keep theirs.
    ignored: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """The excerpt as running text."""
        return "".join(self.tokens)

    @property
    def peak(self) -> float:
        """The highest raw activation in the excerpt."""
        return max(self.activations)

    def counted(self, values: Sequence[T]) -> Sequence[T]:
        """Those of the values, one per token, whose tokens are not ignored."""
        if not self.ignored:
            return values
        left_out = frozenset(self.ignored)
        return [value for i, value in enumerate(values) if i not in left_out]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """An activation record together with where it stands in its neuron's record."""

    kind: Kind  # which of the neuron's lists the excerpt comes from
    index: int  # its place in that list, from 0
    record: ActivationRecord  # tokens and activations
    stratum: int = 0  # the number of its stratum, from 0; 0 for all where excerpts are in no strata
    share: float = 1.0  # the share of all text that its stratum stands for, in (0, 1]

    @property
    def text(self) -> str:
        return self.record.text

    @property
    def name(self) -> str:
        """A label such as ``top 2``, for errors, logs and heat maps."""
        return f"{self.kind} {self.index}"


@dataclass(frozen=True, slots=True)
class Stratum:
    """A part of all text, told by how strongly the neuron fires, and excerpts drawn from it.

    Whatever the parts are made by: as long as each excerpt is drawn uniformly from its part, one
    that weighs its share over the number drawn stands for all text without bias.
    """

    share: float  # the part of all text, in (0, 1]; those of a record sum to 1
    # Drawn uniformly from the part, none of them picked for its peak; at least one
    excerpts: tuple[ActivationRecord, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """An explanation of the neuron to compare others with."""

    explanation: str  # the text, as written; compared untrimmed
    # Who or what wrote it, for instance ``written by reading the excerpts`` or ``gpt-4``
    source: str


@dataclass(frozen=True, slots=True, repr=False)
class NeuronRecord:
    """One neuron: its identity and the excerpts recorded for it."""

    # Stable and readable, ``MODEL/L{layer}N{neuron}`` or ``puzzles/NAME``; unique in a set, and
    # such as `neuron_eval.records.checks` allows
    id: str
    model: str  # the subject model's name; for a puzzle ``puzzles``
    layer: int  # the layer, from 0; -1 where the neuron is not part of a network
    neuron: int  # the index within the layer, from 0; -1 where the neuron is not part of a network
    # The excerpts with the highest peaks, sorted by peak, highest first
    top: tuple[ActivationRecord, ...] = ()
    # Excerpts drawn at random from the same corpus, none of them among ``top``
    random: tuple[ActivationRecord, ...] = ()
    # A sample of all text by how strongly the neuron fires, lowest first; no text twice, but some
    # may be among ``top`` or ``random``. Empty if the source has none.
    strata: tuple[Stratum, ...] = ()
    # The levels of ``quantile_boundaries``, each in (0, 1), ascending; empty if not known
    quantiles: tuple[float, ...] = ()
    # Raw activation at each level over every token of the recorded corpus, ascending; may be
    # present without ``quantiles`` in files that do not state the levels
    quantile_boundaries: tuple[float, ...] = ()
    reference: Reference | None = None  # the explanation that AdaCS compares with, if there is one
    # The set the neuron was picked for, for instance ``clear`` or ``random``; may be empty
    group: str = ""
    # Further published explanations of the neuron, each with its source; may be empty
    other_explanations: tuple[Reference, ...] = ()
    # Explanations known to be wrong (puzzles have them); may be empty
    false_explanations: tuple[str, ...] = ()
    # A fixed activation above which a token activates highly (puzzles: 1); None otherwise
    cutoff: float | None = None
    # Splits fixed by the source instead of dealt (puzzles), with something in ``train``; empty for
    # recorded neurons
    given_splits: tuple[tuple[SplitName, tuple[Excerpt, ...]], ...] = ()
    # The tokens that the subject model's tokenizer calls special; empty if the source does not say
    special_tokens: tuple[str, ...] = ()
    # Excerpts that the source held and that are left out because their text is here already, at
    # least 0
    repeated: int = 0
    # The https address at which whoever published the neuron shows it; empty if not known
    page: str = ""

    def __repr__(self) -> str:
        return f"<NeuronRecord {self.id}: {len(self.excerpts)} excerpts>"

    @property
    def excerpts(self) -> tuple[Excerpt, ...]:
        """Every excerpt: top before random, or those of the given splits."""
        if self.given_splits:
            return tuple(excerpt for _, given in self.given_splits for excerpt in given)
        top = tuple(Excerpt("top", i, record) for i, record in enumerate(self.top))
        return top + tuple(Excerpt("random", i, record) for i, record in enumerate(self.random))

    def split(self, name: SplitName, n: int) -> tuple[Excerpt, ...]:
        """The excerpts of one split, top before random, dealt as Bills et al. (2023) deal them.

        - train, what the explainer sees: ``n`` top ones (0, 4, 8, …);
        - calibration, what is fitted on: ``n`` top (1, 5, …), then ``n`` random (0, 3, …);
        - valid, what is scored: ``n`` top (2, 6, …), then ``n`` random (1, 4, …);
        - test, what is kept for later: ``n`` top (3, 7, …), then ``n`` random (2, 5, …).

        Where ``n``, at least 1, asks for more than there are, that is a `TooFewExcerptsError`.
        Splits fixed by the source ignore it.
        """
        if n < 1:
            raise ValueError(f"excerpts per split must be at least 1, got {n}")
        if self.given_splits:
            return dict(self.given_splits).get(name, ())
        top = _deal(self, "top", name, n)
        return top + _deal(self, "random", name, n) if name in RANDOM_SPLITS else top


def distinct(excerpts: Iterable[Textual], seen: set[str]) -> Iterator[Textual]:
    """Those whose text is not among the texts ``seen``, which get theirs as they are taken."""
    for excerpt in excerpts:
        if (text := excerpt.text) not in seen:
            seen.add(text)
            yield excerpt


def with_excerpts(
    neuron: NeuronRecord,
    top: Iterable[ActivationRecord],
    random: Iterable[ActivationRecord],
    strata: Iterable[Stratum] = (),
) -> NeuronRecord:
    """The neuron with these excerpts, the top ones sorted by peak, each text once and counted.

    Equal peaks keep their order; of ``random`` those that are among ``top`` are left out. In
    ``strata`` each text stays in the first that has it, and those left empty are left out.
    """
    top, random = tuple(top), tuple(random)
    seen, drawn = set[str](), set[str]()
    parts = [replace(s, excerpts=tuple(distinct(s.excerpts, drawn))) for s in strata]
    return replace(
        neuron,
        top=tuple(sorted(distinct(top, seen), key=lambda record: -record.peak)),
        random=tuple(distinct(random, seen)),
        strata=tuple(stratum for stratum in parts if stratum.excerpts),
        repeated=neuron.repeated + len(top) + len(random) - len(seen),
    )


def with_changed(
    neuron: NeuronRecord, change: Callable[[Excerpt], ActivationRecord]
) -> NeuronRecord:
    """The neuron with every excerpt changed; see `with_excerpts`.

    What then has a text that another has is left out, and so is, but of given splits, what has no
    token that is not ignored.
    """
    if neuron.given_splits:
        seen: set[str] = set()
        splits = tuple(
            (name, tuple(distinct((replace(e, record=change(e)) for e in given), seen)))
            for name, given in neuron.given_splits
        )
        return replace(neuron, given_splits=splits)

    def left(
        kind: Kind, records: Iterable[ActivationRecord], stratum: int = 0
    ) -> tuple[ActivationRecord, ...]:
        excerpts = (Excerpt(kind, i, record, stratum) for i, record in enumerate(records))
        return tuple(r for r in map(change, excerpts) if len(r.ignored) < len(r.tokens))

    numbered = enumerate(neuron.strata)
    strata = [replace(s, excerpts=left("quantile", s.excerpts, i)) for i, s in numbered]
    return with_excerpts(neuron, left("top", neuron.top), left("random", neuron.random), strata)


def _enough(neuron: NeuronRecord) -> str:
    tops, randoms = len(TOP_SPLITS), len(RANDOM_SPLITS)
    most = min(len(neuron.top) // tops, len(neuron.random) // randoms)
    if most:
        return f"it has enough for excerpts={most}"
    return (
        f"even excerpts=1 needs {tops} top and {randoms} random ones, and it has {len(neuron.top)} "
        f"and {len(neuron.random)}: record more"
    )


def _deal(
    neuron: NeuronRecord, kind: Literal["top", "random"], name: SplitName, n: int
) -> tuple[Excerpt, ...]:
    """Every so many excerpts of one list, from the split's place in the list's order of splits."""
    records, order = (neuron.top, TOP_SPLITS) if kind == "top" else (neuron.random, RANDOM_SPLITS)
    needed = n * len(order)
    if len(records) < needed:
        raise TooFewExcerptsError(
            f"neuron {neuron.id}: field {kind!r} holds {len(records)} excerpts, but {n} per "
            f"split need {needed} ({n} x {len(order)} splits); {_enough(neuron)}"
        )
    start = order.index(name)
    return tuple(Excerpt(kind, i, records[i]) for i in range(start, needed, len(order)))
