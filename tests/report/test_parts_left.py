"""Parts of a face in words, and on pages: what a curator reads beside the picture."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from bids_reid.group.result import FacesLeft, GroupResult
from bids_reid.participant.content import ParticipantReport, Provenance, ScanLine, ScanReport
from bids_reid.report.group import group_page
from bids_reid.report.head_picture import CLASSES, SHARES
from bids_reid.report.participant import participant_page
from bids_reid.report.parts_left import group_faces, part_names, scan_face
from bids_reid.surface.parts import PARTS, face_parts

PROVENANCE = Provenance('0', 'bids-reid')
REMOVED = dict.fromkeys(PARTS, 'removed')
N_POINTS = len(face_parts().points)
CUT = 'a' * N_POINTS
CHIN = ''.join(np.where(face_parts().part == PARTS.index('chin'), 'd', 'a'))
CHIN_LEFT = REMOVED | {'chin': 'left', 'left ear': 'left', 'right ear': 'left'}


def page_of(face_map: str | None, parts: dict[str, str]) -> str:
    line = ScanLine('01', None, 'T1w', 'raw', 'x.nii.gz', 'ok', parts=parts)
    scan = ScanReport(line, face_map=face_map)
    return participant_page(ParticipantReport('demo', '01', (scan,), PROVENANCE))


def faces(
    condition: str = 'defaced',
    n_left: int = 2,
    n_scans: int = 8,
    answers: dict[str, dict[str, int]] | None = None,
) -> FacesLeft:
    chin = face_parts().part == PARTS.index('chin')
    seen = np.full(N_POINTS, n_scans)
    return FacesLeft(
        condition=condition,
        modality='T1w',
        n_scans=n_scans,
        n_without=1,
        n_left=tuple((chin * n_left).tolist()),
        n_in_view=tuple(seen.tolist()),
        answers={'chin': {'left': n_left, 'removed': n_scans - n_left}}
        if answers is None
        else answers,
    )


def alts(page: str) -> list[str]:
    return re.findall(r'<img src="data:image/(?:png|webp);base64,[^"]*" alt="([^"]*)"', page)


def text_of(page: str) -> str:
    return ' '.join(re.sub(r'<style.*?</style>|<[^>]+>', ' ', page, flags=re.DOTALL).split())


def test_names_of_parts_are_short_and_tell_sides() -> None:
    """Otherwise nine names stand where three would do, or a side is lost."""
    assert part_names(PARTS) == 'brow, both eyes, nose, mouth, chin, both cheeks, both ears'
    assert part_names(['right eye', 'left ear']) == 'right eye, left ear'
    assert part_names([]) == ''


def test_a_scan_says_in_words_what_its_picture_shows() -> None:
    """Otherwise who cannot see the picture does not learn where to look."""
    page = page_of(CHIN, CHIN_LEFT)
    (alt,) = alts(page)
    assert 'Still there: chin, both ears.' in alt
    assert 'Removed: brow, both eyes, nose, mouth, both cheeks.' in alt
    assert 'Not in the image' not in alt
    text = text_of(page)
    assert 'Still there chin, both ears Removed brow' in text
    assert CLASSES['d'].text in text
    assert CLASSES['.'].text not in text
    assert "not the participant's" in text.replace('&#39;', "'")


def test_the_average_head_is_no_picture_of_the_participant() -> None:
    """Otherwise every page has a warning, and nobody heeds the one that matters."""
    assert 'This page contains pictures' not in page_of(CHIN, CHIN_LEFT)


@pytest.mark.parametrize(('face_map', 'n_pictures'), [(None, 0), (CUT, 1)])
def test_a_map_without_answers_and_answers_without_a_map(
    face_map: str | None, n_pictures: int
) -> None:
    """Otherwise a skull-stripped scan has no page."""
    page = page_of(face_map, REMOVED)
    assert len(alts(page)) == n_pictures
    assert 'Removed brow, both eyes' in text_of(page)
    assert len(alts(page_of(face_map, {}))) == n_pictures
    assert scan_face(None, {}) is None
    if face_map is not None:
        assert alts(page_of(face_map, {}))[0].endswith('No part was judged.')


def test_a_group_counts_scans_per_part() -> None:
    """Otherwise a steward does not see which part a tool leaves, and how often."""
    result = GroupResult('demo', (), PROVENANCE, faces_left=(faces(),), audited='defaced')
    page = group_page(result)
    (alt,) = alts(page)
    assert '8 scans with skin' in alt
    assert alt.endswith('Still there: chin in 2 of 8.')
    text = text_of(page)
    assert 'Chin Still there 2 Removed 6 Not in the image 0 Cannot tell 0' in text
    assert 'Share of 8 scans with skin where their face would continue' in text
    assert '1 scan more of this kind is in no picture' in text
    assert SHARES['2'].text in text
    assert SHARES['5'].text not in text
    assert 'href="#left"' in page
    assert 'src="data:' not in page.replace('src="data:image/png;base64,', '')


def test_the_audited_condition_comes_first() -> None:
    """Otherwise a steward reads of the raw scans, whose faces are all there."""
    several = [faces('raw', 8), faces('defaced', 0)]
    first, second = group_faces(several, 'defaced')
    assert (first.group, second.group) == ('T1w · defaced', 'T1w · raw')
    assert first.figure is not None
    assert 'no part of any' in first.figure.alt


def test_a_group_without_maps_or_answers_still_has_a_page() -> None:
    """Otherwise results of an older version, or skulls alone, make the page fail."""
    without = replace(faces(answers={}), n_scans=0)
    result = GroupResult('demo', (), PROVENANCE, faces_left=(without, faces(answers={})))
    page = group_page(result)
    (alt,) = alts(page)
    assert alt.endswith('No part was judged.')
    assert 'id="left"' not in group_page(replace(result, faces_left=()))


def test_pages_stay_small_and_the_same() -> None:
    """Otherwise a page with four groups cannot be sent, or two audits not be compared."""
    several = tuple(faces(name) for name in ('raw', 'a', 'b', 'c'))
    result = GroupResult('demo', (), PROVENANCE, faces_left=several)
    page = group_page(result)
    assert page == group_page(result)
    assert len(page) < 4 * 80_000 + 30_000
