"""One neuron's record in a file of its own, wherever that stands and whatever it is called."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from neuron_eval.records import NeuronRecord, RecordError
from neuron_eval.sources.base import NeuronKey, Neurons, Source, Unreadable, Wanted, read_file
from neuron_eval.sources.openai.collated import model_named, with_explanations
from neuron_eval.sources.openai.records import neuron_name, parse_record, record_place
from neuron_eval.sources.openai.stores import INTEGER, RECORDS, Blob, FileStore, holds_record
from neuron_eval.sources.opening import Location, opener


@dataclass(frozen=True, slots=True)
class RecordFile(Source):
    """The neuron of one file, which says itself which layer and neuron it is of.

    It does not say of which model: that is called as the folder is that the layers' folders are
    in, or the one over ``collated-activations``, or else the file's own.
    """

    name: str  # the file's path, as the user wrote it

    def keys(self) -> Iterator[NeuronKey]:
        yield self._key(read_file(self.name))

    def read(self, wanted: Wanted = None) -> Neurons:
        """The neuron, if it is wanted, with the explanations that stand beside it in the layout."""
        content = read_file(self.name)
        name = self.name
        try:
            key = self._key(content)
            if wanted is not None and key.id not in {other.id for other in wanted}:
                return
            name = key.id
            yield self._neuron(key, content)
        except RecordError as error:
            yield Unreadable(name, error)

    def _key(self, content: bytes) -> NeuronKey:
        layer, neuron = record_place(content, self.name)
        return NeuronKey(neuron_name(self._model(), layer, neuron), layer, neuron)

    def _neuron(self, key: NeuronKey, content: bytes) -> NeuronRecord:
        folder = self._folder()
        neuron = parse_record(content, self._model(), key.layer, key.neuron, self.name)
        beside, blob = FileStore(str(folder.parent)), Blob("explanations", key.layer, key.neuron)
        texts = beside.read(blob) if folder.name == RECORDS else None
        return neuron if texts is None else with_explanations(neuron, texts, beside.where(blob))

    def _folder(self) -> Path:
        """The one over the layers' folders; without such, the file's own."""
        folder = Path(self.name).resolve().parent
        return folder.parent if INTEGER.fullmatch(folder.name) else folder

    def _model(self) -> str:
        folder = self._folder()
        return model_named(folder.parent.name if folder.name == RECORDS else folder.name)


@opener("FILE.json", "OpenAI's record of a neuron")
def _open_record(place: Location) -> RecordFile | None:
    is_record = place.kind == "json" and holds_record(place.fields)
    return RecordFile(place.name) if is_record else None
