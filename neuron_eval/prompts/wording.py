"""What a prompt pack holds, as types; `neuron_eval.prompts.pack` reads them from a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from neuron_eval.messages import InputError
from neuron_eval.records import ActivationRecord

W = TypeVar("W")


class PackError(InputError):
    """A prompt pack that breaks the schema; the message names file, section, key and value."""


@dataclass(frozen=True, slots=True)
class Wording:
    """The literal strings of one format's prompt, which `neuron_eval.prompts.pack` puts in order.

    ``header`` and ``opening`` may hold ``{number}``, ``heading`` may hold ``{letter}``.
    """

    system: str
    header: str  # opens a user message
    opening: str  # closes a user message: the beginning of the answer
    heading: str  # before each excerpt
    start: str  # right before an excerpt's body
    end: str  # right after an excerpt's body
    list_heading: str  # before the list of highly activating tokens, in formats that have one
    list_separator: str
    list_end: str  # after that list, empty or not
    repeat_heading: str  # before the repetition without zeros, in formats that repeat
    answer: str = " {explanation}."  # an assistant message of a few-shot neuron


@dataclass(frozen=True, slots=True)
class RatingWording:
    """The literal strings of what raters are asked.

    People see ``instructions`` and the scale's ends on a page. A language model reads ``system``,
    and a message that is

        instructions, a line break, title, then each excerpt, options_heading, then each option,
        closing

    where an excerpt is ``heading start BODY end list_heading ITEM list_separator ITEM … list_end``.
    """

    must_hold: ClassVar[Mapping[str, str]] = {"title": "{title}", "option": "{explanation}"}

    instructions: str  # what a rater shall do
    least_means: str  # the worst rating in words
    most_means: str  # the best rating in words
    system: str  # with the form of the answer
    title: str  # names the neuron; holds {title}
    heading: str  # before each excerpt; may hold {number}, from 1
    start: str  # right before an excerpt's text, in which highlighted tokens are in brackets
    end: str  # right after an excerpt's text
    list_heading: str  # before the list of highlighted tokens, each with its level
    list_separator: str
    list_end: str
    list_empty: str  # in place of the items of an empty list
    options_heading: str  # before the explanations
    option: str  # an explanation as a JSON string; holds {explanation}, may hold {letter}
    closing: str  # may hold {letters}, {least}, {most}, {least_means} and {most_means}
    retry: str  # asks again; may hold {reason} and what ``closing`` may hold


@dataclass(frozen=True, slots=True)
class JudgementWording:
    """The literal strings of what a judge is asked of excerpts, see `neuron_eval.judging`.

    A prompt is ``system``, and a message that is ``opening``, then each excerpt's ``start TEXT
    end``, then ``closing``.
    """

    system: str  # with the form of the answer
    opening: str
    start: str  # stands right before an excerpt's text; may hold ``{letter}``
    end: str  # stands right after an excerpt's text; may hold ``{letter}``
    closing: str  # may hold ``{letters}``, such as ``A, B, C``
    retry: str  # asks again; may hold ``{reason}`` and ``{letters}``


@dataclass(frozen=True, slots=True)
class DetectionWording(JudgementWording):
    """The same, with the explanation."""

    must_hold: ClassVar[Mapping[str, str]] = {"opening": "{explanation}", "start": "{letter}"}


@dataclass(frozen=True, slots=True)
class FuzzingWording(DetectionWording):
    """The same, with marked tokens."""

    must_hold: ClassVar[Mapping[str, str]] = {**DetectionWording.must_hold, "mark": "{token}"}

    mark: str  # a marked token; holds ``{token}``


@dataclass(frozen=True, slots=True)
class IntruderWording(JudgementWording):
    """The same, without an explanation."""

    must_hold: ClassVar[Mapping[str, str]] = {"start": "{letter}"}


JUDGEMENTS: Mapping[str, type[JudgementWording]] = {
    "detection": DetectionWording,
    "fuzzing": FuzzingWording,
    "intruder": IntruderWording,
}
"""What a judge can be asked, by the names of the scorers and of the pack's sections."""


@dataclass(frozen=True, slots=True)
class RewritingWording:
    """The literal strings of what a model is asked that rewrites an explanation.

    A prompt is ``system``; for each example ``question``, and what is right as the answer; and
    ``question`` about the explanation at hand. See `neuron_eval.tasks.rewriting`.
    """

    must_hold: ClassVar[Mapping[str, str]] = {"question": "{explanation}"}

    system: str  # with the form of the answer
    question: str
    retry: str  # asks again; may hold ``{reason}``
    examples: tuple[tuple[str, str], ...]  # an explanation, and that as it is rewritten


