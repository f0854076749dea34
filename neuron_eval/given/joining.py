"""Which row of a table is a neuron's; a row that could be several neurons' is refused."""

from __future__ import annotations

from collections.abc import Hashable

from neuron_eval.messages import shortened
from neuron_eval.sources.base import SourceError


class Join:
    """Gives each row to one neuron.

    Layer and neuron do not tell two dictionaries or hookpoints of one layer apart, and a row that
    silently went to both would be wrong for one.
    """

    def __init__(self, path: str) -> None:
        """Nothing is joined yet.

        Args:
            path: The table, for the message.
        """
        self._path = path
        self._owners: dict[Hashable, str] = {}

    def row(self, key: Hashable, id_: str) -> None:
        """Give the row at a key to a neuron; the same neuron may ask again.

        Raises:
            SourceError: It is another neuron's already.
        """
        owner = self._owners.setdefault(key, id_)
        if owner != id_:
            raise SourceError(
                f"{self._path}: the row of {shortened(str(key))} could be that of {owner} or "
                f"of {id_}; give the "
                "file a column 'id' with the neurons' ids in place of layer and neuron"
            )
