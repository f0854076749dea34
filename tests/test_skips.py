"""`NEURON_EVAL_NO_SKIPS`: where everything is installed, a test that is skipped is a fault."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

SKIPPED = """
import pytest

def test_that_runs(): pass

@pytest.mark.skip(reason="not installed")
def test_that_does_not(): pass
"""


def test_a_skip_in_another_process_fails_the_run_where_none_is_allowed(tmp_path):
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_one.py").write_text(SKIPPED)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("NEURON", "PYTEST"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "1", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env={**inherited, "NEURON_EVAL_NO_SKIPS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert "1 passed, 1 skipped" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1
    assert "1 skipped, but NEURON_EVAL_NO_SKIPS is set" in done.stdout
