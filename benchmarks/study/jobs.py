"""What the study runs: jobs with one log each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from packs import NAMES

FORMATS = ("original", "summary", "highlight", "highlight_summary", "avhs")

CLEAR = ("neurons=smollm2", "limit=40")
"""The bundled neurons that have a reference stand first."""

TWENTY = ("neurons=smollm2", "limit=20")
"""For ways to simulate that take a language model."""

WAYS = {
    "embedding": ("simulation=embedding",),
    "sparse-1": ("simulation=sparse", "excerpts_per_call=1"),
    "sparse-5": ("simulation=sparse", "excerpts_per_call=5"),
    "all_at_once": ("simulation=all_at_once",),
    "chat-1": ("simulation=chat", "excerpts_per_call=1"),
    "chat-4": ("simulation=chat", "excerpts_per_call=4"),
    "per_token": ("simulation=per_token",),
}
"""Each way to simulate, with so many excerpts in a request."""

SIMULATED = ("all_at_once", "sparse-5")
"""The ways that simulate what the formats explained; the embedder does as they are explained."""

WORDED = ("sparse-5",)
"""The ways that other words are tried for."""


@dataclass(frozen=True)
class Job:
    """One eval."""

    name: str
    """Its folder, below that of all runs."""

    task: str
    parameters: tuple[str, ...]
    """After ``-T``."""

    pack: str = "neuron_eval-3"
    temperature: float = 1.0
    epochs: int = 1

    @property
    def explains(self) -> bool:
        """Whether the model explains; otherwise it simulates what is there."""
        return not self.task.endswith("/given")


def explaining(pack: str, temperature: float = 1.0) -> Iterator[Job]:
    """Each format on the neurons and on the puzzles."""
    cold = temperature == 0
    place = f"explain/{pack}" + ("-cold" if cold else "")
    for neurons in ("smollm2", "puzzles"):
        for format in FORMATS:
            yield Job(
                f"{place}/{neurons}/{format}",
                f"neuron_eval/{format}",
                (f"neurons={neurons}", "simulation=embedding"),
                pack,
                temperature,
                3 if neurons == "smollm2" and not cold else 1,
            )


def judging(way: str, pack: str = "neuron_eval-3") -> Iterator[Job]:
    """Right and wrong explanations that exist, simulated one way."""
    groups = {
        "puzzles": (("neurons=puzzles",), ("reference", "false", "unrelated")),
        "clear": (CLEAR if way == "embedding" else TWENTY, ("reference", "unrelated")),
    }
    for neurons, (choice, explanations) in groups.items():
        for which in explanations:
            yield Job(
                f"judge/{way}/{pack}/{neurons}/{which}",
                "neuron_eval/given",
                (f"explanations={which}", *choice, *WAYS[way], "calibration=none"),
                pack,
            )


def rewritten(way: str) -> Iterator[Job]:
    """References said in another way, near misses, and the baseline's lists, simulated one way."""
    choice = CLEAR if way == "embedding" else TWENTY
    for column in ("near", "sentence", "list", "baseline"):
        yield Job(
            f"judge/{way}/neuron_eval-3/clear/{column}",
            "neuron_eval/given",
            ("explanations={rewritten}", f"column={column}", *choice, *WAYS[way]),
        )


def simulating(way: str) -> Iterator[Job]:
    """What the model explained with each format at first, simulated one way."""
    for neurons, choice in (("clear", TWENTY), ("puzzles", ("neurons=puzzles",))):
        for format in FORMATS:
            yield Job(
                f"simulate/{way}/{neurons}/{format}",
                "neuron_eval/given",
                ("explanations={explained}", f"column={format}", *choice, *WAYS[way]),
            )


def jobs() -> list[Job]:
    """All of them, what is needed most first."""
    found = [job for pack in NAMES for job in explaining(pack)]
    found += explaining("neuron_eval-3", temperature=0.0)
    found += judging("embedding")
    found += rewritten("embedding")
    for way in SIMULATED:
        found += [*simulating(way), *rewritten(way)]
    for way in WAYS:
        found += judging(way) if way != "embedding" else ()
        found += judging(way, "words-six") if way in WORDED else ()
    return found
