"""The embedder's memo, requests and log, with a fake embedder as an Inspect model."""

import gc
import json
import uuid
from importlib.util import find_spec
from itertools import chain

import anyio
import numpy as np
import pytest
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.log import read_eval_log
from inspect_ai.model import (
    ChatMessageSystem,
    ChatMessageUser,
    ContentText,
    GenerateConfig,
    ModelAPI,
    ModelOutput,
    get_model,
    modelapi,
)
from inspect_ai.scorer import Score, mean, scorer

from neuron_eval.embedding import embedder as memo_module
from neuron_eval.embedding.embedder import (
    EmbeddingError,
    Memo,
    TextEmbedder,
    checked_vectors,
    cosine,
    embedding_output,
    memo_of,
    resolve_embedder,
    take_vectors,
    texts_of,
)

pytestmark = [  # both are of Inspect's own making
    pytest.mark.filterwarnings("ignore:The 'initial' parameter is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning"),
]

BACKENDS = ["asyncio"] + (["trio"] if find_spec("trio") else [])


def test_texts_come_back_in_their_order_as_unit_vectors():
    found = embed(fake(), ["ccc", "a", "ccc", " bb "])
    assert list(found) == ["ccc", "a", " bb "]
    for text, vector in found.items():
        assert vector.dtype == np.float32
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
        assert vector[0] / vector[1] == pytest.approx(len(text) / SENTINEL, rel=1e-5)


def test_no_text_is_no_request():
    model = fake()
    assert embed(model, []) == {}
    assert model.api.requests == []


def test_a_text_is_sent_once_however_often_it_is_asked_for():
    model = fake()
    embed(model, ["b", "a", "b"])
    embed(model, ["c", "a"])
    assert model.api.requests == [["a", "b"], ["c"]]


def test_the_memo_outlives_an_event_loop_but_not_its_model():
    model = fake()
    embed(model, ["a"])
    embed(model, ["a"])
    assert len(model.api.requests) == 1
    kept = len(memo_module._memos)
    del model
    gc.collect()
    assert len(memo_module._memos) < kept


def test_the_same_set_of_texts_makes_the_same_requests_of_256_at_most():
    texts = [f"text {i:04}" for i in range(600)]
    one, other = fake(), fake()
    embed(one, texts)
    embed(other, texts[::-1])
    # the second finds all three in Inspect's cache
    assert other.api.requests == []
    assert sorted(map(len, one.api.requests)) == [88, 256, 256]
    assert sorted(chain(*one.api.requests)) == texts


@pytest.mark.parametrize("backend", BACKENDS)
def test_callers_side_by_side_await_one_request(backend):
    model = fake(delay=0.02)

    async def main():
        found = {}

        async def caller(name, texts):
            found[name] = await TextEmbedder(model).embed(texts)

        async with anyio.create_task_group() as group:
            group.start_soon(caller, "one", ["a", "b"])
            group.start_soon(caller, "two", ["b", "c"])
            group.start_soon(caller, "three", ["c", "a"])
        return found

    found = anyio.run(main, backend=backend)
    assert sorted(chain(*model.api.requests)) == ["a", "b", "c"]
    assert set(found["three"]) == {"a", "c"}
    assert found["two"]["b"] is found["one"]["b"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_waiters_of_a_failed_request_try_themselves(backend):
    model = fake(delay=0.02, failures=1)

    async def main():
        errors, found = [], []

        async def caller():
            try:
                found.append(await TextEmbedder(model).embed(["a"]))
            except ConnectionError as error:
                errors.append(error)

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(caller)
        return errors, found

    errors, found = anyio.run(main, backend=backend)
    assert len(errors) == 1
    assert len(found) == 2
    assert model.api.requests == [["a"], ["a"]]


@pytest.mark.parametrize("backend", BACKENDS)
def test_waiters_of_a_cancelled_request_try_themselves(backend):
    model = fake(delay=0.05)

    async def main():
        found = {}
        scope = anyio.CancelScope()

        async def first():
            with scope:
                await TextEmbedder(model).embed(["a"])

        async def second():
            found.update(await TextEmbedder(model).embed(["a"]))

        async with anyio.create_task_group() as group:
            group.start_soon(first)
            await anyio.sleep(0.01)
            group.start_soon(second)
            await anyio.sleep(0.01)
            scope.cancel()
        return found

    assert set(anyio.run(main, backend=backend)) == {"a"}
    assert model.api.requests == [["a"], ["a"]]


def test_an_error_reaches_the_caller_as_itself_and_leaves_nothing_under_way():
    model = fake(failures=2)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            embed(model, ["a"])
    assert set(embed(model, ["a"])) == {"a"}


def test_shared_vectors_cannot_be_written_to():
    vector = embed(fake(), ["a"])["a"]
    with pytest.raises(ValueError, match="read-only"):
        vector[0] = 1


def test_a_full_memo_lets_go_of_what_was_used_longest_ago():
    memo = Memo(max_bytes=3 * 16)
    vectors = {name: np.zeros(4, dtype=np.float32) for name in "abcd"}
    memo.add({name: vectors[name] for name in "abc"})
    memo.get("a")
    memo.add({"a": vectors["a"], "d": vectors["d"]})
    assert set(memo.get("abcd")) == {"a", "c", "d"}


def test_a_memo_too_small_for_one_request_still_answers():
    model = fake()
    memo_module._memos[model.api] = Memo(max_bytes=0)
    assert set(embed(model, ["a", "b"])) == {"a", "b"}
    assert len(memo_of(model.api)) == 0


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (ChatMessageSystem(content="be brief"), "message 1: role is 'system'"),
        (ChatMessageUser(content=""), "message 1: the text is empty"),
        (ChatMessageUser(content="\ud800"), "message 1: .* cannot be written as UTF-8"),
        (ChatMessageUser(content=[ContentText(text="a")]), "message 1: content is list"),
    ],
)
def test_what_is_no_text_is_refused_with_its_place(message, error):
    with pytest.raises(ValueError, match=error):
        texts_of([ChatMessageUser(content="a"), message])


