"""The model provider ``human/NAME``: its models are people, who answer by a page in a browser."""

from __future__ import annotations

import json
import os
import re
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

import anyio
from inspect_ai.model import (
    ChatMessage,
    GenerateConfig,
    ModelAPI,
    ModelOutput,
)
from inspect_ai.tool import ToolChoice, ToolInfo

from neuron_eval.human.reused import Reused
from neuron_eval.human.serving import Seat, shared_seat
from neuron_eval.human.telling import tell
from neuron_eval.parameters import check_flag, check_number, check_text
from neuron_eval.rating.asked import question_in
from neuron_eval.rating.question import Question, QuestionError
from neuron_eval.usage_error import UsageError, usage_errors

LOOPBACK = "127.0.0.1"

POLL_SECONDS = 0.2
"""How often a waiting sample looks for its answer; the server runs in another event loop."""

_NAME = re.compile(r"\w[\w.-]{0,39}")

_opened: set[str] = set()
"""Addresses that a browser was opened on."""


class HumanRater(ModelAPI):
    """Asks a person; an answer that is on disk already is not asked for again."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008
        raters: str | Sequence[object] | None = None,
        answers: str | None = None,
        host: str = LOOPBACK,
        port: int = 0,
        open: bool = True,
        **unknown: object,
    ) -> None:
        """Prepare the rater; the server starts with the first question.

        Args:
            model_name: The rater's name: letters, digits, ``.``, ``_`` and ``-``.
            base_url: Not used.
            api_key: Not used.
            config: Not used.
            raters: Everybody who rates in this run, so that all links are printed at once; a
                model with another name is then an error.
            answers: The folder of the files of answers; the user's data folder otherwise.
            host: The address to listen on.
            port: The port to listen on; 0 for any that is free.
            open: Whether to open the page in a browser, where there is a display.
            unknown: Any other argument, which is an error.

        Raises:
            UsageError: A name or an argument cannot be used.
        """
        super().__init__(model_name, base_url, api_key, [], config)
        with usage_errors():
            if unknown:
                raise ValueError(
                    f"human/{model_name} takes no argument {', '.join(sorted(unknown))}; those it "
                    "takes: raters, answers, host, port, open"
                )
            self._raters = _raters(model_name, raters)
            check_text("host", host)
            check_number("port", port, least=0)
            check_flag("open", open)
            if answers is not None:
                check_text("answers", answers)
        self._folder = Path(answers).expanduser().absolute() if answers else _default_folder()
        self._address = (host, port)
        self._open = open
        self._asked: set[str] = set()
        self._reused: Reused | None = None

    async def generate(
        self,
        input: list[ChatMessage],
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> ModelOutput:
        """Put the question and wait for the answer that the rater hands over.

        When the call is cancelled (a timeout, the end of the eval) the question stays: asked
        again it has the answer that was given meanwhile.

        Raises:
            UsageError: The last user message carries no question, or the page cannot be served.
        """
        question = self._question(input)
        seat = self._seat()
        with usage_errors():
            key = seat.desk.ask(question)
        if key not in self._asked and seat.desk.handed_over(key):
            self._reused = self._reused or Reused(self.model_name, seat.desk.path)
            await self._reused.count()
        self._asked.add(key)
        while (reply := seat.desk.handed_over(key)) is None:
            await anyio.sleep(POLL_SECONDS)
        text = json.dumps(reply.answer.to_json(), ensure_ascii=False)
        output = ModelOutput.from_content(model=f"human/{self.model_name}", content=text)
        output.metadata = {"seconds": reply.seconds, "at": reply.at}
        return output

    def max_connections(self) -> int:
        """As many as there are samples, so that the page knows them all."""
        return 1000

    def connection_key(self) -> str:
        """Every rater waits for themselves alone."""
        return self.model_name

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

    def _seat(self) -> Seat:
        """This rater's place; the first time its link, and those of the others, are told."""
        own = None
        for rater in self._raters:
            seat, new = shared_seat(rater, self._folder, *self._address)
            if new:
                tell(f"{rater} rates at {seat.link}\n  answers: {seat.desk.path}")
            if rater == self.model_name:
                own = seat
        assert own is not None
        if self._open and len(self._raters) == 1:
            _open_once(own.link)
        return own


def check_raters(names: Sequence[str]) -> None:
    """Refuse a name that no rater can have, since files are called by it.

    Raises:
        ValueError: Names the rater.
    """
    for one in names:
        if not _NAME.fullmatch(one):
            raise ValueError(
                f"human/{one}: a rater's name has 1 to 40 letters, digits, '.', '_' or '-' and "
                "does not start with '.' or '-'"
            )


def _raters(name: str, given: str | Sequence[object] | None) -> tuple[str, ...]:
    """All raters of the run.

    Raises:
        ValueError: A name cannot be used, or the model's own is not among those given.
    """
    listed = given.split(",") if isinstance(given, str) else (given or [name])
    names = tuple(dict.fromkeys(str(one).strip() for one in listed))
    check_raters((name, *names))
    if name not in names:
        raise ValueError(
            f"human/{name}: {name!r} is none of raters={','.join(names)}; each rater is a model "
            f"of their own: --model {','.join(f'human/{one}' for one in names)}"
        )
    return names


def _default_folder() -> Path:
    from platformdirs import user_data_path

    return user_data_path("neuron_eval") / "answers"


def _open_once(link: str) -> None:
    """Open the first rater's page, if there is a display; never waits for the browser."""
    address = link.rsplit("/", 2)[0]
    if address in _opened or not _has_display():
        return
    _opened.add(address)
    Thread(target=webbrowser.open, args=(link,), daemon=True).start()


def _has_display() -> bool:
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
