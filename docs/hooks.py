"""What MkDocs does not do by itself; it calls these functions by their names (see mkdocs.yml)."""

import re
from typing import Any

OUTSIDE = re.compile(r"\[([^]]+)\]\(\.\./[^)]*\)")
"""A link to a file of the checkout that is no page: it works on GitHub, and not in the site."""


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Leave of each link out of docs/ its text, as a name where it is one."""
    return OUTSIDE.sub(lambda link: _named(link[1]), markdown)


def _named(text: str) -> str:
    is_path = "/" in text and " " not in text and not text.startswith("`")
    return f"`{text}`" if is_path else text
