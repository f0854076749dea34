"""From what an explainer says to the explanation itself."""

import re
from collections.abc import Iterator, Sequence

from neuron_eval.explain.emphasis import without_emphasis

PASSES = 20
"""So often is an answer gone through at most; each time what stands around others comes off."""

MANY = 4
"""An opening of fewer words may stand within an explanation: only at its beginning it counts."""

SHORT = 20  # a mark or a label in quotes is what an explanation is about up to so many characters
LINE = 80  # the longest rule below an answer, in characters

# Beside "and" or "or" a mark is a word: a neuron may be about - and other dashes.
_NO_WORD = r"(?!\s*+(?:and|or)\b)"
_TO_NEURON = r"(?:\s++(?:of|for)\s++(?:the\s++|this\s++)?+neuron[^:\n.]{0,40}+)?+"
_LABEL = (
    rf"(?:(?:final\s++)?+(?:explanation|answer|response){_TO_NEURON}"
    r"|neuron\s++#?+\d++(?:\s++behavior)?+)"
    r"(?:\]?+[*_]*+\s*+:|[*_:]*+[ \t]*+\n)[*_]*+\s*+"
)
# Words that an explanation may begin with: labels only where they are emphasised or a heading.
_OTHER_LABEL = (
    r"(?:[\w']++\s++){0,2}(?:behavior|function|summary|description|hypothesis|conclusion|pattern)"
)
_RULE = r"(?:-{3,}+|\*{3,}+|_{3,}+)[ \t]*+"
_TOPIC = r"(?:explanation|answer|description|summary|response|sentence|completion|neuron)"
_BEFORE = (
    rf"(?:[-*•–]|>++|\(?\d{{1,2}}[.)]){_NO_WORD}(?:\s++|$)",  # list, quotation
    rf"{_RULE}\n",
    rf"#{{2,6}}+\s++{_OTHER_LABEL}:?+[ \t]*+\n\s*+",
    rf"#{{2,6}}+\s++{_NO_WORD}|#\s++(?=[*_]*+{_LABEL})",  # heading
    rf"[*_]*+\[?+{_LABEL}",
    r"I(?:['’]d|\s++would)\s++be\s++(?:happy|glad)\s++to\s++(?:help|explain|assist)"
    r"[^.!:\n]{0,60}+[.!:]\s*+",
    r"(?:sure|certainly|of\s++course|absolutely|okay|got\s++it|understood)"
    rf"(?:[!.]++(?:\s++|$){_NO_WORD}|,\s*+(?=here))",
    rf"(?:here(?:'s|’s|\s++is)|below\s++is)\s(?:[^:\n]{{0,80}}\b)?{_TOPIC}\b[^:\n]{{0,80}}+:\s*+",
    r"the\s++final\s++(?:answer|explanation)\s++is:?+\s++(?=[$\\\"“*_])",
)
_MARKS = tuple(re.compile(mark, re.IGNORECASE) for mark in _BEFORE)
_RULE_BELOW = re.compile(_RULE)
_BOLD_LABEL = re.compile(
    rf"\s*+(?P<stars>\*{{2,3}}+|__){_OTHER_LABEL}(?::[ ]?(?P=stars)|(?P=stars)[ ]?:)\s*+",
    re.IGNORECASE,
)
_UNSEEN = "\u200b\u2060\ufeff"
_SPACE = re.compile(rf"[\s{_UNSEEN}]*+")
_QUOTED = re.compile(r"^[ \t]*+>[ \t]?+", re.MULTILINE)
_ITEM = re.compile(r"^[ \t]*+(?:[-*•–]|\(?\d{1,2}[.)])[ \t]++(?=\S)", re.MULTILINE)
_LINES = (_QUOTED, _ITEM)  # what every line begins with of a quotation or a list
# Right behind a word or a sentence; elsewhere it is what an explanation is about.
_TURN_END = re.compile(
    r"(?<=[\w.!?)\"”*])(?:<\|(?:im_end|eot_id|eot|end|endoftext|end_of_text|return)\|>|</s>"
    r"|<end_of_turn>|<eos>)\Z"
)
_MARK = re.compile(r"(?:\*{1,3}+|_{1,3}+)(?=\S)")
_FENCE = re.compile(rf"```(?:[\w+-]*+[ \t]*+\n)?+{_NO_WORD}")
_BOX = re.compile(r"\$*+(?:\\[\[(])?+\s*+\\(?:boxed|fbox|text|textbf|textit)\s*+\{")
_BOX_END = re.compile(r"\}\s*+(?:\\[\])])?+\$*+\.?+\Z")
_BRACE = re.compile(r"[{}]")
_TAG = re.compile(rf"<(answer|explanation|response|output|b|strong|em|i)>{_NO_WORD}", re.IGNORECASE)
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "`": "`", "«": "»", "「": "」"}


def clean_explanation(text: str, openings: Sequence[str]) -> str:
    """Strip what is not part of the explanation, until nothing more comes off; may leave nothing.

    That is the prompt's own opening (one of ``openings``) or the part of it before a colon,
    whatever number they name; the marks of Markdown, LaTeX and tags around the answer and of
    emphasis in it; labels such as ``Explanation:``, sentences such as ``Here is the
    explanation:``, quotes around the whole, and surrounding space. Thinking is off already.
    """
    patterns = (*_MARKS, *(p for opening in openings for p in _opening_patterns(opening)))
    for _ in range(PASSES):
        before = text
        label = _BOLD_LABEL.match(text)
        text = _without_line_marks(text[label.end() :] if label else text)
        text = _TURN_END.sub("", _peeled(without_emphasis(text), patterns))
        if text == before:
            break
    return text


