"""The extractors that there are, as lines: whose each is, and whether it runs by default."""

from __future__ import annotations

from bids_reid.errors import NoInputError
from bids_reid.faces.extractors import (
    EXTRACTORS,
    availability,
    extractor_names,
    load_extractor,
    origin,
)
from bids_reid.faces.registrations import registrations

HEADER = ('extractor', 'package', 'kind', 'network', 'runs by default')
NOT_KNOWN = 'n/a'


def extractor_lines(*, allow_network: bool = False) -> list[str]:
    """List every extractor, also those that cannot run, in columns.

    Nothing of an extractor that uses a network is called but what says so, unless that is allowed.
    """
    table = [HEADER]
    for name in extractor_names():
        why_not = availability(name, allow_network=allow_network).why_not_by_default
        runs = 'yes' if why_not is None else f'no: {why_not}'
        table.append((name, origin(name), *_nature(name), runs))
    table += [
        (one.name, one.origin, NOT_KNOWN, NOT_KNOWN, f'no: {one.clash}')
        for one in registrations(EXTRACTORS)
        if one.clash is not None
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        '  '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    ]


def _nature(name: str) -> tuple[str, str]:
    """Return its kind, and whether it uses a network."""
    try:
        extractor = load_extractor(name)
    except NoInputError:
        return NOT_KNOWN, NOT_KNOWN
    return extractor.kind, 'yes' if extractor.uses_network else 'no'
