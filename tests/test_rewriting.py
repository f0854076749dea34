"""Explanations that a model makes too narrow or too broad: prompts, replies, and the task."""

import math
import re
import shutil
from dataclasses import fields
from pathlib import Path
from urllib.parse import urlparse

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inspect_ai import eval
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import Score

from neuron_eval import report
from neuron_eval.logs.sanity import print_checks, result_text, sanity_checks_of
from neuron_eval.measures import MEASURES
from neuron_eval.prompts.pack import default_pack, load_pack
from neuron_eval.prompts.wording import REWRITINGS, PackError, Wording
from neuron_eval.scorers.rewritten import numbers_of
from neuron_eval.simulation import UnreadableReplyError
from neuron_eval.sources import schema
from neuron_eval.tasks.rewriting import read_rewritten, rewriting_prompt
from neuron_eval.tasks.sanity import sanity
from neuron_eval.testing import fake_judge, fake_simulator, make_neuron
from neuron_eval.testing.models import _RESPOND, fake
from neuron_eval.usage_error import UsageError

GOLDEN = Path(__file__).parent / "golden"
NARROWED = default_pack().rewriting["narrowed"]


@pytest.mark.parametrize("name", REWRITINGS)
def test_the_prompt_is_the_golden_one(name):
    messages = rewriting_prompt("cats {explanation}", default_pack().rewriting[name])
    text = "\n=====\n".join(f"{message.role}: {message.text}" for message in messages) + "\n"
    assert text == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def read(reply, stop_reason="stop"):
    output = ModelOutput.from_content("m", reply, stop_reason=stop_reason)
    return read_rewritten(output, 'the word "cat"', NARROWED)


@pytest.mark.parametrize(
    "reply",
    [
        'the word "cat" at night',
        ' the word "cat" at night\n',
        'Too narrow: the word "cat" at night',
        '<think>hm</think>\n**the word "cat" at night**',
    ],
)
def test_a_reply_is_read_without_what_stands_around_it(reply):
    assert read(reply) == 'the word "cat" at night'


@pytest.mark.parametrize(
    ("reply", "stop_reason", "why"),
    [
        ("", "stop", "the reply is empty"),
        ("Too narrow:", "stop", "holds no explanation"),
        ("cats at night\nor at noon", "stop", "the answer has several lines"),
        ("cats at ni", "max_tokens", "the reply was cut off"),
        ("The word 'cat'.", "stop", "the answer is the given explanation"),
        ("I cannot", "content_filter", "the simulator refused"),
        ("I'm sorry, but I can't help with that.", "stop", "the answer is a refusal"),
        ("The word 'window' and its plural alone", "stop", "the answer repeats an example"),
    ],
)
def test_a_reply_that_cannot_be_used_is_refused_with_the_reason(reply, stop_reason, why):
    with pytest.raises(UnreadableReplyError, match=why):
        read(reply, stop_reason)


def test_an_explanation_of_an_example_s_words_may_be_answered_with_them():
    output = ModelOutput.from_content("m", "the plural windows alone")
    assert read_rewritten(output, "the word window", NARROWED) == "the plural windows alone"


@given(st.text())
def test_whatever_is_read_is_one_line_and_another_explanation(reply):
    try:
        text = read(reply)
    except UnreadableReplyError:
        return
    assert text.strip()
    assert "\n" not in text
    assert text != 'the word "cat"'


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("shortened: {}", r"rewriting: unknown key\(s\) shortened; allowed are narrowed, widened"),
        ("narrowed: {}", r"rewriting.narrowed: missing key\(s\) examples, question, retry, system"),
        ("narrowed: 3", r"rewriting.narrowed: expected keys and values, got int"),
        (
            "widened: {system: s, question: q, retry: r, examples: []}",
            r"rewriting.widened.question: must hold \{explanation\}, got 'q'",
        ),
        (
            "widened: {system: s, question: '{explanation}', retry: r, examples: [[a, b], [c]]}",
            r"rewriting.widened.examples\[1\]: expected two strings, got \['c'\]",
        ),
        (
            "widened: {system: s, question: '{explanation}', retry: r, examples: a}",
            r"rewriting.widened.examples: expected a list \(it may be empty\), got 'a'",
        ),
    ],
)
def test_a_bad_section_of_a_pack_is_refused_with_its_place(tmp_path, section, message):
    path = tmp_path / "pack.yaml"
    words = {field.name: "" for field in fields(Wording)}
    path.write_text(
        f"name: p\nformats: {{x: {words}}}\nfew_shot: []\nrewriting:\n  {section}", encoding="utf-8"
    )
    with pytest.raises(PackError, match=message):
        load_pack(str(path))


REWRITTEN = {"narrowed": "top1", "widened": "cat/random"}


