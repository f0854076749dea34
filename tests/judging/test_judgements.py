"""What is asked, how replies are read, and what the answers are worth."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inspect_ai.model import Logprob, Logprobs, ModelOutput, TopLogprob
from sklearn.metrics import average_precision_score, balanced_accuracy_score, roc_auc_score

from neuron_eval.formats.base import letter
from neuron_eval.judging import Case, Judged, Round, Unread
from neuron_eval.judging.asking import (
    case_question,
    marked,
    read_letter,
    read_yes_or_no,
    round_question,
)
from neuron_eval.judging.measuring import measure_rounds, verdicts
from neuron_eval.prompts.pack import default_pack, load_pack
from neuron_eval.prompts.wording import JUDGEMENTS, PackError
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.simulation import BrokenReplyError, UnreadableReplyError

GOLDEN = Path(__file__).parents[1] / "golden"


def excerpt(i, *tokens):
    return Excerpt("top", i, ActivationRecord(tokens, (0.0,) * len(tokens)))


CATS, RIVER = excerpt(0, "The", " cat", " {letter}\n"), excerpt(1, "A", " river", ".")


def prompt(name):
    wording = default_pack().judging[name]
    if name == "intruder":
        return round_question(Round((CATS, RIVER), 1), wording).messages
    marks = ((1,), (0, 2)) if name == "fuzzing" else ((), ())
    cases = [Case(e, True, m) for e, m in zip((CATS, RIVER), marks, strict=True)]
    return case_question("cats {letters} <A>", cases, wording).messages


@pytest.mark.parametrize("name", JUDGEMENTS)
def test_the_prompt_is_the_golden_one(name):
    text = "\n=====\n".join(message.text for message in prompt(name)) + "\n"
    assert text == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_the_pack_that_shipped_before_has_no_words_for_it_and_says_so():
    with pytest.raises(PackError, match=r"\(version 2\) has no section judging.detection; copy it"):
        load_pack("neuron_eval-2").judgement_wording("detection")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("detection: {}", r"judging.detection: missing key\(s\) closing, end, opening"),
        ("detect: {}", r"judging: unknown key\(s\) detect; allowed are detection, fuzzing"),
        (
            "fuzzing: {system: s, opening: '{explanation}', start: '{letter}', end: e, closing: c, "
            "retry: r, mark: '**'}",
            r"judging.fuzzing.mark: must hold \{token\}, got '\*\*'",
        ),
        (
            "detection: {system: s, opening: o, start: '{letter}', end: e, closing: c, retry: r}",
            r"judging.detection.opening: must hold \{explanation\}, got 'o'",
        ),
    ],
)
def test_a_bad_section_is_refused_with_its_place(tmp_path, section, message):
    path = tmp_path / "pack.yaml"
    path.write_text(
        f"name: p\nformats: {{x: {dict.fromkeys(WORDS, '')}}}\nfew_shot: []\njudging:\n  {section}"
    )
    with pytest.raises(PackError, match=message):
        load_pack(str(path))


WORDS = (
    *("system", "header", "opening", "heading", "start", "end"),
    *("list_heading", "list_separator", "list_end", "repeat_heading"),
)


@given(st.lists(st.tuples(st.text(min_size=1, max_size=4), st.booleans()), min_size=1))
def test_marks_change_nothing_but_the_marked_tokens(pairs):
    record = ActivationRecord(tuple(t for t, _ in pairs), (0.0,) * len(pairs))
    marks = [i for i, (_, mark) in enumerate(pairs) if mark]
    expected = "".join(f"<<{token}>>" if mark else token for token, mark in pairs)
    assert marked(record, marks, "<<{token}>>") == expected


def read(text, count=3, stop="stop", logprobs=()):
    output = ModelOutput.from_content("m", text, stop_reason=stop)
    if logprobs:
        output.choices[0].logprobs = Logprobs(content=list(logprobs))
    parts = read_yes_or_no(output, count)
    return [str(p) if isinstance(p, UnreadableReplyError) else p.answer for p in parts]


FORMS = st.sampled_from(
    ["{}: {}", "**{}**: {}", "- {}: {}.", "{}. {}", "{}) {}", "{} : {}", "<{}>: {}", "**{}:** {}"]
)


@given(
    st.lists(st.tuples(st.sampled_from(["yes", "no", "Yes", "NO"]), FORMS), min_size=1, max_size=9),
    st.sampled_from(["", "Here you go:\n\n", "As asked.\n"]),
    st.sampled_from(["", "\n", "\n\nI hope this helps."]),
)
def test_an_answer_on_each_line_is_read_however_it_is_dressed(answers, before, behind):
    lines = [form.format(letter(i), word) for i, (word, form) in enumerate(answers)]
    expected = [word.lower() == "yes" for word, _ in answers]
    assert read(before + "\n".join(lines) + behind, len(answers)) == expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("A: yes\nC: no", [True, "there is no line for B", False]),
        ("A: yes\nB: maybe\nC: no", [True, "in the line of B: 'maybe' is not yes or no", False]),
        ("A: yes\nB: no\nB: no\nC: no", [True, "there are two lines for B", False]),
        ("A: yes\nB: yes, no\nC: no", [True, "in the line of B: 'yes, no' is not yes or no",
                                        False]),
        ("A: yes\nB: no doubt\nC: 1", [True, "in the line of B: 'no doubt' is not yes or no",
                                       "in the line of C: '1' is not yes or no"]),
        ("A: yes\nB:\nC: nothing", [True, "in the line of B: '' is not yes or no",
                                    "in the line of C: 'nothing' is not yes or no"]),
        ("A: yes\nB: no\nC: no\nD: yes", [True, False, False]),
        ("yes\nno\nno", [f"there is no line for {name}" for name in "ABC"]),
    ],
)  # fmt: skip
def test_what_is_not_exactly_one_answer_is_none_and_never_a_no(reply, expected):
    assert read(reply) == expected


def test_of_a_reply_that_was_cut_off_the_last_line_counts_for_nothing():
    cut = [True, "in the line of B: the reply was cut off", "there is no line for C"]
    assert read("A: yes\nB: no", stop="max_tokens") == cut


def test_of_one_excerpt_the_answer_alone_is_enough():
    assert read("Yes.", count=1) == read("A: yes", count=1) == [True]


@given(st.text() | st.text(alphabet="ABCyesno: \n*.", max_size=60), st.integers(1, 4))
def test_any_reply_gives_each_excerpt_an_answer_or_what_is_wrong(reply, count):
    if reply.strip() and "<think" not in reply:
        assert len(read(reply, count)) == count


def token(text, **alternatives):
    tops = [TopLogprob(token=t, logprob=v) for t, v in alternatives.items()]
    return Logprob(token=text, logprob=alternatives.get(text, 0.0), top_logprobs=tops)


def test_the_probability_of_yes_is_its_share_of_yes_and_no():
    spelled = [token("A"), token(":"), token(" yes", **{" yes": -0.1, "Yes": -3.0, " no": -3.0})]
    output = ModelOutput.from_content("m", "A: yes")
    output.choices[0].logprobs = Logprobs(content=spelled)
    (judged,) = read_yes_or_no(output, 1)
    assert judged.probability == pytest.approx((0.904837 + 0.049787) / (0.904837 + 2 * 0.049787))
    output.choices[0].logprobs = Logprobs(
        content=[token("A"), token(":"), token(" ye"), token("s")]
    )
    assert read_yes_or_no(output, 1)[0] == Judged(True, None)
    output.choices[0].logprobs = Logprobs(
        content=[*spelled[:2], Logprob(token=" yes", logprob=float("nan"))]
    )
    with pytest.raises(BrokenReplyError, match="a log-probability is nan"):
        read_yes_or_no(output, 1)


@pytest.mark.parametrize("reply", ["C", " C.", "**C**", "Excerpt C", "Answer: C", "<C>"])
def test_a_letter_alone_names_the_intruder(reply):
    assert read_letter(ModelOutput.from_content("m", reply), 5, 0) == Judged(2, None)


@pytest.mark.parametrize("reply", ["F", "A and C", "A cat", "C: it has no cat", "c", "1"])
def test_what_is_no_single_letter_names_nothing(reply):
    with pytest.raises(UnreadableReplyError, match="not one of the letters A, B, C, D, E alone"):
        read_letter(ModelOutput.from_content("m", reply), 5, 0)


def test_the_probability_of_the_intruder_is_its_share_of_all_letters():
    output = ModelOutput.from_content("m", "B")
    output.choices[0].logprobs = Logprobs(content=[token("B", A=-1.0, B=-1.0, C=-1.0, the=-0.1)])
    assert read_letter(output, 3, 0).probability == pytest.approx(1 / 3)
    assert read_letter(output, 2, 0).probability == pytest.approx(1 / 2)


ANSWERS = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.floats(0, 1)), min_size=2, max_size=30
)


def cases(rows):
    return [(Case(CATS, right), Judged(answer, p)) for right, answer, p in rows]


@given(ANSWERS)
def test_the_numbers_are_those_of_scikit_learn(rows):
    rows = [(True, True, 0.5)] * 2 + [(False, True, 0.25)] * 2 + rows
    right, answers, probabilities = zip(*rows, strict=True)
    result = verdicts(cases(rows))
    assert result.balanced_accuracy == pytest.approx(balanced_accuracy_score(right, answers))
    assert result.auroc == pytest.approx(roc_auc_score(right, probabilities))
    assert result.auprc == pytest.approx(average_precision_score(right, probabilities))
    assert 0 <= result.balanced_accuracy <= 1


@given(ANSWERS, st.booleans())
def test_the_same_answer_to_everything_gets_one_half(rows, answer):
    rows = [(True, 0, 0.5)] * 2 + [(False, 0, 0.5)] * 2 + rows
    assert verdicts(cases([(r, answer, 0.5) for r, _, _ in rows])).balanced_accuracy == 0.5


def test_without_two_answers_of_each_kind_nothing_is_measured():
    rows = cases([(True, True, 0.9)] * 3 + [(False, True, 0.9)])
    result = verdicts([*rows, (Case(CATS, False), Unread("excerpt top 0: no line"))])
    assert result.balanced_accuracy is result.auroc is result.auprc is None
    assert result.failures == ("excerpt top 0: no line",)
    assert result.unscored_reason == (
        "too few answers of a kind could be read (4 of 5 in all); 2 are the least"
    )


def test_one_answer_without_a_probability_leaves_the_balanced_accuracy_alone():
    rows = cases([(True, True, 0.9)] * 2 + [(False, False, 0.1), (False, False, None)])
    result = verdicts(rows)
    assert (result.balanced_accuracy, result.auroc) == (1.0, None)


def test_rounds_count_those_that_were_read():
    shown = Round((CATS, RIVER), 1)
    answers = [(shown, Judged(1, 0.75)), (shown, Judged(0, 0.25)), (shown, Unread("round 3: so"))]
    result = measure_rounds(answers)
    assert (result.accuracy, result.probability, result.failures) == (0.5, 0.5, ("round 3: so",))
    assert measure_rounds(answers[2:]).accuracy is None
