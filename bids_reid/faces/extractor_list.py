"""The extractors that there are, as lines: whose each is, and whether it runs by default."""

from __future__ import annotations

from dataclasses import dataclass

from bids_reid.errors import NoInputError
from bids_reid.faces.extractors import (
    EXTRACTORS,
    availability,
    extractor_names,
    load_extractor,
    origin,
)
from bids_reid.faces.registrations import registrations
from bids_reid.text_table import aligned

HEADER = ('extractor', 'package', 'kind', 'network', 'runs by default')
NOT_KNOWN = 'n/a'


@dataclass(frozen=True, slots=True)
class ListedExtractor:
    """An extractor, whether or not it can run; ``None`` is not known.

    ``why_not`` says why it does not run by default.
    """

    extractor: str
    package: str
    kind: str | None
    network: bool | None
    runs_by_default: bool
    why_not: str | None

    def cells(self) -> tuple[str, ...]:
        """Return the cells of its row."""
        network = NOT_KNOWN if self.network is None else 'yes' if self.network else 'no'
        runs = 'yes' if self.runs_by_default else f'no: {self.why_not}'
        return self.extractor, self.package, self.kind or NOT_KNOWN, network, runs


def listed_extractors(*, allow_network: bool = False) -> list[ListedExtractor]:
    """Describe every extractor, also those that cannot run.

    Nothing of an extractor that uses a network is called but what says so, unless that is allowed.
    """
    listed = []
    for name in extractor_names():
        why_not = availability(name, allow_network=allow_network).why_not_by_default
        kind, network = _nature(name)
        listed.append(ListedExtractor(name, origin(name), kind, network, why_not is None, why_not))
    listed += [
        ListedExtractor(one.name, one.origin, None, None, False, one.clash)
        for one in registrations(EXTRACTORS)
        if one.clash is not None
    ]
    return listed


def extractor_lines(*, allow_network: bool = False) -> list[str]:
    """List every extractor in aligned columns."""
    return aligned(
        [HEADER, *(one.cells() for one in listed_extractors(allow_network=allow_network))]
    )


def _nature(name: str) -> tuple[str | None, bool | None]:
    """Return its kind, and whether it uses a network."""
    try:
        extractor = load_extractor(name)
    except NoInputError:
        return None, None
    return extractor.kind, extractor.uses_network
