"""Steps that are counted or made wrongly choose the wrong attack."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.attacks import crowd, steps, variants
from benchmarks.attacks.crops import OtherChips, OtherSquares
from benchmarks.attacks.make_up import made_up
from bids_reid.demo.phantom_dataset import YAWS, write_phantom_dataset
from bids_reid.faces.detect import Box
from bids_reid.faces.face_recognition import PADDING, FaceRecognition
from bids_reid.faces.facenet import SIDE, FaceNet
from bids_reid.match.fusion import POWER, fused_scores
from bids_reid.phantom.identity import draw_people
from bids_reid.surface.frame import FieldOfView, find_frame
from bids_reid.surface.skin import find_skin
from bids_reid.surface.volume import load_volume
from bids_reid.views.cameras import all_views

Array = NDArray[np.float32]
N_PEOPLE, D = 6, 12
STYLES = {'every': 81, 'soft': 9, 'painted': 9, 'made_up': 9}
PHOTOGRAPHS = [
    f'{crop}{n}' for crop in ('', 'tighter.', 'wider.') for n in ('photographs', 'mirrored')
]


def write_crowd(folder: Path, seed: int = 0, noise: float = 0.3) -> Path:
    """Keep a crowd of random people as `benchmarks.attacks.crowd` does."""
    rng = np.random.default_rng(seed)
    (folder / 'features').mkdir(parents=True)
    crowd.note_draw(folder, {'people': N_PEOPLE})
    for number in range(N_PEOPLE):
        arrays = {}
        for extractor in crowd.EXTRACTORS:
            who = rng.normal(size=D)

            def seen(n: int, who: NDArray[np.float64] = who) -> Array:
                return (who + noise * rng.normal(size=(n, D))).astype(np.float32)

            named = {**STYLES, **dict.fromkeys(PHOTOGRAPHS, 3)}
            arrays |= {f'{extractor}.{name}': seen(n) for name, n in named.items()}
        about = {'shots': np.arange(3), 'quality': rng.uniform(0, 2, 3)}
        np.savez(folder / 'features' / f'{number:03}.npz', **arrays, **about)
    return folder


def material(tmp_path: Path, **how: float) -> variants.Material:
    return variants.read_crowd(write_crowd(tmp_path / 'crowd', **how))['face_recognition']


def test_every_step_is_compared_with_one_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole table: all its rows, and the scores of the main steps."""
    folder, other = write_crowd(tmp_path / 'test'), write_crowd(tmp_path / 'choose', seed=1)
    kept = tmp_path / 'scores'
    arguments = [str(folder), '--other', str(other), '--scores', str(kept)]
    monkeypatch.setattr('sys.argv', ['steps', *arguments])
    steps.main()
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines(), delimiter='\t'))
    assert tuple(rows[0]) == steps.COLUMNS
    earlier: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        if row['than'] == 'n/a':
            assert row['step'] in (steps.BEFORE, steps.ONE_BEFORE)
            assert row['p'] == 'n/a'
        else:
            reference = earlier[row['than_extractor'], row['than']]
            gained = int(row['more']) - int(row['fewer'])
            assert int(row['found']) - int(reference['found']) == gained
            gained = int(row['people_more']) - int(row['people_fewer'])
            assert int(row['people_found']) - int(reference['people_found']) == gained
        earlier[row['extractor'], row['step']] = row
    assert {file.stem for file in kept.iterdir()} == {
        'before',
        'face_recognition',
        'facenet',
        'fused',
    }
    for name, key in (
        ('fused', ('fused', steps.BY_MARGIN)),
        ('before', ('face_recognition', steps.BEFORE)),
    ):
        saved = np.load(kept / f'{name}.npz')
        assert saved['scores'].shape == (3 * N_PEOPLE, N_PEOPLE)
        first = saved['scores'].argmax(axis=1) == saved['owners']
        assert first.sum() == int(earlier[key]['found'])


def test_a_crowd_that_is_not_whole_is_not_counted(tmp_path: Path) -> None:
    folder = write_crowd(tmp_path / 'crowd')
    (folder / 'features' / '003.npz').unlink()
    with pytest.raises(SystemExit, match='no whole crowd'):
        variants.read_crowd(folder)


