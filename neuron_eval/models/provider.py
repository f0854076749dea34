"""What our own providers of models share: messages in, a reply out, in threads of this process."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import anyio.to_thread
from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from inspect_ai.model import (
    ChatMessage,
    GenerateConfig,
    ModelAPI,
    ModelCall,
    ModelOutput,
    ModelUsage,
)
from inspect_ai.tool import ToolChoice, ToolInfo

from neuron_eval.models.requests import of_loop

Reply = ModelOutput | tuple[ModelOutput, ModelCall]
"""A reply, and the call if the log is to show it."""

T = TypeVar("T")

_LIMITERS: RunVar[dict[str, CapacityLimiter]] = RunVar("neuron_eval threads")


class OwnProvider(ModelAPI):
    """A provider whose models know no tools."""

    key_variables: ClassVar[tuple[str, ...]] = ()  # of the environment, that may hold a key

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig | None = None,
        **model_args: Any,
    ) -> None:
        variables = list(self.key_variables)
        super().__init__(model_name, base_url, api_key, variables, config or GenerateConfig())
        self.model_args = model_args

    @abstractmethod
    async def answer(self, messages: list[ChatMessage]) -> Reply:
        """The reply to a request, and the call if the log is to show it."""

    async def generate(
        self,
        input: list[ChatMessage],
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> Reply:
        return await self.answer(input)


async def in_thread(kind: str, most: int, work: Callable[[], T]) -> T:
    """Have a thread do some work, beside at most so many others of its kind."""
    limiter = of_loop(_LIMITERS).setdefault(kind, CapacityLimiter(most))
    return await anyio.to_thread.run_sync(work, limiter=limiter)


def data_output(
    model: str, words: str, data: dict[str, Any], input_tokens: int | None
) -> ModelOutput:
    """A reply that is data, in its metadata, and that says in words what it holds."""
    output = ModelOutput.from_content(model, words)
    output.metadata = data
    if input_tokens is not None:
        output.usage = ModelUsage(
            input_tokens=input_tokens, output_tokens=0, total_tokens=input_tokens
        )
    return output
