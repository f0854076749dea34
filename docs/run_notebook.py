"""Runs docs/notebook.ipynb again and stores what comes of it.

python docs/run_notebook.py
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_name("notebook.ipynb")


def executed(notebook: nbformat.NotebookNode, folder: str | Path) -> nbformat.NotebookNode:
    """The notebook with fresh outputs; its logs go below the folder."""
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=600, resources=resources, record_timing=False)
    client.execute()
    return notebook


if __name__ == "__main__":
    os.environ["INSPECT_DISPLAY"] = "none"
    with tempfile.TemporaryDirectory() as folder:
        made = executed(nbformat.read(NOTEBOOK, as_version=4), folder)
    made.metadata.language_info = {"name": "python"}
    nbformat.write(made, NOTEBOOK)
