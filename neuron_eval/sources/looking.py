"""A cheap look at a local file: what its first bytes tell of what it is."""

import codecs
import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, cast

from neuron_eval.files.bounded import TooLong, not_utf8
from neuron_eval.messages import listed, shortened
from neuron_eval.records import RecordError
from neuron_eval.sources.base import SourceError
from neuron_eval.sources.resembling import resemblance

HEAD = 2**20  # so many bytes of a file are looked at
# A key of JSON: a quote within a string is escaped, so that no text looks like one.
_NAME = re.compile(rb'"([A-Za-z_]\w{0,63})"\s*:', re.ASCII)
# What delphi calls the file of a latent's explanation, or of its scores.
_RESULT = re.compile(r".+_(?:latent|feature)_?\d{1,15}\.(?:txt|json)", re.ASCII)
_FEW = "name the folder that holds it, if that is a cache of delphi's"

_MAGIC = (
    (b"PAR1", "a Parquet file; give it a name that ends in .parquet"),
    (b"\x1f\x8b", "packed by gzip; give it a name that ends in .jsonl.gz, or unpack it (gzip -d)"),
    (b"\x28\xb5\x2f\xfd", "packed by Zstandard; unpack it (zstd -d)"),
    (b"\xfd7zXZ", "packed by xz; unpack it (xz -d)"),
    (b"BZh", "packed by bzip2; unpack it (bzip2 -d)"),
    (b"\x89HDF", "an HDF5 file; write its neurons as JSON Lines of this project's schema"),
    (b"\x93NUMPY", "a NumPy array, which has no tokens; write its neurons as JSON Lines"),
    (
        b"ARROW1",
        "an Arrow file; write it as Parquet (pyarrow.feather.read_table, then write_table)",
    ),
    (
        b"\xff\xff\xff\xff",
        "a stream of Arrow, as in a data set that was saved to disk; write that as Parquet "
        "(datasets.load_from_disk(FOLDER).to_parquet(FILE.parquet))",
    ),
    (b"SQLite format 3", "a data base; write its neurons as JSON Lines of this project's schema"),
)

_PICKLE = (
    "a pickle, which could run any program when it is opened, so it is not; open it where it was "
    "made and write its neurons as JSON Lines of this project's schema"
)

OpenFile = Callable[[], IO[bytes]]  # for reading from its beginning


@contextmanager
def unpacked(
    path: str, open_file: OpenFile | None = None, ending: str = ".gz"
) -> Iterator[IO[bytes]]:
    """A file, unpacked if it ends so; what fails while it is read is an error of ours.

    A SourceError if it cannot be read, a RecordError if it is cut off or a line is too long; what
    came before is sound.
    """
    try:
        with (
            open_file() if open_file else Path(path).open("rb") as raw,
            gzip.open(raw) if path.endswith(ending) else nullcontext(raw) as file,
        ):
            yield cast(IO[bytes], file)
    except TooLong as error:
        raise RecordError(str(error)) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RecordError(f"{path}: cut off or not a gzip file ({error})") from error
    except OSError as error:
        raise SourceError.of_file(path, error) from error


def head(path: str) -> bytes:
    """The first bytes of a file, unpacked if it ends in ``.jsonl.gz``; empty if they cannot be."""
    try:
        with unpacked(path, ending=".jsonl.gz") as file:
            return file.read(HEAD).removeprefix(codecs.BOM_UTF8)
    except RecordError:
        return b""


def names(content: bytes) -> frozenset[str]:
    """The names of the fields that the first bytes of a JSON text hold, at any depth."""
    if not is_json(content):
        return frozenset()
    return frozenset(name.decode() for name in _NAME.findall(content))


def is_json(content: bytes) -> bool:
    """Whether the first bytes of a file may be those of a JSON object or list."""
    return content.lstrip()[:1] in (b"{", b"[")


def is_table(content: bytes) -> bool:
    """Whether the first bytes of a file are a table's, in which no line is a JSON object."""
    return not is_json(content) and b"{" not in content and bool(_columns(content))


def nature(content: bytes) -> str:
    """What a file is that is no text of ours, and what to do, to stand after ``is``; or empty."""
    for magic, words in _MAGIC:
        if content.startswith(magic):
            return words
    if content.startswith(b"PK\x03\x04"):
        return _archive(content)
    if re.match(rb"\x80[\x02-\x05]", content):
        return _PICKLE
    if content[2:8] == bytes(6) and content[8:10] == b'{"':
        return f"a file of tensors (safetensors), which have no tokens; {_FEW}"
    if wide := _wide_encoding(content):
        return (
            f"a text in {wide}; save it in the encoding UTF-8 (iconv -f {wide} -t UTF-8 FILE > NEW)"
        )
    if re.match(rb"\s*<(!doctype html|html|head|body|script|div|style)\b", content, re.IGNORECASE):
        return (
            "a page for a browser (HTML), as viewers of features are; let the project that made it "
            "write its data: SAEDashboard's runner for Neuronpedia writes batch-N.json, and "
            "Neuronpedia's API answers JSON"
        )
    return ""


