"""Files over HTTP: retried, kept whole, resumed; every fault has a server that shows it."""

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import pytest
from blob_server import FAST, BlobServer, cut, cut_quietly, drop, hang, page, status
from openai_layout import write_layout

from neuron_eval.records import RecordError
from neuron_eval.sources.base import SourceError
from neuron_eval.sources.openai.collated import ahead, open_container
from neuron_eval.sources.openai.fetching import HttpStore
from neuron_eval.sources.openai.stores import Blob


def test_a_file_is_asked_for_once_and_kept_in_the_same_layout(server, tmp_path):
    content = read(store(server, tmp_path), BLOB)
    assert content == (server.root / BLOB.path).read_bytes()
    assert (tmp_path / "kept" / BLOB.path).read_bytes() == content
    assert read(store(server, tmp_path), BLOB) == content
    assert server.requests == [f"/{BLOB.path}"]
    assert unfinished(tmp_path) == []


def test_a_file_that_is_not_there_is_none_and_is_asked_for_once_a_run(server, tmp_path):
    absent = Blob("collated-activations", 1, 4)
    first = store(server, tmp_path)
    assert read(first, absent, absent) == [None, None]
    assert len(server.requests) == 1
    assert read(store(server, tmp_path), absent) is None
    assert len(server.requests) == 2
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    "fault",
    [status(500), status(503), status(429), status(408), hang, cut, cut_quietly, drop, page],
)
def test_a_passing_fault_is_asked_again_and_leaves_nothing_behind(server, tmp_path, fault):
    server.faults[f"/{BLOB.path}"] = [fault, None]
    content = read(store(server, tmp_path, **patience(fault)), BLOB)
    assert content == (server.root / BLOB.path).read_bytes()
    assert server.counts[f"/{BLOB.path}"] == 2
    assert (tmp_path / "kept" / BLOB.path).read_bytes() == content
    assert unfinished(tmp_path) == []


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (status(500), "answered 500"),
        (status(429), "answered 429"),
        (hang, "ReadTimeout"),
        (cut, "RemoteProtocolError"),
        (cut_quietly, "not valid JSON, perhaps cut off"),
        (page, "not valid JSON"),
    ],
)
def test_a_lasting_fault_is_an_error_of_that_file_and_is_not_kept(server, tmp_path, fault, says):
    server.faults[f"/{BLOB.path}"] = [fault]
    opened = store(server, tmp_path, **patience(fault))
    with pytest.raises(RecordError, match=says) as error:
        read(opened, BLOB)
    assert f"{server.url}/{BLOB.path}" in str(error.value)
    assert "tried 3 x" in str(error.value)
    assert not (tmp_path / "kept").exists()
    other = Blob("collated-activations", 0, 2)
    assert read(opened, other) == (server.root / other.path).read_bytes()


def test_a_cut_file_of_lines_is_not_kept_either(server, tmp_path):
    server.faults[f"/{EXPLAINED.path}"] = [cut_quietly]
    with pytest.raises(RecordError, match="perhaps cut off"):
        read(store(server, tmp_path), EXPLAINED)
    assert not (tmp_path / "kept").exists()


def test_a_refusal_is_not_asked_again(server, tmp_path):
    server.faults[f"/{BLOB.path}"] = [status(403)]
    with pytest.raises(RecordError, match="answered 403 Forbidden"):
        read(store(server, tmp_path), BLOB)
    assert len(server.requests) == 1


def test_a_redirect_is_named_and_not_followed(server, tmp_path):
    server.faults[f"/{BLOB.path}"] = [status(302, Location=f"{server.url}/{EXPLAINED.path}")]
    with pytest.raises(RecordError, match=f"answered 302 Found to '{server.url}"):
        read(store(server, tmp_path), BLOB)
    assert server.requests == [f"/{BLOB.path}"]


def test_an_answer_that_trickles_for_ever_ends(server, tmp_path):
    def trickle(handler, content):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        for _ in range(200):
            handler.wfile.write(b" ")
            time.sleep(0.02)

    server.faults[f"/{BLOB.path}"] = [trickle]
    with pytest.raises(RecordError, match=r"did not end in 0\.2 s"):
        read(store(server, tmp_path, whole_timeout=0.2, retries=0), BLOB)


def test_the_server_says_how_long_to_wait_but_not_without_end(server, tmp_path):
    server.faults[f"/{BLOB.path}"] = [status(429, Retry_After="1"), None]
    waits = []

    class Stop(threading.Event):
        def wait(self, timeout=None):
            waits.append(timeout)
            return self.is_set()

    with store(server, tmp_path, longest_wait=0.2).opened(Stop()) as opened:
        opened(BLOB)
    assert waits == [0.2]


