"""The protocol of extractors, the registry of those there are, and which of them can run.

A new extractor is a class that keeps the protocol, in a file of its own, and a line in
:data:`EXTRACTORS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal, Protocol

from bids_reid.errors import NoInputError, UsageError
from bids_reid.faces.weights import manifest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bids_reid.faces.detect import Box

BASE_MEMORY_GB = 0.8
"""What a process needs that runs an extractor with a small model, or with none."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether an extractor can run on this machine, and whether it does unless it is named.

    Attributes
    ----------
    why_not
        Why it cannot run; ``None`` if it can.
    why_by_name
        Why it runs only if it is named; ``None`` if it runs by default.
    """

    why_not: str | None = None
    why_by_name: str | None = None

    @property
    def why_not_by_default(self) -> str | None:
        """Why it does not run by default; ``None`` if it does."""
        return self.why_not or self.why_by_name


class _Extractor(Protocol):
    """What every extractor has. Models are loaded when they are first needed."""

    @property
    def name(self) -> str:
        """As in tables and on the command line, for example ``face_recognition``."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector, or bytes of a descriptor."""
        ...

    def available(self) -> Availability:
        """Say whether it can run here, quickly: without loading a model."""
        ...

    def memory_gb(self) -> float:
        """Estimate what a process needs that runs it."""
        ...

    def features(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]
    ) -> dict[str, NDArray[Any]]:
        """Return the arrays that a file holds of n grey images (h, w) with one face box each.

        Of vectors ``features``, (n, dimension) float32; of keypoints those of
        `bids_reid.records.Keypoints`, under the names of its attributes.
        """
        ...

    def identity(self) -> dict[str, str]:
        """Say what features depend on, quickly: those of two identities cannot be compared."""
        ...

    def provenance(self) -> dict[str, str]:
        """Return the identity and what else tells how the features came about."""
        ...


class VectorExtractor(_Extractor, Protocol):
    """An extractor that gives one vector for each image."""

    kind: Literal['vector']
    similarity: Literal['euclidean', 'cosine']


class KeypointExtractor(_Extractor, Protocol):
    """An extractor that gives any number of keypoints for each image."""

    kind: Literal['keypoints']
    distance: Literal['hamming', 'euclidean']


Extractor = VectorExtractor | KeypointExtractor
Loader = Callable[[], Extractor]


def _later(loader: str, *arguments: str) -> Loader:
    """Import a loader, ``module:name``, when it is called: some take long to import."""
    return lambda: resolve_name(loader)(*arguments)


EXTRACTORS: dict[str, Loader] = {
    'orb': _later('bids_reid.faces.orb_sift:Orb'),
    'sift': _later('bids_reid.faces.orb_sift:Sift'),
    'face_recognition': _later('bids_reid.faces.face_recognition:load'),
    'facenet': _later('bids_reid.faces.facenet:load'),
    **{
        f'deepface-{model}': _later('bids_reid.faces.deepface:load', model) for model in manifest()
    },
}
"""Name of each extractor to what loads it."""


def bids_label(name: str) -> str:
    """Return ``name`` as a BIDS label, which is alphanumeric."""
    return ''.join(character for character in name if character.isalnum())


def load_extractor(name: str) -> Extractor:
    """Load an extractor; its weights follow when they are needed.

    Raises
    ------
    UsageError
        There is no extractor of that name.
    """
    if name not in EXTRACTORS:
        raise UsageError(f'no extractor {name!r}; there are: {", ".join(EXTRACTORS)}')
    return EXTRACTORS[name]()


def available_extractors() -> tuple[tuple[str, ...], dict[str, str]]:
    """Return those that run by default, and why each of the others does not."""
    reasons = {name: load().available().why_not_by_default for name, load in EXTRACTORS.items()}
    return (
        tuple(name for name, reason in reasons.items() if reason is None),
        {name: reason for name, reason in reasons.items() if reason is not None},
    )


def check_extractor(name: str) -> None:
    """Find out, before any work, whether an extractor that was named can run.

    Raises
    ------
    UsageError
        There is no extractor of that name.
    NoInputError
        Its weights, or a package that it needs, are missing, or the weights were altered.
    """
    reason = load_extractor(name).available().why_not
    if reason:
        raise NoInputError(f'{name} cannot run: {reason}')