def description(content: bytes) -> str:
    """What a file is, as well as its first bytes tell; words to stand after ``it``."""
    if words := nature(content):
        return f"is {words}"
    if not content.strip():
        return "is empty, or cannot be unpacked"
    if is_json(content):
        return resemblance(names(content))
    if columns := _columns(content):
        return (
            f"is a table with the columns {listed(columns)}, and a table has no activations a "
            "token; one of explanations goes to the solver given (-S explanations=FILE), one of "
            "scores to -T scores=FILE"
        )
    return "is neither JSON nor any other format that is known"


def folder_description(folder: Path) -> str:
    """What a folder without neurons is, and what to do; words to stand after ``it``."""
    inside = sorted(place for place in folder.iterdir() if not place.name.startswith("."))
    names = {place.name for place in inside}
    files = [place for place in inside if place.is_file()]
    folders = (sorted(place.iterdir()) for place in inside if place.is_dir())
    within = [place for places in folders for place in places if place.is_file()]
    if names & {"dataset_info.json", "dataset_dict.json"}:
        return (
            "is a data set that Hugging Face's datasets saved to disk; write it as Parquet "
            f"(datasets.load_from_disk({str(folder)!r}).to_parquet('FILE.parquet')); its columns "
            "must be those of this project's schema"
        )
    if any(_RESULT.fullmatch(place.name) for place in files + within):
        return (
            "holds explanations or scores by delphi, one latent a file, and no neurons; name the "
            "folder of its cache, which has HOOKPOINT/START_END.safetensors, and put the "
            "explanations into a table with the columns id and explanation for the solver given"
        )
    for place in within:
        if place.name.endswith(("jsonl", "jsonl.gz", "parquet", "json")):
            return f"has {place.name} in {place.parent.name}; name the folder {place.parent}"
    if not files:
        return "holds no files"
    others = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"holds {shortened(files[0].name)}{others}, which {description(head(str(files[0])))}"


def not_text(file: IO[bytes], path: str) -> str:
    """Where a local file, opened at its beginning, is no UTF-8, and what it may be instead."""
    known = nature(head(path))
    return not_utf8(file, path) + (f"; it is {known}" if known else "")


def wrong_header(cells: Sequence[str]) -> str:
    """What is wrong with a first line that has these cells, to stand after ``it``; or empty."""
    if any("\0" in cell for cell in cells):
        return "is a text in UTF-16; save it in the encoding UTF-8"
    for mark, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(cells) == 1 and mark in cells[0]:
            return f"has {name} between its columns; save it with commas between them"
    return ""


def _archive(content: bytes) -> str:
    members = b" ".join(re.findall(rb"PK\x03\x04.{26}([\w./-]{1,64})", content, re.DOTALL))
    for mark, words in (
        (
            b"_journal/start.json",
            "a log of Inspect (.eval), which holds what was said of neurons; name what its header "
            "calls 'neurons', and the log itself for neuron-eval report",
        ),
        (b"data.pkl", f"what torch.save writes: {_PICKLE}"),
        (b".npy", "NumPy arrays (.npz), which have no tokens; write its neurons as JSON Lines"),
        (b"xl/", "a workbook of Excel; save its sheet as CSV UTF-8"),
    ):
        if mark in members:
            return words
    return "a zip archive; unpack it (unzip) and name the file or folder in it"


def _columns(content: bytes) -> list[str]:
    """The columns that a first line names; empty if it looks like no table's."""
    line = content.lstrip().split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    for separator in (",", ";", "\t"):
        cells = [cell.strip().strip('"') for cell in line.split(separator)]
        if len(cells) > 1 and all(len(cell) <= 64 for cell in cells):
            return cells
    return []


def _wide_encoding(content: bytes) -> str:
    """UTF-16 or UTF-32, as spreadsheets and some shells write texts; empty if it is neither."""
    if content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "UTF-32"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "UTF-16"
    start = content[:16]
    for first, name in ((0, "UTF-16LE"), (1, "UTF-16BE")):
        texts, blanks = start[first::2], start[1 - first :: 2]
        if len(start) > 7 and not blanks.strip(b"\0") and texts.isascii() and b"\0" not in texts:
            return name
    return ""
