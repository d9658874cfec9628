"""Photographs of any kind become the study's: upright, grey, cut loosely around the head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image

from bids_reid.errors import PhotoError
from bids_reid.faces import opened_pictures, photographs
from bids_reid.faces.detect import Box, Face
from bids_reid.faces.photographs import (
    CROP_PIXELS,
    LARGEST_PIXELS,
    LOOSE,
    loose_crop,
    read_photograph,
)

# to write what phones write
pillow_heif.register_heif_opener()


@pytest.fixture
def grey() -> NDArray[np.uint8]:
    """A slope to the right with a bright upper left corner, 64 x 48."""
    picture = np.tile(np.linspace(0, 200, 64), (48, 1)).astype(np.uint8)
    picture[:16, :16] = 255
    return picture


def like(picture: NDArray[np.uint8], expected: NDArray[np.uint8]) -> bool:
    """Alike but for what JPEG changes."""
    assert picture.dtype == np.uint8
    assert picture.shape == expected.shape
    return float(np.abs(picture.astype(int) - expected).mean()) < 3


def colours(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.dstack([grey] * 3)


MODES: dict[str, Any] = {
    'grey.png': Image.fromarray,
    'grey.jpg': Image.fromarray,
    'colour.jpg': lambda g: Image.fromarray(colours(g)),
    'colour.webp': lambda g: Image.fromarray(colours(g)),
    'colour.tif': lambda g: Image.fromarray(colours(g)),
    'transparent.png': lambda g: Image.fromarray(np.dstack([colours(g), 255 - g // 2])),
    'palette.png': lambda g: Image.fromarray(colours(g)).convert('P', palette=Image.ADAPTIVE),
    'deep.png': lambda g: Image.fromarray(g.astype(np.uint16) * 257),
    'deep.tif': lambda g: Image.fromarray(g.astype(np.uint16) * 16),
    'float.tif': lambda g: Image.fromarray(g.astype(np.float32) / 255),
    'print.jpg': lambda g: Image.fromarray(colours(g)).convert('CMYK'),
    'phone.heic': lambda g: Image.fromarray(colours(g)),
}


@pytest.mark.parametrize('name', MODES)
def test_every_kind_of_picture_is_read(tmp_path: Path, grey: NDArray[np.uint8], name: str) -> None:
    """A kind read as white or black is a face not found: the risk looks smaller."""
    MODES[name](grey).save(tmp_path / name)
    assert like(read_photograph(tmp_path / name), grey)


@pytest.mark.parametrize('name', ['x.jpg', 'x.png', 'x.heic'])
@pytest.mark.parametrize(('orientation', 'turns'), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_cameras_held_upright_are_obeyed(
    tmp_path: Path, grey: NDArray[np.uint8], name: str, orientation: int, turns: int
) -> None:
    """Most portraits of phones are stored lying; no detector finds a lying face."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(colours(grey)).save(tmp_path / name, exif=exif.tobytes())
    assert like(read_photograph(tmp_path / name), np.rot90(grey, turns))


def test_colours_weigh_as_the_eye_sees_them(tmp_path: Path) -> None:
    Image.new('RGB', (40, 40), (255, 0, 0)).save(tmp_path / 'red.png')
    Image.new('RGB', (40, 40), (0, 255, 0)).save(tmp_path / 'green.png')
    assert read_photograph(tmp_path / 'red.png')[0, 0] == 76
    assert read_photograph(tmp_path / 'green.png')[0, 0] == 150


