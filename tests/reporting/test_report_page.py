import base64
import hashlib
import json
import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_runs import EXPECTED, FORMATS, TOKENS, excerpt, five_formats, neuron, page_text, run

from neuron_eval.logs.excerpts import activity
from neuron_eval.messages import script_json, visible, visible_lines
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.reporting import page
from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.figures import FigureFile
from neuron_eval.reporting.page import write_report
from neuron_eval.reporting.page.data import heat, page_data
from neuron_eval.reporting.tables.base import Cell, Column, Table

# what is shown


def test_a_text_without_surprises_stays_as_it_is():
    assert visible("plain, naïve 漢字 🙂 عربى") == "plain, naïve 漢字 🙂 عربى"


def test_what_has_no_shape_gets_one():
    assert visible("a\nb\tc\x00\u202e\ufeff\ud800") == "a⏎b⇥c⟨U+0000⟩⟨U+202E⟩⟨U+FEFF⟩⟨U+D800⟩"
    assert visible_lines("a\r\nb\u2066\n") == "a\nb⟨U+2066⟩\n"


@given(st.text())
@settings(deadline=None)
def test_nothing_shown_can_reorder_hide_or_break_the_text_around_it(text):
    shown = visible(text)
    assert {unicodedata.category(c) for c in shown}.isdisjoint({"Cc", "Cs", "Zl", "Zp", "Co", "Cn"})
    assert not any(
        unicodedata.bidirectional(c) in ("RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI")
        for c in shown
    )
    shown.encode()


# the data


def test_a_neuron_has_what_every_run_says_of_it():
    collected = five_formats(2)
    cut = replace(collected.runs[4], results=dict(list(collected.runs[4].results.items())[1:]))
    data = page_data(Collected((*collected.runs[:4], cut)))
    assert data["scorers"] == ["simulation correlation", "AdaCS"]
    assert [one["label"] for one in data["runs"]] == list(FORMATS)
    first, second = data["neurons"]
    assert (first["id"], first["layer"], first["group"]) == ("toy/L0N0", 0, "random")
    assert first["runs"][1]["explanation"] == "summary on thing 0"
    assert first["runs"][1]["scores"] == [0.2, None]
    assert first["runs"][1]["unscored"] == {"1": ["no reference explanation"]}
    assert first["runs"][4] is None
    assert second["reference"] == "thing 1"
    assert second["runs"][4]["scores"] == [0.52, 0.5]
    assert "unscored" not in second["runs"][4]


def test_excerpts_stand_there_once_however_many_runs_simulated_them():
    (data,) = page_data(five_formats(1))["neurons"]
    assert data["excerpts"] == [
        {"name": "top 2", "tokens": [" The", " cat", " sat", "⏎"], "peak": 4.0, "true": "0a05"}
    ]
    assert [one["simulated"] for one in data["runs"]] == [
        {"low": 0.3, "high": 0.9, "levels": ["0a03"]}
    ] * 5


def test_other_excerpts_of_the_same_name_are_kept_apart():
    results = [
        neuron(1),
        neuron(1, predicted=(excerpt(tokens=" abc", true=(0, 1, 2, 8)),)),
        neuron(1, predicted=()),
        None,
    ]
    excerpts, simulated = heat(results)
    assert [one["tokens"][0] for one in excerpts] == [" The", " "]
    assert [one["true"] for one in excerpts] == ["0502", "012a"]  # on one scale
    assert simulated[0]["levels"] == ["0a03", None]
    assert simulated[1]["levels"] == [None, "0a03"]
    assert simulated[2:] == [None, None]


def test_an_ignored_token_has_no_level_and_is_not_on_the_scale():
    one = excerpt()
    blind = replace(one, record=replace(one.record, ignored=(1,)))
    (_, (whole,)), (_, (left,)) = (
        heat([neuron(1, predicted=(one,))]),
        heat([neuron(1, predicted=(blind,))]),
    )
    assert (whole["levels"], whole["high"]) == (["0a03"], 0.9)
    assert (left["levels"], left["high"]) == (["000a"], 0.5)


def test_runs_that_ignore_different_tokens_share_an_excerpt_and_its_whole_truth():
    one = excerpt()
    values = (one.record.activations[0], 0.0, *one.record.activations[2:])
    blind = replace(one, record=replace(one.record, activations=values, ignored=(1,)))
    results = [neuron(1, predicted=(blind,)), neuron(1, predicted=(one,))]
    excerpts, (left, whole) = heat(results)
    assert [e["true"] for e in excerpts] == [e["true"] for e in heat(results[1:])[0]]
    assert (left["levels"], whole["levels"]) == (["000a"], ["0a03"])


def test_an_excerpt_whose_simulation_is_not_finite_has_no_values():
    broken = excerpt("top 6", TOKENS, (0, 0, 0, 1), (0, float("nan"), 0, 0))
    _, simulated = heat([neuron(1, predicted=(excerpt(), broken))])
    assert simulated[0]["levels"] == ["0a03", None]
    assert simulated[0]["high"] == max(EXPECTED)


