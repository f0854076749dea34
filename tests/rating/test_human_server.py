"""The page's server as a hostile neighbour meets it."""

import json
import os
import re
import socket
import threading

import httpx
import pytest
from human_eval import question

from neuron_eval.rating.human import server
from neuron_eval.rating.human.page import page_text, shown_question
from neuron_eval.rating.human.server import MAX_BODY, own_names
from neuron_eval.rating.human.serving import Serving
from neuron_eval.rating.question import from_json
from neuron_eval.usage_error import UsageError


def test_a_question_is_shown_answered_changed_and_handed_over(client, alice):
    key = alice.desk.ask(from_json(question()))
    assert client.get(alice.link + "state").json()["open"] == [key]
    shown = client.get(f"{alice.link}question/{key}").json()
    assert shown == {"question": shown_question(from_json(question())), "answer": None, "at": None}
    first = answer(client, alice, key).json()
    assert first["saved"] == key
    changed = RATED | {"best": "A"}
    assert answer(client, alice, key, changed, first["at"]).status_code == 200
    shown = client.get(f"{alice.link}question/{key}").json()
    assert shown["answer"] == changed
    assert shown["at"] != first["at"]
    assert hand_over(client, alice, {key: shown["at"]}).json() == {"handed_over": 1}
    assert alice.desk.handed_over(key).answer.best == "A"
    late = answer(client, alice, key)
    assert (late.status_code, "final" in late.json()["error"]) == (409, True)


def test_each_rater_has_a_token_that_cannot_be_guessed(alice, bob):
    tokens = [seat.link.rsplit("/", 2)[1] for seat in (alice, bob)]
    assert tokens[0] != tokens[1]
    assert all(len(token) >= 43 for token in tokens)  # 32 random bytes


def told(reply):
    """All that a reply says, but the time."""
    return reply.status_code, reply.text, {**reply.headers} | {"date": ""}


@pytest.mark.parametrize("path", ["", "state", "question/{key}", "answer", "hand-over", "no/such"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "SPLICE"])
def test_without_the_token_nothing_is_told_apart(client, serving, alice, method, path):
    key = alice.desk.ask(from_json(question()))
    token = alice.link.rsplit("/", 2)[1]
    here = f"http://127.0.0.1:{serving.port}"
    unknown = told(client.request(method, f"{here}/nothing"))
    assert unknown[0] == 403
    for wrong in (token[:-1], token + "x", token.swapcase(), "é", "x" * 5000):
        body = {"question": key, "answer": RATED} if method == "POST" else None
        reply = client.request(method, f"{here}/{wrong}/{path.format(key=key)}", json=body)
        assert told(reply) == unknown
    assert told(client.request(method, f"{alice.link}no/such")) == unknown
    if method not in ("GET", "HEAD", "POST"):
        assert told(client.request(method, alice.link + path.format(key=key))) == unknown
    assert not alice.desk.path.exists()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_another_host_name_is_refused_on_every_path_alike(client, serving, alice, method):
    here = f"http://127.0.0.1:{serving.port}"
    addresses = (f"{here}/", f"{here}/nothing", f"{here}/no/state", alice.link, f"{alice.link}x")
    headers = {"Host": "evil.example", "Origin": "http://evil.example"}
    replies = [client.request(method, address, headers=headers) for address in addresses]
    assert {told(reply)[:2] for reply in replies} == {told(replies[0])[:2]}
    assert replies[0].status_code == 403
    assert "not called that" in replies[0].text


def test_a_target_that_is_no_path_is_refused_too(serving):
    with socket.create_connection(("127.0.0.1", serving.port), 10) as connection:
        host = f"127.0.0.1:{serving.port}"
        head = f"OPTIONS * HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 403 ")


