"""Caches of sparse latents in delphi's layout, with their faults."""

import sys

import numpy as np
import pytest
from click.testing import CliRunner
from delphi_cache import (
    BYTE_LEVEL,
    END,
    ROWS,
    SPACES,
    WORDS,
    numpy_files,
    random_latents,
    random_tokens,
    save,
    save_config,
    save_tokenizer,
)
from hypothesis import given
from hypothesis import strategies as st

from neuron_eval.cli.convert import convert
from neuron_eval.records import NeuronRecord, RecordError
from neuron_eval.records.splits import deal
from neuron_eval.sources import open_source
from neuron_eval.sources.base import NeuronKey, SourceError, Unreadable
from neuron_eval.sources.delphi import DelphiSource, folders
from neuron_eval.sources.delphi import files as delphi_files
from neuron_eval.sources.delphi import files as delphi_tokens
from neuron_eval.sources.delphi.files import Latent
from neuron_eval.sources.delphi.records import Excerpts, Windows, boundaries


def test_latents_that_are_active_anywhere_are_neurons_in_natural_order(cache):
    source = DelphiSource(str(cache))
    keys = list(source.keys())
    expected = [("layers.6.mlp", 6, n) for n in range(5)] + [
        ("layers.10.mlp", 10, n) for n in range(5)
    ]
    assert keys == [NeuronKey(f"pythia-160m/{h}/{n}", layer, n) for h, layer, n in expected]
    assert ids(source.read()) == [key.id for key in keys]
    assert any(folders(cache))


def test_a_copy_in_the_schema_knows_the_same_special_tokens(cache, tmp_path):
    neurons = list(DelphiSource(str(cache)).read())
    for name in ("n.jsonl", "n.parquet"):
        out = str(tmp_path / name)
        assert CliRunner().invoke(convert, [str(cache), out]).exit_code == 0
        assert list(open_source(out).read()) == neurons


def test_excerpts_hold_the_cached_activations_on_the_cached_text(cache):
    neuron = next(iter(DelphiSource(str(cache)).read()))
    assert isinstance(neuron, NeuronRecord)
    assert neuron.model == "pythia-160m"
    assert neuron.special_tokens == ("<|endoftext|>",)
    dense, tokens = random_latents(6)[:, :, 0], random_tokens()
    by_text = {}
    for row in range(ROWS):
        for begin in (0, 64):
            text = "".join(WORDS[t].replace("Ġ", " ") for t in tokens[row, begin : begin + 64])
            by_text[text] = dense[row, begin : begin + 64]
    for record in neuron.top + neuron.random:
        assert record.activations == pytest.approx(by_text[record.text], rel=5e-4)
    peaks = sorted((float(values.max()) for values in by_text.values()), reverse=True)
    assert [record.peak for record in neuron.top] == pytest.approx(peaks[:32], rel=5e-4)
    assert len(neuron.random) == 24
    assert not set(texts(neuron.top)) & set(texts(neuron.random))
    assert len(deal(neuron, 5).valid) == 10


def test_quantiles_are_over_all_tokens_with_those_that_are_zero(cache):
    neuron = next(iter(DelphiSource(str(cache)).read()))
    levels = neuron.quantiles
    exact = np.quantile(random_latents(6)[:, :, 0], levels, method="inverted_cdf")
    assert levels == (0.5, 0.9, 0.99, 0.999, 0.9999)
    assert neuron.quantile_boundaries == pytest.approx(exact.tolist(), rel=5e-4)
    assert neuron.quantile_boundaries[0] == 0 < neuron.quantile_boundaries[2]


def test_random_excerpts_are_the_same_each_time_and_differ_between_latents(hookpoint):
    first, second = (read(hookpoint), read(hookpoint))
    assert first == second
    assert texts(first[0].random) != texts(first[1].random)


def test_only_the_latents_wanted_are_given(cache):
    source = DelphiSource(str(cache))
    keys = list(source.keys())
    chosen = [keys[7], keys[4], NeuronKey("pythia-160m/layers.6.mlp/5", 6, 5)]
    assert ids(source.read([*chosen, NeuronKey("x/../y/1", 6, 1)])) == [keys[4].id, keys[7].id]
    assert source.read([]) is not None
    assert list(source.read([])) == []


