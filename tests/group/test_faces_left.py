"""Sums of what is left of faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from bids_reid.group.faces_left import faces_left
from bids_reid.participant.library import EnrolledScan
from bids_reid.surface.parts import PARTS, face_parts
from tests.support.scan_records import WHOLE_FACE, enrolled, scan_record

N_POINTS = len(face_parts().points)


def scan(
    face_map: str | None,
    parts: Mapping[str, str] | None = None,
    condition: str = 'defaced',
    modality: str = 'T1w',
) -> EnrolledScan:
    one = enrolled('01', condition=condition, modality=modality)
    return replace(
        one,
        line=replace(one.line, parts=parts or {}),
        record=scan_record(measures=replace(WHOLE_FACE, face_map=face_map)),
    )


def test_maps_are_summed_point_by_point_and_group_by_group() -> None:
    """Otherwise the picture of one condition shows what is left in another."""
    nose = face_parts().part == PARTS.index('nose')
    half = ''.join(np.where(nose, 'd', '.'))
    scans = [scan('a' * N_POINTS), scan(half), scan('d' * N_POINTS, condition='raw')]
    defaced, raw = faces_left(scans)
    assert (defaced.condition, defaced.modality, defaced.n_scans) == ('defaced', 'T1w', 2)
    assert defaced.n_left == tuple(nose.astype(int).tolist())
    assert defaced.n_in_view == tuple((1 + nose).tolist())
    assert set(raw.n_left) == {1}


def test_scans_without_a_map_are_told_and_not_counted_as_removed() -> None:
    """Otherwise failed scans make a tool look better than it is."""
    failed = enrolled('02', condition='defaced', status='failed')
    (found,) = faces_left([scan('d' * N_POINTS), scan('d'), scan(None), failed])
    assert (found.n_scans, found.n_without) == (1, 3)
    assert set(found.n_in_view) == {1}


def test_answers_are_counted_part_by_part() -> None:
    """Otherwise nobody learns in how many scans the chin is left."""
    scans = [
        scan(None, {'chin': 'left', 'nose': 'removed'}),
        scan(None, {'chin': 'left', 'nose': 'cannot tell'}),
        scan(None),
    ]
    (found,) = faces_left(scans)
    assert found.answers == {'nose': {'removed': 1, 'cannot tell': 1}, 'chin': {'left': 2}}
    assert found.n_without == 3


def test_a_group_about_which_nothing_is_known_is_left_out() -> None:
    """Otherwise results of an older version get an empty section."""
    assert faces_left([scan(None)]) == ()