def test_photographs_of_a_person_are_averaged_with_their_weights() -> None:
    scores = np.array([[3, 0], [0, 2], [0, 2], [0, 2], [1, 2]], np.float32)
    owners = np.array([0, 0, 0, 1, 1])
    plain = steps.found_by(steps.Step('x', 'plain', '', scores, owners))
    assert plain.photographs.tolist() == [True, False, False, True, True]
    assert plain.people.tolist() == [False, True]
    weights = np.array([2, 1, 0.5, 1, 1])
    weighted = steps.found_by(steps.Step('x', 'weighted', '', scores, owners, weights))
    assert weighted.people.tolist() == [True, True]


def test_pairs_are_counted_as_mcnemar_does() -> None:
    found = np.array([True] * 6 + [False] * 3 + [True])
    reference = np.array([False] * 6 + [False] * 3 + [True])
    assert steps.compared(found, reference) == (6, 0, '0.031')
    assert steps.compared(found, found) == (0, 0, '1')


def test_powers_are_those_of_the_program() -> None:
    """Or the rows of powers 1 and 2 say nothing about the one that ships."""
    rng = np.random.default_rng(0)
    matrices = [rng.normal(size=(9, 5)).astype(np.float32) * scale + scale for scale in (1, 30)]
    np.fill_diagonal(matrices[0], 3)
    own = variants.by_margin(matrices, POWER)
    np.testing.assert_allclose(own, fused_scores(matrices), rtol=1e-5, atol=1e-6)
    assert np.abs(own - variants.by_margin(matrices, 1)).max() > 0.01


def test_an_own_whitening_changes_nothing(tmp_path: Path) -> None:
    one = material(tmp_path)
    expected = variants.adapted(one.gallery(), one.probes())
    own = variants.adapted(one.gallery(), one.probes(), variants.side_whitenings(one))
    np.testing.assert_allclose(own, expected, atol=1e-6)
    other = material(tmp_path / 'other', seed=1)
    changed = variants.adapted(one.gallery(), one.probes(), variants.side_whitenings(other))
    assert np.abs(changed - expected).max() > 1e-3


def test_the_programs_own_styles_give_its_scores(tmp_path: Path) -> None:
    """Or what is said of painted renders is said of another decision."""
    one = material(tmp_path)
    expected = variants.adapted(one.gallery(), one.probes())
    np.testing.assert_allclose(variants.in_styles(one, ['every', 'soft']), expected, atol=1e-5)
    with_eyes = variants.in_styles(one, ['every', 'soft', 'painted'])
    assert np.abs(with_eyes - expected).max() > 1e-3


def test_neighbours_are_mutual_and_near(tmp_path: Path) -> None:
    one = material(tmp_path, noise=0.01)
    features = one.probes().both_ways()
    # all three of a person are alike
    together = variants.with_neighbours(one, 2, 0.9).features
    means = features.reshape(N_PEOPLE, 3, D).mean(axis=1)
    np.testing.assert_allclose(together, np.repeat(means, 3, axis=0), atol=0.01)
    assert (
        np.ptp(together.reshape(N_PEOPLE, 3, D), axis=1).max()
        < np.ptp(features.reshape(N_PEOPLE, 3, D), axis=1).max() / 5
    )
    # nobody is like anybody
    alone = one.only(one.shots == 0)
    apart = variants.with_neighbours(alone, 2, 0.9).features
    np.testing.assert_allclose(apart, alone.probes().both_ways(), atol=1e-6)


@pytest.mark.parametrize('sign', [1, -1])
def test_a_photograph_is_searched_among_cameras_of_its_side(tmp_path: Path, sign: int) -> None:
    """Renders of other cameras are noise: whoever looks at them finds nobody."""
    rng = np.random.default_rng(1)
    styles = (('every', 'plain'), ('soft', 'soft'))
    for shot, yaw in enumerate(YAWS):
        one = material(tmp_path / str(shot), noise=0.05)
        renders = {}
        for side, style in styles:
            camera = [view.camera_yaw for view in all_views() if view.style == style]
            its_own = np.equal(camera, sign * np.sign(yaw) * 20)
            noise = 50 * rng.normal(size=one.renders[side].shape)
            renders[side] = np.where(its_own[:, None], one.renders[side], noise)
        scores = variants.at_side(replace(one, renders=renders), 'photographs', sign)
        found = scores.argmax(axis=1) == one.owners
        assert found[one.shots == shot].all()
        if shot:
            assert not found[one.shots == 3 - shot].all()