def _without_line_marks(text: str) -> str:
    lines = sum(1 for line in text.split("\n") if line.strip())
    for mark in _LINES if lines > 1 else ():
        if len(mark.findall(text)) == lines:
            return mark.sub("", text)
    return text


def _peeled(text: str, patterns: Sequence[re.Pattern[str]]) -> str:
    start, end = 0, len(text.rstrip())
    before, begun = None, False
    # Two places that move, and no shorter copies of the text: an answer may be nothing but marks.
    while (start, end) != before:
        before = (start, end)
        start = min(end, _SPACE.match(text, start).end())  # type: ignore[union-attr]
        while end > start and (text[end - 1].isspace() or text[end - 1] in _UNSEEN):
            end -= 1
        line = text.rfind("\n", max(start, end - LINE), end)
        if line >= 0 and _RULE_BELOW.fullmatch(text, line + 1, end):
            end = line
            continue
        if (inside := _wrapped(text, start, end)) and not _is_mark(text, *inside, patterns):
            (start, end), begun = inside, True
            continue
        for pattern in patterns:
            if mark := pattern.match(text, start, end):
                if begun and pattern is _MARKS[0]:  # it may be the first of a list
                    return text[start:end]
                start, begun = mark.end(), begun or pattern is not _MARKS[0]
    return text[start:end]


def _is_mark(text: str, start: int, end: int, patterns: Sequence[re.Pattern[str]]) -> bool:
    """Whether what is in quotes would come off as a mark itself: a neuron may be about ``-``."""
    inner = text[start:end].strip()
    # ``inner`` has no quotes, so that this goes one level deep
    bare = 0 < len(inner) <= SHORT and not set(inner) & set(_QUOTES)
    return bare and not _peeled(inner, patterns)


def _wrapped(text: str, start: int, end: int) -> tuple[int, int] | None:
    if _in_quotes(text, start, end):
        return start + 1, end - 1
    # Not emphasis in Markdown, where that ends with the paragraph.
    if mark := _MARK.match(text, start, end):
        inside = mark.end(), end - len(mark[0])
        alone = inside[0] < inside[1] and text.find(mark[0], inside[0], end) == inside[1]
        if alone and text.find("\n", *inside) >= 0:
            return inside
    if fence := _FENCE.match(text, start, end):
        closed = end - 3 >= fence.end() and text.startswith("```", end - 3)
        if closed and text.find("```", fence.end(), end - 3) < 0:
            return fence.end(), end - 3
        if not closed and "\n" in fence[0] and text.find("```", fence.end(), end) < 0:
            return fence.end(), end
    if (box := _BOX.match(text, start, end)) and (closing := _box_end(text, box.end(), end)):
        return box.end(), closing
    if tag := _TAG.match(text, start, end):
        closing = end - len(tag[0]) - 1
        same = text[closing:end].lower() == f"</{tag[1].lower()}>"
        if same and closing >= tag.end() and text.find(tag[0], tag.end(), closing) < 0:
            return tag.end(), closing
    return None


def _in_quotes(text: str, start: int, end: int) -> bool:
    """Whether quotes stand around a part of a text, and not around parts of it.

    Quotes of the same kind may stand inside, if the first of them opens: ``"the word "cat""``.
    """
    quote = text[start : start + 1]
    closing = _QUOTES.get(quote)
    if end - start < 2 or closing != text[end - 1]:
        return False
    inner = text.find(quote, start + 1, end - 1)
    if inner < 0:
        return True
    if closing != quote:
        return inner < text.find(closing, start + 1, end)
    around = text[inner - 1] + text[inner + 1]
    return (around[0].isspace() or inner == start + 1 or around[0] in "([") and around[1].isalnum()


def _box_end(text: str, start: int, end: int) -> int | None:
    closing = _BOX_END.search(text, max(start, end - 8), end)
    if closing is None:
        return None
    inner = _BRACE.search(text, start, closing.start())
    return None if inner and inner[0] == "}" else closing.start()


def _opening_patterns(opening: str) -> Iterator[re.Pattern[str]]:
    """The opening whatever its case, spacing and number, and what it says before a colon.

    An opening of some length may have a few words before it, up to a comma, a colon or ``that``.
    """
    label, _, _ = opening.rpartition(":")
    if label.strip():
        yield re.compile(rf"[*_]*+{_phrase(label)}[*_]*+[ \t]*+[:\n][*_]*+", re.IGNORECASE)
    if not opening.strip():
        return
    phrase = rf"[*_]*+{_phrase(opening)}(?!\w)(?:\s*+[:,]|…|\.\.\.)?+[*_]*+"
    before = r"(?:\.\.\.|…)?+\s*+"
    if len(opening.split()) >= MANY:
        before += r"(?:[^\W\d_][^.!?:\n\"“”`{}<>#]{0,120}?(?:,|:|\bthat)\s++)?"
        before += r"(?:(?:so\s++)?I\s++(?:think|believe)\s++)?+"
    yield re.compile(rf"{before}(?:{phrase}|[\"“`']{phrase}[\"”`'])", re.IGNORECASE)


def _phrase(text: str) -> str:
    return r"\s++".join(re.sub(r"\d++", r"\\d++", re.escape(word)) for word in text.split())
