"""The notebook in docs/: run again, it gives what is stored in it."""

import importlib.util
import tempfile
from pathlib import Path

import nbformat
import pytest

DOCS = Path(__file__).parents[1] / "docs"
STORED = DOCS / "notebook.ipynb"


def outputs(notebook):
    """By cell its outputs as text; what a notebook draws has one of the same content."""
    return {
        cell.id: [
            output.get("text") or output.get("data", {}).get("text/plain")
            for output in cell.get("outputs", ())
        ]
        for cell in notebook.cells
    }


@pytest.fixture(scope="module")
def stored():
    return nbformat.read(STORED, as_version=4)


def test_run_again_the_notebook_gives_what_is_stored(stored, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    spec = importlib.util.spec_from_file_location("run_notebook", DOCS / "run_notebook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # Inspect warns where the path of its socket, which lies here, is a long one.
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setenv("XDG_DATA_HOME", short)
        fresh = module.executed(nbformat.read(STORED, as_version=4), tmp_path)
    assert outputs(fresh) == outputs(stored), "make docs stores what it gives"


def test_the_notebook_shows_a_neuron_a_table_and_a_figure_and_is_small(stored):
    kinds = {
        cell.id: {kind for output in cell.get("outputs", ()) for kind in output.get("data", ())}
        for cell in stored.cells
    }
    assert kinds["show"] == kinds["one"] == kinds["frame"] == {"text/html", "text/plain"}
    assert "image/png" in kinds["plot"]
    assert STORED.stat().st_size < 300_000


def test_the_stored_notebook_names_no_folder_and_no_time(stored):
    text = STORED.read_text(encoding="utf-8")
    assert "/tmp/" not in text
    assert "timestamp" not in text
    assert "iopub" not in text