def test_make_up_is_on_brows_and_lips() -> None:
    marks = np.full((68, 2), 100.0)
    marks[17:22] = [[60, 80], [68, 76], [76, 74], [84, 76], [90, 80]]
    marks[22:27] = [[110, 80], [116, 76], [124, 74], [132, 76], [140, 80]]
    marks[[36, 39, 42, 45]] = [[65, 95], [88, 95], [112, 95], [135, 95]]
    marks[[32, 34]] = [[95, 130], [105, 130]]
    angles = np.linspace(np.pi, 3 * np.pi, 12, endpoint=False)
    marks[48:60] = np.stack([100 + 25 * np.cos(angles), 155 + 8 * np.sin(angles)], axis=1)
    marks[60:68] = [
        [80, 155],
        [90, 153],
        [100, 153],
        [110, 153],
        [120, 155],
        [110, 157],
        [100, 157],
        [90, 157],
    ]
    face = np.full((200, 200), 180, np.uint8)
    painted = made_up(face, marks)
    for x, y in ((76, 75), (124, 75), (100, 150), (95, 130)):
        assert painted[y, x] < 165
    # eyes, cheeks, forehead
    for x, y in ((76, 97), (124, 97), (60, 130), (100, 40)):
        assert painted[y, x] == 180


def test_other_crops_are_the_programs_but_for_their_size() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (240, 240), np.uint8)]
    boxes = [Box(60, 60, 179, 179)]
    for own, same, other in (
        (FaceRecognition(), OtherChips(PADDING), OtherChips(0.35)),
        (FaceNet(), OtherSquares(SIDE), OtherSquares(1.42)),
    ):
        np.testing.assert_array_equal(same.chips(images, boxes), own.chips(images, boxes))
        assert not np.array_equal(other.chips(images, boxes), own.chips(images, boxes))


def test_only_what_is_missing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second call costs nothing, and an extractor that is installed later is added."""
    made: list[str] = []

    def features(extractor: str, _: object) -> dict[str, Array]:
        made.append(extractor)
        return {'every': np.full((81, 4), len(made), np.float32)}

    about = {'shots': np.arange(3)}
    monkeypatch.setattr(crowd, 'person_pictures', lambda *_: ({}, about))
    monkeypatch.setattr(crowd, 'features', features)
    (person,) = draw_people(1, seed=0)
    for extractors in (['face_recognition'], ['face_recognition', 'facenet'], ['facenet']):
        crowd.make_person(tmp_path, 7, person, 0, extractors)
    assert made == ['face_recognition', 'facenet']
    kept = np.load(tmp_path / 'features' / '007.npz')
    assert kept['face_recognition.every'][0, 0] == 1
    assert kept['facenet.every'][0, 0] == 2
    assert kept['shots'].tolist() == [0, 1, 2]


def test_another_crowd_is_not_added_to_a_crowd(tmp_path: Path) -> None:
    crowd.note_draw(tmp_path, {'people': 3, 'seed': 1})
    crowd.note_draw(tmp_path, {'people': 3, 'seed': 1})
    with pytest.raises(SystemExit, match='another crowd'):
        crowd.note_draw(tmp_path, {'people': 3, 'seed': 2})
    assert json.loads((tmp_path / 'crowd.json').read_text())['seed'] == 1


@pytest.mark.slow
def test_people_are_those_of_the_demonstration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a crowd can be made, and looked at, by the command that everybody has."""
    write_phantom_dataset(
        tmp_path, people=1, seed=5, alike=0.2, photos_per_person=2, distractors=0, spacing=3.0
    )
    monkeypatch.setattr(crowd, 'SPACING', 3.0)
    (person,) = draw_people(1, seed=[5, crowd.PEOPLE_SEED], alike=0.2)
    crowd.draw_photo(tmp_path / 'own.jpg', person, [5, crowd.PHOTOS_SEED, 0, 1], YAWS[1])
    theirs = tmp_path / 'photos' / 'sub-01_photo-2.jpg'
    assert (tmp_path / 'own.jpg').read_bytes() == theirs.read_bytes()
    crowd.draw_surface(tmp_path / 'own.npz', person, [5, crowd.SCANS_SEED, 0])
    volume = load_volume(tmp_path / 'bids' / 'sub-01' / 'anat' / 'sub-01_T1w.nii.gz')
    skin, own = find_skin(volume).cut(), np.load(tmp_path / 'own.npz')
    np.testing.assert_allclose(own['points'], skin.points, atol=1e-3)
    frame = find_frame(skin.points, FieldOfView(volume.affine, volume.data.shape)).frame
    np.testing.assert_allclose(own['forward'], frame.forward, atol=1e-3)
