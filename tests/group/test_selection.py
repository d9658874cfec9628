"""Whose scans and photographs are searched."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bids_reid.errors import NothingSelectedError
from bids_reid.faces.extractors import EXTRACTORS, Availability
from bids_reid.group.searching import Plan
from bids_reid.group.selection import Extractors, Selection, announce, choose_extractors, select
from bids_reid.records import STRANGER
from bids_reid.settings import Settings
from tests.support.study import PEOPLE, Study, image_file


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two participants, somebody labelled who is none, somebody without a label, in a folder."""
    folder = tmp_path / 'photos'
    folder.mkdir()
    for name in ('sub-01_a.png', 'sub-02_b.png', 'sub-JaneDoe_c.png', 'Jane_Doe.png'):
        (folder / name).touch()
    return folder


def selected(study: Study, **options: object) -> Selection:
    return select(
        Settings(
            bids_dir=study.out.parent / 'bids',
            output_dir=study.out,
            levels=('group',),
            **options,  # type: ignore[arg-type]
        )
    )


def test_a_distractor_loses_name_and_label_at_once(
    study: Study, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Otherwise a stranger's name goes wherever photographs are named: files, logs, pages."""
    selection = selected(study, photos=photos)
    assert selection.photos is not None
    assert {(photo.name, photo.participant) for photo in selection.photos} == {
        ('sub-01_a.png', '01'),
        ('sub-02_b.png', '02'),
        ('distractor 1', None),
        ('distractor 2', STRANGER),
    }
    assert {photo.path.name for photo in selection.photos} == {
        path.name for path in photos.iterdir()
    }
    plan = Plan(selection.photos)
    assert plan.distractors == ['distractor 1', 'distractor 2']
    assert plan.cohort == ['sub-01_a.png', 'sub-02_b.png']
    assert plan.mated(study.gallery()) == {'sub-01_a.png': '01', 'sub-02_b.png': '02'}
    announce(selection)
    told = capsys.readouterr()
    text = told.out + told.err
    assert '2 photographs of 2 participants, 2 of distractors' in text
    assert 'Jane' not in text


def test_who_is_left_out_is_no_distractor(study: Study, photos: Path, tmp_path: Path) -> None:
    """Somebody of the dataset who is not chosen would be searched for among the others."""
    selection = selected(study, photos=photos, participants=('01',))
    assert selection.photos is not None
    assert [photo.participant for photo in selection.photos if photo.participant] == ['01']
    assert len(selection.photos) == 3
    assert {scan.line.participant for scan in selection.scans} == {'01'}
    with pytest.raises(NothingSelectedError, match='has no sub-99'):
        selected(study, participants=('99',))


def test_people_who_left_the_dataset_are_not_searched(
    own_study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever withdrew must be in no table, and a new person without a result is told."""
    bids = own_study.out.parent / 'bids'
    shutil.rmtree(bids / 'sub-00')
    image_file(bids, 'sub-99_ses-a', 'T1w')
    selection = selected(own_study)
    assert selection.photos is None
    assert {scan.line.participant for scan in selection.scans} == set(PEOPLE[1:])
    assert {one.source.split('/')[0] for one in selection.survey.uncounted} == {'sub-00'}
    announce(selection)
    told = capsys.readouterr()
    text = told.out + told.err
    assert 'sub-00' in text
    assert '1 participant of the dataset has no result' in text


def test_a_result_of_other_bytes_counts_nowhere(
    own_study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    """A scan that was exchanged after the participant level shows what nobody has looked at."""
    image = image_file(own_study.out.parent / 'bids', 'sub-04_ses-a', 'T1w')
    image.write_text('whatever it shows now')
    selection = selected(own_study)
    kept = {(scan.files.stem, scan.line.modality) for scan in selection.scans}
    assert ('sub-04_ses-a', 'T1w') not in kept
    assert ('sub-04_ses-a', 'FLAIR') in kept
    assert 'has changed since it was measured' in capsys.readouterr().out


def test_a_release_of_which_no_result_counts_is_audited_all_the_same(own_study: Study) -> None:
    """Without rows nobody would learn that all images have to be looked at again."""
    bids = own_study.out.parent / 'bids'
    for image in bids.glob('sub-*/**/*.nii*'):
        image.write_text('whatever it shows now')
    selection = selected(own_study)
    assert not selection.scans
    assert not selection.counted
    assert len(selection.survey.uncounted) >= 2 * len(PEOPLE)


def test_a_condition_without_results_is_named(study: Study, tmp_path: Path) -> None:
    """An audit of scans that are not there would be one of something else."""
    with pytest.raises(NothingSelectedError, match='-d defaced=DIR'):
        selected(study, derivatives=(('defaced', tmp_path),))
    with pytest.raises(NothingSelectedError, match='no results of refaced'):
        selected(study, audit='refaced')


def test_extractors_with_a_template_of_every_scan_are_used(own_study: Study, photos: Path) -> None:
    """Those of vectors link scans, too; one that lacks a scan is left out, with the reason."""
    settings = Settings(
        bids_dir=own_study.out.parent / 'bids',
        output_dir=own_study.out,
        levels=('group',),
        photos=photos,
    )
    selection = select(settings)
    chosen = choose_extractors(settings, selection.scans)
    assert (chosen.searching, chosen.linking) == (('pixels', 'points'), ('pixels',))
    assert 'pixels' not in chosen.reasons
    assert chosen.reasons['orb'] == 'the participant level ran without this extractor'


def test_networks_are_fused_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise one network under two names counts twice, or keypoints spoil the fused scores."""

    class Network:
        kind = 'vector'

        def __init__(self, sha256: str) -> None:
            self.sha256 = sha256

        def available(self) -> Availability:
            return Availability()

        def identity(self) -> dict[str, str]:
            return {'WeightsSHA256': self.sha256}

    for name, sha256 in (('one', 'a'), ('same', 'a'), ('other', 'b')):
        monkeypatch.setitem(EXTRACTORS, name, lambda sha256=sha256: Network(sha256))
    extractors = Extractors(('orb', 'one', 'same', 'other'), (), {})
    assert [team.name for team in extractors.teams] == [
        *('orb', 'one', 'same', 'other'),
        'one+other',
    ]
    assert [team.name for team in Extractors(('orb', 'one', 'same'), (), {}).teams] == [
        *('orb', 'one', 'same'),
    ]


def test_a_session_or_modality_without_any_result_is_named(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt label beside a good one made the audit smaller without a word."""
    with pytest.raises(NothingSelectedError, match='holds no results of ses-z'):
        selected(study, sessions=('a', 'z'))
    selected(study, modalities=('T1w', 'T2w'))
    assert 'there are no results of T2w in' in capsys.readouterr().out