def test_a_request_without_messages_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        texts_of([])


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ([[1.0, 2.0]], r"shape \[1, 2\] for 2 texts"),
        ([[1.0, 2.0], [1.0]], "not numbers of one dimension"),
        ([[1.0, 2.0], [1.0, float("nan")]], "not finite for text 1"),
        ([[], []], r"shape \[2, 0\]"),
        ("nothing", "not numbers"),
        ([[1.0, 2.0], [None, 1.0]], "not finite for text 1"),
        ([[1.0, 2.0], ["1.0", "2.0"]], "not numbers"),
        ([[True, False], [True, True]], "not numbers"),
        ([[1.0, 2.0], [10**400, 2.0]], "not numbers"),
        ([[1.0, 2.0], [0.0, 0.0]], "zero vector for text 1"),
    ],
)
def test_a_wrong_reply_is_an_error_not_a_number(values, error):
    with pytest.raises(EmbeddingError, match=error):
        checked_vectors(values, 2, "x")


def test_a_zero_vector_is_an_error():
    output = embedding_output("x", np.array([[1.0, 0.0], [0.0, 0.0]]), None)
    with pytest.raises(EmbeddingError, match="zero vector for text 1"):
        take_vectors(output, 2)


@pytest.mark.parametrize("length", [5e-324, 1e-30, 1.0, 1e30, 1e308])
def test_a_vector_has_a_direction_however_long_it_is(length):
    found = take_vectors(embedding_output("x", np.array([[length, -length]]), None), 1)
    assert found[0] == pytest.approx([2**-0.5, -(2**-0.5)], rel=1e-6)
    assert found.dtype == np.float32


def test_a_model_that_is_no_embedder_is_named():
    with pytest.raises(EmbeddingError, match=r"'m' returned no embeddings.*embed-local/minilm"):
        take_vectors(ModelOutput.from_content("m", "Hello!"), 1)


def test_the_reply_tells_what_was_embedded():
    assert embedding_output("x", np.ones((3, 384)), 7).completion == (
        "3 texts embedded, 384 dimensions"
    )
    assert embedding_output("x", np.ones((1, 2)), 7).completion == "1 text embedded, 2 dimensions"


def test_cosine_is_that_of_the_angle():
    a, b = np.array([3.0, 0.0]), np.array([1.0, 1.0])
    assert cosine(a, b) == pytest.approx(np.sqrt(0.5))
    assert cosine(a, -2 * a) == -1.0
    assert cosine(np.float32([0.1, 0.7]), np.float32([0.1, 0.7])) == pytest.approx(1.0)
    for wrong in (np.zeros(2), np.array([np.nan, 1.0])):
        with pytest.raises(ValueError, match="undefined"):
            cosine(a, wrong)
    with pytest.raises(ValueError, match="shapes"):
        cosine(a, np.ones(3))


