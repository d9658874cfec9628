"""What was asked for and is not there: told, in a line each, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_reid.errors import NothingSelectedError
from bids_reid.messages import logger
from bids_reid.participant.asked_for import missing_lines
from bids_reid.participant.selection import select
from bids_reid.settings import Settings


def settings_of(folder: Path, *files: str, **options: object) -> Settings:
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not name.endswith('/'):
            path.write_bytes(b'12345678')
        path.mkdir(exist_ok=True) if name.endswith('/') else None
    (folder / 'dataset_description.json').write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    return Settings(
        bids_dir=folder,
        output_dir=folder / 'derivatives' / 'out',
        levels=('participant',),
        **options,
    )  # type: ignore[arg-type]


FILES = (
    'sub-01/anat/sub-01_T1w.nii.gz',
    'sub-02/anat/',
    'sub-03/func/sub-03_task-rest_bold.nii.gz',
    'sub-03/func/sub-03_task-rest_bold.json',
)


def said(settings: Settings) -> list[str]:
    return list(missing_lines(settings, select(settings).everything))


def test_each_participant_asked_for_is_done_or_named(tmp_path: Path) -> None:
    """Whoever reads exit code 0 takes all three for audited."""
    settings = settings_of(tmp_path, *FILES, participants=('01', '02', '03'))
    assert said(settings) == [
        f'sub-02: no scan: there is no image in {tmp_path}/sub-02',
        f'sub-03: no scan: the options do not select the only image in {tmp_path}/sub-03',
    ]
    assert said(settings_of(tmp_path)) == ['2 participants have no scan: sub-02, sub-03']
    assert said(settings_of(tmp_path, modalities=('T1w',), participants=('01', '02')))[
        0
    ].startswith('sub-02: no T1w scan')


def test_the_program_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A line that nobody prints helps nobody."""
    logger.addHandler(caplog.handler)
    logger.setLevel('INFO')
    select(settings_of(tmp_path, *FILES, participants=('01', '02')))
    assert 'sub-02: no scan: there is no image' in caplog.text


def test_a_session_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A longitudinal study with a visit missing is no whole audit."""
    files = ('sub-01/ses-1/anat/sub-01_ses-1_T1w.nii', 'sub-02/ses-1/anat/sub-02_ses-1_T1w.nii')
    settings = settings_of(
        tmp_path, *files, 'sub-01/ses-2/anat/sub-01_ses-2_T1w.nii', sessions=('1', '2')
    )
    assert said(settings) == ['no scan in ses-2: sub-02']
    with pytest.raises(NothingSelectedError, match=r'no participant in .* has a session ses-3'):
        select(settings_of(tmp_path, sessions=('1', '3')))


def test_misnamed_images_are_named_with_the_reason(tmp_path: Path) -> None:
    """Otherwise a scan under a wrong name is in no rate, and nobody notices."""
    wrong = ('sub-01_T1w_defaced.nii.gz', 'sub-01_T1w.mgz', 'sub-01_t1w.nii.gz')
    files = [f'sub-01/anat/{name}' for name in wrong]
    settings = settings_of(tmp_path, *FILES[:1], *files)
    lines = said(settings)
    assert lines[0] == (
        '1 image is not treated as a scan (checked for a face, but not searched): '
        'sub-01/anat/sub-01_T1w.mgz: the file name ends with .mgz, not .nii.gz or .nii'
    )
    assert all(any(name in line for line in lines) for name in wrong)
    elsewhere = tmp_path.parent / 'defaced'
    elsewhere.mkdir(exist_ok=True)
    lines = said(settings_of(tmp_path, derivatives=(('defaced', elsewhere),)))
    assert sum('not in the release, so not checked' in line for line in lines) == 3
    # a version among the raw scans is done, and no misnamed scan
    lines = said(settings_of(tmp_path, derivatives=(('defaced', tmp_path),)))
    assert not any('defaced' in line for line in lines)


def test_many_are_counted_and_some_named(tmp_path: Path) -> None:
    """A terminal full of names hides every other line."""
    files = [f'sub-01/anat/sub-01_run-{number:02}_T1w.mgz' for number in range(12)]
    (line,) = [line for line in said(settings_of(tmp_path, *FILES[:1], *files)) if 'mgz' in line]
    assert line.startswith('12 images are not treated as scans')
    assert 'run-09_T1w.mgz and 2 more: the file name ends with .mgz' in line


def test_a_sidecar_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """The table says that nobody claims the scan to be de-faced, and that may be false."""
    settings = settings_of(tmp_path, *FILES[:1], 'sub-01/anat/sub-01_T2w.nii')
    sidecar = tmp_path / 'sub-01/anat/sub-01_T1w.json'
    for content in ('{"DeidentificationMethod": "pydeface",}', '[]', ''):
        sidecar.write_text(content)
        (line,) = said(settings)
        assert line.startswith('1 sidecar holds no JSON object')
        assert str(sidecar) in line
    for content in ('{}', '{"a": 1}'):
        sidecar.write_text(content)
        assert said(settings) == []
    # and one that all scans inherit, though it is not in their folder
    inherited = tmp_path / 'T1w.json'
    inherited.write_text('{"DeidentificationMethod": "pydeface",}')
    (line,) = said(settings)
    assert line.startswith('1 sidecar holds no JSON object')
    assert str(inherited) in line


def test_a_modality_that_somebody_lacks_is_named(tmp_path: Path) -> None:
    """Both were asked for, and the audit of one of them is not whole."""
    files = ('sub-01/anat/sub-01_FLAIR.nii', 'sub-02/anat/sub-02_T1w.nii')
    settings = settings_of(tmp_path, *FILES[:1], *files, modalities=('T1w', 'FLAIR', 'T2w'))
    assert said(settings) == ['no FLAIR scan: sub-02', 'no T2w scan: sub-01, sub-02']
