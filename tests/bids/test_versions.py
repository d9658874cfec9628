"""Whatever a tool called its files: each version finds its original, and none is lost unsaid."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bids_reid.bids.head_images import head_images
from bids_reid.bids.versions import Versions, find_versions, missing_versions
from bids_reid.bids.walk import RealPaths
from bids_reid.errors import NoInputError
from bids_reid.records import Scan

PLAIN = ('sub-01/anat/sub-01_T1w.nii.gz', 'sub-02/anat/sub-02_T1w.nii.gz')
SESSIONS = (
    'sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz',
    'sub-01/ses-b/anat/sub-01_ses-b_T1w.nii.gz',
)


@dataclass
class Bench:
    raw: Path
    other: Path
    said: list[str] = field(default_factory=list)
    modalities: tuple[str, ...] = ('T1w', 'FLAIR')

    def find(
        self, originals: tuple[str, ...], *files: str, name: str = 'defaced', inside: bool = False
    ) -> Versions:
        folder = self.raw if inside else self.other
        scans = []
        for path in originals:
            create(self.raw / path)
            stem, _, rest = Path(path).name.rpartition('_')
            entities = dict(word.split('-') for word in stem.split('_'))
            scans.append(
                Scan(entities['sub'], entities.get('ses'), rest[:-7], stem, self.raw / path)
            )
        for path in files:
            create(folder / path)
        people = {scan.participant for scan in scans}
        return find_versions(
            name,
            folder,
            scans,
            participants=people,
            dataset=people,
            modalities=self.modalities,
            note=self.said.append,
        )


def create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def named(found: Versions) -> dict[str, str]:
    """Which original each version belongs to."""
    return {scan.path.name: f'{scan.source_name}_{scan.modality}' for scan in found.scans}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / 'raw', tmp_path / 'other')


@pytest.mark.parametrize(
    'file',
    [
        'sub-01/anat/sub-01_T1w.nii.gz',  # the same name in another folder
        'sub-01/anat/sub-01_desc-defaced_T1w.nii.gz',  # a BIDS derivative
        'sub-01/anat/sub-01_rec-defaced_T1w.nii',
        'sub-01/anat/sub-01_space-T1w_desc-defaced_T1w.nii.gz',
        'sub-01_T1w_defaced.nii.gz',  # pydeface, in a flat folder
        'out/sub-01_T1w_deFaced.nii',  # mri_reface
        'sub-01_T1w.deface.nii.gz',  # afni_refacer
        'sub-01/anat/sub-01_T1w-deface.nii.gz',
        'sub-01/images/sub-01_T1w_desc-nondeid.nii.gz',  # originals as BIDSonym moves them
        'sub-01/T1w.nii.gz',  # quickshear and mideface write what they are told
    ],
)
def test_the_layouts_of_tools(bench: Bench, file: str) -> None:
    """A version that is not found is not audited, and the dataset looks safer than it is."""
    found = bench.find(PLAIN, file)
    assert named(found) == {Path(file).name: 'sub-01_T1w'}
    scan = found.scans[0]
    assert (scan.participant, scan.session, scan.condition) == ('01', None, 'defaced')
    assert not found.refused
    assert bench.said == ['defaced: 1 of 2 scans have no such version']


@pytest.mark.parametrize(
    'file',
    [
        'sub-01_T1w_pydeface_mask.nii.gz',
        'sub-01_T1w_defacemask.nii.gz',
        'sub-01_T1w_brainmask_desc-nondeid.nii.gz',
        'sub-01_T1w_space-native_defacemask-deepdefacer.nii.gz',
        'sub-01_T1w.face.nii.gz',
        'sub-01_T1w.face_plus.nii.gz',
        'sub-01_desc-brain_mask.nii.gz',
        'sub-01_T1w_deFaced.png',
        'sub-01_T2w_defaced.nii.gz',
        '._sub-01_T1w_defaced.nii.gz',
    ],
)
def test_what_lies_beside_them_is_no_scan(bench: Bench, file: str) -> None:
    """A mask rendered as a head would make a face of its own."""
    assert bench.find(PLAIN, file).scans == ()


def test_versions_beside_their_originals(bench: Bench) -> None:
    """pydeface leaves them there; the originals are not versions of themselves."""
    found = bench.find(
        PLAIN,
        'sub-01/anat/sub-01_T1w_defaced.nii.gz',
        'derivatives/x/sub-01_T1w.nii.gz',
        inside=True,
    )
    assert named(found) == {'sub-01_T1w_defaced.nii.gz': 'sub-01_T1w'}
    assert found.taken == frozenset()


def test_rec_defaced_among_raw_scans_is_not_raw(bench: Bench) -> None:
    """Otherwise the raw rate is that of raw and de-faced scans together; rec-norm stays raw."""
    version = 'sub-01/anat/sub-01_rec-defaced_T1w.nii.gz'
    found = bench.find((*PLAIN, version, 'sub-01/anat/sub-01_rec-norm_T1w.nii.gz'), inside=True)
    assert named(found) == {'sub-01_rec-defaced_T1w.nii.gz': 'sub-01_T1w'}
    assert found.taken == {(bench.raw / version).resolve()}


def test_entities_tell_scans_apart(bench: Bench) -> None:
    """A version given to the wrong session or run is compared with another scan."""
    runs = tuple(f'sub-01/anat/sub-01_acq-x_run-{n}_T1w.nii.gz' for n in (1, 2))
    found = bench.find(
        (*SESSIONS, *runs),
        'sub-01_ses-b_desc-x_T1w.nii.gz',
        'sub-01/sub-01_acq-x_run-2_T1w_defaced.nii.gz',
        'sub-01/ses-a/anat/sub-01_T1w_defaced.nii.gz',
    )
    assert named(found) == {
        'sub-01_ses-b_desc-x_T1w.nii.gz': 'sub-01_ses-b_T1w',
        'sub-01_acq-x_run-2_T1w_defaced.nii.gz': 'sub-01_acq-x_run-2_T1w',
        'sub-01_T1w_defaced.nii.gz': 'sub-01_ses-a_T1w',
    }


IMAGES = (
    *('T1w', 'T2w', 'FLAIR', 'acq-a_T1w', 'acq-b_T1w', 'ce-gad_T1w', 'rec-norm_T1w', 'run-2_T1w'),
    *('dir-AP_T1w', 'part-mag_T2starw', 'echo-1_MEGRE', 'echo-2_MEGRE', 'inv-1_MP2RAGE'),
    *('inv-2_MP2RAGE', 'inv-1_part-mag_MP2RAGE', 'UNIT1', 'odd'),
)


def test_versions_are_paired_by_all_entities_and_the_suffix(bench: Bench) -> None:
    """Two images of one session taken for one: a whole face hides behind a de-faced one."""
    bench.modalities = ()
    originals = tuple(f'sub-01/anat/sub-01_{name}.nii.gz' for name in IMAGES)
    files = [f'sub-01_{name}_defaced.nii.gz' for name in IMAGES]
    found = bench.find(originals, *files)
    assert named(found) == {f'sub-01_{name}_defaced.nii.gz': f'sub-01_{name}' for name in IMAGES}
    assert found.missing == ()
    assert not found.refused


@pytest.mark.parametrize('name', IMAGES)
def test_no_other_image_stands_in_for_a_version(bench: Bench, name: str) -> None:
    """T2w that nobody de-faced looked as if they had been, as there was a T1w."""
    bench.modalities = ()
    originals = tuple(f'sub-01/anat/sub-01_{one}.nii.gz' for one in IMAGES)
    files = [f'sub-01/sub-01_{one}_defaced.nii.gz' for one in IMAGES if one != name]
    found = bench.find(originals, *files)
    lost = [f'{scan.source_name}_{scan.modality}' for scan in found.missing]
    assert lost == [f'sub-01_{name}']
    scans = [
        Scan('01', None, one.split('_')[-1], f'sub-01_{one}'.rpartition('_')[0], bench.raw / path)
        for one, path in zip(IMAGES, originals, strict=True)
    ]
    missing = missing_versions('defaced', bench.other, scans)
    assert [scan.path.name for scan in missing] == [f'sub-01_{name}.nii.gz']


@pytest.mark.parametrize('lost', ['acq-a', 'ce-gad', 'echo-1', 'inv-2', 'dir-AP', 'part-mag'])
def test_an_entity_that_is_missing_says_that_it_is_another_image(bench: Bench, lost: str) -> None:
    """Only a session or a run may get lost on the way."""
    found = bench.find((f'sub-01/anat/sub-01_{lost}_T1w.nii.gz',), 'sub-01_T1w_defaced.nii.gz')
    assert named(found) == {'sub-01_T1w_defaced.nii.gz': 'sub-01_T1w'}
    assert [scan.source_name for scan in found.missing] == [f'sub-01_{lost}']


def test_phase_images_are_versions_only_if_the_originals_are_wanted(bench: Bench) -> None:
    """Nobody has looked at the raw ones either, unless they were asked for."""
    phase = 'sub-01/anat/sub-01_part-phase_T1w.nii.gz'
    assert bench.find(PLAIN, phase).scans == ()
    assert named(bench.find((*PLAIN, phase), phase)) == {Path(phase).name: Path(phase).name[:-7]}


def test_an_unclear_version_is_none(bench: Bench) -> None:
    """By its name nobody knows whose face is gone."""
    bench.find(SESSIONS, 'sub-01_T1w_defaced.nii.gz')
    scans = [
        Scan('01', path[11], 'T1w', f'sub-01_ses-{path[11]}', bench.raw / path)
        for path in SESSIONS
    ]
    assert missing_versions('defaced', bench.other, scans) == scans
    create(bench.other / 'sub-01_ses-b_T1w_defaced.nii.gz')
    assert missing_versions('defaced', bench.other, scans) == scans[:1]


def test_versions_among_raw_scans_need_none_of_their_own(bench: Bench) -> None:
    """A dataset in which raw and de-faced scans lie side by side is whole."""
    names = ('sub-01_T1w', 'sub-01_rec-defaced_T1w')
    for name in names:
        create(bench.raw / 'sub-01' / 'anat' / f'{name}.nii.gz')
    scans = head_images(bench.raw)
    assert len(scans) == 2
    assert missing_versions('defaced', bench.raw, scans) == []
    bench.other.mkdir()
    assert len(missing_versions('refaced', bench.other, scans)) == 2
    with pytest.raises(NoInputError, match='cannot list'):
        missing_versions('refaced', bench.other / 'gone', scans)


def test_a_version_of_two_is_refused_with_a_reason(bench: Bench) -> None:
    """Guessing the session would compare different scans; dropping it would hide a risk."""
    found = bench.find(SESSIONS, 'sub-01_T1w_defaced.nii.gz')
    assert found.scans == ()
    ((scan, reason),) = found.refused
    assert (scan.participant, scan.condition) == ('01', 'defaced')
    assert 'sub-01_ses-a_T1w' in reason
    assert 'sub-01_ses-b_T1w' in reason
    assert any('sub-01_T1w_defaced.nii.gz' in line for line in bench.said)


def test_of_several_images_the_name_chooses(bench: Bench) -> None:
    """AFNI writes every mode into one folder."""
    modes = ('deface', 'reface', 'reface_plus', 'face', 'face_plus')
    files = [f'sub-01_T1w.{mode}.nii.gz' for mode in modes]
    assert named(bench.find(PLAIN, *files, name='refaced')) == {
        'sub-01_T1w.reface.nii.gz': 'sub-01_T1w'
    }
    assert any('left out in favour of sub-01_T1w.reface.nii.gz' in line for line in bench.said)
    found = bench.find(PLAIN, *files, name='afni')
    assert found.scans == ()
    ((scan, reason),) = found.refused
    assert scan.source_name == 'sub-01'
    assert 'sub-01_T1w.deface.nii.gz' in reason


def test_nii_and_gz_are_one_image(bench: Bench) -> None:
    files = ('sub-01_T1w_defaced.nii', 'sub-01_T1w_defaced.nii.gz')
    assert list(named(bench.find(PLAIN, *files)).values()) == ['sub-01_T1w']


def test_what_has_no_original_is_told_and_looked_at(bench: Bench) -> None:
    """It may be shared all the same."""
    found = bench.find(PLAIN, 'sub-01_run-7_T1w_defaced.nii.gz', 'sub-09_T1w.nii.gz', 'T1w.nii')
    assert named(found) == {'sub-01_run-7_T1w_defaced.nii.gz': 'sub-01_run-7_T1w'}
    said = '\n'.join(bench.said)
    assert 'without an original' in said
    assert (
        'the participant is not in the dataset; first: ' + str(bench.other / 'sub-09_T1w.nii.gz')
        in said
    )
    assert 'no participant is named' in said


def test_other_participants_of_the_dataset_are_not_told(bench: Bench) -> None:
    """Every task of a job array would complain of all others."""
    create(bench.other / 'sub-02_T1w.nii.gz')
    found = find_versions(
        'defaced',
        bench.other,
        [],
        participants={'01'},
        dataset={'01', '02'},
        modalities=('T1w',),
        note=bench.said.append,
    )
    assert found == Versions(())
    assert bench.said == []


def test_a_link_to_an_original_is_no_version(bench: Bench) -> None:
    """Tools that skip a scan leave a link: a whole face would count as the de-faced version."""
    bench.find(PLAIN, 'real/sub-02_T1w_x.nii.gz')
    link = bench.other / 'sub-01_T1w.nii.gz'
    link.symlink_to(bench.raw / PLAIN[0])
    (bench.other / 'all').symlink_to(bench.raw)
    (bench.other / 'linked').symlink_to(bench.other / 'real')
    real = RealPaths()
    for path in sorted(bench.other.glob('*/**/*.nii.gz')):
        assert real(path) == path.resolve()
    found = bench.find(PLAIN)
    assert [scan.source_name for scan in found.missing] == ['sub-01']


def test_a_task_of_one_participant_looks_into_no_other_folder(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5,000 tasks would list 5,000 folders each."""
    for label in ('01', '02', '09'):
        create(bench.other / f'sub-{label}' / f'sub-{label}_T1w.nii.gz')
    looked: list[str] = []
    listed = Path.iterdir
    monkeypatch.setattr(Path, 'iterdir', lambda path: looked.append(path.name) or listed(path))
    found = find_versions(
        'defaced',
        bench.other,
        [],
        participants={'01'},
        dataset={'01', '02'},
        note=bench.said.append,
    )
    assert looked == ['other', 'sub-01', 'sub-09']
    assert [scan.participant for scan in found.scans] == ['01']
    # whose folders have other names may have images anywhere
    assert any('sub-09_T1w.nii.gz' in line for line in bench.said)


