"""Photographs to features, in files that say which photographs they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bids_reid.errors import PhotoError
from bids_reid.faces.extractors import load_extractor
from bids_reid.group.merging import damaged, left_arrays, merged
from bids_reid.match.probes import probes_of
from bids_reid.printable import without_folders

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bids_reid.faces.detect import Box
    from bids_reid.faces.photographs import Head
    from bids_reid.match.probes import Probes
    from bids_reid.records import Photo

NOT_TAKEN = 'could not use the face'
"""End of the reason for a photograph with a face that an extractor could not use."""

OWN_ARRAYS = ('extractor', 'photographs', 'statuses', 'faces')
"""Names of arrays in a file that do not belong to the extractor."""


class Outcome(NamedTuple):
    """How a photograph was acquired.

    ``status`` is ``ok``, ``no_face`` or ``unreadable``, with its reason; the numbers are those of
    `bids_reid.faces.photographs.Head`, 0 without a face.
    """

    status: str
    reason: str = ''
    n_faces: int = 0
    n_alike: int = 0
    turned: int = 0


@dataclass(frozen=True, slots=True)
class Encoded:
    """Features of photographs by one extractor.

    Attributes
    ----------
    extractor
        Name of the extractor.
    outcomes
        Name of each photograph to how it was acquired.
    numbers
        Name of each photograph to its place in ``arrays``.
    arrays
        ``features`` and ``mirrored`` (n, d), or the arrays of `bids_reid.records.Keypoints`.
    """

    extractor: str
    outcomes: Mapping[str, Outcome]
    numbers: Mapping[str, int]
    arrays: Mapping[str, NDArray[Any]]

    def acquired(self, names: Iterable[str]) -> list[str]:
        """Return the photographs with a face among those named."""
        return [name for name in names if self.outcomes[name].status == 'ok']

    def probes(self, names: Iterable[str]) -> Probes:
        """Return photographs with a face as probes."""
        taken = [self.numbers[name] for name in names]
        return probes_of(self.arrays, taken, load_extractor(self.extractor))


def encode_photographs(photos: Sequence[Photo], extractor: str, target: Path) -> None:
    """Crop and encode photographs as the study did; one status and reason per photograph.

    The file holds the photographs' names, that of the extractor, and its arrays for all of them:
    nothing, or rows of NaN, for those without a face. Of vectors there are also those of mirror
    images. A photograph whose face the extractor did not take has the status ``no_face``, too: it
    is a failure to acquire, of this extractor.
    """
    from bids_reid.faces.given_features import rejected

    heads, outcomes = crop_photographs(photos)
    acquired = np.array([outcome.status == 'ok' for outcome in outcomes], dtype=bool)
    given = _features(extractor, [head[:2] for head in heads])
    for place in np.flatnonzero(acquired)[rejected(given, len(heads))]:
        outcomes[place] = Outcome('no_face', f'{extractor} {NOT_TAKEN}')
    arrays = _for_all(acquired, given)
    arrays['extractor'] = np.array(extractor)
    arrays['photographs'] = np.array([photo.name for photo in photos], dtype=str)
    arrays['statuses'] = np.array([one[:2] for one in outcomes], dtype=str).reshape(-1, 2)
    arrays['faces'] = np.array([one[2:] for one in outcomes], dtype=np.int32).reshape(-1, 3)
    np.savez(target, **arrays)  # type: ignore[arg-type]


def crop_photographs(photos: Sequence[Photo]) -> tuple[list[Head], list[Outcome]]:
    """Cut the heads out of photographs: of those with a face, and how each was acquired."""
    from bids_reid.faces.photographs import head_of

    heads: list[Head] = []
    outcomes: list[Outcome] = []
    for photo in photos:
        try:
            head = head_of(photo.path)
        except PhotoError as error:
            reason = without_folders(str(error), photo.path.parent)
            outcomes.append(Outcome('unreadable', reason))
            continue
        if head is None:
            outcomes.append(Outcome('no_face', 'no face was found'))
        else:
            heads.append(head)
            outcomes.append(Outcome('ok', '', head.n_faces, head.n_alike, head.turned))
    return heads, outcomes


def _features(
    extractor: str, crops: Sequence[tuple[NDArray[np.uint8], Box]]
) -> dict[str, NDArray[Any]]:
    """Extract the features of crops with a box each, and vectors of their mirror images."""
    from bids_reid.faces.given_features import rejected
    from bids_reid.faces.photographs import mirrored

    model = load_extractor(extractor)
    images, boxes = zip(*crops, strict=True) if crops else ((), ())
    arrays = model.features(images, boxes)
    if model.kind == 'vector':
        flipped = [mirrored(*crop) for crop in crops]
        images, boxes = zip(*flipped, strict=True) if flipped else ((), ())
        other = model.features(images, boxes)
        # an extractor that takes a face but not its mirror image has the face alone
        refused = rejected(other, len(flipped))[:, None]
        arrays['mirrored'] = np.where(refused, arrays['features'], other['features'])
    return arrays


def _for_all(
    acquired: NDArray[np.bool_], arrays: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Spread arrays of the photographs with a face over all photographs (n,)."""
    if 'offsets' in arrays:
        counts = np.zeros(len(acquired) + 1, np.int64)
        counts[1:][acquired] = np.diff(arrays['offsets'])
        return {**arrays, 'offsets': np.cumsum(counts)}
    spread = {}
    for name, rows in arrays.items():
        spread[name] = np.full((len(acquired), rows.shape[1]), np.nan, np.float32)
        spread[name][acquired] = rows
    return spread


