"""Make a crowd and keep its features: ``python -m benchmarks.attacks.crowd FOLDER``.

Draws synthetic people (those that `bids-reid-demo` draws by the same seed), scans each and takes
three photographs of each. FOLDER gets ``surfaces/NNN.npz`` (the skin and its frame),
``photos/NNN_K.jpg``, and ``features/NNN.npz``, all that `benchmarks.attacks.steps` needs: the
features of all renders and photographs by each extractor that is installed. What is there stays,
so that a call that was stopped goes on. One person takes 15 s, of which half is the scan and the
photographs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from bids_reid.demo.phantom_dataset import YAWS
from bids_reid.phantom.identity import Identity, draw_people

Array = np.ndarray
EXTRACTORS = 'face_recognition', 'facenet'
MODALITY, SPACING, SHOTS = 'T1w', 1.2, 3
PEOPLE_SEED, SCANS_SEED, PHOTOS_SEED = 0, 2, 3
"""Draws of `bids_reid.demo.phantom_dataset`, after the crowd's seed."""


class Pictures(NamedTuple):
    """Grey pictures with a box of the face each."""

    images: Sequence[Any]
    boxes: Sequence[Any]


def main() -> None:
    """Make what is not there yet, a line for each person."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('folder', type=Path, metavar='FOLDER')
    parser.add_argument('--people', type=int, default=182, metavar='N')
    parser.add_argument('--seed', type=int, default=1602, metavar='S')
    parser.add_argument('--alike', type=float, default=0.2, metavar='A')
    parser.add_argument('--nprocs', type=int, default=2, metavar='N')
    options = parser.parse_args()
    from bids_reid.faces.extractors import available_extractors
    from bids_reid.levels import prepare_environment

    prepare_environment()
    installed = available_extractors()[0]
    extractors = [name for name in EXTRACTORS if name in installed]
    note_draw(options.folder, {n: getattr(options, n) for n in ('people', 'seed', 'alike')})
    crowd = draw_people(options.people, seed=[options.seed, PEOPLE_SEED], alike=options.alike)
    pool = ProcessPoolExecutor(options.nprocs, get_context('forkserver'))
    with pool:
        jobs = [
            pool.submit(make_person, options.folder, number, person, options.seed, extractors)
            for number, person in enumerate(crowd)
        ]
        for job in as_completed(jobs):
            print(job.result(), flush=True)


def note_draw(folder: Path, drawn: Mapping[str, Any]) -> None:
    """Note what is drawn; ends the program if the folder holds another crowd."""
    note = folder / 'crowd.json'
    if note.exists() and json.loads(note.read_text()) != drawn:
        raise SystemExit(f'{folder} holds another crowd: {note.read_text()}')
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(drawn))


def make_person(
    folder: Path, number: int, person: Identity, seed: int, extractors: Sequence[str]
) -> str:
    """Make one person, as far as it is not there; returns what was done."""
    from bids_reid.bids.files import atomically

    target = folder / 'features' / f'{number:03}.npz'
    kept = dict(np.load(target)) if target.exists() else {}
    missing = [name for name in extractors if f'{name}.every' not in kept]
    if missing:
        pictures, about = person_pictures(folder, number, person, seed)
        for name in missing:
            found = features(name, pictures)
            kept |= {f'{name}.{key}': array for key, array in found.items()}
        with atomically(target) as temporary:
            arrays: Any = kept | about
            np.savez(temporary, **arrays)
    return f'{number:03}: {", ".join(missing) or "was there"}'


def person_pictures(
    folder: Path, number: int, person: Identity, seed: int
) -> tuple[dict[str, Pictures], dict[str, Array]]:
    """Draw a person, render, cut the heads out of photographs.

    Returns
    -------
    Pictures by name: ``every``, ``soft``, ``painted`` and ``made_up`` renders, ``photographs``
    and ``mirrored``. Of the photographs with a face: ``shots``, which they are, and ``quality``,
    how sure the detector is.
    """
    surface = folder / 'surfaces' / f'{number:03}.npz'
    if not surface.exists():
        draw_surface(surface, person, [seed, SCANS_SEED, number])
    photos = [folder / 'photos' / f'{number:03}_{shot}.jpg' for shot in range(SHOTS)]
    for shot, photo in enumerate(photos):
        if not photo.exists():
            draw_photo(photo, person, [seed, PHOTOS_SEED, number, shot], YAWS[shot])
    heads, about = read_photos(photos)
    return {**render_all(surface), **heads}, about


def draw_surface(path: Path, person: Identity, seed: Sequence[int]) -> None:
    """Scan somebody, and keep the skin and its frame."""
    import nibabel as nib

    from bids_reid.bids.files import atomically
    from bids_reid.phantom.scanner import scan_volume
    from bids_reid.surface.frame import FieldOfView, find_frame
    from bids_reid.surface.skin import find_skin
    from bids_reid.surface.volume import load_volume

    with TemporaryDirectory() as temporary:
        scan = Path(temporary) / 'scan.nii'
        data, affine = scan_volume(person, seed=seed, modality=MODALITY, spacing=SPACING)
        nib.save(nib.Nifti1Image(data, affine), scan)
        volume = load_volume(scan)
    skin = find_skin(volume).cut()
    frame = find_frame(skin.points, FieldOfView(volume.affine, volume.data.shape)).frame
    axes: Any = {'origin': frame.origin, 'forward': frame.forward, 'up': frame.up}
    with atomically(path) as kept:
        np.savez(kept, points=skin.points, triangles=skin.triangles, scale=frame.scale, **axes)


def draw_photo(path: Path, person: Identity, seed: Sequence[int], yaw: float) -> None:
    """Take a photograph."""
    from PIL import Image

    from bids_reid.bids.files import atomically
    from bids_reid.phantom.photograph import photograph

    picture = Image.fromarray(photograph(person, seed=seed, yaw=yaw))
    with atomically(path) as kept:
        picture.save(kept, quality=92, subsampling=0)


def render_all(surface: Path) -> dict[str, Pictures]:
    """Render a surface in all styles; where no face is found, its box is where faces are."""
    from benchmarks.attacks.make_up import made_up, steady_landmarks
    from benchmarks.attacks.open_eyes import paint
    from bids_reid.faces.detect import find_faces_by_camera
    from bids_reid.faces.frame_boxes import frame_boxes
    from bids_reid.surface.frame import FaceFrame
    from bids_reid.views.cameras import N_LIGHTS, soft_views, standard_views
    from bids_reid.views.render import render_views, soft_renders

    kept, views = np.load(surface), standard_views()
    frame = FaceFrame(kept['origin'], kept['forward'], kept['up'], float(kept['scale']))
    plain = render_views(kept['points'], kept['triangles'], frame, views).images
    boxes = {**frame_boxes(), **find_faces_by_camera(plain, views)}
    every = [boxes[view.camera] for view in views]
    soft = soft_renders(plain, views)
    by_camera = [boxes[view.camera] for view in soft_views()]
    lit = plain.reshape(len(soft), N_LIGHTS, *plain.shape[1:])
    marks = [steady_landmarks(some, box) for some, box in zip(lit, by_camera, strict=True)]
    painted = [paint(image, some) for image, some in zip(soft, marks, strict=True)]
    brows_too = [made_up(image, some) for image, some in zip(painted, marks, strict=True)]
    return {
        'every': Pictures(list(plain), every),
        'soft': Pictures(list(soft), by_camera),
        'painted': Pictures(painted, by_camera),
        'made_up': Pictures(brows_too, by_camera),
    }


def read_photos(photos: Sequence[Path]) -> tuple[dict[str, Pictures], dict[str, Array]]:
    """Cut the heads out of photographs, and mirror them."""
    from bids_reid.faces.detect import find_faces
    from bids_reid.faces.photographs import loose_crop, mirrored, read_photograph

    heads, shots, quality = [], [], []
    for shot, path in enumerate(photos):
        head = loose_crop(read_photograph(path))
        if head is not None:
            heads.append((head.image, head.box))
            shots.append(shot)
            quality.append(max((face.score for face in find_faces(head.image)), default=0.0))
    flipped = [mirrored(*head) for head in heads]
    pictures = {
        name: Pictures([image for image, _ in some], [box for _, box in some])
        for name, some in (('photographs', heads), ('mirrored', flipped))
    }
    return pictures, {'shots': np.array(shots), 'quality': np.array(quality)}


def features(extractor: str, pictures: Mapping[str, Pictures]) -> dict[str, Array]:
    """Extract the features of all pictures, and of photographs cut in other ways."""
    from benchmarks.attacks.crops import CROPS, with_crop
    from bids_reid.faces.extractors import load_extractor

    model = load_extractor(extractor)
    found = {name: model.features(*some)['features'] for name, some in pictures.items()}
    for crop in CROPS:
        other = with_crop(extractor, crop)
        for name in ('photographs', 'mirrored'):
            found[f'{crop}.{name}'] = other.features(*pictures[name])['features']
    return found


if __name__ == '__main__':
    main()
