"""Where a face is found, and how often it is looked for."""

from __future__ import annotations

import numpy as np
import pytest

from bids_reid.faces import detect
from bids_reid.faces.detect import (
    Box,
    find_face,
    find_face_of_render,
    find_faces,
    find_faces_by_camera,
)
from bids_reid.faces.evidence import ask_hog
from bids_reid.faces.networks.dlib_mmod import drawn_face
from bids_reid.views.cameras import standard_views

VIEWS = standard_views()


@pytest.mark.parametrize('kind', ['black', 'white', 'noise', 'ramp'])
@pytest.mark.parametrize('shape', [(200, 160), (200, 160, 3), (20, 20)])
def test_no_face_where_there_is_none(kind: str, shape: tuple[int, ...]) -> None:
    """Otherwise everything is a face, and failures to acquire are not counted."""
    rng = np.random.default_rng(4)
    image = {
        'black': np.zeros(shape),
        'white': np.full(shape, 255),
        'noise': rng.integers(0, 256, shape),
        'ramp': np.linspace(0, 255, int(np.prod(shape))).reshape(shape),
    }[kind].astype(np.uint8)
    assert find_face(image) is None


class Found:
    """A detector that finds what it is told, surer of each than of the next."""

    def __init__(self, *boxes: tuple[int, int, int, int]) -> None:
        self.boxes = boxes

    def run(self, _image: object, _enlarge: int, _limit: float) -> object:
        import dlib

        scores = [2 - number / 4 for number in range(len(self.boxes))]
        return [dlib.rectangle(*box) for box in self.boxes], scores, [0] * len(scores)


def test_the_largest_face_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The participant stands in front, passers-by behind."""
    faces = Found((0, 0, 9, 9), (20, 30, 59, 69), (5, 5, 20, 20))
    monkeypatch.setattr(detect, 'detector', lambda: faces)
    image = np.zeros((100, 100), np.uint8)
    assert find_face(image) == Box(20, 30, 59, 69)
    # with each its own score
    assert [(face.box.left, face.score) for face in find_faces(image)] == [
        (20, 1.75),
        (5, 1.5),
        (0, 2),
    ]


def test_a_box_stays_in_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """dlib gives boxes beyond the border; a negative index would take the other side."""
    monkeypatch.setattr(detect, 'detector', lambda: Found((-12, -3, 130, 95)))
    assert find_face(np.zeros((90, 120), np.uint8)) == Box(0, 0, 119, 89)


@pytest.mark.parametrize('turn', range(4))
@pytest.mark.parametrize('shape', [(1, 500), (500, 1), (1, 1)])
def test_a_single_row_or_column_has_no_face(shape: tuple[int, int], turn: int) -> None:
    """The turned view of one ended in an error of dlib's."""
    assert find_faces(np.rot90(np.zeros(shape, np.uint8), turn)) == []


def test_a_view_on_another_array_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strided arrays are what slicing gives; dlib refuses them."""
    assert find_face(np.zeros((200, 100), np.uint8).T[::-1, ::2]) is None


class Detector:
    """Finds a face only in the views it is told; remembers where it looked."""

    def __init__(self, shows: set[int]) -> None:
        self.shows, self.asked = shows, []

    def __call__(self, image: np.ndarray) -> Box | None:
        number = int(image[0, 0])
        self.asked.append(number)
        return Box(number, 0, 1, 1) if number in self.shows else None


NUMBERED = np.arange(81, dtype=np.uint8)[:, None, None].repeat(2, axis=1)


def search(monkeypatch: pytest.MonkeyPatch, shows: set[int]) -> tuple[dict, Detector]:
    detector = Detector(shows)
    monkeypatch.setattr(detect, 'find_face_of_render', detector)
    return find_faces_by_camera(NUMBERED, VIEWS), detector


def test_a_face_is_looked_for_once_per_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the detector runs 81 times for each scan, the slowest step of all."""
    boxes, detector = search(monkeypatch, set(range(81)))
    assert len(boxes) == 9
    assert len(detector.asked) == 9
    for camera, box in boxes.items():
        view = VIEWS[box.left]
        assert camera == (view.camera_yaw, view.camera_pitch)
        # light from ahead and a little above shows a face best
        assert (view.light_azimuth, view.light_elevation) == (0, 30)


def test_lights_are_tried_until_one_shows_the_face(monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector misses faces lit from the side: giving up early loses views."""
    last = {8, 45, 54}  # lights from far aside, of three cameras
    boxes, detector = search(monkeypatch, last)
    assert {box.left for box in boxes.values()} == last
    assert {(VIEWS[n].camera_yaw, VIEWS[n].camera_pitch) for n in last} == set(boxes)
    assert len(detector.asked) == len(set(detector.asked))
    # cameras that never show a face are tried with every light, the others until it is found
    assert 54 <= len(detector.asked) <= 81


def test_no_face_anywhere_is_no_box(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes, detector = search(monkeypatch, set())
    assert boxes == {}
    assert sorted(detector.asked) == list(range(81))


def test_each_camera_has_its_own_box(monkeypatch: pytest.MonkeyPatch) -> None:
    """A box of one camera laid on another's picture cuts the face."""
    boxes, _ = search(monkeypatch, {4, 40})
    assert boxes == {(-20, -15): Box(4, 0, 1, 1), (0, 0): Box(40, 0, 1, 1)}


def test_of_a_render_the_same_face_is_found_and_it_is_asked_about_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two steps ask about a render, with other limits; the answers must not differ."""
    render = np.zeros((300, 260), np.uint8)
    drawn = np.kron(drawn_face(), np.ones((2, 2), np.uint8))
    render[20:280, 10:250] = drawn
    expected = find_face(render)
    assert expected is not None
    assert find_face_of_render(render) == expected
    found = ask_hog(render)
    assert found is not None
    assert found.score == max(face.score for face in find_faces(render))
    monkeypatch.setattr(detect, 'detector', lambda: pytest.fail('asked again'))
    assert ask_hog(render.copy()) == found
    assert find_face_of_render(render) == expected
