"""The participant that a typed label means, if it differs from the labels of the dataset.

``sub-1``, ``SUB-001`` and ``sub_01`` mean ``sub-01`` if nobody else of the dataset is meant as
well. Taken for somebody's who is not in the dataset, such a photograph would search for nobody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bids_reid.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from bids_reid.records import Photo

Key = tuple[str | int, ...]
_RUNS = re.compile(r'[^\W\d_]+|\d+')
_PREFIXES = ('sub', 'subj', 'subject')
EXAMPLES = 3
"""Number of labels named in a line."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Photographs with labels of the dataset, and which labels were not exactly that.

    Attributes
    ----------
    photos : tuple of Photo
        With the dataset's label in place of one that means it.
    loosely : mapping
        Each label that differs from the dataset's, as it was typed, to that of the dataset.
    n_loosely : int
        Photographs with such a label.
    strangers : tuple of str
        Labels of nobody in the dataset, of a photograph each. They may be names of people.
    """

    photos: tuple[Photo, ...]
    loosely: Mapping[str, str]
    n_loosely: int
    strangers: tuple[str, ...]


def loose_key(label: str) -> Key:
    """Return what labels have in common that mean the same: letters and numbers, no prefix.

    >>> loose_key('sub-01'), loose_key('Sub_AB-012'), loose_key('ab12')
    ((1,), ('ab', 12), ('ab', 12))
    """
    runs = [int(run) if run.isdecimal() else run.casefold() for run in _RUNS.findall(label)]
    while len(runs) > 1 and runs[0] in _PREFIXES:
        del runs[0]
    return tuple(runs)


class DatasetLabels:
    """The labels of a dataset, to find those that a label which somebody typed may mean."""

    def __init__(self, dataset: Collection[str]) -> None:
        self.known = frozenset(dataset)
        self._by_key: dict[Key, list[str]] = {}
        for label in sorted(self.known):
            self._by_key.setdefault(loose_key(label), []).append(label)

    def meant_by(self, typed: str) -> list[str]:
        """Return the label itself if there is such a one, else all that mean the same.

        >>> DatasetLabels(['01', '10']).meant_by('sub-1')
        ['01']
        """
        bare = typed.removeprefix('sub-')
        if bare in self.known:
            return [bare]
        return self._by_key.get(loose_key(typed), [])


def match_labels(photos: Iterable[Photo], dataset: Collection[str]) -> Labelled:
    """Find the participant whom the label of each photograph means.

    An exact label always wins. Others are compared without case, prefix and leading zeros.

    Raises
    ------
    UsageError
        A label may mean two participants of the dataset.
    """
    labels = DatasetLabels(dataset)
    matched: list[Photo] = []
    loosely: dict[str, str] = {}
    strangers: list[str] = []
    n_loosely = 0
    for photo in photos:
        typed, participant = photo.participant, photo.participant
        if typed is not None and typed not in labels.known:
            participant = _meant(typed, labels.meant_by(typed))
            if participant is None:
                strangers.append(typed)
                participant = typed
            else:
                loosely[typed] = participant
                n_loosely += 1
        matched.append(replace(photo, participant=participant))
    return Labelled(tuple(matched), loosely, n_loosely, tuple(strangers))


def _meant(typed: str, candidates: Sequence[str]) -> str | None:
    """Return the one participant who is meant.

    Raises
    ------
    UsageError
        It may be two.
    """
    if len(candidates) > 1:
        raise UsageError(
            f'photographs of {typed!r}: it may be sub-{" or sub-".join(candidates)}: use the '
            'exact label of the dataset'
        )
    return candidates[0] if candidates else None


def sayable(labels: Iterable[str], dataset: Collection[str]) -> list[str]:
    """Return the labels, once each, that are made as the dataset's are; no other may be shown.

    One that has a number, and no letters but those that a label of the dataset has before or
    behind its own number, is not the name of a person.
    """
    shapes = {_shape(loose_key(label)) for label in dataset}
    longest = max((len(run) for one in dataset for run in re.findall(r'\d+', one)), default=0)
    return [
        label
        for label in dict.fromkeys(labels)
        if _shape(loose_key(label)) in shapes
        and 0 < max(map(len, re.findall(r'\d+', label)), default=0) <= longest
    ]


def _shape(key: Key) -> Key:
    return tuple(0 if isinstance(run, int) else run for run in key)


def examples(labels: Iterable[str]) -> str:
    """Name some of the labels.

    >>> examples('abcd')
    'a, b, c, ...'
    """
    some = list(labels)
    return ', '.join([*some[:EXAMPLES], '...'] if len(some) > EXAMPLES else some)