def test_one_rater_s_link_neither_shows_nor_changes_another_s_answers(client, alice, bob):
    key = alice.desk.ask(from_json(question()))
    assert answer(client, alice, key).status_code == 200
    before = alice.desk.path.read_bytes()
    assert client.get(f"{bob.link}question/{key}").status_code == 409
    assert answer(client, bob, key).status_code == 409
    at = client.get(f"{alice.link}question/{key}").json()["at"]
    assert hand_over(client, bob, {}).json() == {"handed_over": 0}
    assert hand_over(client, bob, {key: at}).status_code == 409
    assert "toy/L0N0" not in client.get(bob.link + "state").text
    assert alice.desk.handed_over(key) is None
    assert alice.desk.path.read_bytes() == before
    assert not bob.desk.path.exists()


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:{port}", "user@127.0.0.1:{port}",
     "127.0.0.1:{port}/x", "", "[::1", "10.0.0.1:{port}"],
)  # fmt: skip
def test_another_host_name_is_refused(serving, alice, host):
    name = host.format(port=serving.port)
    for headers in ({"Host": name}, {"Host": name, "Origin": f"http://{name}"}):
        for path in ("", "state"):
            reply = httpx.get(alice.link + path, headers=headers, trust_env=False)
            assert reply.status_code in (400, 403)
            assert "alice" not in reply.text
            assert "<html" not in reply.text


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1"]
)
def test_another_page_s_request_is_refused(client, serving, alice, origin):
    key = alice.desk.ask(from_json(question()))
    headers = {"Origin": origin.format(port=serving.port)}
    assert answer(client, alice, key, headers=headers).status_code == 403
    assert client.get(alice.link + "state", headers=headers).status_code == 403
    assert not alice.desk.path.exists()


def test_an_answer_without_an_origin_is_refused(alice):
    key = alice.desk.ask(from_json(question()))
    body = {"question": key, "answer": RATED}
    assert httpx.post(alice.link + "answer", json=body, trust_env=False).status_code == 403


def test_a_body_that_is_too_long_is_refused_however_it_is_sent(client, alice):
    key = alice.desk.ask(from_json(question()))
    body = json.dumps({"question": key, "answer": RATED, "more": "x" * MAX_BODY}).encode()
    headers = {"Content-Type": "application/json"}
    chunked = (body[i : i + 1000] for i in range(0, len(body), 1000))
    for content in (body, chunked):
        reply = answer(client, alice, key, json=None, content=content, headers=headers)
        assert reply.status_code == 413
    assert not alice.desk.path.exists()


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"question": 7}', "application/json", 400),
        (b'{"question": "k", "replaces": 7}', "application/json", 400),
        (b"{}", "text/plain", 415),
        (b'{"question": "../../x"}', "application/json", 409),
    ],
)
def test_a_body_that_is_no_answer_is_refused(client, alice, content, kind, status):
    reply = answer(client, alice, "", json=None, content=content, headers={"Content-Type": kind})
    assert reply.status_code == status
    assert reply.json()["error"]


def test_an_answer_that_does_not_fit_is_refused_with_the_reason(client, alice):
    key = alice.desk.ask(from_json(question()))
    reply = answer(client, alice, key, json={"question": key, "answer": {"best": "Z"}})
    assert reply.status_code == 422
    assert '"Z"' in reply.json()["error"]


@pytest.mark.parametrize("body", [{}, {"answers": []}, {"answers": {"k": None}}])
def test_a_list_of_answers_without_their_times_is_not_handed_over(client, alice, body):
    key = alice.desk.ask(from_json(question()))
    answer(client, alice, key)
    assert client.post(alice.link + "hand-over", json=body).status_code == 400
    assert alice.desk.handed_over(key) is None


def test_what_another_tab_changed_is_neither_overwritten_nor_handed_over_unseen(client, alice):
    key = alice.desk.ask(from_json(question()))
    first = answer(client, alice, key).json()["at"]
    changed = RATED | {"best": "A"}
    late = answer(client, alice, key, changed)
    assert (late.status_code, "saved meanwhile" in late.json()["error"]) == (409, True)
    assert answer(client, alice, key, changed, first).status_code == 200
    late = hand_over(client, alice, {key: first})
    assert (late.status_code, "changed meanwhile" in late.json()["error"]) == (409, True)
    (shown,) = client.get(alice.link + "state").json()["answered"]
    assert shown["answer"] == changed
    assert hand_over(client, alice, {key: shown["at"]}).json() == {"handed_over": 1}


