"""Runs made up for tests of the report: small, and every number known."""

from neuron_eval.logs.excerpts import Predicted
from neuron_eval.logs.runs import NeuronResult, Run
from neuron_eval.records import ActivationRecord
from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.page import page_pieces

FORMATS = ("original", "summary", "highlight", "highlight_summary", "avhs")
TOKENS = (" The", " cat", " sat", "\n")
TRUE = (0.0, 4.0, -1.0, 2.0)
EXPECTED = (0.1, 0.9, 0.1, 0.5)


def excerpt(name="top 2", tokens=TOKENS, true=TRUE, expected=EXPECTED):
    return Predicted(name, ActivationRecord(tuple(tokens), tuple(true)), tuple(expected))


def neuron(i, simulation=0.5, adacs=None, **more):
    """Neuron i, in layer i modulo 3; ``adacs=None`` is not scored for want of a reference."""
    scores = {"simulation_correlation": simulation} | ({} if adacs is None else {"adacs": adacs})
    unscored = {"adacs": ("no reference explanation",)} if adacs is None else {}
    filled = {
        "id": f"toy/L{i % 3}N{i}",
        "layer": i % 3,
        "group": "clear" if i % 2 else "random",
        "explanation": f"words about thing {i}",
        "reference": "" if adacs is None else f"thing {i}",
        "scores": scores,
        "unscored": unscored,
        "prompt_tokens": 100.0,
        "excerpts_scored": 1,
        "predicted": (excerpt(),),
    }
    return NeuronResult(**filled | more)


def run(format="original", neurons=(), **more):
    filled = {
        "log": f"file:///logs/{format}.eval",
        "created": "2026-01-01T00:00:00+00:00",
        "format": format,
        "explainer": "maker/explainer",
        "simulator": "maker/simulator (all_at_once)",
        "embedder": "maker/embedder",
        "neurons": "toy",
        "version": "1-A",
        "identity": f'{{"format": "{format}"}}',
        "results": {one.id: one for one in neurons},
    }
    return Run(**filled | more)


def simulation(format_index, i):
    """The simulation correlation that `five_formats` gives neuron i."""
    return round(0.1 + 0.1 * format_index + 0.02 * i, 3)


def five_formats(neurons=6):
    """Five runs; the score rises with the format and with the neuron's number."""
    return Collected(
        tuple(
            run(
                format,
                [
                    neuron(
                        i,
                        simulation(k, i),
                        adacs=0.3 + 0.05 * k if i % 2 else None,
                        prompt_tokens=500.0 - 100 * k + i,
                        explanation=f"{format} on thing {i}",
                    )
                    for i in range(neurons)
                ],
            )
            for k, format in enumerate(FORMATS)
        )
    )


def page_text(*args, **options):
    return "".join(page_pieces(*args, **options))
