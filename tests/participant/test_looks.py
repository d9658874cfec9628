"""A look at any image: a face is found in whatever format; what has none passes with a reason."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import pyvista as pv
from numpy.typing import NDArray
from PIL import Image as Picture
from scipy import ndimage

from bids_reid import __version__
from bids_reid.participant.looks import look
from bids_reid.phantom.anatomy import ASLEEP, anatomy
from bids_reid.phantom.defacing import coordinates
from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.photograph import photograph
from bids_reid.phantom.scanner import Pose, Scan, expose
from bids_reid.phantom.tissues import brain_distance
from bids_reid.records import Image, ImageRecord
from bids_reid.risk.presence import Presence, assess_image
from bids_reid.surface.gifti import write_surface
from bids_reid.surface.mesh import contour
from bids_reid.surface.skin import extract_skin
from bids_reid.surface.volume import Volume
from bids_reid.surface.volume_files import read_volume
from tests.support.defacing import deface_stored, scan_defaced
from tests.support.formats import WRITERS

SPACING_MM = 3.0
REAL = Path(__file__).parents[3] / 'shared' / 'data' / 'real'


def seen(files: Sequence[Path], suffix: str | None = None) -> tuple[ImageRecord, Presence]:
    names = tuple(file.name for file in files)
    image = Image(names[0], '', 1, 'ab', members=names if len(names) > 1 else ())
    record = look(files[0].parent, image)
    assert record.sha256 == 'ab'
    assert record.software_versions['bids_reid'] == __version__
    return record, assess_image(record, suffix)


def test_an_archive_says_what_is_in_it(tmp_path: Path) -> None:
    """Whoever has to unpack it wants to know whether that is worth the time."""
    with zipfile.ZipFile(tmp_path / 'a.zip', 'w') as packed:
        packed.writestr('x/a.nii', nib.Nifti1Image(np.ones((4, 4, 4)), np.eye(4)).to_bytes())
        packed.writestr('a.json', '{}')
    record, presence = seen([tmp_path / 'a.zip'])
    assert (record.kind, presence.verdict) == ('archive', 'not looked at')
    assert presence.reason == ('images in archives are not looked at (2 files: 1 json, 1 nifti)')


@cache
def scanned(name: str) -> Scan:
    (person,) = draw_people(1, seed=7)
    return scan_defaced(name, person, seed=[7, 1], spacing=SPACING_MM)


@cache
def skin(name: str) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    scan = scanned(name)
    found = extract_skin(Volume(scan.data.astype(np.float32), scan.affine, (SPACING_MM,) * 3))
    return found.points, found.triangles


def saved(folder: Path, data: NDArray[Any], affine: NDArray[Any] | None = None) -> list[Path]:
    path = folder / 'image.nii.gz'
    nib.save(nib.Nifti1Image(data, np.diag([3.0, 3, 3, 1]) if affine is None else affine), path)
    return [path]


@pytest.mark.parametrize(
    ('data', 'words'),
    [
        (np.zeros((40, 40, 40), np.int16), 'empty'),
        (np.arange(1000, dtype=np.int16).reshape(10, 100, 1), 'too few'),
        (np.arange(400, dtype=np.int16), 'too few'),
        (np.pad(np.ones((9, 9, 9), np.uint8), 20), '27 x 27 x 27 mm'),
        (np.arange(50 * 60 * 3, dtype=np.int32).reshape(50, 60, 3) % 97, '3 slices'),
    ],
    ids=['empty', 'table', 'line', 'small structure', 'localizer'],
)
def test_what_cannot_show_a_face_needs_no_look(
    data: NDArray[Any], words: str, tmp_path: Path
) -> None:
    """Each would have to be looked at by a person, of whom there is one."""
    record, presence = seen(saved(tmp_path, data))
    assert (record.kind, record.status) == ('other volume', 'not_needed')
    assert words in presence.reason
    assert presence.verdict == 'no findings'


@pytest.mark.parametrize(
    ('name', 'content', 'kind', 'verdict'),
    [
        (
            'a.nii',
            b'\x5c\x01\x00\x00' + bytes(36) + b'\x03\x00' + bytes(360),
            'other volume',
            'could not assess',
        ),
        ('a.nii.gz', b'\x1f\x8b\x08\x00 damaged', 'unreadable', 'not looked at'),
        ('a.jpg', b'\xff\xd8\xff\xe0 damaged', 'photograph', 'could not assess'),
        ('a.surf.gii', b'<?xml?><GIFTI damaged', 'surface', 'could not assess'),
        ('a.pdf', b'%PDF-1.4 /Encrypt 5 0 R', 'document', 'could not assess'),
        ('a.zip', b'PK\x03\x04 damaged', 'archive', 'not looked at'),
        ('a.mp4', b'\x00\x00\x00\x18ftypmp42', 'unreadable', 'not looked at'),
        ('a.npy', b'\x93NUMPY', 'unreadable', 'not looked at'),
        ('a.bin', b'who knows', 'unreadable', 'not looked at'),
    ],
)
def test_what_cannot_be_looked_at_never_passes(
    name: str, content: bytes, kind: str, verdict: str, tmp_path: Path
) -> None:
    """An image that a program could not open may show a face to a person who can."""
    (tmp_path / name).write_bytes(content)
    record, presence = seen([tmp_path / name])
    assert (record.kind, presence.verdict) == (kind, verdict)
    assert presence.reason
    assert '\n' not in presence.reason


def test_content_that_is_not_here_is_told(tmp_path: Path) -> None:
    """A link of git-annex whose content is elsewhere is uploaded with its content."""
    (tmp_path / 'a.nii').symlink_to(tmp_path / 'annex')
    record, presence = seen([tmp_path / 'a.nii'])
    assert record.status == 'failed'
    assert 'get it first' in presence.reason
    record = look(tmp_path, Image('b.nii', 'nifti', 1, 'ab', absent='not fetched'))
    assert (record.status, record.reason) == ('failed', 'not fetched')


def test_a_face_on_a_photograph_is_a_finding(tmp_path: Path) -> None:
    """BIDS allows photographs, and nobody looks for them among scans."""
    (person,) = draw_people(1, seed=5)
    Picture.fromarray(photograph(person, seed=1, size=240)).save(tmp_path / 'sub-01_photo.jpg')
    record, presence = seen([tmp_path / 'sub-01_photo.jpg'])
    assert (record.kind, record.status, presence.verdict) == ('photograph', 'ok', 'review')


def test_a_scalp_is_a_face(tmp_path: Path) -> None:
    """Programs write the skin as a surface beside a scan that is de-faced later."""
    (person,) = draw_people(1, seed=7)
    scan = expose(person, modality='T1w', spacing=4.0, pose=Pose())
    scalp = contour(np.clip(0.5 - scan.distance / 8, 0, 1), scan.affine)
    write_surface(tmp_path / 'lh.surf.gii', scalp.points, scalp.triangles)
    record, presence = seen([tmp_path / 'lh.surf.gii'])
    assert (record.kind, record.status, presence.verdict) == ('surface', 'ok', 'review')


@pytest.mark.slow
def test_a_scalp_that_was_cut_is_no_face(tmp_path: Path) -> None:
    """Whoever de-faces first and makes surfaces then has done it well."""
    for name, expected in (('intact', 'review'), ('plane', 'no findings')):
        write_surface(tmp_path / 'scalp.gii', *skin(name))
        assert seen([tmp_path / 'scalp.gii'])[1].verdict == expected


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['coarse', 'metres', 'turned', 'front', 'side'])
def test_a_face_is_found_on_any_surface(kind: str, tmp_path: Path) -> None:
    """Scalps for electrodes have 2562 points, count in metres, and lie as a program wants."""
    for name, expected in (('intact', 'review'), ('plane', 'no findings')):
        points, triangles = skin(name)
        if kind in {'front', 'side'}:
            along = points[:, 1] if kind == 'front' else points[:, 0]
            kept = along > np.percentile(along, 60 if kind == 'front' else 50)
            triangles = triangles[kept[triangles].all(axis=1)]
        else:
            whole = pv.PolyData.from_regular_faces(points, triangles)
            coarse = whole.decimate(1 - 5120 / len(triangles)).clean()
            points, triangles = np.asarray(coarse.points), coarse.regular_faces.astype(np.int32)
        points = points / 1000 if kind == 'metres' else points
        points = points[:, [0, 2, 1]] * [1, 1, -1] if kind == 'turned' else points
        write_surface(tmp_path / 'scalp.gii', points.astype(np.float32), triangles)
        assert seen([tmp_path / 'scalp.gii'])[1].verdict == expected, name


@pytest.mark.slow
@pytest.mark.parametrize('name', WRITERS)
def test_a_face_is_found_in_every_format(name: str, tmp_path: Path) -> None:
    """Only NIfTI files with a name of BIDS used to be looked at: all others passed."""
    for defacing, expected in (('intact', 'review'), ('plane', 'no findings')):
        folder = tmp_path / defacing
        folder.mkdir()
        scan = scanned(defacing)
        record, presence = seen(WRITERS[name](folder, scan.data, scan.affine))
        assert (record.kind, presence.verdict) == ('head volume', expected)


@cache
def shapes() -> dict[str, tuple[NDArray[Any], str]]:
    """Masks, labels and maps made of a phantom's tissues, and their verdicts."""
    scan = scanned('intact')
    points = np.stack([axis.ravel() for axis in coordinates(scan)], axis=1)
    brain = brain_distance(points, anatomy(scan.who, ASLEEP)).reshape(scan.data.shape)
    inside, head = brain < 0, scan.distance < 0
    white = inside & (scan.data > 580)
    grey = inside & ~white & (scan.data > 300)
    labels = np.select([white, grey, brain < 3], [2, 42, 24], 0)
    whole = np.select([white, grey, brain < 4, scan.distance < -4, head], [1, 2, 3, 4, 5], 0)
    noise = np.random.default_rng(0).normal(0, 1, brain.shape)

    def blurred(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        return ndimage.gaussian_filter(mask.astype(np.float32), 0.4)

    none, some = 'no findings', 'review'
    return {
        'brain mask': (inside.astype(np.uint8), none),
        'wide brain mask': ((brain < 6).astype(np.uint8), none),
        'all but the brain': ((~inside).astype(np.uint8), none),
        'segmentation of the brain': (labels.astype(np.int16), none),
        'grey matter': (blurred(grey), none),
        'white matter': (blurred(white), none),
        'fluid': (blurred((brain < 3) & ~grey & ~white), none),
        'statistic': (np.where(inside, noise, 0).astype(np.float32), none),
        'brain': (np.where(inside, scan.data, 0), none),
        'warp': (ndimage.gaussian_filter(noise, 8).astype(np.float32), none),
        'head mask': (head.astype(np.uint8), some),
        'head mask of 255': (head.astype(np.uint8) * 255, some),
        'soft head mask': (blurred(head), some),
        'air': (1 - blurred(head), some),
        'all but the head': ((~head).astype(np.uint8), some),
        'segmentation of the head': (whole.astype(np.uint8), some),
        'skin': ((head & (scan.distance > -4)).astype(np.uint8), some),
        'statistic in a head': (np.where(head, noise, 0).astype(np.float32), some),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    'name',
    [
        *('brain mask', 'wide brain mask', 'all but the brain', 'segmentation of the brain'),
        *('grey matter', 'white matter', 'fluid', 'statistic', 'brain', 'warp'),
        *('head mask', 'head mask of 255', 'soft head mask', 'air', 'all but the head'),
        *('segmentation of the head', 'skin', 'statistic in a head'),
    ],
)
def test_the_shape_of_labels_decides_not_their_name(name: str, tmp_path: Path) -> None:
    """A mask of the head beside a de-faced scan shows the face that was taken from it."""
    data, expected = shapes()[name]
    _, presence = seen(saved(tmp_path, data, scanned('intact').affine))
    assert presence.verdict == expected, presence.reason


@pytest.mark.slow
@pytest.mark.parametrize('change', [lambda sizes: sizes * 0.1, lambda sizes: sizes * [1, 1, 0.05]])
def test_a_header_that_is_wrong_hides_no_face(
    change: Callable[[NDArray[Any]], NDArray[Any]], tmp_path: Path
) -> None:
    """One wrong number in a header would let a whole face pass as a grain, or a sheet."""
    affine = np.diag([*change(np.full(3, SPACING_MM)), 1.0])
    _, presence = seen(saved(tmp_path, scanned('intact').data, affine))
    assert presence.verdict == 'review'
    assert 'header' in presence.reason
    record, _ = seen(saved(tmp_path, scanned('plane').data, affine))
    assert record.status == 'not_needed'


@pytest.mark.slow
def test_what_is_smaller_than_a_head_may_be_a_face(tmp_path: Path) -> None:
    """Scans of the eyes or the jaw hold no head, and all that a face is known by."""
    noise = np.random.default_rng(0).normal(100, 20, (24, 30, 20)).astype(np.float32)
    _, presence = seen(saved(tmp_path, noise))
    assert presence.verdict == 'could not assess'
    assert '72 x 90 x 60' in presence.reason


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason='the shared data are not beside the checkout')
@pytest.mark.parametrize('name', ['mgz', 'nrrd', 'dicom', 'mha'])
def test_real_heads_are_seen_in_other_formats(name: str, tmp_path: Path) -> None:
    """What a converter leaves beside a data set is the same face."""
    for image, expected in (('t1_face_cut_below_lip', 'review'), ('t1_brain_only', 'no findings')):
        volume = read_volume([REAL / f'{image}.nii.gz'], 'nifti')
        folder = tmp_path / image
        folder.mkdir()
        # even numbers, as this writer of DICOM keeps them
        data = (volume.data * (4000 / volume.data.max())).round().astype(np.int16) // 2 * 2
        assert seen(WRITERS[name](folder, data, volume.affine))[1].verdict == expected


