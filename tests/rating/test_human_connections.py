"""Connections to the page's server that send nothing, or not all."""

import socket
from contextlib import ExitStack, suppress

import httpx
import pytest

from neuron_eval.rating.human import serving as connections
from neuron_eval.rating.human.serving import Serving

SOON = 0.4
"""Seconds after which a connection is closed here."""


@pytest.fixture
def serving():
    serving = Serving("127.0.0.1", 0)
    yield serving
    serving.stop()


@pytest.fixture
def link(serving, tmp_path):
    return serving.page("alice", tmp_path).link


def connect(serving):
    return socket.create_connection(("127.0.0.1", serving.port), 60)


def page(link):
    return httpx.get(link, trust_env=False, timeout=60).status_code


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "])
def test_a_connection_that_sends_no_request_is_closed(serving, monkeypatch, sent):
    monkeypatch.setattr(connections, "PATIENCE_SECONDS", SOON)
    with connect(serving) as connection:
        connection.sendall(sent)
        assert connection.recv(100) == b""


def test_a_second_request_that_does_not_end_is_cut_off_too(serving, monkeypatch):
    monkeypatch.setattr(connections, "PATIENCE_SECONDS", SOON)
    with connect(serving) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        replied = connection.recv(10_000)
        with suppress(ConnectionError):  # closed before so much was sent
            connection.sendall(b"GET / HT")
            while more := connection.recv(10_000):
                replied += more
        assert replied.count(b"HTTP/1.1 ") == 1


def test_a_request_that_takes_long_is_not_cut_off(serving, link, monkeypatch):
    monkeypatch.setattr(connections, "PATIENCE_SECONDS", SOON)
    with connect(serving) as connection:
        host = f"127.0.0.1:{serving.port}"
        path = link.partition(host)[2]
        connection.sendall(
            f"POST {path}answer HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n"
            "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{".encode()
        )
        connection.settimeout(3 * SOON)
        with pytest.raises(TimeoutError):
            connection.recv(100)
        connection.settimeout(60)
        connection.sendall(b"}")
        assert connection.recv(10_000).startswith(b"HTTP/1.1 400")


def test_many_silent_connections_keep_nobody_out(serving, link, monkeypatch):
    monkeypatch.setattr(connections, "PATIENCE_SECONDS", 600)
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(serving)) for _ in range(250)]
        assert page(link) == 200
        assert silent[0].recv(100) == b""  # the oldest made room
        silent[-1].sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert silent[-1].recv(100).startswith(b"HTTP/1.1 403")