def read_encoded(files: Sequence[Path], photos: Iterable[str], extractor: str) -> Encoded:
    """Put the files that `encode_photographs` wrote together, in any order.

    Parameters
    ----------
    files
        One or more of this extractor; those of others are left aside.
    photos
        Names of all photographs.

    Raises
    ------
    MergeError
        A photograph is in no file, or in two, or a file is damaged.
    """
    parts = [
        _part(file)
        for file in files
        if str(left_arrays(file, 'extractor')['extractor']) == extractor
    ]
    places = merged(
        (
            (str(name), (part, place))
            for part, content in enumerate(parts)
            for place, name in enumerate(content['photographs'])
        ),
        photos,
        'photograph',
    )
    starts = np.cumsum([0, *(len(part['photographs']) for part in parts)])
    return Encoded(
        extractor,
        {name: _outcome(parts[part], row) for name, (part, row) in places.items()},
        {name: int(starts[part]) + row for name, (part, row) in places.items()},
        _joined(parts),
    )


def _part(file: Path) -> dict[str, NDArray[Any]]:
    """Read a file that `encode_photographs` wrote, and find out whether it is whole."""
    part = left_arrays(file)
    n = len(part.get('photographs', ()))
    rows = {name: len(array) for name, array in part.items() if array.ndim}
    if 'offsets' in part:
        rows = {name: rows.get(name, 0) for name in OWN_ARRAYS[1:]}
        rows['offsets'] = len(part['offsets']) - 1
    shapes = part['statuses'].shape, part['faces'].shape
    if set(rows.values()) - {n} or shapes != ((n, 2), (n, 3)):
        raise damaged(file)
    return part


def _outcome(part: Mapping[str, NDArray[Any]], row: int) -> Outcome:
    status, reason = map(str, part['statuses'][row])
    return Outcome(status, reason, *map(int, part['faces'][row]))


def _joined(parts: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Join the extractor's arrays of several files."""
    names = set(parts[0]) - {*OWN_ARRAYS, 'offsets'}
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in sorted(names)}
    if 'offsets' in parts[0]:
        lengths = [np.zeros(1, np.int64), *(np.diff(part['offsets']) for part in parts)]
        arrays['offsets'] = np.cumsum(np.concatenate(lengths))
    return arrays
