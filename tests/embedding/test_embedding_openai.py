"""``embed-openai`` against a real HTTP server that speaks OpenAI's embeddings API."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import openai
import pytest
import tenacity
from inspect_ai import Task, eval
from inspect_ai._util.error import PrerequisiteError
from inspect_ai.dataset import Sample
from inspect_ai.log import read_eval_log
from inspect_ai.model import ChatMessageUser, GenerateConfig, get_model
from inspect_ai.scorer import Score, mean, scorer

from neuron_eval.embedding import hosted as hosted_module
from neuron_eval.embedding.embedder import EmbeddingError, TextEmbedder, cosine, resolve_embedder
from neuron_eval.embedding.hosted import split_address

pytestmark = [  # all are of Inspect's own making
    pytest.mark.filterwarnings("ignore:The 'initial' parameter is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning"),
]


def test_vectors_stand_in_the_order_of_the_texts_whatever_that_of_the_reply(server):
    output = generate(model_at(server), [" a b", "ccc", "dd "])
    assert output.metadata == {"embeddings": [[4.0, 2.0, 0.25], [3.0, 0.0, 0.25], [3.0, 1.0, 0.25]]}
    assert output.completion == "3 texts embedded, 3 dimensions"
    assert (output.usage.input_tokens, output.usage.output_tokens) == (9, 0)
    [(path, body)] = server.requests
    assert path == "/v1/embeddings"
    # the texts as they are, spaces and all, and numbers that any server can send
    assert body == {"model": "m", "input": [" a b", "ccc", "dd "], "encoding_format": "float"}
    assert server.keys == ["Bearer test key"]


def test_the_address_may_come_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    model = get_model("embed-openai/m", memoize=False)
    generate(model, ["a"])
    assert len(server.requests) == 1
    # which makes it part of the key in Inspect's cache
    assert model.api.base_url == server.url


def test_more_texts_than_a_request_holds_are_sent_in_turn(server):
    texts = [f"text {i}" for i in range(2049)]
    output = generate(model_at(server), texts)
    assert [len(body["input"]) for _, body in server.requests] == [2048, 1]
    assert len(output.metadata["embeddings"]) == 2049
    assert output.usage.input_tokens == 3 * 2049


@pytest.mark.parametrize("status", [429, 500, 502, 503, 408])
def test_a_passing_failure_is_tried_again(server, status):
    server.script = [(status, error(None))] * 2
    output = generate(model_at(server), ["a"])
    assert output.metadata["embeddings"] == [[1.0, 0.0, 0.25]]
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "code", "raised"),
    [
        (429, "insufficient_quota", openai.RateLimitError),
        (400, "invalid", openai.BadRequestError),
        (401, "invalid_api_key", openai.AuthenticationError),
        (404, "model_not_found", openai.NotFoundError),
    ],
)
def test_a_lasting_failure_is_raised_at_once(server, status, code, raised):
    server.script = [(status, error(code))]
    with pytest.raises(raised):
        generate(model_at(server), ["a"])
    assert len(server.requests) == 1


def test_retries_end_where_the_user_says_so(server):
    server.script = [(500, error(None))] * 5
    model = model_at(server, config=GenerateConfig(max_retries=2))
    with pytest.raises((tenacity.RetryError, openai.InternalServerError)):
        generate(model, ["a"])
    assert len(server.requests) == 3


def test_rate_limits_and_other_failures_are_told_apart(server):
    api = model_at(server).api
    assert api.should_retry(ValueError()).retry is False
    request = openai.APIConnectionError(request=None)
    assert api.should_retry(request).kind == "transient"
    server.script = [(429, error(None))]
    with pytest.raises(openai.RateLimitError) as caught:
        anyio.run(api.generate, [ChatMessageUser(content="a")], [], "auto", GenerateConfig())
    assert api.should_retry(caught.value).kind == "rate_limit"


def changed(**fields):
    return lambda reply: reply | fields


def item(index, embedding):
    return {"object": "embedding", "index": index, "embedding": embedding}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed(data=[item(0, [1.0])]), "returned 1 vectors for 2 texts"),
        (changed(data=[item(0, [1.0]), item(0, [1.0])]), r"index` \[0, 0\]; expected each of 0 to"),
        (changed(data=[item(0, [1.0]), item(2, [1.0])]), "index"),
        (changed(data=[item(0, [1.0]), item(1, [1.0, 2.0])]), "one dimension"),
        (changed(data=[item(0, [1.0]), item(1, [float("nan")])]), "not finite for text 1"),
        (changed(data=[item(0, [1.0]), item(1, None)]), "numbers"),
        (changed(data=None), "has no list `data`"),
        ({"object": "list"}, "has no list `data`"),
    ],
)
def test_a_reply_that_is_not_one_finite_vector_a_text_is_an_error(server, change, message):
    server.script = [(200, change)]
    with pytest.raises(EmbeddingError, match=message):
        generate(model_at(server), ["a", "b"])
    assert len(server.requests) == 1


def test_a_server_that_reports_no_usage_leaves_it_open(server):
    server.script = [(200, changed(usage=None))]
    assert generate(model_at(server), ["a"]).usage is None


def test_an_empty_text_is_refused_before_anything_is_sent(server):
    with pytest.raises(ValueError, match="message 1: the text is empty"):
        generate(model_at(server), ["a", ""])
    assert server.requests == []


def test_without_a_key_the_error_says_what_to_set(server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(PrerequisiteError, match=r"set OPENAI_API_KEY.*embed-local/minilm"):
        model_at(server)
    generate(model_at(server, api_key="given"), ["a"])
    assert server.keys == ["Bearer given"]


def test_an_unknown_argument_is_refused_naming_the_known_ones(server):
    with pytest.raises(PrerequisiteError, match=r"no argument colour.*organization.*timeout"):
        model_at(server, colour="red")
    assert generate(model_at(server, organization="o", timeout=5), ["a"]).completion


def test_one_client_serves_requests_side_by_side_and_is_closed_after_them(server, monkeypatch):
    made = []
    new = hosted_module.OpenAIEmbedder._new_client
    monkeypatch.setattr(
        hosted_module.OpenAIEmbedder,
        "_new_client",
        lambda self: made.append(new(self)) or made[-1],
    )
    model = model_at(server)

    async def main():
        async with anyio.create_task_group() as group:
            for text in "abc":
                group.start_soon(model.generate, text)
        assert len(made) == 1

    for _ in range(2):  # the second event loop has to get a client of its own
        anyio.run(main)
        assert made.pop().is_closed()


@scorer(metrics=[mean()], name="hosted_similarity")
def similarity():
    async def score(state, target):
        found = await TextEmbedder(resolve_embedder()).embed([target.text, "a b c"])
        return Score(value=cosine(found[target.text], found["a b c"]))

    return score


def test_an_eval_survives_failures_and_its_log_holds_calls_without_vectors(server, tmp_path):
    def run():
        [log] = eval(
            Task(dataset=[Sample(input="x", target="a b d")], solver=[], scorer=similarity()),
            model="mockllm/model",
            model_roles={"embedder": model_at(server)},
            display="none",
            log_dir=str(tmp_path / "logs"),
        )
        assert log.status == "success", log.error
        [sample] = read_eval_log(log.location, resolve_attachments=True).samples
        assert sample.scores["hosted_similarity"].value == pytest.approx(1)
        return log, [event for event in sample.events if event.event == "model"]

    server.script = [(429, error(None)), (500, error(None))]
    log, calls = run()
    assert len(server.requests) == 3
    assert log.stats.role_usage["embedder"].input_tokens == 6
    done = calls[-1]
    assert done.role == "embedder"
    assert done.call.request["input"] == ["a b c", "a b d"]
    assert done.call.response == {"embeddings": {"shape": [2, 3]}}
    assert not done.output.metadata
    [cached] = run()[1]
    assert cached.cache == "read"
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("text", "known", "url", "headers", "query"),
    [
        (None, None, None, {}, {}),
        ("http://h:1/v1", None, "http://h:1/v1", {}, {}),
        (
            "https://me:p%40ss@h/v1?key=s&n=1",
            None,
            "https://h/v1",
            {"Authorization": "Basic bWU6cEBzcw=="},
            {"key": "s", "n": "1"},
        ),
        (None, "http://h/v1?key=s", "http://h/v1", {}, {"key": "s"}),
        ("http://h/v1", "http://h/v1?key=s", "http://h/v1", {}, {"key": "s"}),
        ("http://h/v2", "http://h/v1?key=s", "http://h/v2", {}, {}),
        ("http://h/v1?key=t", "http://h/v1?key=s", "http://h/v1", {}, {"key": "t"}),
    ],
)
def test_secrets_stand_apart_from_an_address(text, known, url, headers, query):
    found = split_address(text, known)
    assert (found.url, found.headers, found.query) == (url, headers, query)


def test_arguments_win_over_what_stands_in_the_address(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://me:pass@h/v1?key=s&n=1")
    api = get_model("embed-openai/m", api_key="k", default_query={"n": "2"}, memoize=False).api
    client = api._new_client()
    assert str(client.base_url) == "http://h/v1/"
    assert client.default_headers["Authorization"] == "Basic bWU6cGFzcw=="
    assert client.default_query == {"key": "s", "n": "2"}


def answer(texts):
    """Vectors that tell the text: its length and its number of spaces."""
    rows = [[float(len(text)), float(text.count(" ")), 0.25] for text in texts]
    data = [{"object": "embedding", "index": i, "embedding": row} for i, row in enumerate(rows)]
    return {
        "object": "list",
        "model": "m",
        "data": data[::-1],
        "usage": {"prompt_tokens": 3 * len(texts), "total_tokens": 3 * len(texts)},
    }


class Server(ThreadingHTTPServer):
    """Answers with ``script`` first, entry by entry, then properly."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = []
        self.requests = []
        self.keys = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.requests.append((self.path, body))
        self.server.keys.append(self.headers["authorization"])
        status, reply = 200, answer(body["input"])
        if self.server.script:
            status, change = self.server.script.pop(0)
            reply = change(reply) if callable(change) else change
        content = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("INSPECT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_API_KEY", "test key")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr(
        hosted_module.OpenAIEmbedder, "retry_wait", lambda _self: tenacity.wait_none()
    )
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def error(code):
    return {"error": {"message": "refused", "type": "t", "code": code, "param": None}}


def model_at(server, **options):
    return get_model("embed-openai/m", base_url=server.url, memoize=False, **options)


def generate(model, texts):
    return anyio.run(model.generate, [ChatMessageUser(content=text) for text in texts])
