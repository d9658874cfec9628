"""Which extractors search by default: those that can search every scan."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bids_reid.bids.files import write_json
from bids_reid.bids.layout import ScanFiles
from bids_reid.errors import NoInputError
from bids_reid.faces.extractors import EXTRACTORS, NETWORK
from bids_reid.participant.content import Model
from bids_reid.participant.library import (
    left_out,
    provenance_of,
    read_scans,
    searchable_extractors,
)
from bids_reid.participant.remarks import scan_line
from bids_reid.records import Claim, CompletedPart
from bids_reid.risk.deidentification import CLAIM_WITH_FACE, FACE_GONE_UNSAID
from tests.support.plugins import write_plugin
from tests.support.scan_records import NO_FACE, WHOLE_FACE, enrolled, quality, scan_record

FILES = ScanFiles(Path('/nowhere'), 'sub-01', 'T1w')


scan = partial(enrolled, '01')


def test_an_extractor_that_lacks_templates_is_left_out_and_says_so() -> None:
    """Scans without a template of it would pass for failures to enrol, and lower the rate."""
    scans = [
        scan('face_recognition', 'deepface-Dlib'),
        scan('face_recognition', 'deepface-ArcFace'),
        scan(status='failed'),
    ]
    names, reasons = searchable_extractors(scans)
    assert names == ('face_recognition',)
    assert reasons['deepface-Dlib'] == '1 of 2 scans have no template of this extractor'
    assert 'fetch' in reasons['deepface-ArcFace']
    assert 'ran without this extractor' in reasons['orb']
    assert {*names, *reasons} == set(EXTRACTORS)


def test_what_was_named_at_the_participant_level_is_searched() -> None:
    scans = [scan('face_recognition', 'deepface-Dlib')] * 2
    assert searchable_extractors(scans)[0] == ('face_recognition', 'deepface-Dlib')


def test_nobody_enrolled_is_a_result() -> None:
    """Failures stay in the denominator even when there is nothing else."""
    scans = [scan('face_recognition', status='no_face')]
    assert searchable_extractors(scans)[0] == ('face_recognition',)


def test_an_extractor_that_never_ran_is_not_searched_where_no_face_was_seen() -> None:
    """Otherwise de-faced scans pass for failures to enrol with it, and the risk for gone."""
    scans = [scan('face_recognition'), scan(status='no_face')]
    assert 'face_recognition' not in searchable_extractors(scans)[0]


@pytest.mark.parametrize(
    ('asked', 'added', 'expected'),
    [
        (True, CompletedPart(0.2, ('chin',)), 'yes'),
        (True, None, 'no'),
        (False, None, None),
    ],
)
def test_a_completed_face_is_told_in_the_table(
    asked: bool, added: CompletedPart | None, expected: str | None
) -> None:
    """Rates of completed and of cut faces could not be taken apart."""
    measures = replace(WHOLE_FACE, complete_face=asked, face_completed=added)
    line = scan_line(FILES, scan_record(measures=measures))
    assert line.face_completed == expected
    assert ('average head' in line.reason) == (added is not None)


def test_a_claim_that_does_not_fit_is_said() -> None:
    """A tool that failed leaves a face under a sidecar that says it is gone."""
    record = scan_record(deidentification=Claim(True, ('pydeface',)))
    line = scan_line(FILES, record)
    assert (line.deidentification, line.face_present) == ('claimed', 'yes')
    assert CLAIM_WITH_FACE in line.reason
    poor = replace(NO_FACE, surface_quality=quality(relative_noise=0.5))
    assert FACE_GONE_UNSAID not in scan_line(FILES, scan_record(measures=poor)).reason


def test_a_damaged_record_is_named_and_a_foreign_file_is_none(tmp_path: Path) -> None:
    """Otherwise a scan of an older version is judged by what was not measured then."""
    good, old, foreign = (
        ScanFiles(tmp_path / f'sub-{n}' / 'anat', f'sub-{n}', 'T1w') for n in '123'
    )
    write_json(good.record, scan_record('orb').to_json())
    write_json(foreign.record, {'Sources': []})
    (scan,) = read_scans(tmp_path)
    assert scan.files == good
    write_json(old.record, {'Status': 'ok', 'Condition': 'raw'})
    message = r'sub-2_desc-skin_T1w\.json is damaged or was written by an older'
    with pytest.raises(NoInputError, match=message):
        read_scans(tmp_path)
    # left out without a word, its scan would be in no count, and the gate might pass
    old.record.write_text('{"Status": ')
    with pytest.raises(NoInputError, match=message):
        read_scans(tmp_path)


def test_what_nobody_asked_for_is_said() -> None:
    _, found = searchable_extractors([scan('face_recognition', 'deepface-Dlib')])
    reasons = left_out(found, ['deepface-Dlib'], 'a reason')
    assert reasons['face_recognition'] == 'a reason'
    assert 'deepface-Dlib' not in reasons


def test_an_extractor_that_is_not_installed_any_more_is_named() -> None:
    """Its templates are there: without a word, the rates would be of fewer attacks than before."""
    names, reasons = searchable_extractors([scan('orb', 'acme'), scan('orb')])
    assert names == ('orb',)
    assert (
        reasons['acme']
        == 'scans have templates of this extractor, but no installed package provides it'
    )
    assert left_out(reasons, ['orb'], 'a reason')['acme'] == reasons['acme']


def test_a_network_is_used_at_the_group_level_only_if_it_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Photographs would leave the machine because the participant level was allowed to send."""
    monkeypatch.syspath_prepend(write_plugin(tmp_path / 'packages', 'cloud', uses_network=True))
    write_plugin(tmp_path / 'packages', 'orb', package='another')
    names, reasons = searchable_extractors([scan('orb', 'cloud')])
    assert names == ('orb',)
    assert reasons['cloud'] == NETWORK
    # nor is a name that is taken lost
    assert 'bids_reid itself' in left_out(reasons, ['orb'], '')['orb of another 1.0']
    names, _ = searchable_extractors([scan('orb', 'cloud')], allow_network=True)
    assert names == ('orb', 'cloud')


def test_pages_know_whose_a_model_is(tmp_path: Path) -> None:
    """A rate of another package's matcher must not pass for one of this program's own."""
    (of_us, of_others) = (
        ScanFiles(tmp_path, f'sub-{name}', 'T1w').template(name) for name in ('orb', 'acme')
    )
    write_json(of_us.with_suffix('.json'), {'Model': 'OpenCV ORB'})
    sidecar = {'Model': 'm', 'Package': 'p', 'PackageVersion': '2', 'UsesNetwork': 'yes'}
    write_json(of_others.with_suffix('.json'), sidecar)
    scans = [
        replace(scan(name), files=ScanFiles(tmp_path, f'sub-{name}', 'T1w'))
        for name in ('orb', 'acme')
    ]
    provenance = provenance_of(scans, ['orb', 'acme'], '')
    assert provenance.models == (
        Model('orb', 'OpenCV ORB', None),
        Model('acme', 'm', None, package='p 2', uses_network=True),
    )
    assert provenance.networked == ('acme',)
