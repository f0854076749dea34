"""Every test gets folders of its own for Inspect's cache, logs and data."""

import os

import pytest
from inspect_ai.model import GenerateConfig
from inspect_ai.model._generate_config import set_active_generate_config
from inspect_ai.model._model import init_model_roles


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("INSPECT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("INSPECT_LOG_DIR", str(tmp_path / "logs"))
    monkeypatch.setenv("INSPECT_DISPLAY", "none")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for variable in ("OPENAI_API_KEY", "INSPECT_EVAL_MODEL"):
        monkeypatch.delenv(variable, raising=False)
    # Inspect leaves the last eval's roles, and its settings, a cache among them, in the process.
    init_model_roles({})
    set_active_generate_config(GenerateConfig())


def pytest_sessionfinish(session, exitstatus):
    """With NEURON_EVAL_NO_SKIPS set, a skipped test fails the run: something is not installed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("NEURON_EVAL_NO_SKIPS") and skipped and exitstatus == 0:
        reporter.write_line(f"{len(skipped)} skipped, but NEURON_EVAL_NO_SKIPS is set", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