def test_a_file_is_read_in_stretches_with_the_same_result(hookpoint, monkeypatch):
    before = read(hookpoint)
    monkeypatch.setattr(delphi_files, "STRETCH", 7)
    monkeypatch.setattr(delphi_files, "GATHERED", 300)
    assert read(hookpoint) == before


def test_the_folder_of_one_hookpoint_will_do(hookpoint):
    assert any(folders(hookpoint))
    assert ids(read(hookpoint))[0] == "pythia-160m/layers.6.mlp/0"


def test_a_hookpoint_may_be_a_path_and_holds_no_number_or_dots(tmp_path):
    for name in ("layer_12/width_16k", "a..b", "..embed"):
        save(tmp_path / name, random_latents(2), 0, random_tokens())
    save_tokenizer(tmp_path)
    assert [(key.id, key.layer) for key in keys_of(tmp_path)] == [
        ("..embed/0", -1),
        ("a..b/0", -1),
        ("layer_12/width_16k/0", 12),
    ]
    assert {neuron.model for neuron in read(tmp_path)} == {"delphi"}


def test_tokens_may_stand_in_one_file_of_the_hookpoint(tmp_path):
    dense = random_latents(6)
    save(tmp_path / "mlp", dense[:, :, :3], 0, None)
    save(tmp_path / "mlp", dense[:, :, 3:], 3, random_tokens())
    save_tokenizer(tmp_path)
    assert len(read(tmp_path)) == 5


def test_a_cache_without_tokens_says_how_to_make_one_with_them(tmp_path):
    save(tmp_path / "mlp", random_latents(2), 0, None)
    save_tokenizer(tmp_path)
    with pytest.raises(SourceError, match=r"no file holds a tensor 'tokens'; .*save_tokens=True"):
        read(tmp_path)


def test_a_character_of_several_tokens_is_one_token_with_their_highest_activation(tmp_path):
    tokens = np.array([[1, 4, 5, 6, 7, 3, END, SPACES, 2]])
    dense = np.zeros((1, 9, 2))
    dense[0, 2:5, 0] = [0.5, 2.0, -3.0]
    save(tmp_path / "mlp.3", dense, 0, tokens)
    save_tokenizer(tmp_path)
    (neuron,) = read(tmp_path)
    (record,) = neuron.top
    assert record.tokens == (" cat", "😀", "\n", "<|endoftext|>", "  ", " dog")
    assert record.activations == (0, 2, 0, 0, 0, 0)


def test_sentencepiece_vocabularies_are_known_too(tmp_path):
    vocab = [["<unk>", 0], ["▁the", -1], ["<0xC3>", -2], ["<0xA9>", -3], ["Ġ", -4]]
    steps = [{"type": "Replace"}, {"type": "ByteFallback"}, {"type": "Fuse"}]
    data = {
        "decoder": {"type": "Sequence", "decoders": steps},
        "model": {"type": "Unigram", "vocab": vocab},
        "added_tokens": None,
    }
    dense = np.zeros((1, 4, 2))
    dense[0, 0, 0] = 1
    save(tmp_path / "mlp.3", dense, 0, np.array([[1, 2, 3, 4]]))
    save_tokenizer(tmp_path, data)
    assert read(tmp_path)[0].top[0].tokens == (" the", "é", "Ġ")


def test_half_a_character_of_a_tokenizer_is_a_sign_in_the_text(tmp_path):
    tokens = random_tokens()
    tokens[:, ::7] = END
    save(tmp_path / "layers.1", random_latents(2), 0, tokens)
    save_tokenizer(tmp_path, {**BYTE_LEVEL, "added_tokens": [{"id": END, "content": "<\ud800>"}]})
    (neuron,) = read(tmp_path)
    text = "".join(texts(neuron.top))
    assert "\ufffd" in text
    text.encode()


def test_a_folder_that_makes_no_id_is_refused_with_its_file(tmp_path):
    save(tmp_path / "layers.1\n", random_latents(2), 0, random_tokens())
    save_tokenizer(tmp_path)
    (found,) = DelphiSource(str(tmp_path)).read()
    assert "0_1.safetensors: neuron layers.1⏎/0: field 'id' is 'layers.1\\n/0'" in str(found.error)
    assert "holds the control character U+000A" in str(found.error)


def test_texts_that_repeat_are_shown_once(tmp_path):
    tokens = np.repeat(random_tokens(4), 30, axis=0)
    save(tmp_path / "mlp", random_latents(2, rows=120), 0, tokens)
    save_tokenizer(tmp_path)
    (neuron,) = read(tmp_path)
    shown = texts(neuron.top + neuron.random)
    assert len(shown) == len(set(shown)) == 8


