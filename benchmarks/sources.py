"""How fast, and in how much memory, neurons come from a large file.

    python benchmarks/sources.py [NEURONS]

Writes NEURONS records (100,000 if left out) of the bundled neurons' size to a Parquet file in a
temporary folder (8 kB a neuron), and 2,000 of them as packed lines besides, to compare with. Each
measure is taken in a process of its own. Linux only, because it asks the kernel for bytes read.

    first   from the call (and from the start of the process, which imports Inspect) to the first
            record, and to the first sample of Inspect's, its excerpts dealt
    whole   a pass over every neuron, each dealt; the process's peak of memory
    chosen  100 neurons by id, drawn at random: bytes and row groups read
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

LIMIT_SECONDS = 2.0
LIMIT_MB = 400
CHOSEN = 100
COMPARED = 2_000
WIDTH = 5_000
"""Neurons in a layer of the made-up model."""


def made(count: int) -> Iterator[Any]:
    """So many neurons, all bundled ones in turn under ids of their own."""
    from neuron_eval.sources import smollm2

    neurons = list(smollm2())
    started = time.monotonic()
    for i in range(count):
        layer, index = divmod(i, WIDTH)
        name = f"made/L{layer}N{index}"
        yield replace(neurons[i % len(neurons)], id=name, model="made", layer=layer, neuron=index)
        if i % 10_000 == 9_999:
            print(f"  {i + 1} made, {time.monotonic() - started:.0f} s", file=sys.stderr)


def first(path: str, started: float) -> dict[str, float]:
    """Seconds to the first record and the first sample."""
    from neuron_eval.dataset import sample
    from neuron_eval.records.splits import ChosenNeuron, deal, to_text
    from neuron_eval.sources.choosing import Choice
    from neuron_eval.sources.loading import load
    from neuron_eval.unrelated import Unrelated

    called = time.time()
    record: Any = next(load(Choice(path)))
    got = time.time()
    dealt = deal(record, 5)
    sample(ChosenNeuron(dealt.neuron, to_text(dealt), dealt.places()), Unrelated({}))
    done = time.time()
    return {
        "record": got - called,
        "sample": done - called,
        "record_from_start": got - started,
        "sample_from_start": done - started,
    }


def whole(path: str, _: float) -> dict[str, float]:
    """Seconds and megabytes of a pass over everything."""
    from neuron_eval.records.splits import deal
    from neuron_eval.sources.base import strict
    from neuron_eval.sources.choosing import Choice
    from neuron_eval.sources.loading import load

    called = time.time()
    count = 0
    for record in strict(load(Choice(path))):
        deal(record, 5)
        count += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": time.time() - called, "count": count, "megabytes": peak}


def chosen(path: str, _: float) -> dict[str, float]:
    """What is read of the file for `CHOSEN` neurons."""
    from pyarrow.parquet import ParquetFile

    from neuron_eval.sources.base import strict
    from neuron_eval.sources.choosing import Choice
    from neuron_eval.sources.loading import load

    metadata = ParquetFile(path).metadata
    places = random.Random(0).sample(range(metadata.num_rows), CHOSEN)
    ids = frozenset(f"made/L{i // WIDTH}N{i % WIDTH}" for i in places)
    groups: set[int] = set()
    plain = ParquetFile.iter_batches

    def counted(self: Any, *args: Any, **options: Any) -> Any:
        if "row_groups" in options:
            groups.update(options["row_groups"])
        return plain(self, *args, **options)

    ParquetFile.iter_batches = counted
    # Once before, so that the files of imported modules do not count.
    next(load(Choice(path)))
    groups.clear()
    before, called = _bytes_read(), time.time()
    found = list(strict(load(Choice(path), only=lambda key: key.id in ids)))
    assert {record.id for record in found} == ids
    return {
        "seconds": time.time() - called,
        "bytes": _bytes_read() - before,
        "size": Path(path).stat().st_size,
        "groups": len(groups),
        "all_groups": metadata.num_row_groups,
    }


def _bytes_read() -> int:
    text = Path("/proc/self/io").read_text()
    return int(text.partition("rchar: ")[2].split()[0])


def measured(what: str, path: Path) -> dict[str, float]:
    """One of the measures, in a fresh process."""
    command = [sys.executable, __file__, "--measure", what, str(path), str(time.time())]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def verdict(value: float, limit: float | None) -> str:
    """Whether a value keeps to its limit, if it has one."""
    if limit is None:
        return ""
    return f"  under {limit:g}" if value < limit else f"  OVER {limit:g}"


def main(count: int) -> None:
    """Make the files, measure, print."""
    from neuron_eval.sources import schema
    from neuron_eval.sources.parquet import write_parquet

    with tempfile.TemporaryDirectory() as folder:
        large, small, lines = (Path(folder, n) for n in ("n.parquet", "s.parquet", "s.jsonl.gz"))
        started = time.time()
        write_parquet(large, made(count))
        took, size = time.time() - started, large.stat().st_size
        few = min(count, COMPARED)
        write_parquet(small, made(few))
        schema.write(lines, made(few))
        print(f"{count} neurons, {size / 1e6:.0f} MB of Parquet, written in {took:.0f} s\n")
        start, all_, some = (measured(what, large) for what in ("first", "whole", "chosen"))
        table, packed = (measured("whole", path) for path in (small, lines))
        ratio = lines.stat().st_size / small.stat().st_size
    rows = [
        ("first record", start["record"], "s", LIMIT_SECONDS),
        ("first sample", start["sample"], "s", LIMIT_SECONDS),
        ("  from the start of the process", start["sample_from_start"], "s", LIMIT_SECONDS),
        ("whole pass", all_["seconds"], "s", None),
        ("  a neuron", all_["seconds"] / count * 1e3, "ms", None),
        ("  peak of memory", all_["megabytes"], "MB", LIMIT_MB),
        (f"{CHOSEN} by id", some["seconds"], "s", None),
        ("  read", some["bytes"] / 1e6, "MB", None),
        ("  share of the file", some["bytes"] / some["size"] * 100, "%", None),
        (f"  row groups, of {some['all_groups']}", some["groups"], "", None),
    ]
    for name, value, unit, limit in rows:
        print(f"{name:34}{value:8.2f} {unit:3}{verdict(value, limit)}")
    print(f"\npacked lines, as a multiple of Parquet, {few} neurons:")
    print(f"{'size':34}{ratio:8.2f}")
    print(f"{'whole pass':34}{packed['seconds'] / table['seconds']:8.2f}")
    print(f"{'peak of memory':34}{packed['megabytes'] / table['megabytes']:8.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        named = {"first": first, "whole": whole, "chosen": chosen}
        print(json.dumps(named[sys.argv[2]](sys.argv[3], float(sys.argv[4]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
