"""A cache of sparse latents, as EleutherAI's delphi writes it.

A neuron is a latent, with an id such as ``pythia-160m/layers.6.mlp/12``. Its excerpts are windows
of at most 64 tokens; latents that are never active are not in a cache. For the files see
`neuron_eval.sources.delphi.layout` and `neuron_eval.sources.delphi.files`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from neuron_eval.records import NeuronRecord, RecordError
from neuron_eval.records.ids import named
from neuron_eval.sources.base import NeuronKey, ScoredNeuron, SourceError, Unreadable, no_scores
from neuron_eval.sources.delphi.layout import Hookpoint, Split, folders, hookpoints

if TYPE_CHECKING:
    from neuron_eval.sources.delphi.files import OpenSplit
    from neuron_eval.sources.delphi.tokens import Vocabulary


def is_delphi(path: str) -> bool:
    """Whether a folder, or one in it, holds files such as ``0_8191.safetensors``."""
    return next(folders(Path(path)), None) is not None


def open_delphi(path: str) -> DelphiSource:
    """The latents of a cache folder.

    Raises:
        SourceError: It holds no such files; two of them hold the same latent; or a config.json
            is bad.
    """
    return DelphiSource(path)


class DelphiSource:
    """The latents of a cache folder that are active anywhere."""

    def __init__(self, name: str) -> None:
        """Look for the files; see `open_delphi`."""
        self.name = name
        self._hookpoints = hookpoints(Path(name))
        self._vocabularies: dict[Path, Vocabulary] = {}
        if not self._hookpoints:
            raise SourceError(
                f"neurons={name}: holds no HOOKPOINT/START_END.safetensors, such as "
                "layers.6.mlp/0_8191.safetensors"
            )

    def keys(self) -> Iterator[NeuronKey]:
        """Every latent with activations, hookpoint by hookpoint; reads locations alone.

        Raises:
            SourceError: A file cannot be opened.
            RecordError: A file is cut off or of another form.
        """
        from neuron_eval.sources.delphi.files import opened

        for hookpoint in self._hookpoints:
            for split in hookpoint.splits:
                with opened(split) as file:
                    present = file.counts().nonzero()[0].tolist()
                yield from (hookpoint.key(split.start + latent) for latent in present)

    def read(
        self, wanted: Collection[NeuronKey] | None = None
    ) -> Iterator[NeuronRecord | Unreadable]:
        """The latents wanted, in the order of `keys`; all if None.

        Raises:
            SourceError: A file cannot be opened; there is no tokenizer; or the cache was made
                without tokens.
            RecordError: A file is cut off or of another form; what came before is sound.
        """
        for hookpoint in self._hookpoints:
            latents = None if wanted is None else hookpoint.latents(wanted)
            for split in hookpoint.splits:
                inside = latents and {n for n in latents if split.start <= n <= split.end}
                if latents is None or inside:
                    yield from self._split(hookpoint, split, inside)

    def scores(self, wanted: Iterable[NeuronKey]) -> Iterator[ScoredNeuron]:
        """There are none.

        Raises:
            SourceError: Always; it says what to do.
        """
        raise no_scores(self.name)

    def _split(
        self, hookpoint: Hookpoint, split: Split, latents: set[int] | None
    ) -> Iterator[NeuronRecord | Unreadable]:
        from neuron_eval.sources.delphi.files import opened
        from neuron_eval.sources.delphi.records import Texts

        with ExitStack() as stack:
            file = stack.enter_context(opened(split))
            texts = Texts(_with_tokens(file, hookpoint, stack), self._vocabulary(hookpoint))
            for latent, activations in file.gather(latents):
                key = hookpoint.key(latent)
                try:
                    yield texts.record(
                        key,
                        hookpoint.short_model or "delphi",
                        activations,
                        f"{split.path}: neuron {named(key.id)}",
                    )
                except RecordError as error:
                    yield Unreadable(key.id, error)

    def _vocabulary(self, hookpoint: Hookpoint) -> Vocabulary:
        from neuron_eval.sources.delphi.tokens import Vocabulary, find_tokenizer

        path = find_tokenizer((hookpoint.folder, Path(self.name)), hookpoint.model)
        if path not in self._vocabularies:
            self._vocabularies[path] = Vocabulary(path)
        return self._vocabularies[path]


def _with_tokens(file: OpenSplit, hookpoint: Hookpoint, stack: ExitStack) -> OpenSplit:
    """The file if it holds tokens, else another one of the hookpoint that does."""
    from neuron_eval.sources.delphi.files import opened

    if file.tokens is not None:
        return file
    for split in hookpoint.splits:
        other = stack.enter_context(opened(split))
        if other.tokens is not None:
            return other
    raise SourceError(
        f"{hookpoint.folder}: no file holds a tensor 'tokens'; make the cache with save_tokens=True"
    )