def test_a_latent_that_is_never_positive_has_no_top_excerpts(tmp_path):
    save(tmp_path / "mlp", -random_latents(2), 0, random_tokens())
    save_tokenizer(tmp_path)
    (neuron,) = read(tmp_path)
    assert neuron.top == ()
    assert neuron.random != ()


# Where the tokenizer comes from.


def test_the_tokenizer_that_the_environment_names_comes_first(cache, monkeypatch, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    words = {f"ĠX{i}": i for i in range(END)}
    path = save_tokenizer(other, {**BYTE_LEVEL, "model": {"vocab": words}})
    for named in (path, other):
        monkeypatch.setenv(delphi_tokens.OVERRIDE, str(named))
        assert read(cache)[0].top[0].text.startswith(" X")
    monkeypatch.setenv(delphi_tokens.OVERRIDE, str(tmp_path / "none.json"))
    with pytest.raises(SourceError, match=r"NEURON_EVAL_TOKENIZER=.*none.json: there is no such"):
        read(cache)


def test_a_model_of_the_hub_lends_its_tokenizer(cache, monkeypatch):
    path = (cache / "tokenizer.json").rename(cache / "elsewhere.json")
    asked = []

    def download(model):
        asked.append(model)
        return path

    monkeypatch.setattr(delphi_tokens, "download", download)
    assert len(read(cache)) == 10
    assert set(asked) == {"EleutherAI/pythia-160m"}


def test_the_local_hugging_face_cache_comes_before_the_hub(monkeypatch):
    asked = []

    def fetch(*what):
        asked.append(what)
        return "fetched"

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetch)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *what: "cached")
    assert str(DOWNLOAD("a/b")) == "cached"
    # What the cache answers for a file that it knows to be missing, and for one it knows not.
    for answer in (object(), None):
        monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, a=answer: a)
        assert str(DOWNLOAD("a/b")) == "fetched"
    assert asked == [("a/b", "tokenizer.json")] * 2


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("EleutherAI/pythia-160m", r"hub gave none for EleutherAI/pythia-160m \(no hub for"),
        ("../../etc/passwd", r"model_name '../../etc/passwd' is not a model's name"),
        ("/models/llama", r"model_name '/models/llama' is not a model's name"),
        ("a/../b", r"is not a model's name"),
        ("https://host/x", r"is not a model's name"),
        (None, r"no config.json names a model"),
    ],
)
def test_without_a_tokenizer_the_error_says_where_it_was_looked_for(tmp_path, model, message):
    save(tmp_path / "layers.1", random_latents(2), 0, random_tokens())
    save_config(tmp_path / "layers.1", model)
    # The model's name is no path, even where it could be one.
    with pytest.raises(SourceError, match=message) as caught:
        read(tmp_path)
    assert f"looked for {tmp_path / 'layers.1' / 'tokenizer.json'}" in str(caught.value)
    assert "NEURON_EVAL_TOKENIZER" in str(caught.value)


@pytest.mark.parametrize("model", ["..", "a/..", "x/y z", "…"])
def test_a_model_name_that_is_none_stays_out_of_the_ids(tmp_path, model):
    save(tmp_path / "layers.1", random_latents(2), 0, random_tokens())
    save_config(tmp_path / "layers.1", model)
    assert [key.id for key in keys_of(tmp_path)] == ["layers.1/0"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({**BYTE_LEVEL, "decoder": {"type": "WordPiece"}}, r"its decoder is \['WordPiece'\]"),
        ({**BYTE_LEVEL, "decoder": None}, r"its decoder is \['None'\]; known are ByteLevel"),
        ({"decoder": {"type": "ByteLevel"}}, r"not a tokenizer.json that can be used \(KeyError"),
        ([1], r"not a tokenizer.json that can be used"),
        ({**BYTE_LEVEL, "model": {"vocab": {"a": "x"}}}, r"not a tokenizer.json that can be used"),
    ],
)
def test_a_tokenizer_of_another_kind_is_refused(cache, data, message):
    save_tokenizer(cache, data)
    with pytest.raises(SourceError, match=message):
        read(cache)


