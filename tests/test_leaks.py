"""What a test leaves open is blamed on this test, not on the one in which it is collected."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = """
import asyncio
import gc
import socket
import subprocess
import sys
import tempfile

def test_closes():
    with socket.socket() as one:
        keep_in_a_cycle(one)

def test_socket():
    keep_in_a_cycle(socket.socket())

def test_event_loop():
    keep_in_a_cycle(asyncio.new_event_loop())

def test_process():
    keep_in_a_cycle(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))

def test_folder():
    keep_in_a_cycle(tempfile.TemporaryDirectory())

def test_innocent():
    gc.collect()

def keep_in_a_cycle(value):
    cycle = [value]
    cycle.append(cycle)
"""


def test_a_leak_is_an_error_of_the_test_that_leaks(tmp_path):
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_one.py").write_text(TESTS)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("NEURON", "PYTEST"))}
    options = ["-W", "error", "-p", "no:cacheprovider", "--tb=no", "-rApE"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)],
        cwd=tmp_path,
        env=inherited,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    lines = done.stdout.splitlines()
    blamed = {line.split("::")[1].split()[0] for line in lines if line.startswith("ERROR ")}
    assert blamed == {"test_socket", "test_event_loop", "test_process", "test_folder"}, done.stdout
    assert "6 passed, 4 errors" in lines[-1]