@cache
def phase(name: str) -> tuple[NDArray[np.int16], NDArray[np.floating]]:
    """The phase of a phantom's signal, de-faced by zeros, and its affine: air is noise."""
    (person,) = draw_people(1, seed=7)
    rng = np.random.default_rng(7)
    whole = expose(person, modality='T1w', spacing=SPACING_MM, pose=Pose())
    scan = deface_stored(name, whole, seed=[7])
    turns = ndimage.gaussian_filter(rng.normal(size=whole.data.shape), 10)
    signal = whole.data * np.exp(1j * turns * 6 / np.abs(turns).max())
    noise = 15 * (rng.normal(size=signal.shape) + 1j * rng.normal(size=signal.shape))
    angle = np.round(np.angle(signal + noise) * 4096 / np.pi).astype(np.int16)
    angle[(scan.data == 0) & (whole.data > 0)] = 0
    return angle, scan.affine


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'expected'),
    [('intact', 'review'), ('plane', 'no findings'), ('mask', 'no findings')],
)
def test_a_phase_image_is_read_by_its_texture(name: str, expected: str, tmp_path: Path) -> None:
    """Every data set with field maps has some, and a face on them is one that nobody sees."""
    record, presence = seen(saved(tmp_path, *phase(name)), 'phasediff')
    assert presence.verdict == expected, presence.reason
    assert record.reason is not None
    assert 'texture' in record.reason


@pytest.mark.slow
def test_a_field_map_of_the_brain_shows_no_face(tmp_path: Path) -> None:
    """Its numbers lie on both sides of the background: the brighter ones look like a cut brain."""
    scan = scanned('intact')
    points = np.stack([axis.ravel() for axis in coordinates(scan)], axis=1)
    brain = brain_distance(points, anatomy(scan.who, ASLEEP)).reshape(scan.data.shape) < 0
    for seed in (1, 2):
        noise = np.random.default_rng(seed).normal(size=brain.shape)
        hertz = np.where(brain, 9000 * ndimage.gaussian_filter(noise, 10), 0).astype(np.float32)
        _, presence = seen(saved(tmp_path, hertz, scan.affine), 'fieldmap')
        assert presence.verdict == 'no findings', presence.reason