def test_what_explainers_saw_is_there_once_and_says_where_not_all_saw_it():
    first, second = (Excerpt("top", i, TRAIN) for i in (0, 4))
    neurons = [neuron(1, shown=shown) for shown in ((first, second), (first,), (first,))]
    runs = [run(name, [one]) for name, one in zip(FORMATS, neurons, strict=False)]
    (data,) = page_data(Collected((*runs[:2], replace(runs[2], given=True))))["neurons"]
    both, once = data["shown"]
    assert both == {"name": "top 0", "tokens": ["a", "b⏎"], "peak": 8.0, "true": "a5"}
    assert (once["name"], once["runs"]) == ("top 4", [0])
    # truth is on one scale, whether it was shown or held out
    assert data["top"] == 8.0
    assert data["excerpts"][0]["true"] == "0502"


def test_explanations_that_existed_were_shown_nothing():
    given_ = run("given", [neuron(1, shown=(Excerpt("top", 0, TRAIN),))], given=True)
    assert "shown" not in page_data(Collected((given_,)))["neurons"][0]


def test_where_a_neuron_fires_is_there_in_few_characters():
    result = neuron(1, activity=activity([TRAIN]))
    (data,) = page_data(Collected((run(neurons=[result]),)))["neurons"]
    where = data["activity"]
    assert (where["excerpts"], where["low"], where["high"]) == (1, 4.0, 8.0)
    assert (sum(where["counts"]), where["tokens"]) == (2, [["a", 8.0, 1], ["b", 4.0, 1]])
    assert len(script_json(where)) < 200


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("https://www.neuronpedia.org/gpt2-small/6-res-jb/650", True),
        ("", False),
        ("javascript:alert(1)", False),
        ("http://elsewhere", False),
    ],
)
def test_only_an_address_that_is_safe_to_follow_is_linked(page, expected):
    (data,) = page_data(Collected((run(neurons=[neuron(1, page=page)]),)))["neurons"]
    assert data.get("page") == (page if expected else None)


def test_json_cannot_end_its_script_and_reads_back_the_same():
    data = {"a": "</script><!--", "b": ["\u2028", 0.5, None]}
    text = script_json(data)
    assert "<" not in text
    assert "\u2028" not in text
    assert json.loads(text) == data


def test_five_formats_of_a_thousand_neurons_stay_below_25_megabytes():
    tokens = [f" word{i}" for i in range(64)]
    train = tuple(
        Excerpt("top", i, ActivationRecord(tuple(tokens), tuple(map(float, range(64)))))
        for i in range(5)
    )
    ten = tuple(
        excerpt(f"top {i}", tokens, range(64), [(i * t) % 11 for t in range(64)]) for i in range(10)
    )
    runs = [
        replace(
            one,
            results={id: replace(n, predicted=ten, shown=train) for id, n in one.results.items()},
        )
        for one in five_formats(10).runs
    ]
    neurons = page_data(Collected(tuple(runs)))["neurons"]
    assert len(script_json(neurons)) / len(neurons) < 25_000


# the page


def test_the_page_is_one_file_in_a_folder_that_is_made(tmp_path):
    folder = tmp_path / "new" / "report"
    path, _ = write_report(five_formats(2), [TABLE], folder, "original", bundle=False)
    assert path == folder / "index.html"
    assert sorted(one.name for one in folder.iterdir()) == [
        *("figures", "index.html", "report.md", "tables")
    ]


def test_the_page_asks_for_nothing_from_elsewhere(figure):
    seen = Seen(page_text(five_formats(2), [TABLE], [figure]))
    assert not seen.all("link")
    assert not any("src" in attrs for attrs in seen.all("script"))
    (image,) = seen.all("img")
    assert image["src"] == "data:image/png;base64," + base64.b64encode(PNG).decode()
    assert image["alt"] == 'original "0.1"'
    assert all(attrs["href"].startswith("#") for attrs in seen.all("a"))
    for kind, _, text in seen.within:
        if kind == "style":
            assert not re.search(r"url\(|@import", text)


def test_the_policy_lets_only_this_page_s_own_style_and_scripts_in():
    seen = Seen(page_text(five_formats(2), [TABLE], []))
    (policy,) = (
        attrs["content"]
        for attrs in seen.all("meta")
        if attrs.get("http-equiv") == "Content-Security-Policy"
    )
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    assert rules["default-src"] == ["'none'"]
    assert rules["img-src"] == ["data:"]
    assert not re.search(r"unsafe|https?:|\*", policy)

    def hashed(text):
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    styles = [text for kind, _, text in seen.within if kind == "style"]
    scripts = [text for kind, at, text in seen.within if kind == "script" and "type" not in at]
    assert rules["style-src"] == [hashed(text) for text in styles]
    assert rules["script-src"] == [hashed(text) for text in scripts]
    assert not any("style" in attrs or "onclick" in attrs for _, attrs in seen.elements)