def test_a_token_that_the_vocabulary_lacks_makes_the_latent_unreadable(cache):
    save_tokenizer(cache, {**BYTE_LEVEL, "model": {"vocab": {"Ġthe": 0}}})
    found = read(cache)
    assert [type(item) for item in found] == [Unreadable] * 10
    assert "is not in" in str(found[0].error)
    assert "is it the tokenizer of another model?" in str(found[0].error)


# Bad files.


def test_a_bad_latent_is_unreadable_and_the_next_is_read(tmp_path):
    dense = np.zeros((2, 64, 5), np.float16)
    dense[0, 3] = [1, np.inf, 1, 1, 1]
    path = save(tmp_path / "mlp", dense, 0, random_tokens(2, 64))
    tensors = numpy_files.load_file(path)
    tensors["locations"][2, 0] = 2
    tensors["locations"][3, 1] = 64
    tensors["locations"] = np.concatenate([tensors["locations"], [[0, 3, 4]]]).astype(np.uint16)
    tensors["activations"] = np.concatenate([tensors["activations"], [1]]).astype(np.float16)
    numpy_files.save_file(tensors, path)
    save_tokenizer(tmp_path)
    found = read(tmp_path)
    assert ids(found) == [f"mlp/{n}" for n in range(5)]
    assert isinstance(found[0], NeuronRecord)
    messages = [str(item.error) for item in found[1:]]
    assert "0_4.safetensors: neuron mlp/1: tensor 'activations' holds inf" in messages[0]
    assert "row 2 is beyond the tokens, [2, 64]" in messages[1]
    assert "position 64 is beyond the tokens" in messages[2]
    assert "holds the same place twice" in messages[3]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"locations": np.zeros((3, 2), np.uint16)}, r"shapes locations \[3, 2\]"),
        ({"locations": np.zeros(3, np.uint16)}, r"shapes locations \[3\]"),
        ({"activations": np.zeros(1, np.float16)}, r"activations \[1\]"),
        ({"activations": np.zeros((2, 2), np.float16)}, r"expected \[N, 3\], \[N\] and"),
        ({"tokens": np.zeros(5, np.int64)}, r"tokens \[5\]; expected"),
        ({"tokens": np.zeros((0, 5), np.int64)}, r"tokens \[0, 5\]; expected"),
        ({"locations": None}, r"holds no tensor 'locations', only activations, tokens"),
        ({"activations": None}, r"holds no tensor 'activations'"),
    ],
)
def test_tensors_of_another_form_are_refused(tmp_path, changes, message):
    save(tmp_path / "mlp", random_latents(2), 0, random_tokens(), changes=changes)
    save_tokenizer(tmp_path)
    for use in (lambda s: s.keys(), lambda s: s.read()):
        with pytest.raises(RecordError, match=message):
            list(use(DelphiSource(str(tmp_path))))


def test_tensors_of_other_types_are_refused(tmp_path):
    path = save(tmp_path / "mlp", random_latents(2), 0, random_tokens())
    tensors = numpy_files.load_file(path)
    for name in ("locations", "activations"):
        wrong = {**tensors, name: tensors[name].astype({"locations": "f4"}.get(name, "i4"))}
        numpy_files.save_file(wrong, path)
        with pytest.raises(RecordError, match=r"expected whole numbers and F16, F32 or F64"):
            list(DelphiSource(str(tmp_path)).keys())


def test_a_latent_beyond_the_files_name_is_refused(tmp_path):
    path = save(tmp_path / "mlp", random_latents(3), 0, random_tokens())
    path.rename(path.with_name("8_8.safetensors"))
    with pytest.raises(RecordError, match=r"8_8.*is of latent 1 of the file, which by its name"):
        list(DelphiSource(str(tmp_path)).keys())


def test_a_cut_file_raises_after_what_came_before(hookpoint):
    path = hookpoint / "3_5.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    found = DelphiSource(str(hookpoint)).read()
    assert len([next(found) for _ in range(3)]) == 3
    with pytest.raises(RecordError, match=r"3_5.safetensors: cut off or not a safetensors file"):
        next(found)


def test_files_that_hold_the_same_latents_are_refused(hookpoint):
    save(hookpoint, random_latents(2), 2, random_tokens())
    with pytest.raises(SourceError, match=r"both hold latent 2; they look like .* two runs"):
        DelphiSource(str(hookpoint))