REWRITINGS = ("narrowed", "widened")  # for the sanity checks; the names of the pack's sections


@dataclass(frozen=True, slots=True)
class FittingWording:
    """What a writer is asked for texts that fit: as in `RewritingWording`, each text numbered."""

    must_hold: ClassVar[Mapping[str, str]] = {"question": "{explanation}"}

    system: str  # with the form of the answer
    question: str  # may also hold ``{texts}``, how many are wanted
    retry: str  # asks again; may hold ``{reason}`` and ``{texts}``


@dataclass(frozen=True, slots=True)
class NearWording(FittingWording):
    """The same, for texts that are near; ``{fitting}`` is those that fit, with numbers."""

    must_hold: ClassVar[Mapping[str, str]] = {"question": "{fitting}"}


@dataclass(frozen=True, slots=True)
class WrittenExample:
    """An explanation, and what a writer makes of it; as many texts fit as are near."""

    explanation: str
    fitting: tuple[str, ...]
    near: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GenerationWording:
    """What a pack says to a writer, who writes texts to try an explanation with."""

    fitting: FittingWording
    near: NearWording
    examples: tuple[WrittenExample, ...]


@dataclass(frozen=True, slots=True)
class InvestigationWording:
    """The literal strings of what an explainer is asked that tests its explanation.

    They follow a format's prompt and its answer; see `neuron_eval.investigation`. Each may hold
    ``{texts}``, how many there may be at once, and ``{rounds}``, how often, or how often still.
    """

    must_hold: ClassVar[Mapping[str, str]] = {"test": "{explanation}"}

    test: str  # asks for lines that begin with ``Hypothesis:`` and ``Text:``; holds {explanation}
    examples: tuple[tuple[str, str], ...]  # an explanation, and such lines; turns before the first
    retry: str  # asks for these again; may hold ``{reason}``
    results: str  # stands before the texts, which are shown as the format shows excerpts
    revise: str  # asks for the explanation; the format's opening follows
    agent: str  # tells a model that calls tools what to do
    tool: str  # describes the tool
    tool_explanation: str  # describes its first parameter
    tool_texts: str  # describes its second
    left: str  # stands behind the results that the tool gives
    spent: str  # stands there, where the tool may not be called again


@dataclass(frozen=True, slots=True)
class FewShotNeuron:
    """A neuron that is shown with its explanation before the one at hand."""

    explanation: str  # without a full stop
    excerpts: tuple[ActivationRecord, ...]
    revealed_from: tuple[int | None, ...]
    """For each excerpt, the index of the first token whose activation ``simulation=all_at_once``
    shows; None leaves the excerpt out of its prompt. Explainers always see all."""


@dataclass(frozen=True, slots=True)
class Pack:
    """A checked prompt pack; where it has no section for some wording, that is a `PackError`."""

    name: str
    version: str
    sha256: str  # of the file's bytes, hexadecimal
    formats: Mapping[str, Wording]
    few_shot: tuple[FewShotNeuron, ...]  # in the order in which they are shown
    simulation: Mapping[str, Any]  # by way to simulate, each of which has a type of its own
    rating: RatingWording | None = None
    generic: str = ""  # an explanation that fits any neuron; empty where the pack has none
    judging: Mapping[str, JudgementWording] = field(default_factory=dict)  # by `JUDGEMENTS`
    investigation: InvestigationWording | None = None
    rewriting: Mapping[str, RewritingWording] = field(default_factory=dict)  # by `REWRITINGS`
    generation: GenerationWording | None = None

    def wording(self, format_name: str) -> Wording:
        if format_name not in self.formats:
            raise PackError(
                f"prompt pack {self.name!r} has no section formats.{format_name}; "
                f"it has {', '.join(sorted(self.formats))}"
            )
        return self.formats[format_name]

    def simulation_wording(self, way: str) -> Any:
        return self._required(f"simulation.{way}", self.simulation.get(way))

    def rating_wording(self) -> RatingWording:
        return self._required("rating", self.rating)

    def judgement_wording(self, name: str) -> JudgementWording:
        return self._required(f"judging.{name}", self.judging.get(name))

    def investigation_wording(self) -> InvestigationWording:
        return self._required("investigation", self.investigation)

    def rewriting_wording(self, name: str) -> RewritingWording:
        return self._required(f"rewriting.{name}", self.rewriting.get(name))

    def generation_wording(self) -> GenerationWording:
        return self._required("generation", self.generation)

    def _required(self, section: str, wording: W | None) -> W:
        if wording is None:
            version = f" (version {self.version})" if self.version else ""
            raise PackError(
                f"prompt pack {self.name!r}{version} has no section {section}; copy it from the "
                "bundled pack, or leave the pack out"
            )
        return wording
