"""Fuzzes the parsers under atheris; what breaks one is written to ``tests/corpus/``.

    pip install atheris
    python benchmarks/fuzz.py 60 3600      the parsers in turn, a minute each, for an hour

Each turn is a process of its own, so that a parser that crashes or hangs stops no other.
`tests/test_corpus.py` goes through the corpus. Parsers are those of `tests/reply_parsers.py` and
`tests/file_parsers.py`.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import cycle
from pathlib import Path

Parse = Callable[[bytes], object]

TESTS = Path(__file__).parents[1] / "tests"
CORPUS = TESTS / "corpus"
SLOW = 10
"""Seconds that an input of at most `LONGEST` bytes may take."""
LONGEST = 4096


def targets() -> dict[str, Parse]:
    """Every parser by name, as a function of bytes that raises only what nobody foresaw."""
    # Not above, so that a fuzzer can watch them being imported.
    sys.path.insert(0, str(TESTS))
    from file_parsers import OWN
    from file_parsers import PARSERS as FILES
    from reply_parsers import PARSERS as REPLIES

    def of_text(parse: Callable[[str], object]) -> Parse:
        return lambda content: parse(content.decode("utf-8", "replace"))

    def of_file(parse: Parse) -> Parse:
        def target(content: bytes) -> None:
            with suppress(OWN):
                parse(content)

        return target

    found = {name: of_text(parse) for name, parse in REPLIES.items()}
    return found | {name: of_file(parse) for name, parse in FILES}


def folder(name: str) -> Path:
    """Where inputs of a parser lie."""
    return CORPUS / "".join(c if c.isalnum() else "-" for c in name)


def fuzz(name: str, seconds: int) -> None:
    """Fuzz one parser in this process; libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=["neuron_eval"]):
        parse = targets()[name]

    kept = folder(name)
    work = Path("build/fuzz") / kept.name
    work.mkdir(parents=True, exist_ok=True)
    arguments = [
        "fuzz", str(work), *([str(kept)] if kept.is_dir() else []), f"-max_total_time={seconds}",
        f"-max_len={LONGEST}", f"-timeout={SLOW}", f"-artifact_prefix={work}-", "-verbosity=0",
        "-print_final_stats=1",
    ]  # fmt: skip
    atheris.Setup(arguments, parse)
    atheris.Fuzz()


def main(turn: int, total: int) -> None:
    """Go round the parsers until the time is over, and say how many cases each had."""
    until = time.monotonic() + total
    cases: dict[str, int] = {}
    for name in cycle(targets()):
        if time.monotonic() > until:
            break
        done = subprocess.run(
            [sys.executable, __file__, "--one", name, str(turn)], capture_output=True, text=True
        )
        ran = [line for line in done.stderr.splitlines() if "number_of_executed_units" in line]
        cases[name] = cases.get(name, 0) + sum(int(line.split()[-1]) for line in ran)
        print(f"{name}: {cases[name]} cases{', BROKEN' * (done.returncode != 0)}", flush=True)
        if done.returncode:
            print(done.stdout[-1500:] + done.stderr[-1500:], flush=True)
    print(f"{sum(cases.values())} cases", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        fuzz(sys.argv[2], int(sys.argv[3]))
    else:
        main(int(sys.argv[1]), int(sys.argv[2]))
