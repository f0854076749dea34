"""Whole evals of explainers that test their explanations, by tools and in plain messages."""

import json
import os
import re
from pathlib import Path

import pytest
from inspect_ai import eval
from inspect_ai.model import ChatMessageTool, ModelOutput
from inspect_ai.tool import ToolCall

from neuron_eval.investigation.solver import investigate as investigate_solver
from neuron_eval.records.splits import from_metadata
from neuron_eval.reporting.collecting import collect
from neuron_eval.sources import schema
from neuron_eval.tasks.formats import summary
from neuron_eval.tasks.investigate import investigate
from neuron_eval.testing import fake, fake_subject, make_neuron
from neuron_eval.usage_error import UsageError

WORDS = (" bird", " cat", " dog", " fish")


@pytest.fixture
def neurons(tmp_path):
    """The excerpts fit any animal of which they hold one; the neuron fires on cats alone."""
    made = [make_neuron(f"test/L0N{i}", neuron=i, reference="cat") for i in range(2)]
    schema.write(tmp_path / "few.jsonl", made)
    return str(tmp_path / "few.jsonl")


def fires_on_cats(place, tokens):
    return [10.0 if token == " cat" else 0.0 for token in tokens]


def run(explainer, neurons, subject=None, limit=1, **parameters):
    (log,) = eval(
        investigate(neurons=neurons, simulation="none", limit=limit, **parameters),
        model=explainer.model,
        model_roles={"subject": (subject or fake_subject(fires_on_cats)).model},
        fail_on_error=False,
    )
    assert log.status == "success", log.error
    return log


