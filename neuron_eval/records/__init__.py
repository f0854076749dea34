"""What is recorded of a neuron, the checks that records pass, and what one sample uses of them."""

from neuron_eval.records.types import TOP_SPLITS as TOP_SPLITS
from neuron_eval.records.types import ActivationRecord as ActivationRecord
from neuron_eval.records.types import Excerpt as Excerpt
from neuron_eval.records.types import Kind as Kind
from neuron_eval.records.types import NeuronRecord as NeuronRecord
from neuron_eval.records.types import RecordError as RecordError
from neuron_eval.records.types import Reference as Reference
from neuron_eval.records.types import SplitName as SplitName
from neuron_eval.records.types import TooFewExcerptsError as TooFewExcerptsError
from neuron_eval.records.types import with_excerpts as with_excerpts
