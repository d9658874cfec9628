"""The protocol of extractors, the registry of those there are, and which of them can run.

A new extractor of this package is a class that keeps the protocol, in a file of its own, and a
line in :data:`EXTRACTORS`. Any other package adds one through an entry point
(`bids_reid.faces.registrations`), and is held to the protocol (`bids_reid.faces.plugged`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal, Protocol

from bids_reid import __version__
from bids_reid.errors import NoInputError, UsageError
from bids_reid.faces.registrations import registrations
from bids_reid.faces.weights import manifest
from bids_reid.suggestions import did_you_mean
from bids_reid.views.cameras import N_STANDARD, N_VIEWS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bids_reid.faces.detect import Box
    from bids_reid.faces.registrations import Registration

ALL_VIEWS, STANDARD_VIEWS = range(N_VIEWS), range(N_STANDARD)
"""Numbers of the views that extractors of vectors take, and of keypoints. Keypoints are matched
as the study did, in its views: the soft ones are for vectors."""
BASE_MEMORY_GB = 0.8
"""Memory of a process that runs an extractor with a small model or none."""
NETWORK = 'it sends images to a network, which needs --allow-network'


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

    @property
    def uses_network(self) -> bool:
        """Whether anything of it opens a network connection.

        If so it runs only with ``--allow-network``; otherwise nothing of it is called but this.
        """
        ...

    @property
    def views(self) -> Collection[int]:
        """Numbers of the views whose renders it takes."""
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

        Of vectors ``features``, (n, dimension) float32, with a row of NaN for a face that it
        could not encode: such a render has no place in the template, and such a photograph is a
        failure to acquire. Of keypoints those of `bids_reid.records.Keypoints`, under the names
        of its attributes.
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
    'facenet-all-views': _later('bids_reid.faces.facenet:load_all_views'),
    **{
        f'deepface-{model}': _later('bids_reid.faces.deepface:load', model) for model in manifest()
    },
}
"""Extractors by name, each with the function that loads it."""


def extractor_names() -> tuple[str, ...]:
    """Return the names of all extractors: this package's, then those of others.

    Those are left out whose names cannot be used (`name_clashes`).
    """
    others = (one.name for one in registrations(EXTRACTORS) if one.clash is None)
    return (*EXTRACTORS, *others)


def name_clashes() -> dict[str, str]:
    """Return the extractors of other packages whose names cannot be used, and why."""
    return {
        f'{one.name} of {one.origin}': one.clash
        for one in registrations(EXTRACTORS)
        if one.clash is not None
    }


def load_extractor(name: str) -> Extractor:
    """Load an extractor; its weights follow when they are needed.

    Raises
    ------
    UsageError
        There is no extractor of that name, or the name cannot be used.
    NoInputError
        It is another package's, and cannot be loaded.
    """
    if name in EXTRACTORS:
        return EXTRACTORS[name]()
    registered = registration(name)
    if registered is not None:
        from bids_reid.faces.plugged import load_plugin

        return load_plugin(registered)
    _check_clash(name)
    known = extractor_names()
    raise UsageError(
        f'unknown extractor {name!r}{did_you_mean(name, known)} (there are: {", ".join(known)})'
    )


def _check_clash(name: str) -> None:
    """Raise UsageError if a package registers a name that it cannot have."""
    for one in registrations(EXTRACTORS):
        if one.name == name and one.clash is not None:
            raise UsageError(f'{name} of {one.origin}: {one.clash}')


def availability(name: str, *, allow_network: bool = False) -> Availability:
    """Say whether an extractor can run, and whether it does unless it is named.

    Raises
    ------
    UsageError
        There is no extractor of that name.
    """
    try:
        extractor = load_extractor(name)
    except NoInputError as error:
        return Availability(str(error))
    if extractor.uses_network and not allow_network:
        return Availability(NETWORK)
    return extractor.available()


def available_extractors(*, allow_network: bool = False) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return those that run by default, and why each of the others does not."""
    reasons = {
        name: availability(name, allow_network=allow_network).why_not_by_default
        for name in extractor_names()
    }
    return (
        tuple(name for name, reason in reasons.items() if reason is None),
        {name: reason for name, reason in reasons.items() if reason is not None} | name_clashes(),
    )


def check_extractor(name: str, *, allow_network: bool = False) -> None:
    """Find out, before any work, whether an extractor that was named can run.

    Raises
    ------
    UsageError
        There is no extractor of that name, or two packages have one; or it uses a network, which
        is not allowed.
    NoInputError
        Its weights, or a package that it needs, are missing, or the weights were altered; or it is
        another package's and cannot be loaded.
    """
    _check_clash(name)
    reason = availability(name, allow_network=allow_network).why_not
    if reason:
        kind = UsageError if reason == NETWORK else NoInputError
        raise kind(f'{name} cannot run: {reason}')


def networked_extractors(names: Iterable[str]) -> tuple[str, ...]:
    """Return those of ``names`` that use a network."""
    return tuple(name for name in names if load_extractor(name).uses_network)


def sends_images(names: Sequence[str]) -> str:
    """Say in a sentence which extractors send images to a network."""
    listed = ', '.join(f'{name} ({origin(name)})' for name in names)
    return f'images of faces are sent to a network, as --allow-network permits, by {listed}'


def registration(name: str) -> Registration | None:
    """Return how another package registers an extractor; ``None`` if it is this package's."""
    found = (one for one in registrations(EXTRACTORS) if one.name == name and one.clash is None)
    return next(found, None)


def origin(name: str) -> str:
    """Return the package that an extractor comes with, and its version."""
    registered = registration(name)
    return f'bids_reid {__version__}' if registered is None else registered.origin


def descriptions() -> dict[str, str]:
    """Say in a sentence where each extractor of another package comes from, by its name."""
    return {
        one.name: f'An extractor of the package {one.origin}'
        + (f': {one.summary.removesuffix(".")}' if one.summary else '')
        for one in registrations(EXTRACTORS)
        if one.clash is None
    }
