"""A fake writer of texts: it reads a pack's prompts, and sees no more than a real one does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from inspect_ai.model import ChatMessage, GenerateConfig, ModelOutput

from neuron_eval.generating.asking import numbered
from neuron_eval.prompts.pack import default_pack
from neuron_eval.prompts.wording import Pack
from neuron_eval.testing.models import Fake, fake

Write = Callable[[str], Sequence[str]]

NOTHING = tuple(f"Nothing of number {number}." for number in range(1, 6))
"""What is near any explanation."""


def fake_writer(
    fitting: Write,
    near: Write = lambda _: NOTHING,
    *,
    faults: Iterable[str] = (),
    pack: Pack | None = None,
    name: str = "writer",
) -> Fake:
    """A writer of the texts that `generation` asks for.

    Args:
        fitting: From the explanation to texts that fit it.
        near: From the explanation to texts that do not.
        faults: What goes wrong with the first requests, one each: ``garbage``, ``empty``,
            ``missing`` (the last text); an empty text is no fault.
        pack: What the prompts are made with; None is the bundled pack.
        name: The model's name.
    """
    left = list(faults)
    wording = (pack or default_pack()).generation_wording()

    def respond(messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput:
        fits = messages[0].text == wording.fitting.system
        part = wording.fitting if fits else wording.near
        examples = 2 * len(wording.examples)
        pattern = re.escape(part.question).replace(r"\{explanation\}", "(?P<explanation>.*?)")
        pattern = re.sub(r"\\\{\w+\\\}", lambda _: "(?:.|\n)*?", pattern)
        read = re.fullmatch(pattern, messages[1 + examples].text)
        assert read is not None, f"not a prompt of this pack: {messages[1 + examples].text!r}"
        texts = list((fitting if fits else near)(read["explanation"]))
        fault = left.pop(0) if left else ""
        reply = numbered(texts[: -1 if fault == "missing" else None])
        words = {"garbage": "I would rather not.", "empty": ""}
        return ModelOutput.from_content(f"neuron-fake/{name}", words.get(fault, reply))

    return fake(name, respond)
