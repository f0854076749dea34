"""What a test leaves open is blamed on this test, not on the one in which it is collected."""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def test_a_leak_is_an_error_of_the_test_that_leaks(tmp_path):
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    files = {"test_one.py": TESTS, "test_two.py": FIXTURES, "test_zero.py": INNOCENT}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
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
    leaky = {"test_socket", "test_event_loop", "test_process", "test_folder"}
    fixtures = {"test_fixture", "test_starts_a_fixture", "test_ends_a_fixture"}
    assert blamed == leaky | fixtures, done.stdout
    assert "11 passed, 7 errors" in lines[-1]


TESTS = """
import asyncio
import gc
import socket
import subprocess
import sys
import tempfile

import pytest

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

@pytest.fixture
def leaking():
    return keep_in_a_cycle(socket.socket())

def test_fixture(leaking):
    pass

def test_innocent():
    gc.collect()

def keep_in_a_cycle(value):
    cycle = [value]
    cycle.append(cycle)
    return cycle
"""

FIXTURES = """
import gc
import socket

import pytest
from test_one import keep_in_a_cycle

@pytest.fixture(scope="module")
def leaks_at_once():
    keep_in_a_cycle(socket.socket())

@pytest.fixture(scope="module")
def leaks_in_the_end():
    held = socket.socket()
    yield
    keep_in_a_cycle(held)

def test_starts_a_fixture(leaks_at_once):
    pass

def test_ignorant(leaks_in_the_end):
    gc.collect()

def test_ends_a_fixture(leaks_in_the_end):
    pass
"""

INNOCENT = """
import gc

def test_of_another_file():
    gc.collect()
"""
