"""Photographs to features, in files that say which photographs they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_reid.errors import PhotoError
from bids_reid.faces.extractors import load_extractor
from bids_reid.group.merging import merged
from bids_reid.match.probes import probes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bids_reid.faces.detect import Box
    from bids_reid.match.probes import Probes
    from bids_reid.records import Photo

NOT_TAKEN = 'did not take the face'
"""Ends the reason of a photograph with a face of which an extractor made no feature."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Features of photographs by one extractor.

    Attributes
    ----------
    extractor
        Name of the extractor.
    outcomes
        Name of each photograph to its status (``ok``, ``no_face`` or ``unreadable``) and reason.
    numbers
        Name of each photograph to its place in ``arrays``.
    arrays
        ``features`` and ``mirrored`` (n, d), or the arrays of `bids_reid.records.Keypoints`.
    """

    extractor: str
    outcomes: Mapping[str, tuple[str, str]]
    numbers: Mapping[str, int]
    arrays: Mapping[str, NDArray[Any]]

    def acquired(self, names: Iterable[str]) -> list[str]:
        """Return the photographs with a face among those named."""
        return [name for name in names if self.outcomes[name][0] == 'ok']

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
    from bids_reid.faces.photographs import loose_crop, read_photograph

    crops: list[tuple[NDArray[np.uint8], Box]] = []
    statuses: list[tuple[str, str]] = []
    for photo in photos:
        try:
            cropped = loose_crop(read_photograph(photo.path))
        except PhotoError as error:
            statuses.append(('unreadable', str(error)))
        else:
            if cropped is None:
                statuses.append(('no_face', 'no face was found'))
            else:
                crops.append(cropped)
                statuses.append(('ok', ''))
    acquired = np.array([status == 'ok' for status, _ in statuses], dtype=bool)
    given = _features(extractor, crops)
    for place in np.flatnonzero(acquired)[rejected(given, len(crops))]:
        statuses[place] = ('no_face', f'{extractor} {NOT_TAKEN}')
    arrays = _for_all(acquired, given)
    arrays['extractor'] = np.array(extractor)
    arrays['photographs'] = np.array([photo.name for photo in photos], dtype=str)
    arrays['statuses'] = np.array(statuses, dtype=str).reshape(-1, 2)
    np.savez(target, **arrays)  # type: ignore[arg-type]


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
        A photograph is in no file, or in two.
    """
    parts: list[dict[str, NDArray[Any]]] = []
    for file in files:
        with np.load(file) as content:
            if str(content['extractor']) == extractor:
                parts.append(dict(content))
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
        {name: _outcome(parts[part]['statuses'][row]) for name, (part, row) in places.items()},
        {name: int(starts[part]) + row for name, (part, row) in places.items()},
        _joined(parts),
    )


def _outcome(row: NDArray[np.str_]) -> tuple[str, str]:
    return str(row[0]), str(row[1])


def _joined(parts: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Join the extractor's arrays of several files."""
    names = set(parts[0]) - {'photographs', 'statuses', 'offsets', 'extractor'}
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in sorted(names)}
    if 'offsets' in parts[0]:
        lengths = [np.zeros(1, np.int64), *(np.diff(part['offsets']) for part in parts)]
        arrays['offsets'] = np.cumsum(np.concatenate(lengths))
    return arrays
