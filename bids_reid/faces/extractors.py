"""The protocol of an extractor and the registry of those there are."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Literal, Protocol

from bids_reid.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bids_reid.faces.detect import Box


class Extractor(Protocol):
    """Features from images whose face is known."""

    name: str
    """As in tables and on the command line, for example ``face_recognition``."""
    dimension: int
    similarity: Literal['euclidean', 'cosine']

    def features(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]
    ) -> NDArray[np.float32]:
        """Return (n, dimension) features of n grey images (h, w) with one face box each."""
        ...

    def identity(self) -> dict[str, str]:
        """Say what features depend on, quickly: those of two identities cannot be compared."""
        ...

    def provenance(self) -> dict[str, str]:
        """Return the identity and what else tells how the features came about."""
        ...


_MODULES = {
    'face_recognition': 'bids_reid.faces.face_recognition',
}
EXTRACTORS = tuple(_MODULES)


def bids_label(name: str) -> str:
    """Return ``name`` as a BIDS label, which is alphanumeric."""
    return ''.join(character for character in name if character.isalnum())


def load_extractor(name: str) -> Extractor:
    """Load an extractor and its weights.

    Raises
    ------
    UsageError
        There is no extractor of that name.
    """
    if name not in _MODULES:
        raise UsageError(f'no extractor {name!r}; there are: {", ".join(EXTRACTORS)}')
    extractor: Extractor = import_module(_MODULES[name]).load()
    return extractor
