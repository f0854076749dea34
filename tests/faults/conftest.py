"""Retries without their waiting; what is retried, and how often, stays as it is."""

import pytest
import tenacity
from inspect_ai.model import ModelAPI
from openai._base_client import BaseClient

from neuron_eval.embedding.hosted import OpenAIEmbedder


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    monkeypatch.setattr(BaseClient, "_calculate_retry_timeout", lambda *_args: 0.0)
    for provider in (ModelAPI, OpenAIEmbedder):
        monkeypatch.setattr(provider, "retry_wait", lambda _self: tenacity.wait_none())
