"""Which known format the names in a file are nearest to, what it lacks, and what to do with it."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from neuron_eval.messages import listed

ENOUGH = 2  # so many names must be a format's for a file to resemble it


class Form(NamedTuple):
    """A format, by the names of its fields."""

    name: str  # to stand after ``resembles``
    fields: tuple[str, ...]  # those that tell it from others first
    advice: str  # what to do with it, or how to make a file of it that is read


OWN = Form(
    "this project's schema",
    ("id", "model", "layer", "neuron", "top", "random"),
    "write one such object a line into a file that ends in .jsonl (jq -c . FILE, or of a list "
    "jq -c '.[]' FILE)",
)

# The formats that people bring
FORMS = (
    OWN,
    Form(
        "a Neuronpedia feature",
        ("modelId", "layer", "index", "activations", "tokens", "values"),
        "of an export name the folder that holds features, activations and explanations; of the "
        "API save /api/feature/MODEL/SOURCE/INDEX as FILE.json, or one such object a line as "
        "FILE.jsonl",
    ),
    Form(
        "a Neuronpedia explanation",
        ("description", "modelId", "layer", "index", "typeName", "explanationModelName"),
        "it holds no neuron: name the folder of the export, which holds activations too",
    ),
    Form(
        "SAEDashboard's output for Neuronpedia",
        ("model_id", "sae_set", "features", "feature_index", "activations", "tokens", "values"),
        "name batch-N.json as the runner for Neuronpedia wrote it, or the folder of these",
    ),
    Form(
        "OpenAI's neuron record",
        ("neuron_id", "most_positive_activation_records", "random_sample", "activations"),
        "name a file LAYER/NEURON.json with one such object, or the folder of these",
    ),
    Form(
        "OpenAI's explanations",
        ("neuron_id", "scored_explanations", "scored_simulation", "explanation"),
        "they hold no neurons: name the folder that collated-activations and explanations are "
        "in, or check their scores with neuron-eval check-released",
    ),
    Form(
        "neuron puzzles",
        ("sentences", "false_explanations", "explanation", "name"),
        "write puzzles:FILE.json",
    ),
    Form(
        "a viewer's file of features, as circuit-tracer's",
        ("examples_quantiles", "tokens_acts_list", "quantile_name", "examples", "index"),
        "write an object of this project's schema for each feature: the tokens and "
        "tokens_acts_list of its top quantile as 'top', those of the others as 'random'",
    ),
    Form(
        "a viewer's file of features, as sae_vis and SAEDashboard make",
        ("seq_group_data", "feat_acts", "token_ids", "feature_tables_data", "seq_data"),
        "let SAEDashboard's runner for Neuronpedia write batch-N.json of the same features",
    ),
    Form(
        "delphi's scores",
        ("str_tokens", "prediction", "correct", "ground_truth", "distance"),
        "they hold no neurons: name the folder of delphi's cache, which has "
        "HOOKPOINT/START_END.safetensors",
    ),
    Form(
        "a log of Inspect",
        ("eval", "plan", "samples", "status", "results", "stats"),
        "a log holds what was said of neurons: name what its header calls 'neurons', and the log "
        "itself for neuron-eval report",
    ),
)


def nearest(names: Collection[str]) -> Form | None:
    """The format that has most of its fields among these names; None if none has `ENOUGH`."""
    there = set(names)

    def share(form: Form) -> tuple[bool, float]:
        return form.fields[0] in there, len(there & set(form.fields)) / len(form.fields)

    near = [form for form in FORMS if len(there & set(form.fields)) >= ENOUGH]
    return max(near, key=share, default=None)


def resemblance(names: Iterable[str]) -> str:
    """Which format the names of fields resemble, what is missing, and what to do; after ``it``."""
    there = set(names)
    form = nearest(there)
    if form is None:
        has = listed(sorted(there), quoted=False) or "none"
        return f"resembles no known format (its fields: {has})"
    missing = [field for field in form.fields if field not in there]
    lacks = f" but has no {listed(missing)}" if missing else ""
    return f"most resembles {form.name}{lacks}; {form.advice}"
