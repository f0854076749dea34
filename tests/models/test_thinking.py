"""Thinking that a server does not split off is no explanation, no value and no rating."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inspect_ai import eval
from inspect_ai.log import read_eval_log
from inspect_ai.model import Logprob, Logprobs, ModelOutput
from inspect_ai.scorer import SampleScore, Score

from neuron_eval.explain.solvers import bad_explanation, explained
from neuron_eval.logs.runs import neuron_result
from neuron_eval.metrics import cut_off
from neuron_eval.models.replies import answer_text, starved
from neuron_eval.rating.answer import AnswerError, parse_answer
from neuron_eval.rating.question import Option, Question, Scale, ShownExcerpt
from neuron_eval.reporting.collecting import collect
from neuron_eval.reporting.tables.failures import failures_table
from neuron_eval.simulation import Simulated, UnreadableReplyError, chat, per_token, sparse
from neuron_eval.sources import schema
from neuron_eval.tasks import formats
from neuron_eval.testing import fake, fake_embedder, fake_simulator, make_neuron

PAIRS = {
    "most": ("<think>", "</think>"),
    "attributes": ('<think duration="3">', "</think>"),
    "capital": ("<Thought>", "</Thought>"),
    "prompted": ("<thinking>", "</thinking>"),
    "reasoning": ("<reasoning>", "</reasoning>"),
    "EXAONE": ("<thought>", "</thought>"),
    "Seed": ("<seed:think>", "</seed:think>"),
    "MiniMax": ("<mm:think>", "</mm:think>"),
    "Magistral": ("[THINK]", "[/THINK]"),
    "Kimi": ("◁think▷", "◁/think▷"),
    "gpt-oss": (
        "<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
    ),
    "Command A": ("<|START_THINKING|>", "<|END_THINKING|>"),
    "Gemma": ("<|channel>thought\n", "<channel|>"),
    "MedGemma": ("<unused94>thought\n", "<unused95>"),
    "OpenThinker": ("<|begin_of_thought|>", "<|end_of_thought|>"),
    "Apertus": ("<|inner_prefix|>", "<|inner_suffix|>"),
    "Pangu": ("[unused16]", "[unused17]"),
    "Granite": ("Here is my thought process:", "Here is my response:"),
    "Granite, short": ("Here's my thought process:", "**Here's my response:**"),
    "Apriel": ("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]"),
}


@pytest.mark.parametrize(("opening", "closing"), PAIRS.values(), ids=PAIRS)
def test_thinking_between_the_marks_of_every_family_is_left_out(opening, closing):
    for answer in ("the word cat", 'the word "cat"', "1: 5\n2: 0"):
        whole = f"{opening}Okay, dogs.\n1: 9\n{closing}\n\n{answer}"
        assert answer_text(whole).strip() == answer
        # Chat templates often write the opening mark into the prompt.
        assert answer_text(f"Okay, dogs.\n1: 9\n{closing}{answer}").strip() == answer
        assert answer_text(f"Okay, so dogs.{closing}{answer}").strip() == answer
    assert answer_text(f"{opening}\nOkay, so I need") is None
    assert answer_text(f"\n {opening}Okay, so I need") is None


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("analysisWe need cats.assistantfinalthe word cat", "the word cat"),
        ("<|channel|>final<|message|>the word cat<|return|>", "the word cat"),
        ("<think>\n</think>\n<answer>\nthe word cat\n</answer>", "the word cat"),
        (
            "<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>cat<|END_RESPONSE|>",
            "cat",
        ),
        ("Hm.[BEGIN FINAL RESPONSE]\ncat\n[END FINAL RESPONSE]\n<|end|>", "cat"),
        ("<think>a <think>b</think> c</think>cat", "cat"),
        ("<think>a</think>\n<think>b</think>cat", "cat"),
        ("Let me see.\n<think>a</think>cat", "cat"),
        ('<think>It writes "</think>" often.</think>cat', "cat"),
        ('the words "dog" and "cat"</think>"cat"', '"cat"'),
        ("It is about cats. </think> cats", "cats"),
        ("It is about\ncats </think> cats", "cats"),
        ("<think> cats and </think> and dogs", "and dogs"),
        ("<answer>cats", "cats"),
    ],
)
def test_what_stands_around_the_answer_is_left_out_too(reply, answer):
    assert answer_text(reply).strip() == answer


@pytest.mark.parametrize("reply", ["", "<think>a</think>\n<think>b", "analysisWe need to"])
def test_a_reply_that_ends_within_its_thinking_has_no_answer(reply):
    assert answer_text(reply) == (None if reply else "")


@pytest.mark.parametrize(
    "text",
    [
        "the word cat",
        "tags such as <think> and <answer>",
        'the closing tag "</think>" in chats',
        "`</think>` and other tags",
        'tokens in "<b></think>" and the like',
        "</think>, </answer> and other closing tags",
        "the token </think>.",
        "tags such as <think> and </think>",
        "closing tags like </think> and </answer>",
        "<think> tags",
        "</think> tags",
        "<analysis> and <reason> elements",
        "<response> elements",
        "analysis of data and thoughts",
        "the end of sequence </s>",
    ],
)
def test_marks_that_an_answer_speaks_of_are_no_marks(text):
    assert answer_text(text) == text


@given(st.text(max_size=60), st.sampled_from(list(PAIRS.values())))
def test_what_is_left_is_the_end_of_the_reply(text, pair):
    answer = answer_text(f"{pair[0]}x{pair[1]}\n{text}")
    assert answer is None or answer in text or answer.strip() in text


# Simulators and raters


def output(text, stop="stop"):
    return ModelOutput.from_content("m", text, stop_reason=stop)


def test_numbers_within_thinking_are_no_values():
    thinking = "<think>Perhaps\n1: 9\n2: 9\nor\nA: none\n</think>\n"
    assert chat.read_reply(output(f"{thinking}1: 3\n2: 0"), [2]) == [
        Simulated((3.0, 0.0), "values")
    ]
    tokens = ((" cat", " dog"),)
    lone = thinking.removeprefix("<think>")
    assert sparse.read_reply(output(f'{lone}A: "cat":4'), tokens) == [
        Simulated((4.0, 0.0), "values")
    ]


def test_the_expectation_is_that_of_the_answer_and_not_of_a_draft():
    def token(text, *others):
        tops = [Logprob(token=t, logprob=math.log(p)).model_dump() for t, p in others]
        return Logprob(token=text, logprob=math.log(0.5), top_logprobs=tops)

    draft = [token("<think>"), token("1:"), token(" 9"), token("\n"), token("</think>")]
    reply = output("<think>1: 9\n</think>1: 3")
    answer = [token("1:"), token(" 3", (" 3", 0.5), (" 4", 0.5))]
    reply.choices[0].logprobs = Logprobs(content=[*draft, *answer])
    (part,) = chat.read_reply(reply, [1])
    assert part == Simulated((pytest.approx(3.5),), "log-probabilities")


@pytest.mark.parametrize("text", ["<think>\n1: 3\n2: 4", "<think>\n</think>\n "])
def test_a_simulators_reply_that_is_only_thinking_is_unreadable(text):
    reply = output(text, "max_tokens")
    for read in (
        lambda: chat.read_reply(reply, [2]),
        lambda: sparse.read_reply(reply, ((" cat",),)),
        lambda: per_token.read_reply(reply, "m"),
    ):
        with pytest.raises(UnreadableReplyError, match=r"nothing but thinking .*max_tokens"):
            read()


def test_a_token_that_holds_a_mark_is_no_mark():
    reply = output('1: "<b></think>" 0\n2: "x" 5')
    assert chat.read_reply(reply, [2]) == [Simulated((0.0, 5.0), "values")]


QUESTION = Question(
    "n", "n", (ShownExcerpt("top 0", ("a",), (1,), (True,)),),
    (Option("A", "one"), Option("B", "two")), Scale(1, 5, "bad", "good"), "Rate.",
)  # fmt: skip

RATED = '{"ratings": {"A": 4, "B": 2}, "best": "A", "comment": "B quotes </think> oddly"}'


def test_a_draft_within_thinking_is_no_rating():
    draft = '{"ratings": {"A": 1, "B": 1}, "best": "B"}'
    assert parse_answer(f"<think>{draft}</think>{RATED}", QUESTION).ratings == {"A": 4, "B": 2}
    assert parse_answer(RATED, QUESTION).comment == "B quotes </think> oddly"
    with pytest.raises(AnswerError, match="ends within the rater's thinking"):
        parse_answer(f"<think>\nPerhaps {draft}, or", QUESTION)
    with pytest.raises(AnswerError, match="no JSON object"):
        parse_answer(f"{draft} hm\n</think>\nI rate them alike.", QUESTION)


# Explainers


def test_only_a_reply_without_an_answer_is_starved():
    assert starved(output(CUT, "max_tokens"))
    assert starved(output("<think>\n</think>\n", "max_tokens"))
    assert not starved(output(CUT, "stop"))
    assert not starved(output("the word c", "max_tokens"))
    assert not starved(output("<think>a</think>the word c", "max_tokens"))


def test_a_reply_that_ends_within_its_thinking_is_no_explanation_also_in_a_log_read_again():
    raw = output(CUT, "stop")
    made = explained(raw, ())
    for read in (made, ModelOutput.model_validate_json(made.model_dump_json())):
        assert read.completion == ""
        score = bad_explanation(read)
        assert (score.value, score.reason) == (0, "unfinished_thinking")
        assert "ended within its thinking (stop reason: stop)" in score.explanation
    assert raw.completion == CUT


def run(tmp_path, respond):
    path = tmp_path / "neurons.jsonl"
    schema.write(path, [make_neuron("test/L0N0")])
    explainer = fake("thinking", respond)
    roles = {
        "simulator": fake_simulator(lambda _, tokens: [5.0 * (t == " cat") for t in tokens]).model,
        "embedder": fake_embedder(lambda t: [len(t), 1]).model,
    }
    task = formats.summary(neurons=str(path), simulation="chat", excerpts=2)
    (log,) = eval(task, model=explainer.model, model_roles=roles, log_dir=str(tmp_path))
    assert log.status == "success", log.error
    (scored,) = [s for s in log.results.scores if s.name == "scored"]
    return explainer, log, scored.metrics["explanations_cut_off"].value


def test_thinking_cut_off_at_60_tokens_is_asked_again_with_room_then_no_explanation(tmp_path):
    def respond(messages, config):
        return output(CUT if config.max_tokens else f"{CUT} over and over", "max_tokens")

    explainer, log, cut = run(tmp_path, respond)
    assert [config.max_tokens for config in explainer.configs] == [60, None]
    (sample,) = log.samples
    for name in ("simulation_correlation", "adacs"):
        assert (sample.scores[name].value, sample.scores[name].reason) == (0, "unfinished_thinking")
    assert (
        "ended within its thinking (stop reason: max_tokens)" in sample.scores["adacs"].explanation
    )
    assert sample.messages[-1].text.endswith("over and over")
    assert cut == 1
    (read,) = read_eval_log(log.location).samples
    assert neuron_result([read]).explanation == ""


def test_an_explanation_that_stopped_at_max_tokens_is_counted_and_the_report_says_so(tmp_path):
    answer = "<think>Hm.</think>the word cat and"
    _, log, cut = run(tmp_path, lambda *_: output(answer, "max_tokens"))
    assert log.samples[0].output.completion == "the word cat and"
    assert cut == 1
    table = failures_table(collect([log.location]).runs)
    rows = {row[0].text: [cell.text for cell in row[1:5]] for row in table.rows}
    assert rows["explanation cut off"] == [
        "the explainer's reply stopped at max_tokens", "1", "1", "100 %",
    ]  # fmt: skip


def test_cut_off_explanations_are_counted_over_all_samples():
    scores = [
        SampleScore(score=Score(value=1.0, metadata={"explanation_cut_off": cut}))
        for cut in (True, False, True)
    ]
    assert cut_off()(scores) == {"explanations_cut_off": 2}
    assert math.isnan(cut_off()([])["explanations_cut_off"])


CUT = (
    "<think>\nOkay, so I need to find out what this neuron does. The excerpts mention the word cat"
)
