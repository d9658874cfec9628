"""Extractors that other packages register, and whether their names can be used.

They do so through entry points of the group `GROUP`. Nothing of these packages is imported here:
what they say of themselves when they were installed is enough.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

GROUP = 'bids_reid.extractors'
"""Entry-point group.

Names of extractors with the ``module:object`` that returns each when called.
"""
RESERVED = (
    *('skin', 'views', 'renders'),
    # names of steps beside those of extractors, and of the way to link scans without one
    *('render', 'faces', 'templates', 'save', 'surface'),
)
"""Labels of file names, and names of steps, that are already used."""
_NAME = re.compile(r'[A-Za-z][A-Za-z0-9._-]*')


@dataclass(frozen=True, slots=True)
class Registration:
    """An extractor that a package registers.

    Attributes
    ----------
    name
        Of the extractor.
    target
        ``module:object``.
    package, version, summary
        Of the distribution; the summary is its own, in a line, and may be empty.
    clash
        Why its name cannot be used; ``None`` if it can.
    """

    name: str
    target: str
    package: str
    version: str
    summary: str = ''
    clash: str | None = None

    @property
    def origin(self) -> str:
        """The package and its version."""
        return f'{self.package} {self.version}'

    def entry_point(self) -> EntryPoint:
        """Return what imports the object."""
        return EntryPoint(self.name, self.target, GROUP)


def bids_label(name: str) -> str:
    """Return ``name`` as a BIDS label, which is alphanumeric."""
    return ''.join(character for character in name if character.isalnum())


def registrations(own: Collection[str]) -> tuple[Registration, ...]:
    """Return what packages of this environment register, sorted by name.

    Parameters
    ----------
    own
        Names of this package's extractors, which nobody can take.
    """
    return _registrations(tuple(sys.path), tuple(own))


@cache
def _registrations(_path: tuple[str, ...], own: tuple[str, ...]) -> tuple[Registration, ...]:
    """Look once for each search path: it takes a file of every package."""
    found = sorted(_found(), key=lambda one: (one.name, one.package))
    by_label: dict[str, list[Registration]] = defaultdict(list)
    for one in found:
        by_label[bids_label(one.name).casefold()].append(one)
    return tuple(
        replace(one, clash=_clash(one, own, by_label[bids_label(one.name).casefold()]))
        for one in found
    )


def _found() -> Iterator[Registration]:
    for entry in entry_points(group=GROUP):
        about = _metadata(entry)
        yield Registration(
            entry.name,
            entry.value,
            package=_line(about.get('Name', 'a package without a name')),
            version=_line(about.get('Version', 'of no version')),
            summary=_line(about.get('Summary', '')),
        )


def _metadata(entry: EntryPoint) -> dict[str, str]:
    """Return what a package says of itself; nothing if its metadata are damaged."""
    try:
        given: Any = entry.dist.metadata if entry.dist else {}
        return {key: given[key] for key in given}
    except Exception:  # noqa: BLE001 (a file that is missing is a TypeError, for example)
        return {}


def _line(text: object) -> str:
    return ' '.join(str(text).split())


def _clash(one: Registration, own: Collection[str], alike: Collection[Registration]) -> str | None:
    """Say why a name cannot be used; ``None`` if it can.

    Two extractors whose labels differ in letters' case alone would share files on some disks.
    """
    label = bids_label(one.name).casefold()
    if not _NAME.fullmatch(one.name):
        return 'its name must start with a letter and contain only letters, digits, and . _ -'
    if label in RESERVED or label.endswith('skin'):
        return f'its name would make its files and steps look like others: {label} is taken'
    if one.name in own:
        return 'bids_reid itself has an extractor of that name: uninstall the package'
    for name in own:
        if bids_label(name).casefold() == label:
            return (
                f'its files would have the names of those of {name}, which bids_reid has: '
                'uninstall the package'
            )
    others = [other for other in alike if other != one]
    if others or len(alike) > 1:
        named = ' and '.join(f'{other.name} of {other.origin}' for other in others or alike)
        return f'its files would have the names of those of {named}: uninstall one of the packages'
    return None
