"""What broke a parser once, or would break a careless one; `benchmarks/fuzz.py` looks for more."""

from contextlib import suppress
from pathlib import Path

import pytest
from file_parsers import OWN
from file_parsers import PARSERS as FILES
from reply_parsers import PARSERS as REPLIES

CORPUS = Path(__file__).parent / "corpus"
INPUTS = sorted(path for path in CORPUS.rglob("*") if path.is_file())


def test_there_is_a_corpus():
    assert INPUTS


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.name)
def test_no_parser_of_replies_stumbles(path):
    text = path.read_bytes().decode("utf-8", "replace")
    for parse in REPLIES.values():
        parse(text)


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.name)
def test_no_parser_of_files_stumbles(path):
    content = path.read_bytes()
    for _, parse in FILES:
        with suppress(OWN):
            parse(content)