def test_a_bad_config_is_refused(hookpoint):
    for text, message in (("{", "cannot be read as JSON"), ('{"model_name": 5}', "is 5; expected")):
        (hookpoint / "config.json").write_text(text)
        with pytest.raises(SourceError, match=rf"config.json.*{message}"):
            DelphiSource(str(hookpoint))


def test_other_folders_are_not_taken_for_caches(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "a_1.safetensors").write_bytes(b"")
    assert not any(folders(tmp_path))
    with pytest.raises(SourceError, match=r"holds no HOOKPOINT/START_END.safetensors"):
        DelphiSource(str(tmp_path))


def test_without_the_library_the_error_names_the_extra(cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(SourceError, match=r"pip install 'neuron_eval\[delphi\]'"):
        list(DelphiSource(str(cache)).keys())


def test_there_are_no_scores(cache):
    source = DelphiSource(str(cache))
    with pytest.raises(SourceError, match=r"holds no published scores"):
        source.scores([])


# The arrays alone.

entries = st.dictionaries(
    st.tuples(st.integers(0, 4), st.integers(0, 99)), st.integers(-9, 9).filter(bool), max_size=60
)


def as_latent(placed):
    places = np.array(sorted(placed, key=hash), dtype=np.int64).reshape(-1, 2)
    values = [placed[tuple(place)] for place in places.tolist()]
    return Latent(places[:, 0], places[:, 1], np.array(values, np.float32))


@given(entries)
def test_windows_tile_the_rows_and_come_by_their_peaks(placed):
    dense = np.zeros((5, 100))
    for place, value in placed.items():
        dense[place] = value
    latent, windows = as_latent(placed), Windows(5, 100)
    excerpts = Excerpts(latent, windows)
    pieces = [windows.place(window) for window in range(windows.total)]
    assert [(row, begin, end) for row, begin, end in pieces] == [
        (row, begin, begin + 50) for row in range(5) for begin in (0, 50)
    ]
    for window, (row, begin, end) in enumerate(pieces):
        assert excerpts.activations(window).tolist() == dense[row, begin:end].tolist()
    peaks = [dense[row, begin:end].max() for row, begin, end in pieces]
    expected = [w for w in np.argsort(-np.array(peaks), kind="stable").tolist() if peaks[w] > 0]
    assert list(excerpts.highest()) == expected
    assert not excerpts.repeated()


@given(entries, st.lists(st.floats(0.001, 0.9999), min_size=1, max_size=5).map(sorted))
def test_boundaries_are_those_of_all_tokens(placed, levels):
    dense = np.zeros(500)
    dense[: len(placed)] = list(placed.values())
    expected = np.quantile(dense, levels, method="inverted_cdf")
    assert boundaries(as_latent(placed).values, 500, levels) == tuple(expected.tolist())


@pytest.mark.parametrize(("context", "sizes"), [(64, [64]), (65, [32, 33]), (10, [10])])
def test_windows_are_of_equal_length_within_one(context, sizes):
    windows = Windows(1, context)
    placed = [windows.place(window) for window in range(windows.total)]
    assert [end - begin for _, begin, end in placed] == sizes


DOWNLOAD = delphi_tokens.download


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    """Nothing is fetched."""

    def no_hub(model):
        raise ConnectionError(f"no hub for {model}")

    monkeypatch.setattr(delphi_tokens, "download", no_hub)
    monkeypatch.delenv(delphi_tokens.OVERRIDE, raising=False)


@pytest.fixture
def cache(tmp_path):
    """Two hookpoints of two files each, with a tokenizer."""
    for hookpoint in ("layers.10.mlp", "layers.6.mlp"):
        folder = tmp_path / "latents" / hookpoint
        dense = random_latents(6)
        save(folder, dense[:, :, :3], 0, random_tokens())
        save(folder, dense[:, :, 3:], 3, random_tokens(), dtype=np.uint32)
        save_config(folder)
    save_tokenizer(tmp_path / "latents")
    return tmp_path / "latents"


@pytest.fixture
def hookpoint(cache):
    save_tokenizer(cache / "layers.6.mlp")
    return cache / "layers.6.mlp"


def read(path, wanted=None):
    return list(DelphiSource(str(path)).read(wanted))


def keys_of(path):
    return list(DelphiSource(str(path)).keys())


def ids(found):
    return [item.name if isinstance(item, Unreadable) else item.id for item in found]


def texts(records):
    return [record.text for record in records]