def bisecting(name="bisects"):
    """Tests half of the words that are left, and keeps the half on which the neuron fires."""

    def respond(messages, config):
        asked = messages[-1].text
        if "Test it." in asked:
            words = left(messages)
            half = words[: max(1, len(words) // 2)]
            new = sum("to your sentences" in message.text for message in messages)
            lines = [f"Text: The{word} ran {new} times." for word in half]
            return said("\n".join(["Hypothesis: one of them", *lines]))
        return said(" or".join(left(messages)).strip())

    def left(messages):
        words = list(WORDS)
        for message in messages:
            if message.role != "user" or "responds to your sentences" not in message.text:
                continue
            tested = [w for w in WORDS if re.search(rf"The\[?{w}\]? ran", message.text)]
            marked = r"(?m)^{}(\t10)?$|\[{}\]"
            fired = [w for w in tested if re.search(marked.format(w, w), message.text)]
            words = fired or [w for w in words if w not in tested]
        return words

    def said(text):
        return ModelOutput.from_content(f"neuron-fake/{name}", text)

    return fake(name, respond)


def test_an_explainer_that_bisects_reaches_the_rule(neurons):
    log = run(bisecting(), neurons, limit=2)
    for sample in log.samples:
        assert sample.output.completion == "cat"
    stored = log.samples[0].store["investigation"]
    assert [r["explanation"] for r in stored["rounds"]] == ["bird or cat or dog or fish", *LATER]
    assert stored["rounds"][0]["hypotheses"] == ["one of them"]
    tests = [(t["text"], t["peak"]) for t in stored["rounds"][0]["tests"]]
    assert tests == [("The bird ran 0 times.", 0.0), ("The cat ran 0 times.", 10.0)]
    assert stored["protocol"] == "plain"
    assert stored["why"] == "it is not known that models of neuron-fake call tools"
    assert stored["stopped"] == "all 3 rounds were used"
    assert log.eval.metadata["task_format"] == "investigate summary"


LATER = ["cat", "cat"]


def test_one_that_ignores_the_activations_does_not(neurons):
    def respond(messages, config):
        test = "Test it." in messages[-1].text
        return ModelOutput.from_content("m", "Text: A dog." if test else "a dog")

    log = run(fake("ignores", respond), neurons)
    assert log.samples[0].output.completion == "a dog"


def test_results_are_on_the_scale_of_the_excerpts_in_the_format_s_own_way(neurons):
    def half(place, tokens):
        return [5.0 if token == " cat" else 0.0 for token in tokens]

    explainer = bisecting("half")
    run(explainer, neurons, fake_subject(half), format="original")
    (results,) = [m[-1].text for m in explainer.requests if "to your sentences" in m[-1].text][:1]
    assert results.startswith(
        "This is how the neuron responds to your sentences, on the same scale"
    )
    assert "\n cat\t5\n" in results  # the excerpts' peak is 10
    assert "Explain the neuron again." in results
    assert results.rstrip().endswith(explainer.requests[0][-1].text.rpartition("\n")[2].strip())


def test_held_out_excerpts_are_never_shown(neurons):
    explainer = bisecting("shown")
    log = run(explainer, neurons)
    dealt = from_metadata(log.samples[0].metadata, "test")
    everything = "\n".join(message.text for request in explainer.requests for message in request)
    held_out = [excerpt.record.text for excerpt in (*dealt.valid, *dealt.calibration)]
    assert held_out
    assert not [text for text in held_out if text.strip() in everything]


def test_the_tokens_of_all_requests_are_counted(neurons):
    explainer = bisecting("counts")
    log = run(explainer, neurons)
    assert len(explainer.requests) == 7
    usage = log.stats.model_usage["neuron-fake/counts"]
    assert log.samples[0].output.usage.input_tokens == usage.input_tokens


def test_texts_that_cannot_be_read_end_it_with_the_last_explanation(neurons):
    def respond(messages, config):
        first = not any("Test it." in message.text for message in messages)
        return ModelOutput.from_content("m", "cats" if first else "I would rather not.")

    explainer = fake("refuses", respond)
    (sample,) = run(explainer, neurons).samples
    assert sample.output.completion == "cats"
    assert sample.scores["adacs"].as_float() > 0
    assert sample.store["investigation"]["stopped"] == (
        'no text could be read after 3 replies, the last: there is no line that begins with "Text:"'
    )
    assert len(explainer.requests) == 4
    assert explainer.requests[-1][-1].text.startswith(
        'That answer cannot be used: there is no line that begins with "Text:".'
    )


def test_a_revision_that_says_nothing_keeps_the_last_explanation(neurons):
    def respond(messages, config):
        if "Explain" in messages[-1].text:
            return ModelOutput.from_content("m", "")
        test = "Test it." in messages[-1].text
        return ModelOutput.from_content("m", "Text: A dog." if test else "cats")

    (sample,) = run(fake("says nothing", respond), neurons).samples
    assert sample.output.completion == "cats"
    assert "gave no explanation" in sample.store["investigation"]["stopped"]


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ("error", "out of memory"),
        ("nan", "gave an activation that is not finite"),
        ("tokens", "gave tokens that do not join"),
        ("none", "gave no activations of 2 texts"),
    ],
)
@pytest.mark.parametrize("protocol", ["plain", "tools"])
def test_a_subject_that_fails_leaves_the_neuron_unscored_and_the_others_scored(
    neurons, failure, words, protocol
):
    explainer = bisecting("fails") if protocol == "plain" else calling(["cat"], "fails")
    subject = fake_subject(fires_on_cats, failures=[failure])
    log = run(explainer, neurons, subject, limit=2, protocol=protocol)
    reasons = [sample.scores["adacs"].reason for sample in log.samples]
    assert sorted(reasons, key=str) == [None, "no explanation given"]
    (failed,) = [s for s in log.samples if s.scores["adacs"].reason]
    assert words in failed.scores["adacs"].explanation
    assert not any(sample.error for sample in log.samples)


