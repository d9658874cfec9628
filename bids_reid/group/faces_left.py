"""The parts of faces that are left in all scans, summed up: no map of one scan is passed on."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.group.result import FacesLeft
from bids_reid.surface.parts import PARTS, face_parts, known_map

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bids_reid.participant.library import EnrolledScan

OUTSIDE, IN_PLACE = b'.d'
"""Letters of a face map (`bids_reid.surface.traces`)."""


def faces_left(scans: Iterable[EnrolledScan]) -> tuple[FacesLeft, ...]:
    """Sum up the face maps and the answers about parts, per condition and modality.

    Groups come in the order of their first scans; those about which nothing is known do not.
    """
    groups: dict[tuple[str, str], list[EnrolledScan]] = defaultdict(list)
    for scan in scans:
        groups[scan.line.condition, scan.line.modality].append(scan)
    sums = (_sum(*group, members) for group, members in groups.items())
    return tuple(one for one in sums if one.n_scans or one.answers)


def _sum(condition: str, modality: str, scans: Sequence[EnrolledScan]) -> FacesLeft:
    n_points = len(face_parts().points)
    left, in_view = np.zeros((2, n_points), int)
    n_scans = 0
    for scan in scans:
        measures = scan.record.measures
        letters = None if measures is None else known_map(measures.face_map)
        if letters is None:
            continue
        codes = np.frombuffer(letters.encode('ascii'), np.uint8)
        left += codes == IN_PLACE
        in_view += codes != OUTSIDE
        n_scans += 1
    answers = {
        part: Counter(scan.line.parts[part] for scan in scans if part in scan.line.parts)
        for part in PARTS
    }
    return FacesLeft(
        condition=condition,
        modality=modality,
        n_scans=n_scans,
        n_without=len(scans) - n_scans,
        n_left=tuple(left.tolist()),
        n_in_view=tuple(in_view.tolist()),
        answers={part: dict(counts) for part, counts in answers.items() if counts},
    )
