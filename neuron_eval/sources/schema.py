"""The project's own schema: one object a neuron, the same in JSON Lines and in Parquet.

    {"id": "smollm2/L8N902", "model": "smollm2",
     "layer": 8, "neuron": 902, "group": "clear",
     "quantiles": [0.5, 0.9, 0.99, 0.999, 0.9999], "quantile_boundaries": [0.01, …],
     "top":    [{"tokens": [" stay", …], "activations": [4.81, …]}, …],
     "random": [{"tokens": […], "activations": […]}, …],
     "reference": {"explanation": "…", "source": "…"}}

``id``, ``model``, ``layer``, ``neuron``, ``top`` and ``random`` are required. Besides ``group``,
``quantiles``, ``quantile_boundaries`` and ``reference`` there may be

    "other_explanations": [{"explanation": "…", "source": "…"}, …],
    "false_explanations": ["…", …],
    "cutoff": 1.0,
    "splits": {"train": [{"kind": "sentence", "index": 0, "tokens": […], "activations": […]}, …],
               "calibration": […], "valid": […], "test": […]},
    "special_tokens": ["<bos>", …],
    "repeated": 2

A field left out and a field that is null mean the same. What each means, and what must hold of
its values, is said in `neuron_eval.records.NeuronRecord`, whose ``given_splits`` are ``splits``.

Files end in ``.jsonl`` or ``.jsonl.gz`` (`neuron_eval.sources.jsonl`: an object a line) or in
``.parquet`` (`neuron_eval.sources.parquet`: a column a field, a row a neuron).
"""

from __future__ import annotations

from neuron_eval.sources.jsonl import read as read
from neuron_eval.sources.jsonl import write as write
from neuron_eval.sources.objects import from_json as from_json
from neuron_eval.sources.objects import to_json as to_json