def calling(answers, name="calls", texts=("The cat ran.", "The dog ran.")):
    """Calls the tool once for each answer, with that as its explanation, then submits the last."""

    def respond(messages, config):
        output = ModelOutput.from_content(f"neuron-fake/{name}", "an animal")
        if not any("`activations`" in message.text for message in messages):
            return output
        told = [m for m in messages if isinstance(m, ChatMessageTool)]
        called = len([m for m in told if m.function == "activations"])
        call = ToolCall(id=f"c{len(messages)}", function="submit", arguments={"answer": "cat"})
        if called < len(answers):
            arguments = {"explanation": answers[called], "texts": list(texts)}
            call = ToolCall(id=f"c{called}", function="activations", arguments=arguments)
        output.message.tool_calls = [call]
        return output

    return fake(name, respond)


def test_by_tools_the_explainer_calls_and_submits(neurons):
    explainer = calling(["animals", "cats and dogs"])
    (sample,) = run(explainer, neurons, protocol="tools").samples
    assert sample.output.completion == "cat"
    stored = sample.store["investigation"]
    assert [r["explanation"] for r in stored["rounds"]] == ["animals", "cats and dogs"]
    assert (stored["stopped"], stored["why"]) == ("it was submitted", "it was asked for")
    told = [m.text for m in explainer.requests[-1] if isinstance(m, ChatMessageTool)]
    assert told[0].startswith("This is how the neuron responds to your sentences")
    assert "<start>The cat ran.<end>\nTokens that activate highly:\n cat\n" in told[0]
    assert told[0].endswith("You may call the tool 2 times more. When you are sure, submit.")


def test_by_tools_no_more_rounds_than_allowed_are_run(neurons):
    subject = fake_subject(fires_on_cats)
    explainer = calling(["animals"] * 9, "goes on")
    (sample,) = run(explainer, neurons, subject, protocol="tools", rounds=2).samples
    assert len(sample.store["investigation"]["rounds"]) == 2
    assert len(subject.requests) == 1  # the same texts again come from Inspect's cache
    told = [m for m in explainer.requests[-1] if isinstance(m, ChatMessageTool)]
    assert told[-1].error.message == "There are no more tests. Submit the explanation."
    assert sample.output.completion == "animals"
    assert sample.store["investigation"]["stopped"] == (
        "a limit was reached before it was submitted: message"
    )


def test_texts_are_bounded_in_number_and_length(neurons):
    subject = fake_subject(fires_on_cats)
    texts = [" ", "a word " * 100, *(f"text {i}" for i in range(9)), "text 1"]
    run(calling(["animals"], "writes", texts), neurons, subject, protocol="tools", texts=3)
    (request,) = subject.requests
    asked = [message.text for message in request[1:]]
    assert asked == [("a word " * 100)[:300].strip(), "text 0", "text 1"]
    assert json.loads(request[0].text)["id"] == "test/L0N0"


def test_a_token_limit_of_inspect_s_keeps_the_last_explanation(neurons):
    explainer = bisecting("limited")
    subject = fake_subject(fires_on_cats)
    (log,) = eval(
        investigate(neurons=neurons, simulation="none", limit=1, rounds=50),
        model=explainer.model,
        model_roles={"subject": subject.model},
        token_limit=5000,
    )
    (sample,) = log.samples
    assert sample.limit.type == "token"
    assert sample.output.completion in ("bird or cat or dog or fish", "cat")
    assert sample.scores["adacs"].as_float() > 0
    assert sample.store["investigation"]["stopped"] == "it was not finished"


