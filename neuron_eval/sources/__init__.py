"""Where neurons come from: one file a source, which registers how it is recognised."""

# Each import registers an opener. Those registered last are asked first: what only this project
# writes under a file's ending comes after what others' files are recognised by.
# isort: off
from neuron_eval.sources import folder as folder
from neuron_eval.sources import parquet as parquet
from neuron_eval.sources import schema as schema
from neuron_eval.sources.delphi import source as _delphi  # noqa: F401
from neuron_eval.sources.neuronpedia import source as _neuronpedia  # noqa: F401
from neuron_eval.sources.openai import record_file as _openai  # noqa: F401
from neuron_eval.sources import puzzles as puzzles
from neuron_eval.sources import hub as hub
from neuron_eval.sources.bundled import BUNDLED as BUNDLED

# isort: on
from neuron_eval.sources.opening import open_source as open_source
