"""The account of a release: no image without a line, and no line for other bytes."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bids_reid.api import load
from bids_reid.bids.derivatives import save_failure
from bids_reid.bids.files import file_sha256
from bids_reid.bids.image_records import save_image_record
from bids_reid.engine.execution import configure
from bids_reid.errors import Exit, NoInputError, NothingSelectedError
from bids_reid.group.account import NEVER_DEFACED, image_lines, nobodys_images, survey
from bids_reid.group.result import ImageLine
from bids_reid.group_level import group_level
from bids_reid.participant.library import read_scans
from bids_reid.participant.looks import record_of
from bids_reid.participant.selection import select as choose_scans
from bids_reid.participant.unseen import has_images
from bids_reid.participant_level import participant_level
from bids_reid.records import Image, Scan, Template
from bids_reid.settings import Settings
from tests.support.audits import write_volume
from tests.support.scan_records import NO_FACE, save_results

T1W = 'sub-{}/anat/sub-{}_T1w.nii.gz'
BLANK = {'pixels': Template(np.zeros((1, 2), np.float32), np.zeros(1, np.int32))}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Two participants with a raw scan each, and the de-faced ones beside."""
    for number, folder in enumerate(('raw', 'defaced')):
        for label in '12':
            write_volume(tmp_path / folder / T1W.format(label, label), 10 * number + int(label))
    return Settings(
        bids_dir=tmp_path / 'raw',
        output_dir=tmp_path / 'out',
        levels=('group',),
        derivatives=(('defaced', tmp_path / 'defaced'),),
    )


def scan_of(settings: Settings, label: str, condition: str) -> Scan:
    path = settings.datasets[condition] / T1W.format(label, label)
    return Scan(label, None, 'T1w', f'sub-{label}', path, condition)


def processed(settings: Settings) -> None:
    """Leave a result of each scan: a face on the raw ones, none on the others."""
    for condition, folder in settings.datasets.items():
        for label in '12':
            scan = scan_of(settings, label, condition)
            changes = {'measures': NO_FACE} if condition == 'defaced' else {}
            save_results(scan, folder, settings.output_dir, BLANK, **changes)


def account(settings: Settings) -> list[ImageLine]:
    found, counted = survey(settings, read_scans(settings.output_dir))
    return list(image_lines(found, counted, settings.output_dir, settings.bids_dir))


def released(settings: Settings) -> dict[str, ImageLine]:
    return {line.path: line for line in account(settings) if line.in_release}


def test_a_release_above_the_folder_of_its_condition_knows_what_is_missing(
    settings: Settings, tmp_path: Path
) -> None:
    """Whoever shares the folder above shares the condition, too."""
    processed(settings)
    (tmp_path / 'upload').mkdir()
    (tmp_path / 'defaced').rename(tmp_path / 'upload/defaced')
    (tmp_path / 'upload/defaced' / T1W.format('2', '2')).unlink()
    moved = (('defaced', tmp_path / 'upload/defaced'),)
    above = replace(settings, derivatives=moved, release=tmp_path / 'upload')
    found, _ = survey(above, read_scans(settings.output_dir))
    assert found.missing == (T1W.format('2', '2'),)
    assert {line.condition for line in account(above)} == {'raw', 'defaced'}


def test_two_names_of_one_file_are_two_images(settings: Settings, tmp_path: Path) -> None:
    """In a dataset of git-annex equal files are links to one: each belongs to who it is named."""
    store = tmp_path / 'store'
    (tmp_path / 'defaced' / T1W.format('1', '1')).rename(store)
    for label in '12':
        path = tmp_path / 'defaced' / T1W.format(label, label)
        path.unlink(missing_ok=True)
        path.symlink_to(store)
    processed(settings)
    lines = released(settings)
    assert {path: line.participant for path, line in lines.items()} == {
        T1W.format(label, label): label for label in '12'
    }


