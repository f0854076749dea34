"""Retries without their waiting; what is retried, and how often, stays as it is."""

import pytest
import tenacity
from inspect_ai._util.rich import truncate_traceback
from inspect_ai.model import ModelAPI
from openai._base_client import BaseClient

from neuron_eval.embedding.hosted import OpenAIEmbedder


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    monkeypatch.setenv("TEST_API_KEY", "x")
    monkeypatch.setattr(BaseClient, "_calculate_retry_timeout", lambda *_args: 0.0)
    for provider in (ModelAPI, OpenAIEmbedder):
        monkeypatch.setattr(provider, "retry_wait", lambda _self: tenacity.wait_none())


@pytest.fixture(autouse=True)
def _no_colours(monkeypatch):
    """Tracebacks in colours take most of the time, and nobody looks at them."""
    for module in ("inspect_ai.log._log", "inspect_ai.model._model"):
        monkeypatch.setattr(
            f"{module}.format_traceback", lambda *error: (truncate_traceback(*error)[0], "")
        )