def test_no_connection_says_what_was_tried_what_is_kept_and_what_to_do(server, tmp_path):
    read(store(server, tmp_path), BLOB)
    with BlobServer(tmp_path) as gone:
        address = gone.url
    with pytest.raises(SourceError) as error:
        read(store(address, tmp_path), Blob("collated-activations", 0, 2))
    message = str(error.value)
    assert f"{address}/collated-activations/0/2.json: ConnectError" in message
    assert "tried 3 x" in message
    assert f"What was fetched is kept in {tmp_path / 'kept'}" in message
    assert message.endswith("Name a mirror.")


def test_what_is_kept_needs_no_connection(server, tmp_path):
    content = read(store(server, tmp_path), BLOB)
    assert read(store("http://127.0.0.1:9", tmp_path), BLOB) == content


def test_many_failures_in_a_row_mean_that_the_place_does_not_work(server, tmp_path):
    wanted = [Blob("collated-activations", 0, i) for i in range(4)]
    server.faults.update({f"/{blob.path}": [status(500)] for blob in wanted})
    opened = store(server, tmp_path, failures=3, retries=0)
    for blob in wanted[:2]:
        with pytest.raises(RecordError):
            read(opened, blob)
    with pytest.raises(SourceError, match="3 files in a row failed"):
        read(opened, wanted[2])


def test_failures_with_a_success_between_them_are_not_in_a_row(server, tmp_path):
    wanted = [Blob("collated-activations", 0, i) for i in (3, 4)]
    server.faults.update({f"/{blob.path}": [status(500)] for blob in wanted})
    opened = store(server, tmp_path, failures=3, retries=0)
    for blob in (*wanted, BLOB, *wanted):
        if blob == BLOB:
            assert read(opened, blob)
        else:
            with pytest.raises(RecordError):
                read(opened, blob)


def test_nothing_but_missing_files_means_that_the_address_is_wrong(server, tmp_path):
    opened = store(f"{server.url}/elsewhere", tmp_path, nothing=3)
    wanted = [Blob("collated-activations", 0, i) for i in range(3)]
    assert read(opened, *wanted[:2]) == [None, None]
    with pytest.raises(SourceError, match="none of the first 3 files asked for is there"):
        read(opened, wanted[2])
    opened = store(server, tmp_path, nothing=3)
    absent = [Blob("collated-activations", 1, i) for i in range(1, 5)]
    assert read(opened, BLOB, *absent)[1:] == [None] * 4


def test_a_cache_that_cannot_be_written_is_named_with_its_variable(server, tmp_path):
    (tmp_path / "kept").write_text("in the way")
    with pytest.raises(SourceError, match="NEURON_EVAL_CACHE_DIR names another folder") as error:
        read(store(server, tmp_path), BLOB)
    assert str(tmp_path / "kept") in str(error.value)


def test_two_runs_at_once_do_not_disturb_each_other(server, tmp_path):
    wanted = [Blob("collated-activations", 0, 1), EXPLAINED, Blob("collated-activations", 0, 2)]
    expected = [(server.root / blob.path).read_bytes() for blob in wanted]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: read(store(server, tmp_path), *wanted), range(8)))
    assert found == [expected] * 8
    assert unfinished(tmp_path) == []


