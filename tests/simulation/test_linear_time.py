"""No reply, however long and whatever it says, is read in more than linear time."""

import gc
from itertools import permutations
from time import process_time

import pytest
from reply_parsers import PARSERS

FRAMES = [("", ""), ('A: "truth"', "x"), ("1", "x y"), ('{"ratings": ', "}")]


@pytest.mark.parametrize("frame", FRAMES, ids=repr)
@pytest.mark.parametrize("name", PARSERS)
def test_four_times_the_reply_takes_about_four_times_as_long(name, frame):
    parse = PARSERS[name]
    for filling in (*SINGLES, *PAIRS, *LONGER):
        large, small = (filled(frame, filling, length) for length in (LARGE, SMALL))
        at_first = seconds(parse, large)
        if at_first < NOTHING or at_first < CLEAR * seconds(parse, small):
            continue
        # The best of several, since other work on the machine only makes slower.
        ratio = min(seconds(parse, large) for _ in range(3)) / min(
            seconds(parse, small) for _ in range(5)
        )
        assert ratio < MOST, f"{name} takes {ratio:.1f} times as long for {filling!r} in {frame}"


SMALL, LARGE = 2**16, 2**18

SINGLES = list(" \t\n0\"'[{(aA\\:*#_-")

PAIRS = ["".join(pair) for pair in permutations(' 1"[a', 2)]

LONGER = [
    '"a":1,', "A:\n", "A: none\n", "1: 1\n", '\\"5,', '"\\"5,', '{"a":', '{"a', '[{"',
    "- ", "Answer: ", '"\'', "\\'", "bytes:\\x41", "ab1",
    "`", "> ", "</think>", "\n<think>", '"</think>', "**a", "**a**", "$\\boxed{", "<b>",
]  # fmt: skip

NOTHING = 0.1
"""Seconds of processor time in which no growth can be told from noise."""

MOST = 12
"""Four times the length may take so many times as long; in quadratic time it is 16."""

CLEAR = 6
"""Below this one look is enough: a small reply would have to take three times as long as it does,
by chance, for quadratic time to look like that."""


def seconds(parse, text):
    # Collections of garbage take as long as there is garbage of other tests.
    gc.disable()
    try:
        before = process_time()
        parse(text)
        return process_time() - before
    finally:
        gc.enable()


def filled(frame, filling, length):
    return frame[0] + filling * (length // len(filling)) + frame[1]
