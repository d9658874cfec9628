"""An extractor of another package, held to the protocol.

Whatever it does wrong is an error of one line that names its package. Its package and version are
part of its identity: features of two versions are never compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from bids_reid.errors import ExtractorError, NoInputError
from bids_reid.faces.extractors import ALL_VIEWS, STANDARD_VIEWS, Availability, Extractor

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bids_reid.faces.detect import Box
    from bids_reid.faces.registrations import Registration

METHODS = ('available', 'memory_gb', 'features', 'identity', 'provenance')
CHOICES = {
    'kind': ('vector', 'keypoints'),
    'similarity': ('euclidean', 'cosine'),
    'distance': ('hamming', 'euclidean'),
}
USES_NETWORK = 'UsesNetwork'
"""Entry of a template's sidecar: ``yes`` if images were sent to a network."""
OURS = {
    *('Description', 'Extractor', 'Package', 'PackageVersion', USES_NETWORK, 'ViewsRejected'),
    *('Condition', 'Sources', 'SourceSHA256', 'SoftwareVersions', 'Before'),
}
"""Entries of a template's sidecar that an extractor cannot set."""
AVOIDABLE = ' (--extractors runs those that it names, and no others)'
_LONGEST = 200


class _Plugged:
    """What extractors of both kinds share."""

    def __init__(self, registration: Registration, plugin: Any) -> None:
        self._registration, self._plugin = registration, plugin
        self.name = registration.name
        self.dimension: int = plugin.dimension
        self.uses_network: bool = plugin.uses_network

    def available(self) -> Availability:
        """Say whether it can run; one that cannot say what it is cannot.

        One that uses a network may use it here.
        """
        try:
            said = self._plugin.available()
            why_not, by_name = said.why_not, said.why_by_name
            if why_not is None:
                self.identity()
                self.memory_gb()
        except ExtractorError as error:
            return Availability(str(error))
        except Exception as error:  # noqa: BLE001 (it may raise whatever it likes)
            return Availability(f'{self._registration.origin} failed: {_told(error)}')
        return Availability(*(None if why is None else _line(why) for why in (why_not, by_name)))

    def memory_gb(self) -> float:
        """Estimate what a process needs that runs it.

        Raises
        ------
        ExtractorError
            It gives no number above 0.
        """
        given = self._ask('memory_gb')
        if not isinstance(given, int | float) or not 0 < given < float('inf'):
            raise self._wrong(f'memory_gb() gives {_shown(given)}, not a number of GB')
        return float(given)

    def identity(self) -> dict[str, str]:
        """Say what features depend on: of what it says, and on its package and version.

        Raises
        ------
        ExtractorError
            It does not give texts by their names.
        """
        return {'Model': self.name, **self._texts('identity'), **self._package()}

    def provenance(self) -> dict[str, str]:
        """Return the identity, what else it says, and whether it uses a network.

        Raises
        ------
        ExtractorError
            As `identity`.
        """
        uses = 'yes' if self.uses_network else 'no'
        return {**self._texts('provenance'), **self.identity(), USES_NETWORK: uses}

    def features(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]
    ) -> dict[str, NDArray[Any]]:
        """Return the arrays of n images: vectors (n, dimension), or keypoints.

        Vectors of faces that it did not take are rows of NaN.

        Raises
        ------
        ExtractorError
            It failed, or gave something else.
        """
        if not images:
            return self._none()
        given = self._ask('features', images, boxes)
        try:
            return self._check(given, len(images))
        except ExtractorError as error:
            raise self._wrong(f'features(): {error}{AVOIDABLE}') from error

    def _package(self) -> dict[str, str]:
        return {
            'Package': self._registration.package,
            'PackageVersion': self._registration.version,
        }

    def _texts(self, method: str) -> dict[str, str]:
        given = self._ask(method)
        if not isinstance(given, Mapping) or not all(
            isinstance(text, str) for pair in given.items() for text in pair
        ):
            raise self._wrong(f'{method}() gives {_shown(given)}, not a mapping of names to texts')
        taken = sorted(OURS & set(given))
        if taken:
            raise self._wrong(
                f'{method}() gives {", ".join(taken)}, which an extractor must not set'
            )
        return dict(given)

    def _ask(self, method: str, *arguments: Any) -> Any:
        try:
            return getattr(self._plugin, method)(*arguments)
        except Exception as error:
            rest = AVOIDABLE if method == 'features' else ''
            raise self._wrong(f'{method}() failed: {_told(error)}{rest}') from error

    def _none(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of no image."""
        raise NotImplementedError

    def _check(self, given: object, n: int) -> dict[str, NDArray[Any]]:
        """Return the arrays of n images; raise ExtractorError unless they are of its kind."""
        raise NotImplementedError

    def _wrong(self, what: str) -> ExtractorError:
        return ExtractorError(f'{self.name} of {self._registration.origin}: {what}')


class PluggedVectors(_Plugged):
    """One that gives a vector for each image."""

    kind: Literal['vector'] = 'vector'
    views = ALL_VIEWS

    def __init__(self, registration: Registration, plugin: Any) -> None:
        super().__init__(registration, plugin)
        self.similarity: Literal['euclidean', 'cosine'] = plugin.similarity

    def _none(self) -> dict[str, NDArray[Any]]:
        import numpy as np

        return {'features': np.empty((0, self.dimension), np.float32)}

    def _check(self, given: object, n: int) -> dict[str, NDArray[Any]]:
        from bids_reid.faces.given_features import checked_vectors

        return checked_vectors(given, n, self.dimension)


class PluggedKeypoints(_Plugged):
    """One that gives any number of keypoints for each image."""

    kind: Literal['keypoints'] = 'keypoints'
    views = STANDARD_VIEWS

    def __init__(self, registration: Registration, plugin: Any) -> None:
        super().__init__(registration, plugin)
        self.distance: Literal['hamming', 'euclidean'] = plugin.distance

    def _none(self) -> dict[str, NDArray[Any]]:
        import numpy as np

        return {
            'descriptors': np.empty((0, self.dimension), np.uint8),
            'positions': np.empty((0, 2), np.float32),
            'offsets': np.zeros(1, np.int64),
        }

    def _check(self, given: object, n: int) -> dict[str, NDArray[Any]]:
        from bids_reid.faces.given_features import checked_keypoints

        return checked_keypoints(given, n, self.dimension)


@cache
def load_plugin(registration: Registration) -> Extractor:
    """Import and make an extractor of another package, once for the whole process.

    Raises
    ------
    NoInputError
        It cannot be imported or made, or it does not keep the protocol.
    """
    try:
        plugin = registration.entry_point().load()()
        fault = _fault(plugin, registration.name)
    # a module that ends the program at once is no reason to end this one
    except (Exception, SystemExit) as error:
        raise NoInputError(f'{registration.origin} cannot be loaded: {_told(error)}') from error
    if fault:
        raise NoInputError(f'{registration.origin} does not follow the protocol: {fault}')
    if plugin.kind == 'vector':
        return PluggedVectors(registration, plugin)
    return PluggedKeypoints(registration, plugin)


def _fault(plugin: Any, name: str) -> str | None:
    """Say what is missing or wrong of an extractor's attributes; ``None`` if nothing is."""
    kind = getattr(plugin, 'kind', None)
    compared = 'distance' if kind == 'keypoints' else 'similarity'
    for attribute in ('name', 'kind', compared, 'dimension', 'uses_network', *METHODS):
        if not hasattr(plugin, attribute):
            return f'{attribute} is missing'
    if plugin.name != name:
        return f'it is registered as {name}, and calls itself {_shown(plugin.name)}'
    for attribute in ('kind', compared):
        value = getattr(plugin, attribute)
        if value not in CHOICES[attribute]:
            return f'{attribute} is {_shown(value)}, not {" or ".join(CHOICES[attribute])}'
    if type(plugin.dimension) is not int or plugin.dimension < 1:
        return f'dimension is {_shown(plugin.dimension)}, not a whole number above 0'
    if type(plugin.uses_network) is not bool:
        return f'uses_network is {_shown(plugin.uses_network)}, not True or False'
    calls = [method for method in METHODS if not callable(getattr(plugin, method))]
    return f'{calls[0]} is not a method' if calls else None


def _told(error: BaseException) -> str:
    """Name an error in a line."""
    return _line(f'{type(error).__name__}: {error}') if str(error) else type(error).__name__


def _shown(value: object) -> str:
    return _line(repr(value))


def _line(text: object) -> str:
    line = ' '.join(str(text).split())
    return line if len(line) <= _LONGEST else f'{line[: _LONGEST - 3]}...'
