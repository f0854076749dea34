"""Every test gets folders of its own for Inspect's cache, logs and data."""

import asyncio
import gc
import os
import sys

import pytest
from hypothesis import HealthCheck, settings
from inspect_ai._util.registry import _registry
from inspect_ai.log._log import eval_config_defaults
from inspect_ai.model import GenerateConfig
from inspect_ai.model._generate_config import set_active_generate_config
from inspect_ai.model._model import active_model_context_var, init_model_roles

# Every run tries the same examples; --hypothesis-profile=default searches for others.
# On a busy machine an example may take any time.
BUSY = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("same", derandomize=True, **BUSY)
settings.register_profile("default", **BUSY)
settings.load_profile("same")


OPENINGS = {"socket.__new__", "sqlite3.connect", "subprocess.Popen", "tempfile.mkdtemp"}
"""What Python says when something is opened that warns if nobody closes it."""

_opened = []


def _notice(event, _, openings=OPENINGS, opened=_opened):  # Python ends without the globals
    if event in openings:
        opened.append(event)


sys.addaudithook(_notice)


def _close_abandoned_loop():
    """Reading a log within an eval, Inspect has nest_asyncio make a loop that nobody closes."""
    loop = getattr(getattr(asyncio.get_event_loop_policy(), "_local", None), "_loop", None)
    if loop is not None and not loop.is_running():
        loop.close()
        asyncio.set_event_loop_policy(None)


@pytest.fixture(autouse=True, scope="module")
def _leaks_are_blamed_in_this_file():
    """What a file's fixtures leave open is an error of its last test.

    What is left then stays, mostly modules that were imported late: later collections need not
    look at it.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _leaks_are_blamed_here(request):
    """What a test leaves open is an error of this test, not of the one that runs by chance later.

    An event loop, and so every eval, opens sockets too. What is in a cycle warns only when it is
    collected, and a warning in a finalizer becomes an error of the test that runs just then.
    """
    yield
    _close_abandoned_loop()
    if _opened:
        request.node.funcargs.clear()  # pytest holds them until after this
        gc.collect()
        _opened.clear()


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("INSPECT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("INSPECT_LOG_DIR", str(tmp_path / "logs"))
    # With "none" Inspect draws its tables all the same, and nobody sees them.
    monkeypatch.setenv("INSPECT_DISPLAY", "log")
    # Nor does anybody look on; it writes every event to a database for those who do.
    monkeypatch.setattr("inspect_ai._eval.task.log.eval_config_defaults", _not_looked_on)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for variable in ("OPENAI_API_KEY", "INSPECT_EVAL_MODEL"):
        monkeypatch.delenv(variable, raising=False)
    _forget_the_last_eval()
    yield
    _forget_the_last_eval()  # before the next file's fixtures, too


def _forget_the_last_eval():
    """Inspect leaves its model, roles and settings, a cache among them, in the process."""
    active_model_context_var.set(None)
    init_model_roles({})
    set_active_generate_config(GenerateConfig())


@pytest.fixture(autouse=True)
def _own_registry():
    """Trying an eval again reads tasks/ as files, and Inspect then takes those for our tasks."""
    before = dict(_registry)
    yield
    _registry.update(before)


def _not_looked_on():
    return {**eval_config_defaults(), "log_realtime": False}


def pytest_collection_finish():
    """What is imported by now stays: a collection need not look at it, and takes a quarter."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session, exitstatus):
    """With NEURON_EVAL_NO_SKIPS set, a skipped test fails the run: something is not installed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("NEURON_EVAL_NO_SKIPS") and skipped and exitstatus == 0:
        reporter.write_line(f"{len(skipped)} skipped, but NEURON_EVAL_NO_SKIPS is set", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
