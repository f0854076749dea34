"""The bundled puzzles: their schema, their counts, and labels derived a second time by rule."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

import pytest

Rule = Callable[[Sequence[re.Match[str]]], list[int]]

SOURCE = files("neuron_eval.data").joinpath("puzzles.json").read_text(encoding="utf-8")

PUZZLES: dict[str, dict[str, Any]] = json.loads(SOURCE)

every_puzzle = pytest.mark.parametrize("puzzle", PUZZLES.values(), ids=PUZZLES.keys())


def label(words: Sequence[re.Match[str]], test: Callable[[re.Match[str]], object]) -> list[int]:
    return [10 if test(word) else 0 for word in words]


def where(test: Callable[[re.Match[str]], object]) -> Rule:
    """A rule that looks at one word and the text around it."""
    return lambda words: label(words, test)


def any_of(words: str, strength: int = 10, **others: int) -> Rule:
    """A rule that fires on the words listed, in any case."""
    strengths = dict.fromkeys(words.split(), strength) | others
    return lambda found: [strengths.get(word[0].lower(), 0) for word in found]


def before(word: re.Match[str]) -> str:
    return word.string[: word.start()]


def after(word: re.Match[str]) -> str:
    return word.string[word.end() :]


MONTH = re.compile(
    "January|February|March|April|May|June|July|August|September|October|November|December"
)

SAYING = re.compile(
    r"\b(said|claimed|announced|told|declared|swore|insisted|promised|admitted|explained)\b"
)

ITEM = r"(?:(?:[Aa]n?|[Tt]he) )?\w+"

LIST = re.compile(rf"{ITEM}(?:, {ITEM})+, and {ITEM}")

ITEM_HEAD = re.compile(r"\w+(?=,|$)")


def opens_question(word: re.Match[str]) -> bool:
    opens = re.search(r"(^|[.?!] )$", before(word))
    asks = re.match(r"[^.?!]*\?", after(word))
    asking = word[0] in {"Who", "What", "Where", "When", "Why", "How", "Which", "Whose"}
    return bool(opens and asks and asking)


def opens_quotation(word: re.Match[str]) -> bool:
    return before(word).endswith('"') and before(word).count('"') % 2 == 1


def stands_in_date(word: re.Match[str]) -> bool:
    beside_day = re.search(r"\d $", before(word)) or re.match(r" \d", after(word))
    return bool(MONTH.fullmatch(word[0]) and beside_day)


def repeats(words: Sequence[re.Match[str]]) -> list[int]:
    forms = [word[0].lower() for word in words]
    return [10 if len(f) >= 4 and f in forms[:i] else 0 for i, f in enumerate(forms)]


def list_places(words: Sequence[re.Match[str]]) -> list[int]:
    """For each word its place in a list, from 1; 0 for a word that heads no item."""
    place_at: dict[int, int] = {}
    for found in LIST.finditer(words[0].string):
        heads = ITEM_HEAD.finditer(found[0])
        place_at |= {found.start() + head.start(): n for n, head in enumerate(heads, start=1)}
    return [place_at.get(word.start(), 0) for word in words]


def counts_and(words: Sequence[re.Match[str]]) -> list[int]:
    is_and = [word[0] == "and" for word in words]
    return [3 * sum(is_and[: i + 1]) if hit else 0 for i, hit in enumerate(is_and)]


RULES: dict[str, Rule] = {
    "stay": any_of("stays stayed staying", 8, stay=10),
    "door": any_of("door doors"),
    "days_of_the_week": where(
        lambda w: re.fullmatch(r"(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?", w[0])
    ),
    "colours": any_of("red blue green yellow grey purple white black brown pink"),
    "digits": where(lambda w: w[0].isdigit()),
    "family_members": any_of(
        "sister brother mother father grandmother grandfather uncle aunt cousin son daughter "
        "nephew niece wife husband"
    ),
    "question_opener": where(opens_question),
    "instruments": any_of("violin piano guitar drum drums trumpet flute cello harp organ"),
    "after_sentence_end": where(lambda w: re.search(r"[.?!] $", before(w))),
    "before_full_stop": where(lambda w: after(w).startswith(".")),
    "after_comma": where(lambda w: before(w).endswith(", ")),
    "inside_brackets": where(lambda w: before(w).count("(") > before(w).count(")")),
    "quotation_start": where(opens_quotation),
    "reported_not": where(lambda w: w[0] == "not" and SAYING.search(before(w))),
    "month_in_date": where(stands_in_date),
    "repeated_word": repeats,
    "third_item": lambda words: [10 if n == 3 else 0 for n in list_places(words)],
    "growing_list": lambda words: [2 * n for n in list_places(words)],
    "growing_and": counts_and,
    "all_capitals": where(lambda w: len(w[0]) > 1 and w[0].isupper()),
    "praise": any_of("wonderful brilliant excellent superb splendid magnificent marvellous"),
    "fear": any_of("afraid fear feared frightened scared", 6, terrified=10, terror=10),
}


def test_there_are_at_least_24_puzzles_named_by_their_keys() -> None:
    assert len(PUZZLES) >= 24
    assert {key: puzzle["name"] for key, puzzle in PUZZLES.items()} == {k: k for k in PUZZLES}


def test_no_sentence_stands_twice_in_the_file() -> None:
    texts = [text(s) for puzzle in PUZZLES.values() for s in both(puzzle)]
    assert sorted(texts) == sorted(set(texts))


def test_every_sentence_stands_on_a_line_of_its_own() -> None:
    lines = {line.strip().rstrip(",") for line in SOURCE.splitlines()}
    for puzzle in PUZZLES.values():
        for sentence in both(puzzle):
            assert json.dumps(sentence, ensure_ascii=False) in lines


@every_puzzle
def test_a_puzzle_has_the_keys_of_the_schema(puzzle: dict[str, Any]) -> None:
    assert set(puzzle) == KEYS
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", puzzle["name"])
    for sentence in both(puzzle):
        assert sentence
        for token in sentence:
            assert isinstance(token, str) or (
                len(token) == 2 and isinstance(token[0], str) and type(token[1]) is int
            )


@every_puzzle
def test_explanations_are_phrases_and_three_others_are_false(puzzle: dict[str, Any]) -> None:
    false = puzzle["false_explanations"]
    assert len(false) == 3
    phrases = [puzzle["explanation"], *false]
    assert len(set(phrases)) == 4
    for phrase in phrases:
        assert phrase == phrase.strip()
        assert phrase
        assert not phrase.endswith(".")
        assert phrase[0].islower()


@every_puzzle
def test_an_activation_written_down_is_from_2_to_10(puzzle: dict[str, Any]) -> None:
    # 1 is allowed by the schema, but the list formats show only what is above their cutoff of 1.
    written = [t[1] for s in both(puzzle) for t in s if not isinstance(t, str)]
    assert set(written) <= set(range(2, 11))
    assert max(written) >= 9


@every_puzzle
def test_tokens_join_to_clean_text(puzzle: dict[str, Any]) -> None:
    for sentence in both(puzzle):
        whole = text(sentence)
        assert whole == whole.strip()
        assert "  " not in whole
        assert not re.search(r" [.,;:?!)]|\( ", whole)
        assert re.match(r"[A-Z0-9\"]", whole)
        assert re.search(r"[.?!]\"?$", whole)
        for token, _ in pairs(sentence):
            assert re.fullmatch(r" ?(\w+|'\w+|n't|[.,;:?!()\"])", token)


@every_puzzle
def test_the_shown_sentences_mostly_fire_and_hold_a_near_miss(puzzle: dict[str, Any]) -> None:
    shown = puzzle["sentences"]
    active = sum(fires(s) for s in shown)
    assert 5 <= len(shown) <= 6
    assert len(shown) / 2 < active < len(shown)


@every_puzzle
def test_twelve_further_sentences_of_8_to_20_words(puzzle: dict[str, Any]) -> None:
    further = puzzle["further_sentences"]
    assert len(further) == 12
    for sentence in further:
        assert 8 <= len(text(sentence).split()) <= 20, text(sentence)


@every_puzzle
def test_odd_and_even_further_sentences_both_fire_and_rest(puzzle: dict[str, Any]) -> None:
    active = [fires(s) for s in puzzle["further_sentences"]]
    assert sum(active) >= 8
    for half in (active[0::2], active[1::2]):
        assert sum(half) >= 4
        assert not all(half)


@every_puzzle
def test_no_sentence_is_both_shown_and_further(puzzle: dict[str, Any]) -> None:
    shown = {text(s) for s in puzzle["sentences"]}
    assert not shown & {text(s) for s in puzzle["further_sentences"]}


def test_at_least_12_puzzles_have_their_labels_derived_by_rule() -> None:
    assert set(RULES) <= set(PUZZLES)
    assert len(RULES) >= 12


@pytest.mark.parametrize("name", RULES)
def test_the_labels_follow_the_rule(name: str) -> None:
    for sentence in both(PUZZLES[name]):
        whole = text(sentence)
        expected = [0] * len(whole)
        words = list(WORD.finditer(whole))
        for word, strength in zip(words, RULES[name](words), strict=True):
            expected[word.start() : word.end()] = [strength] * len(word[0])
        start = 0
        for token, activation in pairs(sentence):
            # All pieces of a word fire alike; the space before it and punctuation never do.
            letters = range(start + len(token) - len(token.lstrip()), start + len(token))
            assert [expected[i] for i in letters] == [activation] * len(letters), (whole, token)
            start += len(token)


def test_only_the_contracted_negation_fires() -> None:
    for sentence in both(PUZZLES["contracted_not"]):
        for token, activation in pairs(sentence):
            assert activation == (10 if token == "n't" else 0), text(sentence)


def test_the_prefix_un_fires_only_where_it_negates() -> None:
    for sentence in both(PUZZLES["un_prefix"]):
        tokens = [token for token, _ in pairs(sentence)]
        for i, (token, activation) in enumerate(pairs(sentence)):
            is_prefix = token.strip().lower() == "un"
            word = "".join(tokens[i : i + 2]).strip()
            negates = is_prefix and not UN_BUT_NOT_NEGATED.fullmatch(word)
            assert activation == (10 if negates else 0), (text(sentence), token)


Sentence = list[str | list[Any]]

KEYS = {"name", "explanation", "sentences", "further_sentences", "false_explanations"}

WORD = re.compile(r"\w+(?:'\w+)?")


def pairs(sentence: Sentence) -> list[tuple[str, int]]:
    """Every token with its activation; a bare token has activation 0."""
    return [(t, 0) if isinstance(t, str) else (t[0], t[1]) for t in sentence]


def text(sentence: Sentence) -> str:
    return "".join(token for token, _ in pairs(sentence))


def fires(sentence: Sentence) -> bool:
    return any(activation for _, activation in pairs(sentence))


def both(puzzle: Mapping[str, Any]) -> list[Sentence]:
    return [*puzzle["sentences"], *puzzle["further_sentences"]]


UN_BUT_NOT_NEGATED = re.compile(r"un(cle|der|derstand|til|ion|it|iforms?)", re.IGNORECASE)