def rewriter(inner, rewrite=lambda name, explanation: REWRITTEN[name], name="everything"):
    """A simulator that rewrites, and answers everything else as another fake does."""
    wordings = default_pack().rewriting
    kinds = {wording.system: kind for kind, wording in wordings.items()}
    other = _RESPOND[inner.model.name]

    def respond(messages, config):
        kind = kinds.get(messages[0].text)
        if kind is None:
            return other(messages, config)
        asked = messages[1 + 2 * len(wordings[kind].examples)].text
        explanation = re.fullmatch(r"Explanation: (.*)\nToo \w+:", asked)[1]
        return ModelOutput.from_content(f"neuron-fake/{name}", rewrite(kind, explanation))

    return fake(name, respond)


def knows(explanation, text):
    """An explanation is words, with a slash between them; a text fits that holds one of them."""
    return float(any(word in text for word in explanation.split("/")))


@pytest.fixture
def neurons(tmp_path):
    made = [make_neuron(f"test/L0N{i}", neuron=i, reference="cat") for i in range(3)]
    schema.write(tmp_path / "few.jsonl", made)
    return str(tmp_path / "few.jsonl")


def run(model, neurons, **parameters):
    (log,) = eval(
        sanity(concept="rewritten", neurons=neurons, **parameters),
        model="none",
        model_roles={"simulator": model.model},
    )
    assert log.status == "success", log.error
    return log


def shares(log, check):
    (result,) = [score for score in log.results.scores if score.name == f"{check}_reference"]
    return {name: metric.value for name, metric in result.metrics.items()}


def test_a_judge_that_knows_the_truth_notices_both(neurons):
    model = rewriter(fake_judge(knows))
    log = run(model, neurons, judge="detection", simulation="none")
    for check in REWRITINGS:
        assert shares(log, check) == {
            **dict.fromkeys(("detection", "detection_auroc"), 1.0),
            **dict.fromkeys(("detection_passes", "detection_auroc_passes"), 1.0),
        }
    score = log.samples[0].scores["widened_reference"]
    # a yes to every excerpt is as good as a guess
    assert score.value == {"detection": -0.5, "detection_auroc": -0.5}
    assert score.answer == "cat/random"
    assert "| Detection | 1.0000 | 0.5000 |  |" in score.explanation


def test_a_judge_that_does_not_read_the_explanation_notices_nothing(neurons):
    model = rewriter(fake_judge(lambda explanation, text: knows("cat", text)))
    log = run(model, neurons, judge="detection,fuzzing", simulation="none")
    for check in REWRITINGS:
        got = shares(log, check)
        assert got["detection"] == got["detection_passes"] == 0
        assert got["fuzzing"] == got["fuzzing_passes"] == 0


def test_a_simulator_that_knows_the_truth_notices_both_by_pearson(neurons):
    def predict(explanation, tokens):
        return [10 * knows(explanation, token) for token in tokens]

    log = run(rewriter(fake_simulator(predict)), neurons, simulation="chat", excerpts_per_call=1)
    for check in REWRITINGS:
        got = shares(log, check)
        assert {name for name in MEASURES if got[f"{name}_passes"]} >= {"pearson", "auprc", "f1"}
        assert "detection" not in got
    assert shares(log, "widened")["recall"] == 0


def test_a_reference_that_is_not_rewritten_is_unscored_with_the_reason(neurons):
    def rewrite(kind, explanation):
        return REWRITTEN[kind] if kind == "widened" else explanation.upper()

    model = rewriter(fake_judge(knows), rewrite)
    log = run(model, neurons, judge="detection", simulation="none", limit=1)
    (sample,) = log.samples
    narrowed, widened = (sample.scores[f"{check}_reference"] for check in REWRITINGS)
    assert math.isnan(narrowed.as_float())
    assert narrowed.reason == "the reference was not narrowed"
    assert narrowed.explanation == (
        "Not scored: the reference was not narrowed: 3 unreadable replies, the last: the answer is "
        "the given explanation."
    )
    assert widened.value["detection"] < 0
    asked = [request for request in model.requests if request[0].text == NARROWED.system]
    assert len(asked) == 3
    assert asked[-1][-1].text.startswith("That answer cannot be used: the answer is the given")
    unscored = {score.name: score.unscored_samples for score in log.results.scores}
    assert unscored == {"narrowed_reference": 1, "widened_reference": 0}


def test_where_nothing_is_rewritten_nothing_is_scored_for_it(neurons):
    model = rewriter(fake_judge(knows), lambda kind, explanation: explanation)
    log = run(model, neurons, judge="detection", simulation="none", limit=1)
    reasons = [score.reason for score in log.samples[0].scores.values()]
    assert reasons == [f"the reference was not {check}" for check in REWRITINGS]
    systems = {wording.system for wording in default_pack().rewriting.values()}
    assert {request[0].text for request in model.requests} == systems


def test_a_neuron_without_a_reference_is_unscored_and_nothing_is_asked(tmp_path):
    schema.write(tmp_path / "none.jsonl", [make_neuron(reference=None)])
    model = rewriter(fake_judge(knows))
    log = run(model, str(tmp_path / "none.jsonl"), judge="detection", simulation="none")
    reasons = [score.reason for score in log.samples[0].scores.values()]
    assert reasons == ["no explanation given"] * 2
    assert model.requests == []