@pytest.mark.parametrize('kind', ['text', 'empty', 'cut', 'damaged', 'folder', 'gone'])
@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.heic', '.tif', '.webp'])
def test_a_picture_that_cannot_be_read_is_told(tmp_path: Path, kind: str, suffix: str) -> None:
    """One damaged file must not end the group level; its name may be a stranger's."""
    path = tmp_path / f'sub-01_photo{suffix}'
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    content = {
        'text': b'not a picture' * 100,
        'empty': b'',
        'cut': whole[: len(whole) // 2],
        'damaged': whole[:6] + bytes(len(whole) - 6),
    }
    if kind in content:
        path.write_bytes(content[kind])
    else:
        path.unlink()
        if kind == 'folder':
            path.mkdir()
    said = 'not there' if kind == 'gone' else 'not a picture, or damaged'
    with pytest.raises(PhotoError, match=said) as caught:
        read_photograph(path)
    assert 'sub-01' not in str(caught.value)


@pytest.mark.parametrize('size', [(1, 5000), (5000, 1), (39, 400)])
def test_a_picture_too_small_for_a_face_is_told(tmp_path: Path, size: tuple[int, int]) -> None:
    """One icon or banner among the photographs must not end the group level."""
    Image.new('L', size).save(tmp_path / 'sub-01.png')
    with pytest.raises(PhotoError, match=rf'^too small: {size[0]} x {size[1]} pixels$'):
        read_photograph(tmp_path / 'sub-01.png')


def test_a_picture_of_too_many_pixels_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no damaged one, so the user is told what to mend."""
    monkeypatch.setattr(opened_pictures, 'MOST_PIXELS', 1000)
    Image.new('L', (60, 60)).save(tmp_path / 'x.png')
    with pytest.raises(PhotoError, match=r'^too large: 60 x 60 pixels$'):
        read_photograph(tmp_path / 'x.png')


@pytest.mark.parametrize('shape', [(1, 5000), (5000, 1), (40, 100_000)])
def test_a_very_long_picture_shows_no_face(shape: tuple[int, int]) -> None:
    """Shrunk to nothing it ended the group level."""
    assert loose_crop(np.zeros(shape, np.uint8)) is None


def scene(height: int = 400, width: int = 600) -> NDArray[np.uint8]:
    rows, columns = np.indices((height, width))
    return (60 + rows * 90 / height + columns * 90 / width).astype(np.uint8)


def crop_at(
    monkeypatch: pytest.MonkeyPatch, picture: NDArray[np.uint8], box: Box
) -> tuple[NDArray[np.uint8], Box]:
    """Crop as if the detector had found ``box`` in the picture at full size."""

    def find(image: NDArray[np.uint8], *, enlarge: int = 0) -> list[Face]:
        scale = image.shape[1] / picture.shape[1]
        near = (round(side * scale) for side in box[:2])
        far = (round((side + 1) * scale) - 1 for side in box[2:])
        return [Face(Box(*near, *far), 2)]

    monkeypatch.setattr(photographs, 'find_faces', find)
    found = loose_crop(picture)
    assert found is not None
    assert found[2:] == (1, 1, 0)
    return found[:2]


@pytest.mark.parametrize('size', [60, 100, 320])
def test_the_face_is_in_the_middle_at_the_right_scale(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """The renders are framed like this; another frame is another attack."""
    picture = np.zeros((1200, 1400), np.uint8)
    picture[500 : 500 + size, 600 : 600 + size] = 200
    crop, box = crop_at(monkeypatch, picture, Box(600, 500, 599 + size, 499 + size))
    assert crop.shape == (CROP_PIXELS, CROP_PIXELS)
    assert crop.dtype == np.uint8
    # the face takes 1 / (1 + 2 * LOOSE) of the side, in the middle
    expected = CROP_PIXELS / (1 + 2 * LOOSE)
    assert box.right - box.left + 1 == pytest.approx(expected, abs=2)
    assert box.left == box.top == pytest.approx((CROP_PIXELS - expected) / 2, abs=2)
    rows, columns = np.nonzero(crop > 100)
    seen = (columns.min(), rows.min(), columns.max(), rows.max())
    assert np.abs(np.array(seen) - box).max() <= max(3, 2 * CROP_PIXELS / (2.2 * size))


def test_a_large_photograph_is_cut_at_full_detail(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is searched small; what is encoded must not be blown up from that."""
    picture = np.zeros((2000, 2 * LARGEST_PIXELS), np.uint8)
    picture[800:1000:2, 1500:1700] = 255  # stripes of one pixel
    crop, _ = crop_at(monkeypatch, picture, Box(1500, 800, 1699, 999))
    middle = crop[200:280, 240].astype(float)
    assert middle.std() > 60


def test_beyond_the_border_is_black(monkeypatch: pytest.MonkeyPatch) -> None:
    """A face in the corner keeps its place and scale; nothing is mirrored or stretched."""
    picture = scene()
    crop, box = crop_at(monkeypatch, picture, Box(0, 0, 99, 99))
    near = round((CROP_PIXELS - CROP_PIXELS / (1 + 2 * LOOSE)) / 2)
    assert box.left == pytest.approx(near, abs=2)
    assert (crop[: near - 3] == 0).all()
    assert (crop[:, : near - 3] == 0).all()
    assert (crop[near + 3 :, near + 3 :] >= picture.min() - 1).all()
    crop, box = crop_at(monkeypatch, picture, Box(500, 300, 599, 399))
    assert (crop[box.bottom + 3 :] == 0).all()
    assert (crop[:, box.right + 3 :] == 0).all()


def test_a_box_cut_by_the_border_keeps_its_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise half a face fills the crop."""
    _, whole = crop_at(monkeypatch, scene(), Box(200, 100, 299, 199))
    picture = np.zeros((400, 600), np.uint8)
    picture[100:200] = 200
    crop, box = crop_at(monkeypatch, picture, Box(0, 100, 69, 199))
    assert box == whole
    rows = np.flatnonzero(crop[:, box.right - 5] > 100)
    assert rows.size == pytest.approx(box.bottom - box.top + 1, abs=4)


def test_a_small_face_is_looked_for_in_an_enlarged_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Faces below 80 pixels are found only there; where there is none, none is said."""
    asked = []

    def find(image: NDArray[np.uint8], *, enlarge: int = 0) -> list[Face]:
        asked.append((image.shape, enlarge))
        return [Face(Box(10, 10, 49, 49), 2)] if enlarge and len(asked) == 2 else []

    monkeypatch.setattr(photographs, 'find_faces', find)
    assert loose_crop(scene(400, 600)) is not None
    upright = [((400, 600), 0), ((400, 600), 1)]
    assert asked == upright
    assert loose_crop(scene(400, 600)) is None
    # turned, a picture of this size is not enlarged
    assert asked[2:] == [*upright, ((600, 400), 0), ((600, 400), 0), ((400, 600), 0)]


@pytest.fixture(scope='module')
def portraits() -> list[NDArray[np.uint8]]:
    """Two people, grey, 320 x 320; of both a detector is unsure."""
    from bids_reid.phantom.identity import draw_people
    from bids_reid.phantom.photograph import photograph

    people = draw_people(2, seed=11)
    return [
        np.asarray(
            Image.fromarray(photograph(person, seed=number, size=320)).convert('RGB').convert('L')
        )
        for number, person in enumerate(people)
    ]


@pytest.mark.parametrize('turned', [90, 180, 270])
def test_a_photograph_on_its_side_gives_the_crop_of_an_upright_one(
    portraits: list[NDArray[np.uint8]], turned: int
) -> None:
    """Phones forget how they were held, and scanned prints lie as they were put."""
    for portrait in portraits:
        upright = loose_crop(portrait)
        # to turn it back clockwise
        lying = loose_crop(np.rot90(portrait, turned // 90))
        assert upright is not None
        assert lying is not None
        assert (upright.turned, lying.turned) == (0, turned)
        assert lying.box == upright.box
        np.testing.assert_array_equal(lying.image, upright.image)


@pytest.fixture
def two_ways(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[int, int], Face]:
    """Detectors of pictures whose top left pixel says how they are turned.

    The HOG detector finds what the dict has for its sides' order, the network what is at 0.
    """
    found: dict[tuple[int, int], Face] = {}

    def find(image: NDArray[np.uint8], *, enlarge: int = 0) -> list[Face]:
        face = found.get(image.shape)
        return [face] if face and image[0, 0] else []

    monkeypatch.setattr(photographs, 'find_faces', find)
    monkeypatch.setattr(photographs, 'confirmed', lambda _, box, sure: box.left == 0)
    return found


@pytest.mark.parametrize(
    ('upright', 'lying', 'turned'),
    [
        # a face beyond doubt, whatever else may be found
        (Face(Box(9, 9, 99, 99), 1.2), Face(Box(0, 0, 99, 99), 3), 0),
        # one that the network sees, too
        (Face(Box(0, 9, 99, 99), 0.1), Face(Box(0, 0, 99, 99), 3), 0),
        # false, with a true one on the side: found by a sure detector or by both
        (Face(Box(9, 9, 99, 99), 0.9), Face(Box(9, 0, 99, 99), 1.2), 270),
        (Face(Box(9, 9, 99, 99), 0.9), Face(Box(0, 0, 99, 99), 0.1), 270),
        (None, Face(Box(0, 0, 99, 99), 0.1), 270),
        # doubtful both: as it was taken
        (Face(Box(9, 9, 99, 99), 0.1), Face(Box(9, 0, 99, 99), 0.9), 0),
        (None, Face(Box(9, 0, 99, 99), 0.9), None),
    ],
)
def test_a_false_face_does_not_stand_for_one_on_its_side(
    two_ways: dict[tuple[int, int], Face], upright: Face | None, lying: Face, turned: int | None
) -> None:
    """A face of folds in a lying photograph would search for nobody; true ones must stay."""
    picture = np.zeros((300, 400), np.uint8)
    # what is at the top left if it is not turned, and if it is turned by a quarter
    picture[0, 0] = picture[0, -1] = 1
    two_ways[400, 300] = lying
    if upright:
        two_ways[300, 400] = upright
    head = loose_crop(picture)
    assert (head and head.turned) == turned


def beside(one: NDArray[np.uint8], other: NDArray[np.uint8], size: float) -> NDArray[np.uint8]:
    """Put a photograph, resized, to the right of another."""
    small = cv2.resize(other, None, fx=size, fy=size, interpolation=cv2.INTER_AREA)
    rows = len(one) - len(small)
    small = cv2.copyMakeBorder(small, rows, 0, 0, 0, cv2.BORDER_REPLICATE)
    return np.asarray(np.hstack([one, small]), np.uint8)


@pytest.mark.parametrize(('size', 'n_faces', 'n_alike'), [(1.0, 2, 2), (0.5, 2, 1), (0.2, 1, 1)])
def test_a_second_face_is_counted(
    portraits: list[NDArray[np.uint8]], size: float, n_faces: int, n_alike: int
) -> None:
    """Who it is of is not known: taken without a word it is a wrong number."""
    large = [np.asarray(cv2.resize(one, None, fx=1.5, fy=1.5), np.uint8) for one in portraits]
    head = loose_crop(beside(*large, size))
    alone = loose_crop(large[0])
    assert head is not None
    assert alone is not None
    assert (head.n_faces, head.n_alike, head.turned) == (n_faces, n_alike, 0)
    assert (alone.n_faces, alone.n_alike) == (1, 1)
    if n_alike == 1:
        # the larger one is taken
        assert (
            np.abs(head.image[240:, 100:380].astype(int) - alone.image[240:, 100:380]).mean() < 9
        )


@pytest.mark.parametrize(
    ('sees', 'n_faces', 'size'), [((), 1, 100), ((2,), 2, 100), ((0, 2), 3, 200), ((0,), 2, 200)]
)
def test_what_is_no_face_is_not_taken_or_counted(
    monkeypatch: pytest.MonkeyPatch, sees: tuple[int, ...], n_faces: int, size: int
) -> None:
    """Patterns on walls and clothes would be counted, and searched with if they are large."""
    faces = [
        Face(Box(0, 0, 199, 199), 0.02),
        Face(Box(210, 100, 309, 199), 1.5),
        Face(Box(310, 100, 399, 189), 0.3),
    ]
    picture = scene(400, 600)
    picture[0, 0] = 255

    def find(image: NDArray[np.uint8], *, enlarge: int = 0) -> list[Face]:
        return faces if image[0, 0] == 255 else []

    monkeypatch.setattr(photographs, 'find_faces', find)
    monkeypatch.setattr(
        photographs, 'confirmed', lambda _, box, sure: box in [faces[one].box for one in sees]
    )
    head = loose_crop(picture)
    assert head is not None
    assert head.n_faces == n_faces
    middle = 100 if size == 200 else 260, 100 if size == 200 else 150
    # grey rises to the right and down
    shown = head.image[CROP_PIXELS // 2 - 9 : CROP_PIXELS // 2 + 9, 231:249]
    expected = picture[middle[1], middle[0]]
    assert shown.mean() == pytest.approx(expected, abs=3)
