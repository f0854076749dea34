"""Every parser of files takes time that grows as the file does, whatever stands in it.

Four times the text may take ten times as long at most; what grows with the square takes sixteen
times. Only the process's own time counts, and the least of several runs, so that a busy machine
changes nothing.
"""

import time
from contextlib import suppress

import pytest
from file_parsers import OWN, PARSERS

LEFT_OUT = {
    *("folder of records", "zipped records", "records.jsonl.gz", "records.parquet"),
    *("table.parquet", "pack"),
}
"""Those that come to text through another of the parsers, or through Arrow."""


@pytest.mark.parametrize("name", [name for name, _ in PARSERS if name not in LEFT_OUT])
def test_four_times_the_text_takes_no_more_than_ten_times_as_long(name):
    parse, size = dict(PARSERS)[name], SLOW.get(name, LARGE)
    for around in AROUND:
        for unit in ONE + BOTH:
            small, large = (_filled(unit, n, around) for n in (size // 4, size))
            assert _in_time(parse, small, large), (around, unit)


LARGE = 2**18
"""Characters; the other file has a quarter of them."""

SLOW = {"YAML": 2**15, "OpenAI explanations": 2**16}
"""Less for a library that is slow, and for a parser that goes on after each line that is bad."""

RATIO = 10

NOTHING = 0.02
"""Seconds of processor time below which a ratio says nothing."""

RUNS = 5
"""So often the two are measured, where at first they seem to be too far apart."""

ONE = (" ", "\n", "1", '"', "'", "[", "{", "a", ",", "-", ":", "\\", "é", "\t", "&a ", "? ", "#")

BOTH = (
    ' "',
    "1,",
    '"a',
    "[1",
    '[" ',
    "1:",
    "a: ",
    "- ",
    "[a",
    ', "',
    "{a",
    "-1",
    "a\n",
    '""',
    "'\n",
)

AROUND = (
    ("", ""),
    ('{"id": "', '"}'),
    ('{"id": ', "}"),
    ("layer,neuron,score,explanation\n0,1,", ",x\n"),
    ("a: ", "\n"),
    ('a: "', '"\n'),
    ('{"modelId": "m", "layer": "', '", "index"'),
    ("1", "x"),
)
"""What stands before and after, so that a parser comes to what is long."""


def _filled(unit, size, around):
    before, after = around
    return (before + unit * (size // len(unit)) + after).encode()


def _seconds(parse, content):
    begin = time.process_time()
    with suppress(*OWN):
        parse(content)
    return time.process_time() - begin


def _in_time(parse, small, large):
    least_small = least_large = float("inf")
    for _ in range(RUNS):
        least_large = min(least_large, _seconds(parse, large))
        if least_large < NOTHING:
            return True
        least_small = min(least_small, _seconds(parse, small))
        if least_large < RATIO * least_small:
            return True
    return False