SHARED = [f"reference {i}" for i in range(20)]


@scorer(metrics=[mean()], name="fake_similarity")
def similarity():
    async def score(state, target):
        embedder = TextEmbedder(resolve_embedder())
        shared = await embedder.embed(SHARED)
        own = await embedder.embed([target.text])
        return Score(value=cosine(own[target.text], shared[SHARED[0]]))

    return score


@pytest.fixture
def run(tmp_path):
    def run(model, **options):
        samples = [Sample(input="x", target=text) for text in ("cats", "dogs!", "reference 0")]
        task = Task(dataset=samples, solver=[], scorer=similarity())
        [log] = eval(
            task,
            model="mockllm/model",
            model_roles={"embedder": model},
            display="none",
            log_dir=str(tmp_path / "logs"),
            **options,
        )
        assert log.status == "success", log.error
        return read_eval_log(log.location)

    return run


def calls_of(log):
    return [event for s in log.samples for event in s.events if event.event == "model"]


def test_in_an_eval_samples_share_requests_and_the_second_run_reads_the_cache(run):
    first, second = fake(dim=64, delay=0.01), fake(dim=64, delay=0.01)
    logs = [run(first), run(second)]
    assert sorted(map(len, first.api.requests)) == [1, 1, 20]
    assert second.api.requests == []
    assert [sorted(call.cache for call in calls_of(log)) for log in logs] == [
        ["write"] * 3,
        ["read"] * 3,
    ]
    values = [[s.scores["fake_similarity"].value for s in log.samples] for log in logs]
    assert values[0] == values[1]
    assert values[0][2] == pytest.approx(1)
    assert logs[0].stats.role_usage["embedder"].input_tokens == 22


def test_a_third_run_in_the_process_needs_neither_embedder_nor_cache(run):
    model = fake()
    run(model)
    assert calls_of(run(model)) == []


def test_the_log_holds_no_vectors(run):
    for log in (run(fake(dim=64)), run(fake(dim=64))):
        assert len(calls_of(log)) == 3
        for call in calls_of(log):
            assert call.output.completion.endswith("embedded, 64 dimensions")
            assert not call.output.metadata
        text = log.model_dump_json()
        # as float32, which the vectors never were, and as float64
        assert str(SENTINEL)[:8] not in text
        assert len(json.dumps([call.model_dump_json() for call in calls_of(log)])) < 40_000


def test_a_message_limit_of_the_samples_does_not_stop_a_large_request(run):
    run(fake(), message_limit=5)


def test_the_default_embedder_needs_no_key_and_with_a_key_is_the_published_one(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert str(resolve_embedder()) == "embed-openai/text-embedding-ada-002"
    assert resolve_embedder().role == "embedder"
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setattr("neuron_eval.embedding.local.missing_packages", list)
    assert str(resolve_embedder()) == "embed-local/minilm"


SENTINEL = 0.123456789012345


@modelapi(name="fake-embedder")
class FakeEmbedder(ModelAPI):
    """Vectors that begin with the text's length; counts its requests."""

    def __init__(self, model_name, base_url=None, api_key=None, config=None, **args):
        super().__init__(model_name, base_url, api_key, [], config or GenerateConfig())
        self.requests = []
        self.key = uuid.uuid4().hex
        self.delay = args.get("delay", 0.0)
        self.failures = args.get("failures", 0)
        self.dim = args.get("dim", 8)

    def connection_key(self):
        return self.key  # a pool each, since Inspect's pools stay with their event loop

    async def generate(self, input, tools, tool_choice, config):
        texts = texts_of(input)
        self.requests.append(texts)
        await anyio.sleep(self.delay)
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the fake embedder fails")
        vectors = np.full((len(texts), self.dim), SENTINEL)
        vectors[:, 0] = [len(text) for text in texts]
        return embedding_output(self.model_name, vectors, input_tokens=len(texts))


def fake(**args):
    return get_model("fake-embedder/x", memoize=False, **args)


def embed(model, texts, backend="asyncio"):
    return anyio.run(TextEmbedder(model).embed, texts, backend=backend)


@pytest.fixture(autouse=True)
def folders(monkeypatch, tmp_path):
    monkeypatch.setenv("INSPECT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("INSPECT_LOG_DIR", str(tmp_path / "logs"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
