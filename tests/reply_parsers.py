"""Every parser of what a model or a person writes, as a function of the text.

Each gives back what it read, or None where it refused the text by the error that it states.
"""

from inspect_ai.model import Logprob, Logprobs, ModelOutput, TopLogprob

from neuron_eval.explain.cleaning import clean_explanation
from neuron_eval.explain.prompting import opening_phrases
from neuron_eval.generating.asking import read_texts
from neuron_eval.judging.asking import read_letter, read_yes_or_no
from neuron_eval.models.replies import answer_text
from neuron_eval.prompts.pack import default_pack
from neuron_eval.rating.answer import AnswerError, parse_answer
from neuron_eval.rating.question import Option, Question, Scale, ShownExcerpt
from neuron_eval.reporting.tables.failures import skeleton
from neuron_eval.simulation import UnreadableReplyError, all_at_once, chat, per_token, sparse
from neuron_eval.simulation.expected import AlignmentError, align, unescaped
from neuron_eval.tasks.rewriting import read_rewritten

TOKENS = ((" a", "aa", '"', "1", "\n", " truth"), ("x", " y"))
PACK = default_pack()
OPENINGS = opening_phrases("summary", PACK)
QUESTION = Question(
    "n",
    "n",
    (ShownExcerpt("top 0", ("a",), (1,), (True,)),),
    (Option("A", "one"), Option("B", "two")),
    Scale(1, 5, "bad", "good"),
    "Rate.",
)


def _output(text, logprob=None):
    output = ModelOutput.from_content("m", text)
    if logprob is not None:
        tops = [TopLogprob(token="1", logprob=logprob), TopLogprob(token=text[:1], logprob=-1.0)]
        output.choices[0].logprobs = Logprobs(
            content=[Logprob(token=p, logprob=-1.0, top_logprobs=tops) for p in _pieces(text)]
        )
    return output


def _pieces(text):
    """Tokens of three characters, or of more where there would be too many of them."""
    size = max(3, len(text) // 500)
    return [text[i : i + size] for i in range(0, len(text), size)]


def _refused_by(error, read):
    def parse(text):
        try:
            return read(text)
        except error:
            return None

    return parse


def _prompt(text):
    segments = all_at_once.all_at_once_prompt("cats", TOKENS[1], PACK.simulation["all_at_once"], ())
    found = [Logprob(token=c, logprob=-1.0) for c in [*"".join(segments), *_pieces(text)]]
    return all_at_once.read_prompt(segments, TOKENS[1], found)


def _chat(text, **more):
    return chat.read_reply(_output(text, **more), [len(tokens) for tokens in TOKENS])


def _sparse(text, **more):
    return sparse.read_reply(_output(text, **more), TOKENS)


SIMULATOR = {
    "chat": _chat,
    "chat, one excerpt": lambda text: chat.read_reply(_output(text), [6]),
    "chat, log-probabilities": lambda text: _chat(text, logprob=-0.5),
    "sparse": _sparse,
    "sparse, one excerpt": lambda text: sparse.read_reply(_output(text), TOKENS[:1]),
    "sparse, log-probabilities": lambda text: _sparse(text, logprob=-0.5),
    "per_token": lambda text: per_token.read_reply(_output(text, logprob=-0.5), "m"),
    "all_at_once": _prompt,
    "judge, yes or no": lambda text: read_yes_or_no(_output(text, logprob=-0.5), 2),
    "judge, one excerpt": lambda text: read_yes_or_no(_output(text), 1),
    "judge, letter": lambda text: read_letter(_output(text, logprob=-0.5), 5, 1),
    "rewritten": lambda text: read_rewritten(_output(text), "cats", PACK.rewriting["narrowed"]),
    "written": lambda text: read_texts(_output(text), 5, ["cats"]),
    "written, cut off": lambda text: read_texts(
        ModelOutput.from_content("m", text, stop_reason="max_tokens"), 5
    ),
    "alignment": lambda text: align(["n: ", "0 b"], [*text[:1000], text]),
}

PARSERS = {
    **{
        name: _refused_by((UnreadableReplyError, AlignmentError), read)
        for name, read in SIMULATOR.items()
    },
    "a server's token": unescaped,
    "explanation": lambda text: clean_explanation(text, OPENINGS),
    "thinking": answer_text,
    "rater's answer": _refused_by(AnswerError, lambda text: parse_answer(text, QUESTION)),
    "failure in the report": skeleton,
}
