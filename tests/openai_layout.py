"""Writes neurons as OpenAI published theirs; has never seen the code under test.

Scores come from `numpy.corrcoef` and the formulas that the files' fields are defined by.
"""

import json
import math

import numpy as np

from neuron_eval.records import ActivationRecord, NeuronRecord

SENTENCE = (" The", " cat", " sat", " on", " the", " mat", ".", " Then")


def neuron(layer, index, model="gpt2-xl", excerpts=4, width=6):
    """A made-up neuron whose excerpts are distinct and sorted; no two neurons are the same."""
    rng = np.random.default_rng([layer, index])

    def made(kind, i, scale):
        tokens = (f"{kind}{i}", *rng.choice(SENTENCE, width - 1))
        values = [round(float(v), 4) for v in rng.normal(0, 0.3, width)]
        values[int(rng.integers(width))] = round(scale, 4)
        return ActivationRecord(tuple(map(str, tokens)), tuple(values))

    return NeuronRecord(
        id=f"{model}/L{layer}N{index}",
        model=model,
        layer=layer,
        neuron=index,
        top=tuple(made("top", i, 9.0 - i / 10) for i in range(excerpts)),
        random=tuple(made("random", i, 1.0) for i in range(excerpts)),
        quantile_boundaries=(0.1, 0.5, 1.25),
    )


def record_json(record):
    """The record as a JSON value, moments and samples by quantile and all."""

    def excerpts(records):
        return [
            {
                "dataclass_name": "ActivationRecord",
                "tokens": list(r.tokens),
                "activations": list(r.activations),
            }
            for r in records
        ]

    return {
        "dataclass_name": "NeuronRecord",
        "neuron_id": _id(record.layer, record.neuron),
        "random_sample": excerpts(record.random),
        "random_sample_by_quantile": [excerpts(record.random[:1])],
        "quantile_boundaries": list(record.quantile_boundaries),
        "mean": 0.01,
        "variance": 0.5,
        "skewness": None,
        "kurtosis": None,
        "most_positive_activation_records": excerpts(record.top),
    }


def results_json(layer, index, explanations, seed=0):
    """The results of simulations; explanations as a list of pairs (text, list of sequences).

    A sequence is a pair (expected, true); an int stands for so many made-up sequences.
    """
    rng = np.random.default_rng([layer, index, seed])
    scored = []
    for text, sequences in explanations:
        if isinstance(sequences, int):
            sequences = [(rng.uniform(0, 5, 6), rng.normal(0, 1, 6)) for _ in range(sequences)]
        scored.append(
            {
                "dataclass_name": "ScoredExplanation",
                "explanation": text,
                "scored_simulation": {
                    "dataclass_name": "ScoredSimulation",
                    "scored_sequence_simulations": [_sequence(e, t) for e, t in sequences],
                    **scores(
                        np.concatenate([np.asarray(e) for e, _ in sequences]),
                        np.concatenate([np.asarray(t) for _, t in sequences]),
                    ),
                },
            }
        )
    return {
        "dataclass_name": "NeuronSimulationResults",
        "neuron_id": _id(layer, index),
        "scored_explanations": scored,
    }


def scores(expected, true):
    """The three scores, null where they are not finite."""
    e, t = np.asarray(expected, float), np.asarray(true, float)
    with np.errstate(all="ignore"):
        found = {
            "ev_correlation_score": np.corrcoef(t, e)[0, 1],
            "rsquared_score": 1 - np.mean(np.square(t - e)) / np.mean(np.square(t)),
            "absolute_dev_explained_score": 1 - np.mean(np.abs(t - e)) / np.mean(np.abs(t)),
        }
    return {k: float(v) if math.isfinite(v) else None for k, v in found.items()}


def scoring(score):
    """One sequence whose correlation is exactly known: cos of an angle between two axes."""
    a, b = np.array([1.0, -1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0, -1.0])
    return [(2 + score * a + math.sqrt(1 - score**2) * b, a)]


def write_record(root, record, **changes):
    """Write one record file; keyword arguments replace fields."""
    path = root / "collated-activations" / str(record.layer) / f"{record.neuron}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**record_json(record), **changes}), "utf-8")
    return path


def write_results(root, layer, index, explanations, seed=0):
    """Write one explanation file."""
    path = root / "explanations" / str(layer) / f"{index}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results_json(layer, index, explanations, seed)) + "\n", "utf-8")
    return path


def write_layout(root, places, explained=True):
    """Neurons at these places (layer, index), each with an explanation."""
    for layer, index in places:
        write_record(root, neuron(layer, index))
        if explained:
            write_results(root, layer, index, [(f" words of {layer} and {index}", 2)])
    return root


def _sequence(expected, true):
    tokens = [f" t{i}" for i in range(len(expected))]
    return {
        "dataclass_name": "ScoredSequenceSimulation",
        "simulation": {
            "dataclass_name": "SequenceSimulation",
            "tokens": tokens,
            "expected_activations": [float(v) for v in expected],
            "activation_scale": "neuron_activations",
            "distribution_values": [[0.0, 1.0] for _ in tokens],
            "distribution_probabilities": [[0.5, 0.5] for _ in tokens],
            "uncalibrated_simulation": None,
        },
        "true_activations": [float(v) for v in true],
        **scores(expected, true),
    }


def _id(layer, index):
    return {"dataclass_name": "NeuronId", "layer_index": layer, "neuron_index": index}
