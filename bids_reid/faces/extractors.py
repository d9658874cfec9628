"""The protocols of extractors, the registry of those there are, and which of them can run."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol

from bids_reid.errors import NoInputError, UsageError
from bids_reid.faces.weights import manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bids_reid.faces.detect import Box
    from bids_reid.records import Keypoints


class _Extractor(Protocol):
    """What is known of every extractor."""

    name: str
    """As in tables and on the command line, for example ``face_recognition``."""
    dimension: int
    """Length of a vector, or bytes of a descriptor."""

    def identity(self) -> dict[str, str]:
        """Say what features depend on, quickly: those of two identities cannot be compared."""
        ...

    def provenance(self) -> dict[str, str]:
        """Return the identity and what else tells how the features came about."""
        ...


class VectorExtractor(_Extractor, Protocol):
    """One vector for each image whose face is known."""

    kind: Literal['vector']
    similarity: Literal['euclidean', 'cosine']

    def features(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]
    ) -> NDArray[np.float32]:
        """Return (n, dimension) features of n grey images (h, w) with one face box each."""
        ...


class KeypointExtractor(_Extractor, Protocol):
    """Any number of keypoints for each image whose face is known."""

    kind: Literal['keypoints']
    distance: Literal['hamming', 'euclidean']

    def keypoints(self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]) -> Keypoints:
        """Return the keypoints of n grey images (h, w) with one face box each."""
        ...


Extractor = VectorExtractor | KeypointExtractor

_LOADERS = {
    'orb': 'bids_reid.faces.keypoints',
    'sift': 'bids_reid.faces.keypoints',
    'face_recognition': 'bids_reid.faces.face_recognition',
    **{f'deepface-{model}': 'bids_reid.faces.deepface' for model in manifest()},
}
"""Module of each extractor; its ``load`` takes the name."""
EXTRACTORS = tuple(_LOADERS)
BY_NAME_ONLY = {
    'deepface-Dlib': (
        'it runs if it is named: its network, weights and chips are those of face_recognition, '
        'so that it finds nothing else, and takes many times longer'
    ),
}
"""Extractors that do not run by default, and why."""


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
    if name not in _LOADERS:
        raise UsageError(f'no extractor {name!r}; there are: {", ".join(EXTRACTORS)}')
    extractor: Extractor = import_module(_LOADERS[name]).load(name)
    return extractor


def why_unavailable(name: str) -> str | None:
    """Say why an extractor of the registry cannot run on this machine; ``None`` if it can."""
    if not name.startswith('deepface-'):
        return None
    from bids_reid.faces import deepface

    return deepface.load(name).why_not()


def memory_gb(name: str) -> float:
    """Estimate what a process needs that runs an extractor.

    While DeepFace opens a model there are two copies of it, and what the network computes.
    """
    if not name.startswith('deepface-'):
        return 0.8
    from bids_reid.faces import deepface

    return 0.8 + 3 * deepface.load(name).weights_bytes() / 2**30


def available_extractors() -> tuple[tuple[str, ...], dict[str, str]]:
    """Return those that run by default, and why each of the others does not."""
    reasons = {name: why_unavailable(name) or BY_NAME_ONLY.get(name) for name in EXTRACTORS}
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
    load_extractor(name)
    reason = why_unavailable(name)
    if reason:
        raise NoInputError(f'{name} cannot run: {reason}')


def extracted(
    model: Extractor, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]
) -> dict[str, NDArray[Any]]:
    """Return the arrays that a file holds of n images, whatever kind they are of."""
    if model.kind == 'keypoints':
        return model.keypoints(images, boxes).arrays()
    return {'features': model.features(images, boxes)}