def test_other_excerpts_read_are_no_measurement(neurons):
    """What cannot be read of one version would else be the difference to the other."""

    def respond(messages, config):
        output = _RESPOND["judge"](messages, config)
        if "it responds to top1\n" in messages[1].text:
            output.completion = output.completion.replace("A: ", "A: perhaps ")
        return output

    fake_judge(knows, logprobs=False)
    model = rewriter(fake("some", respond))
    log = run(model, neurons, judge="detection", simulation="none", limit=1)
    scores = log.samples[0].scores
    assert scores["narrowed_reference"].reason == "every score is undefined for one of the two"
    assert "| Detection | 1.0000 | undefined |  |" in scores["narrowed_reference"].explanation
    assert scores["widened_reference"].value["detection"] == -0.5


def test_tokens_without_a_value_tell_two_measurements_apart():
    about = {"excerpts": [{"excerpt": "top 2", "expected": [1.0, None, 2.0, None]}]}
    measured = numbers_of("simulation_correlation", Score(value=0.5, metadata=about))
    assert measured["over"] == ["top 2 1 3"]


def test_an_unscored_judgement_is_no_number():
    unscored = Score.unscored(reason="too few", metadata={"excerpts": []})
    assert numbers_of("detection", unscored) == {
        "over": [],
        "values": {"detection": None, "detection_auroc": None},
    }


def test_puzzles_can_be_checked_and_the_terminal_and_the_report_have_the_table(
    tmp_path, neurons, capsys
):
    model = rewriter(fake_judge(lambda explanation, text: knows("cat", text)))
    log = run(model, "puzzles", judge="detection", simulation="embedding", limit=2)
    assert log.samples[0].scores["narrowed_reference"].answer == "top1"
    checks = sanity_checks_of(log)
    capsys.readouterr()
    print_checks(checks)
    printed = " ".join(capsys.readouterr().out.split())
    title = "references narrowed and widened by neuron-fake/everything"
    assert f"Sanity checks of scores on puzzles, 2 neurons; {title}" in printed
    assert "Over the held-out excerpts score narrowed widened" in printed
    result = checks.results["detection", "rewritten", "narrowed"]
    assert "Detection, AUROC FAILS" in printed
    folder = tmp_path / "chosen"
    folder.mkdir()
    shutil.copy(urlparse(log.location).path, folder)
    (labels,) = eval(sanity(limit=2))
    shutil.copy(urlparse(labels.location).path, folder)
    both = report(folder)
    assert list(both) == ["sanity", "sanity_rewritten"]
    table = both["sanity_rewritten"].set_index("score")
    assert list(table.index) == [*(m.label for m in MEASURES.values()), "Detection", *MORE]
    assert table.loc["Detection", "narrowed"] == result.share == 0
    assert table.loc["Detection", "widened n"] == 2
    assert result_text(result, 2) == "FAILS    0 % [0, 66]"


MORE = ["Detection, AUROC"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"judge": "intruder"}, "judge=intruder: it sees no explanation, so none can be"),
        ({"simulation": "none"}, "simulation=none: no score is left to check; name a judge"),
        ({"judge": "detect"}, "judge='detect': allowed are detection, fuzzing, intruder"),
        ({"simulation": "spars"}, "simulation='spars': allowed are"),
        ({"pack": "neuron_eval-2"}, "has no section rewriting.narrowed; copy it from the bundled"),
        ({"alpha": 0.01}, "-T alpha: has no part with concept=rewritten"),
        ({"concept": "truth", "judge": "detection"}, "-T judge: has a part only with concept="),
    ],
)
def test_what_cannot_be_checked_is_refused(parameters, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        sanity(**{"concept": "rewritten", "neurons": "puzzles", **parameters})


def test_without_a_simulator_the_eval_ends_with_a_sentence():
    with pytest.raises(UsageError, match="no model judges: --model is none; name a judge with"):
        eval(sanity, model="none", task_args={"concept": "rewritten"})


def test_epochs_are_no_more_neurons(neurons):
    (log,) = eval(
        sanity(concept="rewritten", neurons=neurons, judge="detection", simulation="none"),
        model="none",
        model_roles={"simulator": rewriter(fake_judge(knows)).model},
        epochs=2,
    )
    checks = sanity_checks_of(log)
    assert checks.neurons == checks.results["detection", "rewritten", "narrowed"].neurons == 3


def test_two_simulators_checks_stand_beside_each_other_in_the_report(neurons, tmp_path):
    folder = str(tmp_path / "two")
    for name in ("weak", "strong"):
        eval(
            sanity(concept="rewritten", neurons=neurons, judge="detection", simulation="none"),
            model="none",
            model_roles={"simulator": rewriter(fake_judge(knows), name=name).model},
            log_dir=folder,
        )
    table = report(folder)["sanity_rewritten"]
    assert sorted(set(table["log"])) == [1, 2]
