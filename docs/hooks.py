"""What MkDocs does not do by itself; it calls these functions by their names (see mkdocs.yml)."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter

NOTEBOOK = "notebook.ipynb"


def on_files(files: Files, config: Any) -> Files:
    """Make a page of the notebook, with the outputs that are stored in it."""
    text, resources = MarkdownExporter().from_filename(str(Path(config.docs_dir) / NOTEBOOK))
    # Anchors are as written in a notebook, and in small letters in the site.
    text = re.sub(r"\(#[^)]+\)", lambda anchor: anchor[0].lower(), text)
    files.append(File.generated(config, "notebook.md", content=text))
    for name, content in resources["outputs"].items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """On GitHub a link leads to the notebook, in the site to its page."""
    return markdown.replace(f"({NOTEBOOK})", "(notebook.md)")