def test_a_link_into_the_release_takes_no_line_away(settings: Settings, tmp_path: Path) -> None:
    """The raw scan is an image beside the release, and its link in the release is another."""
    path = tmp_path / 'defaced' / T1W.format('1', '1')
    path.unlink()
    path.symlink_to(tmp_path / 'raw' / T1W.format('1', '1'))
    processed(settings)
    ones = [line for line in account(settings) if line.path == T1W.format('1', '1')]
    assert [(line.condition, line.in_release) for line in ones] == [
        ('defaced', True),
        ('raw', False),
    ]


def test_what_was_put_in_place_meanwhile_has_no_verdict(settings: Settings) -> None:
    """The walk takes minutes: a row with these bytes says what was seen on others."""
    processed(settings)
    found, counted = survey(settings, read_scans(settings.output_dir))
    first, *others = found.images
    other = replace(found, images=(replace(first, sha256='0' * 64), *others))
    lines = image_lines(other, counted, settings.output_dir, settings.bids_dir)
    assert [line.verdict for line in lines if line.in_release] == ['not looked at', 'no findings']


def test_a_forgotten_original_is_named_as_such(settings: Settings, tmp_path: Path) -> None:
    """ "A face is left" sends the lab to its de-facing tool, which never saw this scan."""
    path = tmp_path / 'defaced' / T1W.format('1', '1')
    path.write_bytes((tmp_path / 'raw' / T1W.format('1', '1')).read_bytes())
    processed(settings)
    lines = released(settings)
    said = [NEVER_DEFACED in lines[T1W.format(one, one)].reason for one in '12']
    assert said == [True, False]
    # of the raw dataset itself nobody expects anything else
    raw = replace(settings, derivatives=())
    assert not any(NEVER_DEFACED in line.reason for line in account(raw))


def test_a_copy_of_a_scan_that_failed_has_its_reason(settings: Settings, tmp_path: Path) -> None:
    """It said "run it again" each time; a look that went well counts for more."""
    processed(settings)
    scan = scan_of(settings, '1', 'defaced')
    save_failure(scan, settings.datasets['defaced'], settings.output_dir, 'broken')
    copy = tmp_path / 'defaced/sourcedata/copy.nii.gz'
    copy.parent.mkdir()
    os.link(scan.path, copy)
    line = released(settings)['sourcedata/copy.nii.gz']
    assert (line.verdict, line.reason.partition(';')[0]) == ('could not assess', 'broken')
    found, counted = survey(settings, read_scans(settings.output_dir))
    (rest,) = nobodys_images(found, counted, ('1', '2'), settings.output_dir)
    assert rest[1].path == 'sourcedata/copy.nii.gz'
    image = Image('x', 'nifti', 1, file_sha256(copy))
    record = record_of(image, 'other volume', 'not_needed', 'too small')
    save_image_record(settings.output_dir, record)
    assert released(settings)['sourcedata/copy.nii.gz'].reason == record.reason
    assert not nobodys_images(found, counted, ('1', '2'), settings.output_dir)


def test_what_lies_in_the_release_is_told_once(settings: Settings, tmp_path: Path) -> None:
    """An original in the release is no original without a result beside it."""
    processed(settings)
    write_volume(tmp_path / 'raw' / T1W.format('3', '3'), 3)
    lines = account(replace(settings, release=tmp_path, output_dir=settings.output_dir))
    ones = [line for line in lines if line.path.endswith(T1W.format('3', '3'))]
    assert [(line.in_release, line.verdict) for line in ones] == [(True, 'not looked at')]


