"""The verdict on a run: a pass that should be none lets faces out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bids_reid.group.comparison_steps import judge

from bids_reid.bids.layout import ScanFiles
from bids_reid.group.result import PhotoLine
from bids_reid.participant.content import ScanLine
from bids_reid.participant.library import EnrolledScan
from bids_reid.records import AttackKey, Score
from bids_reid.risk.controls import ControlRow
from bids_reid.risk.identification import identification_rows

if TYPE_CHECKING:
    from bids_reid.risk.gate import Verdict

N = 100
PEOPLE = [f'{number:03}' for number in range(N)]
CONTROL = ControlRow(
    *('defaced', 'T1w', 'orb', 'best', 'negative', N, N, N, 0.01, 0.0, 0.02, 0.01, 9, 0),
    verdict='ok',
    reason=None,
)
SEEN = replace(CONTROL, condition=None, modality=None, decision=None, control='positive')


def scan(participant: str, condition: str) -> EnrolledScan:
    line = ScanLine(participant, None, 'T1w', condition, 'x', 'ok', verdict='no findings')
    stem = f'sub-{participant}'
    return EnrolledScan(line, ScanFiles(Path(stem) / 'anat', stem, 'T1w', condition), {})


def judged(n_versions: int = N, *, photos: bool = True, **options: object) -> Verdict:
    """Nobody of 100 is recognised from their de-faced scans, which show no face either."""
    scans = [scan(label, 'raw') for label in PEOPLE]
    scans += [scan(label, 'defaced') for label in PEOPLE[:n_versions]]
    rows = identification_rows(
        [Score(label, '', 'ok', rank=9) for label in PEOPLE[:n_versions]],
        AttackKey('defaced', 'T1w', 'orb', 'best'),
        unit='participant',
        n_gallery=n_versions,
    )
    lines = [PhotoLine(f'{label}.jpg', label, True, True, 'ok') for label in PEOPLE]
    given = lines if photos else None
    return judge('defaced', 0.05, scans, given, rows, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize('photos', [True, False])
def test_what_was_not_looked_at_is_no_pass(photos: bool) -> None:
    """The scans that a tool failed to de-face are those that show a face."""
    assert judged(photos=photos).passed
    verdict = judged(90, photos=photos)
    assert not verdict.passed
    assert verdict.sentence.endswith(' But 10 of 100 raw scans have no defaced version.')
    verdict = judged(photos=photos, without_result=['x'])
    assert not verdict.passed
    assert verdict.sentence.endswith(' But 1 participant has scans and no result.')


def test_rates_that_the_controls_refute_are_no_pass() -> None:
    """Photographs that show nobody find nobody: 0% would be told as safety."""
    unseen = replace(SEEN, verdict='not_ok')
    assert judged(controls=[CONTROL, SEEN]).passed
    assert not judged(controls=[CONTROL, unseen]).passed
    verdict = judged(controls=[replace(CONTROL, verdict='not_ok'), SEEN])
    assert not verdict.passed
    assert 'controls failed' in verdict.sentence
    # one extractor is blind to these photographs, another is not
    assert judged(controls=[CONTROL, unseen, replace(SEEN, extractor='sift')]).passed
    # the raw scans are not what is judged
    assert judged(controls=[replace(CONTROL, verdict='not_ok', condition='raw'), SEEN]).passed