def test_a_thousand_answers_can_be_handed_over_at_once(client, alice):
    listed = {f"{i:064}": "2026-01-31T12:00:00.000+00:00" for i in range(1000)}
    assert hand_over(client, alice, listed).status_code == 409  # read, and nobody's


def test_nobody_s_page_waits_for_another_s_disk(client, alice, bob, monkeypatch):
    key = alice.desk.ask(from_json(question()))
    begun, go_on, sync = threading.Event(), threading.Event(), os.fsync

    def slow(descriptor):
        begun.set()
        assert go_on.wait(600)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    thread = threading.Thread(target=answer, args=(client, alice, key))
    thread.start()
    try:
        assert begun.wait(60)
        with httpx.Client(trust_env=False, timeout=60) as other:
            for link in (alice.link, alice.link + "state", bob.link + "state"):
                assert other.get(link).status_code == 200
            assert other.get(f"{alice.link}question/{key}").status_code == 200
    finally:
        go_on.set()
        thread.join()


def test_what_is_answered_is_not_converted_for_its_title(client, alice, monkeypatch):
    key = alice.desk.ask(from_json(question()))
    answer(client, alice, key)
    monkeypatch.setattr(server, "shown_question", lambda question: pytest.fail("converted"))
    (shown,) = client.get(alice.link + "state").json()["answered"]
    assert shown["title"] == question()["title"]


def test_what_cannot_be_saved_is_said_and_stays_open(client, alice, monkeypatch):
    key = alice.desk.ask(from_json(question()))
    alice.desk.path.mkdir()
    reply = answer(client, alice, key)
    assert reply.status_code == 500
    assert "Not saved" in reply.json()["error"]
    alice.desk.path.rmdir()
    assert list(alice.desk.overview().open) == [key]


def test_every_reply_is_kept_out_of_caches_frames_and_referrers(client, alice):
    page = client.get(alice.link)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    for reply in (page, client.get(alice.link + "state"), client.get(alice.link + "nothing")):
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in reply.headers


def test_the_page_names_nothing_elsewhere_and_writes_no_markup():
    page = page_text()
    assert re.findall(r"https?://\S+|(?:src|href)=\"(?!data:)[^\"]*", page) == []
    assert re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", page) == []


@pytest.mark.parametrize(
    ("host", "name", "ours"),
    [
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "192.168.0.7", False),
        ("Rating.example", "rating.example", True),
        ("0.0.0.0", "192.168.0.7", True),
        ("0.0.0.0", "machine", True),
        ("0.0.0.0", "evil.example", False),
        ("::", "fe80::1", True),
    ],
)
def test_on_all_interfaces_only_addresses_and_own_names_are_ours(host, name, ours):
    assert own_names(host, frozenset({"machine"}))(name) is ours


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port={port}: cannot listen there"):
            Serving("127.0.0.1", port)


RATED = {"ratings": {"A": 4, "B": 1, "C": 5}, "best": "C", "comment": ""}


@pytest.fixture(scope="module")
def serving():
    serving = Serving("127.0.0.1", 0)
    yield serving
    serving.stop()


@pytest.fixture
def alice(serving, tmp_path):
    return serving.page("alice", tmp_path)


@pytest.fixture
def bob(serving, tmp_path):
    return serving.page("bob", tmp_path)


@pytest.fixture
def client(serving):
    origin = f"http://127.0.0.1:{serving.port}"
    with httpx.Client(headers={"Origin": origin}, trust_env=False, timeout=600) as client:
        yield client


def answer(client, seat, key, given=RATED, replaces=None, **options):
    body = {"question": key, "answer": given, "replaces": replaces}
    return client.post(seat.link + "answer", **({"json": body} | options))


def hand_over(client, seat, listed):
    return client.post(seat.link + "hand-over", json={"answers": listed})