def test_a_killed_run_goes_on_where_it_stopped(tmp_path):
    places = [(0, i) for i in range(12)]
    write_layout(tmp_path / "served" / "data", places, explained=False)
    program = """
import sys
from pathlib import Path
from neuron_eval.sources.openai.fetching import FetchSettings, HttpStore
from neuron_eval.sources.base import NeuronKey
from neuron_eval.sources.openai.collated import CollatedSource
store = HttpStore(sys.argv[1], Path(sys.argv[2]), (1, 12), settings=FetchSettings(in_flight=2))
for neuron in CollatedSource("x", "m", store).read():
    print(neuron.id, flush=True)
"""
    with BlobServer(tmp_path / "served") as server:
        address, kept = f"{server.url}/data", tmp_path / "kept"
        # The run stops at neuron 6, with neuron 7 read ahead, until it is killed.
        server.faults["/data/collated-activations/0/6.json"] = [hang, None]
        running = subprocess.Popen(
            [sys.executable, "-c", program, address, str(kept)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        with running:
            assert [running.stdout.readline() for _ in range(6)][5] == "m/L0N5\n"
            last = kept / "collated-activations" / "0" / "7.json"
            while not (last.exists() and server.asked("/0/6.json")):
                time.sleep(0.01)
            running.kill()
        had = {p.relative_to(kept).as_posix() for p in kept.rglob("*.json") if p.name[0] != "."}
        assert had == {f"collated-activations/0/{i}.json" for i in (0, 1, 2, 3, 4, 5, 7)}
        assert all(json.loads((kept / path).read_text()) for path in had)
        server.requests.clear()
        opened = HttpStore(address, kept, (1, 12), settings=FAST)
        wanted = [Blob("collated-activations", *place) for place in places]
        assert None not in read(opened, *wanted)
        assert {p.removeprefix("/data/") for p in server.requests} == {b.path for b in wanted} - had


def test_requests_go_out_together_but_no_more_than_allowed(tmp_path):
    write_layout(tmp_path / "served" / "data", [(0, i) for i in range(24)], explained=False)
    four = threading.Barrier(4)

    def with_three_others(handler, content):
        four.wait(60)
        handler.answer(200, content)

    with BlobServer(tmp_path / "served") as server:
        opened = store(f"{server.url}/data", tmp_path)
        stop = threading.Event()
        blobs = [Blob("collated-activations", 0, i) for i in range(24)]
        server.faults.update({f"/data/{blob.path}": [with_three_others] for blob in blobs})
        with opened.opened(stop) as one:
            found = list(ahead(blobs, one, 4, stop))
        assert found == [(server.root / "data" / b.path).read_bytes() for b in blobs]
        assert server.most_at_once == 4


def test_work_goes_a_bounded_way_ahead_and_stops_when_nobody_wants_more():
    taken, stop = [], threading.Event()

    def items():
        for i in count():
            taken.append(i)
            yield i

    results = ahead(items(), lambda i: i * i, 5, stop)
    assert list(islice(results, 3)) == [0, 1, 4]
    assert len(taken) == 3 + 5 - 1
    results.close()
    assert stop.is_set()
    assert len(taken) == 7


def test_an_error_comes_in_the_place_of_its_result():
    def work(i):
        if i == 2:
            raise RecordError("two")
        time.sleep(0.01 * (3 - i))
        return i

    results = ahead(range(4), work, 4, threading.Event())
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(RecordError, match="two"):
        next(results)


def test_who_stops_early_does_not_wait_for_what_is_being_retried(server, tmp_path):
    server.faults[f"/{EXPLAINED.path}"] = [status(503)]
    opened = store(server, tmp_path, backoff=LONG, longest_wait=LONG)
    stop = threading.Event()
    started = time.monotonic()
    with opened.opened(stop) as one:
        results = ahead([BLOB, EXPLAINED], one, 2, stop)
        next(results)
        results.close()
    assert time.monotonic() - started < LONG / 10


@pytest.mark.parametrize(
    "wrong",
    [
        ("../secrets", 0, 0),
        ("explanations", "../..", 0),
        ("explanations", 0, "1/../../x"),
        ("explanations", -1, 0),
        ("explanations", 0, 1.0),
        ("explanations", True, 0),
    ],
)
def test_a_path_is_made_of_two_numbers_and_nothing_else(wrong):
    with pytest.raises(ValueError, match=r"no folder|whole numbers"):
        Blob(*wrong)


def test_the_cache_and_the_mirror_are_named_by_the_environment(server, tmp_path, monkeypatch):
    monkeypatch.setenv("NEURON_EVAL_CACHE_DIR", str(tmp_path / "cache"))
    official = open_container("gpt2-xl").store
    assert official.address == ("https://openaipublic.blob.core.windows.net/neuron-explainer/data")
    assert official.cache == tmp_path / "cache" / "openai" / "gpt2-xl"
    monkeypatch.setenv("NEURON_EVAL_OPENAI_URL", server.url + "/")
    mirror = open_container("gpt2-small").store
    assert mirror.address == f"{server.url}/gpt2_small_data"
    assert mirror.cache.parent != official.cache.parent
    assert mirror.cache.name == "gpt2-small"
    for wrong in ("ftp://x", "/a/folder", "https://x/y?sas=1"):
        monkeypatch.setenv("NEURON_EVAL_OPENAI_URL", wrong)
        with pytest.raises(SourceError, match=r"NEURON_EVAL_OPENAI_URL=.* expected an address"):
            open_container("gpt2-xl")


def test_without_the_variable_the_users_cache_folder_is_used(monkeypatch):
    from platformdirs import user_cache_dir

    monkeypatch.delenv("NEURON_EVAL_CACHE_DIR", raising=False)
    assert open_container("gpt2-xl").store.cache == Path(
        user_cache_dir("neuron_eval"), "openai", "gpt2-xl"
    )


BLOB = Blob("collated-activations", 0, 1)

LONG = 600

EXPLAINED = Blob("explanations", 0, 1)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server(tmp_path):
    with BlobServer(write_layout(tmp_path / "served", [(0, 1), (0, 2), (1, 0)])) as running:
        yield running


def store(server, tmp_path, **changes):
    return HttpStore(
        server if isinstance(server, str) else server.url,
        tmp_path / "kept",
        (2, 5),
        advice="Name a mirror.",
        settings=replace(FAST, **changes),
    )


def read(store, *blobs):
    with store.opened(threading.Event()) as opened:
        found = [opened(blob) for blob in blobs]
    return found if len(found) > 1 else found[0]


def patience(fault):
    """Settings for who need not wait longer than for this fault."""
    return {"read_timeout": 1} if fault is hang else {}


def unfinished(tmp_path):
    return [p for p in (tmp_path / "kept").rglob("*") if p.name.startswith(".")]
