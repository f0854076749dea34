"""Which models run on the user's own machine."""

from __future__ import annotations

import os
from ipaddress import ip_address
from urllib.parse import urlsplit

OWN_MACHINE = (
    "embed-local", "hf", "llama-cpp-python", "mockllm", "neuron-baseline", "none", "ollama",
    "sglang", "transformer_lens", "vllm",
)  # fmt: skip
"""Providers that run models on the user's own machines, where nobody charges for tokens."""

SERVERS = ("llama-cpp-python", "ollama", "sglang", "vllm")
"""Those whose models a server on this machine answers for, unless an address is named."""


def provider(model: str) -> str:
    return model.partition("/")[0]


def runs_here(model: str) -> bool:
    """Whether a model runs on the user's own machine, where nobody charges for tokens."""
    return provider(model) in OWN_MACHINE or served_here(model)


def served_here(model: str) -> bool:
    """Whether a server on this machine answers for a model, by the address in the environment.

    Such a server keeps the prompts' common beginning of as many requests as it has slots. One
    format after the other finds it again; five at once drive it out, and each request pays for
    its few-shot neurons.
    """
    name, _, rest = model.partition("/")
    service = rest.partition("/")[0] if name.startswith("openai-api") else name
    address = os.environ.get(f"{service.upper().replace('-', '_')}_BASE_URL")
    if not address:
        return name in SERVERS
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