@pytest.mark.slow
def test_a_release_without_scans_of_heads_is_audited(tmp_path: Path) -> None:
    """Functional series and photographs are shared, too: "nothing selected" is no outcome."""
    bids = tmp_path / 'bids'
    image = write_volume(bids / 'sub-01/func/sub-01_task-rest_bold.nii.gz')
    asked = Settings(bids_dir=bids, output_dir=tmp_path / 'out', levels=('group',), max_findings=0)
    with pytest.raises(NothingSelectedError, match='no T1w scan'):
        choose_scans(replace(asked, modalities=('T1w',)))
    assert choose_scans(asked).everything == ()
    assert has_images(asked)
    with pytest.raises(NoInputError, match='run the participant level first'):
        group_level(asked)
    other = Image('x', 'nifti', 1, '0' * 64)
    save_image_record(asked.output_dir, record_of(other, 'other volume', 'not_needed', 'small'))
    configure(stop_on_first_crash=True, verbosity=0)
    assert group_level(asked) == Exit.RISK
    seen = replace(other, sha256=file_sha256(image))
    save_image_record(asked.output_dir, record_of(seen, 'other volume', 'not_needed', 'small'))
    assert group_level(asked) == Exit.OK
    output = load(asked.output_dir)
    assert (output.scans, output.summary['outcome']) == ((), 'nothing found')
    image.unlink()
    assert not has_images(asked)
    with pytest.raises(NothingSelectedError, match='no image to look at'):
        participant_level(replace(asked, extractors=('orb',)))


def test_a_dry_run_writes_nothing(settings: Settings) -> None:
    """Not even what it found out about files: the output folder may be the dataset itself."""
    processed(settings)
    survey(replace(settings, dry_run=True), read_scans(settings.output_dir))
    assert not (settings.output_dir / '.cache').exists()


MISNAMED = {
    'sub-1/anat/sub-1_T1w_defaced.nii.gz': 'T1w is not at the end of the file name',
    'sub-1/anat/sub-1_run-2_T1w.NII.GZ': 'the file name ends with .NII.GZ, not .nii.gz',
    'sub-1/Anat/sub-1_FLAIR.nii.gz': 'the folder is Anat, not anat',
    'sub-1/anat/sub-2_FLAIR.nii.gz': 'the file name says sub-2, the folder sub-1',
    'sub-2_001/anat/sub-2_001_T1w.nii.gz': 'BIDS does not allow the label of the folder sub-2_001',
}


@pytest.mark.parametrize('shared', ['raw', 'defaced'])
def test_a_misnamed_image_has_a_row_that_says_why_it_is_no_scan(
    settings: Settings, shared: str
) -> None:
    """Otherwise it is in no table, or is another participant's."""
    for seed, name in enumerate(MISNAMED):
        write_volume(settings.bids_dir / name, 50 + seed)
    processed(settings)
    if shared == 'raw':
        settings = replace(settings, derivatives=())
    lines = {line.path: line for line in account(settings) if line.condition == 'raw'}
    for name, why in MISNAMED.items():
        line = lines[name]
        assert f'not treated as a scan: {why}' in line.reason
        assert line.in_release == (shared == 'raw')
        assert line.verdict == 'not looked at'
        # of a folder with a label that is none it is nobody's, rather than sub-2's
        assert line.participant == (None if '_001' in name else '1')
    assert len([line for line in account(settings) if line.path in MISNAMED]) == len(MISNAMED)
    found, counted = survey(settings, read_scans(settings.output_dir))
    if shared == 'raw':
        nobodys = nobodys_images(found, counted, {'1', '2'}, settings.output_dir)
        assert [image.path for _, image in nobodys] == ['sub-2_001/anat/sub-2_001_T1w.nii.gz']


def test_a_version_in_the_folder_of_another_participant_is_named(
    settings: Settings, tmp_path: Path
) -> None:
    """By its name alone it would be taken for the version of somebody else's scan."""
    processed(settings)
    write_volume(tmp_path / 'defaced/sub-1/anat/sub-2_FLAIR.nii.gz', 77)
    line = released(settings)['sub-1/anat/sub-2_FLAIR.nii.gz']
    assert line.participant == '1'
    assert line.reason.endswith(
        'not treated as a scan: the file name says sub-2, the folder sub-1'
    )