def test_planted_markup_stays_text():
    text = page_text(planted(), [TABLE], [])
    seen = Seen(text)
    assert not seen.all("img")
    assert not seen.all("b")
    assert len(seen.all("script")) == 3
    assert "\u202e" not in text
    shown = "".join(seen.words)
    assert "</script><img src=x onerror=alert(1)>⟨U+202E⟩<b>&amp;" in shown
    (data,) = (json.loads(body) for _, at, body in seen.within if at.get("id") == "data")
    assert data["neurons"][1]["runs"][1]["explanation"] == visible(PLANTED)


def test_tables_come_with_caption_numbers_to_sort_by_and_marks(figure):
    text = page_text(five_formats(2), [TABLE], [])
    seen = Seen(text)
    assert "Scores <by> run" in seen.words
    assert "A note & more." in seen.words
    assert "0.100 [0, 1] †" in seen.words
    sorted_by = [a["data-sort"] for tag, a in seen.elements if tag == "td" and "data-sort" in a]
    assert sorted_by[:3] == ["0.1", "0.2", ""]  # before those of the logs
    captions = re.findall(r"<caption[^>]*>(.*?)</caption>", text)
    assert len(captions) == len(seen.all("table")) == 3
    (best,) = [a for a in seen.all("td") if "best" in a.get("class", "")]
    assert "number" in best["class"]


def test_a_table_without_rows_shows_its_sentence():
    empty = Table("paired", "Differences", (Column("run"),), (), ("There is nothing to compare.",))
    assert "There is nothing to compare." in Seen(page_text(five_formats(1), [empty], [])).words


def test_samples_are_linked_only_where_there_is_a_viewer():
    assert "sample" not in page_data(five_formats(1))["neurons"][0]
    data = page_data(five_formats(1), viewer="viewer")
    assert data["viewer"] == "viewer"
    assert data["neurons"][0]["sample"] == "toy%2FL0N0"
    assert data["runs"][0]["log"] == "original.eval"


def test_what_was_left_out_is_said():
    collected = replace(five_formats(1), notes=("x.eval left out: too old",))
    assert "x.eval left out: too old" in Seen(page_text(collected, [], [])).words


# third-party code


def test_vendored_code_is_what_its_readme_says_and_has_its_licence():
    vendored = HERE / "vendored"
    row = next(
        line
        for line in (vendored / "README.md").read_text().splitlines()
        if line.startswith("| tablesort.js")
    )
    found = hashlib.sha256((vendored / "tablesort.js").read_bytes()).hexdigest()
    assert found in row
    assert "Permission is hereby granted" in (vendored / "tablesort.LICENCE").read_text()


def test_scripts_are_short_and_never_write_markup():
    for path in sorted((HERE / "scripts").glob("*.js")):
        text = path.read_text()
        assert text.count("\n") <= 250
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)


TRAIN = ActivationRecord(("a", "b\n"), (8.0, 4.0))

HERE = Path(page.__file__).parent

PLANTED = "</script><img src=x onerror=alert(1)>\u202e<b>&amp;"

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)

TABLE = Table(
    "scores",
    "Scores <by> run",
    (Column("run"), Column("score", numeric=True)),
    (
        (Cell("original", "original"), Cell("0.100 [0, 1]", 0.1, marked=True)),
        (Cell(PLANTED, PLANTED), Cell("0.200", 0.2, bold=True)),
        (Cell("none"), Cell("not scored")),
    ),
    ("A note & more.",),
)


class Seen(HTMLParser):
    """Elements with their attributes, and the text within each script and style."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.within, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.open = tag
        if tag in ("script", "style"):
            self.within.append([tag, dict(attrs), ""])

    def handle_endtag(self, tag):
        self.open = None

    def handle_data(self, text):
        if getattr(self, "open", None) in ("script", "style"):
            self.within[-1][2] += text
        else:
            self.words.append(text)

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def planted():
    """Runs in which every text that others wrote tries to break out."""
    one = neuron(
        1,
        group=PLANTED,
        explanation=PLANTED,
        reference=PLANTED,
        unscored={"adacs": (PLANTED,), PLANTED: (PLANTED,)},
        excerpt_failures=(PLANTED,),
        token_failures=(PLANTED,),
        errors=(PLANTED,),
        predicted=(excerpt(PLANTED, (PLANTED, " b"), (1, 0), (1, 0)),),
    )
    bad = run(PLANTED, [one, neuron(2)], explainer=PLANTED, log="x/" + PLANTED)
    bad = replace(bad, neurons=PLANTED)
    return Collected((run("original", [neuron(2)]), bad), (PLANTED,))


@pytest.fixture
def figure(tmp_path):
    png = tmp_path / "scores.png"
    png.write_bytes(PNG)
    return FigureFile("scores", "Scores", png, tmp_path / "scores.svg", 'original "0.1"')
