"""A keypoint score is what a plain reading of its definition gives."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bids_reid.match.keypoints import (
    LARGEST_TURN,
    LARGEST_ZOOM,
    RATIO,
    TOLERANCE,
    Distance,
    keypoint_scores,
    searchable,
)
from bids_reid.records import Keypoints

DISTANCES = pytest.mark.parametrize('distance', ['hamming', 'euclidean'])
WIDTH = {'hamming': 32, 'euclidean': 128}


def keypoints(*images: tuple[np.ndarray, np.ndarray]) -> Keypoints:
    descriptors, positions = (np.concatenate(part) for part in zip(*images, strict=True))
    offsets = np.cumsum([0, *(len(image[0]) for image in images)])
    return Keypoints(descriptors, positions.astype(np.float32), offsets.astype(np.int64))


def drawn(rng: np.random.Generator, k: int, distance: Distance) -> tuple[np.ndarray, np.ndarray]:
    return (
        rng.integers(0, 256, (k, WIDTH[distance]), dtype=np.uint8),
        rng.uniform(-0.6, 0.6, (k, 2)),
    )


def moved(positions: np.ndarray, turn: float, zoom: float, shift: float) -> np.ndarray:
    c, s = zoom * np.cos(turn), zoom * np.sin(turn)
    return positions @ np.array([[c, s], [-s, c]]) + shift


@DISTANCES
def test_the_same_face_turned_a_little_scores_its_keypoints(distance: Distance) -> None:
    """The number of inliers is what the score says."""
    rng = np.random.default_rng(0)
    descriptors, positions = drawn(rng, 40, distance)
    same = (descriptors, moved(positions, 0.2, 1.2, 0.1))
    half = (
        np.concatenate([descriptors[:20], drawn(rng, 20, distance)[0]]),
        same[1],
    )
    scan = keypoints(drawn(rng, 50, distance), same, half, drawn(rng, 3, distance))
    scores = keypoint_scores(keypoints((descriptors, positions)), searchable(scan, distance))
    assert scores.shape == (4,)
    assert np.floor(scores).tolist() == [0, 40, 20, 0]


@DISTANCES
@pytest.mark.parametrize(('turn', 'zoom'), [(0.6, 1.0), (0.0, 1.7), (0.0, 0.55), (np.pi, 1.0)])
def test_no_upright_face_is_turned_or_zoomed_so_much(
    distance: Distance, turn: float, zoom: float
) -> None:
    rng = np.random.default_rng(1)
    descriptors, positions = drawn(rng, 30, distance)
    other = keypoints((descriptors, moved(positions, turn, zoom, 0)))
    assert keypoint_scores(keypoints((descriptors, positions)), searchable(other, distance)) == [0]


def plain_matches(probe: Keypoints, render: Keypoints, distance: Distance) -> dict[int, int]:
    """Keypoints of the probe and of the render, one by one."""
    matches: dict[int, tuple[float, int]] = {}
    for number, descriptor in enumerate(render.descriptors):
        if distance == 'hamming':
            away = np.unpackbits(probe.descriptors ^ descriptor, axis=1).sum(axis=1)
        else:
            away = np.linalg.norm(probe.descriptors - descriptor.astype(float), axis=1)
        order = np.argsort(away, kind='stable')
        if not away[order[0]] < RATIO * away[order[1]]:
            continue
        ratio = away[order[0]] / away[order[1]]
        if ratio < matches.get(order[0], (np.inf, 0))[0]:
            matches[order[0]] = (ratio, number)
    return {ours: theirs for ours, (_, theirs) in matches.items()}


def plain_score(probe: Keypoints, render: Keypoints, distance: Distance) -> int:
    """The most inliers of any transform that two matches propose."""
    matches = plain_matches(probe, render, distance)
    z = probe.positions[list(matches)] @ [1, 1j]
    w = render.positions[list(matches.values())] @ [1, 1j]
    most = 0
    for i in range(len(z)):
        for j in range(i):
            turn = (w[i] - w[j]) / (z[i] - z[j])
            if 1 / LARGEST_ZOOM < abs(turn) < LARGEST_ZOOM and abs(np.angle(turn)) < LARGEST_TURN:
                most = max(most, int(np.sum(np.abs(turn * (z - z[i]) - (w - w[i])) < TOLERANCE)))
    return most if most >= 3 else 0


@DISTANCES
def test_scores_are_those_of_a_plain_search(distance: Distance) -> None:
    """However it is laid out, each number is what the definition says, or one less."""
    rng = np.random.default_rng(2)
    descriptors, positions = drawn(rng, 25, distance)
    renders = []
    for n_same in (0, 2, 3, 6, 9, 14):
        # noise on both, so that some matches fail the ratio and some lie elsewhere
        other, places = drawn(rng, 20 + n_same, distance)
        mixed = rng.random((n_same, WIDTH[distance])) < 0.3
        other[:n_same] = np.where(mixed, other[:n_same], descriptors[:n_same])
        places[:n_same] = positions[:n_same] + rng.normal(0, 0.02, (n_same, 2))
        renders.append((other, places))
    renders.append((descriptors[:1], positions[:1]))
    renders.append((descriptors[:0], positions[:0]))
    probe, scan = keypoints((descriptors, positions)), keypoints(*renders)
    scores = keypoint_scores(probe, searchable(scan, distance))
    expected = [plain_score(probe, scan[number], distance) for number in range(len(scan))]
    # the samples that are drawn need not hold the two that propose the very best
    short = np.array(expected) - np.floor(scores)
    assert short.min() == 0
    assert short.max() <= 1
    assert max(expected) >= 5


@DISTANCES
def test_a_score_depends_on_its_render_alone(distance: Distance) -> None:
    """OpenCV draws samples; otherwise ranks change with who else is there, or from run to run."""
    rng = np.random.default_rng(7)
    descriptors, positions = drawn(rng, 60, distance)
    # a third agrees, the rest lies anywhere: what is drawn decides which transform is seen
    renders = [
        (descriptors, np.where(rng.random((60, 1)) < 0.3, positions, drawn(rng, 60, distance)[1]))
        for _ in range(8)
    ]
    renders += [drawn(rng, int(k), distance) for k in rng.integers(5, 60, 6)]
    probe = keypoints((descriptors, positions))
    first = keypoint_scores(probe, searchable(keypoints(*renders), distance))
    cv2.setRNGSeed(12345)
    again = keypoint_scores(probe, searchable(keypoints(*renders[::-1]), distance))
    assert again[::-1].tolist() == first.tolist()
    alone = [keypoint_scores(probe, searchable(keypoints(one), distance))[0] for one in renders]
    assert alone == first.tolist()
    assert first[:8].min() > 5


def test_clearer_matches_win_where_the_numbers_are_equal() -> None:
    """Whole numbers tie often, and a tie counts against the right participant."""
    rng = np.random.default_rng(4)
    descriptors, positions = drawn(rng, 10, 'hamming')
    blurred = descriptors.copy()
    blurred[:, :3] ^= 255
    scan = keypoints((blurred, positions), (descriptors, positions))
    scores = keypoint_scores(keypoints((descriptors, positions)), searchable(scan, 'hamming'))
    assert 10 < scores[0] < scores[1] < 11


def test_what_cannot_be_compared_is_an_error() -> None:
    rng = np.random.default_rng(5)
    orb, sift = keypoints(drawn(rng, 5, 'hamming')), keypoints(drawn(rng, 5, 'euclidean'))
    two = keypoints(drawn(rng, 5, 'hamming'), drawn(rng, 5, 'hamming'))
    with pytest.raises(ValueError, match='one image'):
        keypoint_scores(two, searchable(orb, 'hamming'))
    with pytest.raises(ValueError, match='1024 and 256'):
        keypoint_scores(sift, searchable(orb, 'hamming'))


def test_nothing_found_scores_nothing() -> None:
    """A photograph without a single corner is a search that finds nobody."""
    rng = np.random.default_rng(6)
    none = Keypoints(
        np.empty((0, 32), np.uint8), np.empty((0, 2), np.float32), np.zeros(2, np.int64)
    )
    empty = Keypoints(none.descriptors, none.positions, np.zeros(1, np.int64))
    some = keypoints(drawn(rng, 9, 'hamming'))
    assert keypoint_scores(none, searchable(some, 'hamming')).tolist() == [0]
    assert keypoint_scores(some, searchable(none, 'hamming')).tolist() == [0]
    assert keypoint_scores(some, searchable(empty, 'hamming')).shape == (0,)