def test_another_model_s_neurons_are_refused_before_anything_is_asked(neurons):
    explainer, subject = bisecting("unasked"), fake_subject(fires_on_cats, model="other")
    with pytest.raises(UsageError, match="neuron test/L0N0: is of test; the subject is other"):
        eval(
            investigate,
            model=explainer.model,
            model_roles={"subject": subject.model},
            task_args={"neurons": neurons, "simulation": "none"},
        )
    assert explainer.requests == subject.requests == []


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        ({}, "no subject: name the model that has the neurons, --model-role subject="),
        ({"subjct": "mockllm/model"}, "a folder or a .gguf file; did you mean subject?"),
        ({"subject": "mockllm/model"}, "mockllm/model is no subject: its neurons cannot be seen"),
    ],
)
def test_without_a_subject_it_ends_with_a_sentence(neurons, roles, words):
    explainer = bisecting("alone")
    with pytest.raises(UsageError, match=re.escape(words)):
        eval(
            investigate,
            model=explainer.model,
            model_roles=roles,
            task_args={"neurons": neurons, "simulation": "none"},
        )
    assert explainer.requests == []


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"rounds": 0}, "rounds=0: expected a whole number of at least 1"),
        ({"texts": "x"}, "texts='x': expected a whole number of at least 1"),
        ({"protocol": "tool"}, "protocol='tool': allowed are auto, tools, plain; did you mean"),
        ({"format": "sumary"}, "sumary"),
        ({"pack": "neuron_eval-2"}, "has no section investigation; copy it from the bundled"),
        ({"neurons": "puzzles"}, "is not part of a network, so no subject can be asked about it"),
        ({"round": 3}, "-T round: no such parameter"),
    ],
)
def test_what_cannot_be_run_is_refused(parameters, words):
    with pytest.raises(UsageError, match=re.escape(words)):
        investigate(**parameters)


def test_it_is_a_solver_for_any_task_too(neurons):
    explainer = bisecting("solver")
    (log,) = eval(
        summary(neurons=neurons, simulation="none", limit=1),
        solver=investigate_solver("highlight", rounds=2),
        model=explainer.model,
        model_roles={"subject": fake_subject(fires_on_cats).model},
    )
    assert log.samples[0].output.completion == "cat"


