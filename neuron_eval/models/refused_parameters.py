"""What a server's error says of the parameters of a request: refused ones, and too many tokens.

Pure functions over the wordings of OpenAI, Azure, Anthropic, vLLM, Groq and gateways. What is
about log-probabilities is told apart elsewhere, see `neuron_eval.simulation.limits`.
"""

import re
from collections.abc import Mapping
from typing import Literal

from inspect_ai.model import GenerateConfig

Parameter = Literal["top_p", "stop_seqs", "temperature", "max_tokens"]
"""A field of `GenerateConfig` that a request can do without."""

_NAMES: Mapping[Parameter, re.Pattern[str]] = {
    "top_p": re.compile(r"\btop_?p\b", re.IGNORECASE),
    # a word of plain English too: a name in quotes, in a list and behind the word for a name
    "stop_seqs": re.compile(
        r"(?<=['\"`])stop(?:_?sequences)?(?=['\"`])|\Astop\Z"
        r"|(?:\b(?:parameter|argument|field)|[:,]) stop(?:_sequences)?(?=,|\.?\s*\Z| is\b)",
        re.IGNORECASE,
    ),
    "temperature": re.compile(r"\btemperature\b", re.IGNORECASE),
    "max_tokens": re.compile(
        r"\bmax(?:imum)?[_ ]?(?:completion_|output_|new_)?tokens\b", re.IGNORECASE
    ),
}
"""How servers name parameters; the one that changes least, left out, stands first."""

_REFUSES = re.compile(
    r"unsupported|n[o']t (?:currently |yet )?support|not (?:be )?(?:permitted|allowed|accepted)"
    r"|cannot (?:both )?be (?:specified|set|used)|deprecated|unrecognized|unknown|unexpected"
    r"|only the default|only -?[\d.]+ is allowed|strictly positive|not available"
    r"|may only be set|or unset",
    re.IGNORECASE,
)
"""That a parameter is refused as such. A value that is too high is not: another one is right."""

_TOO_MANY = re.compile(
    r"too large|too (?:high|many|big)|at most|less than or equal|lower than|exceed|maximum"
    r"|valid range|range of|<=|\d\s*>\s*\d|limited|must have stream",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.,-])\d{1,3}(?:,\d{3})+(?![\w,])|(?<![\w.-])\d{1,9}(?!\w)")
"""A number that stands by itself; those in the names of models say nothing of limits."""

_CONTEXT = re.compile(
    r"maximum context length.{0,80}?requested.{0,80}?(?:completion|output)",
    re.IGNORECASE | re.DOTALL,
)
"""That prompt and reply together do not fit, in words that name no parameter."""

_OF_THIS_PROMPT = re.compile(r"\bcontext\b|input|prompt|messages", re.IGNORECASE)

_STATUSES = (400, 416, 422, 501)  # HTTP statuses of a server that does not take a request as it is


def refused_parameter(error: BaseException, config: GenerateConfig) -> Parameter | None:
    """The parameter of a request that its server refuses; None if the error is about none.

    Of several that cannot stand together it is the one that changes least, left out.
    """
    message = _message_of_server(error)
    if message is None or not _REFUSES.search(message):
        return None
    field = _field(error)
    named = [
        name
        for name, pattern in _NAMES.items()
        if _is_set(name, config)
        and pattern.search(message)
        # where too many tokens are refused, the parameter is not
        and not (name == "max_tokens" and _TOO_MANY.search(message))
    ]
    exact = [name for name in named if _NAMES[name].fullmatch(field)]
    return next(iter(exact or named), None)


def room_given(error: BaseException, wanted: int) -> int | None:
    """Fewer output tokens than wanted: what a server gives that refused so many, or else the half.

    None if the error is about something else.
    """
    message = _message_of_server(error)
    if message is None or not _TOO_MANY.search(message):
        return None
    if not _NAMES["max_tokens"].search(message):
        # what it names is the context, the prompt and what was asked for
        return wanted // 2 if _CONTEXT.search(message) else None
    return _named_limit(message, wanted) or wanted // 2


def limits_model(error: BaseException, wanted: int) -> bool:
    """Whether `room_given` is a limit of the model that the error names.

    It may also be what one prompt leaves of the context, or a guess.
    """
    message = _message_of_server(error) or ""
    return _named_limit(message, wanted) is not None and not _OF_THIS_PROMPT.search(message)


def _named_limit(message: str, wanted: int) -> int | None:
    numbers = (int(digits.replace(",", "")) for digits in _NUMBER.findall(message))
    return max((n for n in numbers if 1 < n < wanted), default=None)


def _message_of_server(error: BaseException) -> str | None:
    """What a server says of a request that it refuses; None if it did not refuse it as such.

    Inspect puts the request into an error's text; what that says is not the server's.
    """
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and status not in _STATUSES:
        return None
    message = getattr(error, "provider_message", None) or str(error)
    return re.sub(r"\AError code: \d+", "", str(message).partition("\nRequest:\n")[0])


def _field(error: BaseException) -> str:
    body = getattr(error, "body", None)
    name = body.get("param") if isinstance(body, dict) else getattr(error, "param", None)
    return name if isinstance(name, str) else ""


def _is_set(name: Parameter, config: GenerateConfig) -> bool:
    value = getattr(config, name)
    # a request for one token or none means just that
    return value is not None and not (name == "max_tokens" and value < 2)
