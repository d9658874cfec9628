"""``--bids-filter-file``: filters of pybids per suffix, as fMRIPrep takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bids.layout import Query

from bids_reid.bids.photo_labels import loose_key
from bids_reid.bids.text_files import parse_json, read_text
from bids_reid.errors import NoInputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bids import BIDSLayout

Filter = dict[str, Any]
_PREFIXES = {'subject': 'sub-', 'session': 'ses-'}
_EXTENSIONS = ['.nii', '.nii.gz']


class Filters:
    """The filters of a file, by suffix in lower case; those of other programs' queries, too.

    Raises
    ------
    NoInputError
        The file is not there.
    UsageError
        It is no JSON object of objects, or a value is no text, number, boolean, ``null`` (the
        entity has to be absent), ``"*"`` (it has to be there) or a list of these.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._filters = {} if path is None else _read(path)

    def __contains__(self, suffix: str) -> bool:
        return suffix.lower() in self._filters

    def others(self, suffixes: Sequence[str]) -> list[str]:
        """Return the keys that concern none of the suffixes."""
        known = {suffix.lower() for suffix in suffixes}
        return [key for key in self._filters if key not in known]

    def asks_for_part(self, suffix: str) -> bool:
        """Whether the filter of a suffix names the entity ``part``."""
        return 'part' in self._filters[suffix.lower()]

    def select(
        self,
        layout: BIDSLayout,
        suffix: str,
        people: Mapping[str, Any],
        note: Callable[[str], None],
    ) -> tuple[list[str], list[str]]:
        """Query the images that a filter chooses from, and those that it keeps.

        Parameters
        ----------
        people : mapping
            Entities that the command line asks for: the filter cannot widen its choice.
        note : callable
            Called with each label that the filter may have meant.

        Returns
        -------
        Paths of both, sorted. A filter that names another suffix chooses from images of both.
        """
        wanted = {
            entity: _meant(layout, entity, value, f'{self.path}: {suffix}', note)
            for entity, value in self._filters[suffix.lower()].items()
        }
        passing = set(self.query(layout, {'suffix': suffix, **wanted}))
        # those of the key, too: that a filter asks for other ones leaves them out
        there = sorted(
            {
                path
                for of_suffix in (suffix, wanted.get('suffix', suffix))
                for path in self.query(layout, {**people, 'suffix': of_suffix})
            }
        )
        return there, [path for path in there if path in passing]

    def query(self, layout: BIDSLayout, wanted: Mapping[str, Any]) -> list[str]:
        """Return the paths of the images with some entities, sorted.

        Raises
        ------
        UsageError
            pybids does not know one of the entities.
        """
        try:
            found = layout.get(**{'extension': _EXTENSIONS, **wanted})
        except ValueError as error:
            unknown = sorted(set(wanted) - set(layout.get_entities()))
            raise UsageError(
                f'{self.path}: no image has an entity {", ".join(unknown)}: use long entity '
                'names, such as subject, session, acquisition, reconstruction, run and echo'
                if unknown
                else f'{self.path}: {error}'
            ) from error
        return sorted(file.path for file in found)


def _read(path: Path) -> dict[str, Filter]:
    try:
        content = parse_json(read_text(path))
    except FileNotFoundError:
        raise NoInputError(f'no such file: {path}') from None
    except (OSError, ValueError) as error:
        raise UsageError(f'{path} is not JSON: {error}') from error
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        raise UsageError(
            f'{path} must hold one JSON object of filters for each suffix, such as {{"T1w": {{}}}}'
        )
    return {
        suffix.lower(): {
            entity: _value(entity, value, f'{path}: {suffix}: {entity}')
            for entity, value in wanted.items()
        }
        for suffix, wanted in content.items()
    }


def _value(entity: str, value: Any, where: str) -> Any:
    """Value as pybids takes it."""
    if isinstance(value, list):
        if any(isinstance(member, list) for member in value):
            raise UsageError(f'{where}: a list must not contain another list')
        return [_value(entity, member, where) for member in value]
    if value is not None and not isinstance(value, str | int | float):
        raise UsageError(f'{where} must be text, a number, true, false, null or a list of these')
    if value is None:
        return Query.NONE
    if value == '*':
        return Query.ANY
    return str(value).removeprefix(_PREFIXES[entity]) if entity in _PREFIXES else value


def _meant(
    layout: BIDSLayout, entity: str, value: Any, where: str, note: Callable[[str], None]
) -> Any:
    """Find the labels that were meant: numbers have lost their zeros."""
    if entity not in _PREFIXES:
        return value
    if isinstance(value, list):
        return [_meant(layout, entity, member, where, note) for member in value]
    labels = layout.get(target=entity, return_type='id')
    if isinstance(value, Query) or value in labels:
        return value
    alike = [label for label in labels if loose_key(label) == loose_key(value)]
    if len(alike) != 1:
        return value
    note(f'{where}: {entity} {value} is taken for {alike[0]}')
    return alike[0]
