"""Writes features as Neuronpedia exports them, and as its API answers."""

import gzip
import json

TOP_BIN = {"binMin": -1, "binMax": 9.5, "binContains": -1}
LOW_BIN = {"binMin": 0.5, "binMax": 1.5, "binContains": 0.25}


def activation(index, peak, *, name="x", layer="6-res-jb", **more):
    """One row of an export's activations, with the columns that its query selects."""
    tokens, values = [f"Ġ{name}{peak}", "Ġcat", "Ċ"], [0, peak, 0.0]
    return {
        "id": f"id{index}-{name}{peak}",
        "modelId": "gpt2-small",
        "layer": layer,
        "index": str(index),
        "creatorId": "someone",
        "dataSource": None,
        "tokens": tokens,
        "maxValue": peak,
        "minValue": 0,
        "values": values,
        "maxValueTokenIndex": 1,
        "dfaValues": [],
        "dfaMaxValue": None,
        "dfaTargetIndex": None,
        "binContains": None,
        "binMin": None,
        "binMax": None,
        **more,
    }


def explanation(index, text, *, layer="6-res-jb", **more):
    return {
        "id": f"e{index}",
        "modelId": "gpt2-small",
        "layer": layer,
        "index": str(index),
        "authorId": "someone",
        "description": text,
        "embedding": None,
        "typeName": "oai_token-act-pair",
        "explanationModelName": "gpt-4o-mini",
        **more,
    }


def feature(index=650, peaks=range(1, 46), **more):
    """What the API answers for a feature."""
    return {
        "modelId": "gpt2-small",
        "layer": "6-res-jb",
        "index": str(index),
        "sourceSetName": "res-jb",
        "maxActApprox": 45.0,
        "frac_nonzero": 0.002,
        "pos_str": ["Ġcat"],
        "activations": [activation(index, peak) for peak in peaks],
        "explanations": [explanation(index, "cats"), explanation(index, "pets", typeName=None)],
        **more,
    }


def write_json(tmp_path, data, name="feature.json"):
    path = tmp_path / name
    path.write_text(json.dumps(data), "utf-8")
    return str(path)


def write_lines(path, rows, end="\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row) + end for row in rows).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path