def test_the_folder_says_whose_a_version_is(bench: Bench) -> None:
    """By its name alone, a version would be compared with another participant's scan."""
    found = bench.find(PLAIN, 'sub-01/anat/sub-02_T1w_defaced.nii.gz', 'sub-01_T1w.nii.gz')
    assert named(found) == {'sub-01_T1w.nii.gz': 'sub-01_T1w'}
    assert any(
        'left out because file name and folder name different participants; first: ' in line
        for line in bench.said
    )


def test_a_folder_with_a_label_that_is_none_is_nobodys(bench: Bench) -> None:
    """sub-01_b is not sub-01."""
    found = bench.find(PLAIN, 'sub-01_b/anat/sub-01_b_T1w_defaced.nii.gz')
    assert found.scans == ()
    assert any('no participant is named' in line for line in bench.said)


def test_what_is_no_scan_by_its_name_is_no_version_for_that(bench: Bench) -> None:
    """An image beside the raw ones under a wrong name is not de-faced because of it."""
    found = bench.find(PLAIN, 'sub-01/anat/sub-01_T1w_old.nii.gz', inside=True)
    assert found.scans == ()
    found = bench.find(PLAIN, 'sub-01/anat/sub-01_T1w_defaced.nii.gz', inside=True)
    assert named(found) == {'sub-01_T1w_defaced.nii.gz': 'sub-01_T1w'}
