"""The model provider ``human/NAME``: its models are people, who answer by a page in a browser."""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.to_thread
from inspect_ai.model import ChatMessage, GenerateConfig, ModelOutput
from platformdirs import user_data_path

from neuron_eval.messages import InputError
from neuron_eval.models.provider import OwnProvider
from neuron_eval.parameters import check_flag, check_number, check_text
from neuron_eval.rating.human.desk import Desk
from neuron_eval.rating.human.serving import RaterPage, open_once, shared_page
from neuron_eval.rating.human.store import Reply
from neuron_eval.rating.question import Question, QuestionError, question_in, question_key
from neuron_eval.usage_error import UsageError, usage_errors

LOOPBACK = "127.0.0.1"
MAX_PORT = 65_535

# How often a waiting sample looks for its answer; the server runs in another event loop.
POLL_SECONDS = 0.2
SETTLE_SECONDS = 0.3  # when no sample came for so long, all that had an answer already are counted

_NAME = re.compile(r"\w[\w.-]{0,39}")


class HumanRater(OwnProvider):
    """Asks a person; an answer that is on disk already is not asked for again."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig | None = None,
        raters: str | Sequence[object] | None = None,
        answers: str | None = None,
        host: str = LOOPBACK,
        port: int = 0,
        open: bool = True,
        **unknown: object,
    ) -> None:
        """Prepare the rater of that name; the server starts with the first question.

        ``raters`` is everybody who rates in this run, so that all links are printed at once; a
        model with another name is then an error. ``answers`` is the folder of the files of answers,
        the user's data folder otherwise. The server listens on ``host`` and ``port``, 0 for any
        that is free; ``open`` opens the page in a browser, where there is a display.
        """
        super().__init__(model_name, base_url, api_key, config)
        with usage_errors():
            if unknown:
                raise InputError(
                    f"human/{model_name} takes no argument {', '.join(sorted(unknown))}; those it "
                    "takes: raters, answers, host, port, open"
                )
            self._raters = _raters(model_name, raters)
            check_text("host", host)
            check_number("port", port, least=0)
            if port > MAX_PORT:
                raise InputError(f"port={port}: expected a whole number from 0 to {MAX_PORT}")
            check_flag("open", open)
            if answers is not None:
                check_text("answers", answers)
        own = user_data_path("neuron_eval") / "answers"
        self._folder = Path(answers).expanduser().absolute() if answers else own
        self._address = (host, port)
        self._open = open
        self._keys: set[str] = set()  # of the questions that were put in this run
        self._reused = 0

    async def answer(self, messages: list[ChatMessage]) -> ModelOutput:
        """Put the question and wait for the answer that the rater hands over.

        When the call is cancelled (a timeout, the end of the eval) the question stays: asked
        again it has the answer that was given meanwhile.
        """
        question = self._question(messages)
        desk = self._page().desk
        with desk.waiting(question_key(question)):
            with usage_errors():
                key = await anyio.to_thread.run_sync(desk.ask, question)
            if key not in self._keys and desk.handed_over(key):
                await self._count_reused(desk.path)
            self._keys.add(key)
            reply = await _final(key, desk)
        text = json.dumps(reply.answer.to_json(), ensure_ascii=False)
        output = ModelOutput.from_content(model=f"human/{self.model_name}", content=text)
        output.metadata = {"seconds": reply.seconds, "at": reply.at}
        return output

    def max_connections(self) -> int:
        """A ceiling for a task that sets no number of its own, as `rate` does."""
        return 1000

    def connection_key(self) -> str:
        return self.model_name

    async def _count_reused(self, path: Path) -> None:
        """Count one more answer of an earlier run, so that nobody wonders who gave them.

        Of several at once the first waits for the others and tells.
        """
        self._reused += 1
        if self._reused > 1:
            return
        before = 0
        try:
            while self._reused > before:
                before = self._reused
                await anyio.sleep(SETTLE_SECONDS)
        finally:
            _tell(
                f"{self.model_name}: answers handed over in an earlier run are used again and not "
                f"asked for, {self._reused} so far\n  from {path}; -M answers=DIR with a new "
                "folder starts anew"
            )

    def _question(self, input: list[ChatMessage]) -> Question:
        try:
            question = question_in(input)
        except QuestionError as error:
            raise UsageError(f"human/{self.model_name}: {error}") from error
        if question is None:
            raise UsageError(
                f"human/{self.model_name}: the last user message carries no question in its "
                "metadata. People answer the questions of neuron_eval/rate; as an explainer or a "
                "simulator they cannot serve."
            )
        return question

    def _page(self) -> RaterPage:
        """This rater's page; the first time its link, and those of the others, are told."""
        pages: dict[str, RaterPage] = {}
        for rater in self._raters:
            pages[rater], new = shared_page(rater, self._folder, *self._address)
            if new:
                _tell(f"{rater} rates at {pages[rater].link}\n  answers: {pages[rater].desk.path}")
        own = pages[self.model_name]
        if self._open and len(self._raters) == 1:
            open_once(own.link)
        return own


async def _final(key: str, desk: Desk) -> Reply:
    """Wait until an answer is handed over, here or in another process."""
    while (reply := desk.handed_over(key)) is None:
        await anyio.sleep(POLL_SECONDS)
        if desk.is_due():
            await anyio.to_thread.run_sync(desk.look)
    return reply


def check_raters(names: Sequence[str]) -> None:
    """Refuse, by an InputError, a name that no rater can have, since files are called by it."""
    for name in names:
        if not _NAME.fullmatch(name):
            raise InputError(
                f"human/{name}: a rater's name has 1 to 40 letters, digits, '.', '_' or '-' and "
                "does not start with '.' or '-'"
            )


def _raters(name: str, given: str | Sequence[object] | None) -> tuple[str, ...]:
    """All raters of the run, the model's own among them."""
    listed = given.split(",") if isinstance(given, str) else (given or [name])
    names = tuple(dict.fromkeys(str(rater).strip() for rater in listed))
    check_raters((name, *names))
    if name not in names:
        raise InputError(
            f"human/{name}: {name!r} is none of raters={','.join(names)}; each rater is a model "
            f"of their own: --model {','.join(f'human/{rater}' for rater in names)}"
        )
    return names


def _tell(text: str) -> None:
    """Print to standard error; Inspect's display shows it in its console.

    Not by click, which also writes empty bytes: the display breaks on them.
    """
    print(text, file=sys.stderr, flush=True)  # noqa: T201