def test_what_the_explainer_reads_after_its_first_answer_is_the_golden_one(neurons):
    explainer = bisecting("golden")
    run(explainer, neurons, rounds=1)
    first, *_, last = explainer.requests
    text = "".join(f"=== {message.role}\n{message.text}\n" for message in last[len(first) :])
    golden = Path(__file__).parents[1] / "golden" / "investigation.txt"
    if os.environ.get("NEURON_EVAL_UPDATE_GOLDEN"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def scripted(steps, name="scripted"):
    """Its first answer is "an animal"; then one step per request, each a call of a tool."""

    def respond(messages, config):
        output = ModelOutput.from_content(f"neuron-fake/{name}", "an animal")
        if any("`activations`" in message.text for message in messages):
            made = sum(len(getattr(m, "tool_calls", None) or ()) for m in messages)
            function, arguments = steps[min(made, len(steps) - 1)]
            call = ToolCall(id=f"c{made}", function=function, arguments=arguments)
            output.message.tool_calls = [call]
        return output

    return fake(name, respond)


def call(explanation, *texts):
    return "activations", {"explanation": explanation, "texts": list(texts)}


def submit(answer):
    return "submit", {"answer": answer}


def limited(explainer, neurons, protocol, **limits):
    (log,) = eval(
        investigate(neurons=neurons, simulation="none", limit=1, protocol=protocol),
        model=explainer.model,
        model_roles={"subject": fake_subject(fires_on_cats).model},
        **limits,
    )
    (sample,) = log.samples
    return sample


@pytest.mark.parametrize("messages", range(16, 26, 3))
def test_whatever_limit_of_messages_ends_it_an_explanation_is_kept(neurons, messages):
    """Those on the way are replies to other questions."""

    def respond(messages, config):
        asked = "Test it." in messages[-1].text or "cannot be used" in messages[-1].text
        return ModelOutput.from_content("m", "I would rather not." if asked else "cats")

    plain = limited(fake("resists", respond), neurons, "plain", message_limit=messages)
    assert plain.output.completion == "cats"
    steps = [call("felines", "A cat 1"), call("cats", "A cat 2"), submit("a cat")]
    tools = limited(scripted(steps), neurons, "tools", message_limit=messages)
    assert tools.output.completion in ("an animal", "felines", "cats", "a cat")
    rounds = tools.store["investigation"]["rounds"]
    if rounds and tools.output.completion != "a cat":
        assert tools.output.completion == rounds[-1]["explanation"]


def test_a_limit_of_messages_stops_the_agent(neurons):
    endless = scripted([call("felines", "A cat")], "endless")
    sample = limited(endless, neurons, "tools", message_limit=17)
    assert len(endless.requests) == 2
    assert sample.output.completion == "felines"


def test_ignored_tokens_do_not_set_the_scale(neurons):
    def dots(place, tokens):
        return [1000.0 if t == "." else 5.0 if t == " cat" else 0.0 for t in tokens]

    explainer = calling(["animals"], "ignores dots", ["The cat ran."])
    subject = fake_subject(dots)
    settings = {"protocol": "tools", "format": "original", "ignore_tokens": "."}
    (sample,) = run(explainer, neurons, subject, **settings).samples
    ((test,),) = [experiment["tests"] for experiment in sample.store["investigation"]["rounds"]]
    assert test["peak"] == 5.0
    told = [m.text for m in explainer.requests[-1] if isinstance(m, ChatMessageTool)]
    assert "\n cat\t5\n" in told[0]


@pytest.mark.parametrize(
    ("answer", "kept"),
    [("<think>dogs, no</think>cat", "cat"), ("<think>dogs", "felines"), ("", "felines")],
)
def test_thinking_is_no_part_of_what_is_submitted(neurons, answer, kept):
    steps = [call("<think>hm</think>felines", "A cat"), submit(answer)]
    (sample,) = run(scripted(steps, "thinks"), neurons, protocol="tools").samples
    assert sample.output.completion == kept


def test_an_explainer_whose_server_fails_by_tools_is_a_sentence(neurons):
    def respond(messages, config):
        if "`activations`" in messages[-1].text:
            raise RuntimeError("500 server broke")
        return ModelOutput.from_content("m", "cats")

    (log,) = eval(
        investigate(neurons=neurons, simulation="none", limit=1, protocol="tools"),
        model=fake("broken", respond).model,
        model_roles={"subject": fake_subject(fires_on_cats).model},
        fail_on_error=False,
    )
    message = log.samples[0].error.message
    assert "The explainer neuron-fake/broken, asked about neuron test/L0N0," in message


def test_a_revision_that_filled_the_context_is_none(neurons):
    def respond(messages, config):
        if "Explain the neuron again" in messages[-1].text:
            return ModelOutput.from_content("m", "cats and so", stop_reason="model_length")
        test = "Test it." in messages[-1].text
        return ModelOutput.from_content("m", "Text: A dog." if test else "cats")

    (sample,) = run(fake("full", respond), neurons).samples
    assert sample.output.completion == "cats"


def test_marks_within_an_explanation_stay(neurons):
    explainer = fake("marks", lambda m, c: ModelOutput.from_content("m", "the mark {texts}"))
    run(explainer, neurons, rounds=1)
    assert "Explanation: the mark {texts}\n" in explainer.requests[1][-1].text


def test_runs_of_other_settings_or_subjects_stand_apart_in_the_report(neurons, tmp_path):
    folder = str(tmp_path / "apart")
    for settings in ({}, {"rounds": 1}, {"texts": 2}, {"protocol": "tools"}, {"subject": "other"}):
        name = settings.pop("subject", "subject")
        explainer = calling(["cats"]) if settings.get("protocol") else bisecting("settings")
        eval(
            investigate(neurons=neurons, simulation="none", **settings),
            model=explainer.model,
            model_roles={"subject": fake_subject(fires_on_cats, name=name).model},
            log_dir=folder,
        )
    labels = [run.format for run in collect([folder]).runs]
    assert sorted(labels) == [
        *["investigate summary"] * 2,
        "investigate summary, protocol=tools",
        "investigate summary, rounds=1",
        "investigate summary, texts=2",
    ]
