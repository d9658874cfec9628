"""Photographs prepared as in the study: a loose crop around the head, in grey.

A photograph may lie on its side or show several people: what was done about it is said with the
crop, as a face of somebody else makes a wrong number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from bids_reid.errors import PhotoError
from bids_reid.faces.detect import Box, Face, find_faces
from bids_reid.faces.opened_pictures import OpenedPicture, in_grey, is_deep, one_picture, turned
from bids_reid.faces.pictures import ENLARGED_PIXELS, MOST_DOUBTFUL, TURNS, confirmed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

LOOSE = 0.6
"""Margin around the detector's box, in box sizes: forehead, ears and chin are inside."""
CROP_PIXELS = 480
SMALLEST_PIXELS = 40
"""A face smaller than this is not found, even in an enlarged picture."""
LARGEST_PIXELS = 1600
"""Size to which photographs are shrunk for face detection; faces of a 40th of it are found."""
LARGE = 50_000_000
"""Photographs with more pixels are shrunk to this number."""
LARGE_SIDE = 5000
"""A JPEG photograph of that size is shrunk while it is unpacked, to sides of at least this."""
SURE_HOG = 1.1
"""With a higher score the HOG detector is trusted; below it the network must see the face too.

On 226 photographs of one person (135 of phantoms, 84 of heads24, 7 real ones) turned by three
quarters each, faces found the wrong way round had up to 0.99, faces found the right way at least
0.34.
"""
SURE_CNN = 0.9
"""On the same photographs its confidence was at least 1.01, and at most 0.53 the wrong way round.
"""
COUNTED_SHARE = 1 / 3
"""Smallest width of a face that counts, as a share of the largest.

Smaller faces are passers-by.
"""
ALIKE_SHARE = 0.65
"""Faces of this width or more, as a share of the largest, may belong to the person in the label as
well.

The detector knows sizes in steps of 5/6: of 108 pairs of equal size one was 0.69 to 1 times as
wide as the other; of 108 whose true sizes were as 0.6 to 1, 5 were 0.7.
"""


class Head(NamedTuple):
    """The head that was cut out of a photograph.

    Attributes
    ----------
    image : (CROP_PIXELS, CROP_PIXELS) uint8
        Square, with the detector's box in its middle; what lies outside the photograph is black.
    box : Box
        The face's box in the crop.
    n_faces : int
        Faces on the photograph, those of passers-by left out; the largest was taken.
    n_alike : int
        Of these so many are about as large as the one taken, that one among them: above 1, the
        head may be somebody else's.
    turned : int
        Degrees that the photograph was turned clockwise by until a face was found.
    """

    image: NDArray[np.uint8]
    box: Box
    n_faces: int = 1
    n_alike: int = 1
    turned: int = 0


def read_photograph(path: Path) -> NDArray[np.uint8]:
    """Read a photograph upright (EXIF rotation obeyed), as grey (h, w) uint8.

    Raises
    ------
    PhotoError
        The file is no picture, damaged or too small. The message does not repeat its name, which
        may say who a stranger is.
    """
    with one_picture(), OpenedPicture(path, LARGE_SIDE, LARGE) as picture:
        frame = picture.frame()
        grey = _to_8_bits(np.asarray(frame)) if is_deep(frame) else in_grey(frame, on_paper=False)
        upright = turned(grey, picture.orientation())
        height, width = upright.shape
        if min(upright.shape) < SMALLEST_PIXELS:
            raise PhotoError(f'too small: {width} x {height} pixels')
        return _bounded(upright)


def _bounded(photograph: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink a photograph of more pixels than `LARGE`: around a face all of it is copied."""
    scale = (LARGE / photograph.size) ** 0.5
    if scale >= 1:
        return photograph
    height, width = (max(SMALLEST_PIXELS, int(side * scale)) for side in photograph.shape)
    small = cv2.resize(photograph, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def head_of(path: Path) -> Head | None:
    """Read a photograph and cut the head out, as `loose_crop`; ``None`` when no face is found.

    Raises
    ------
    PhotoError
        As `read_photograph`, and whatever goes wrong in the search for the face.
    """
    with one_picture('cannot be searched for a face'):
        return loose_crop(read_photograph(path))


def _to_8_bits(picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Scale a deeper picture by its brightest value: Pillow cuts what is above 255."""
    positive = np.nan_to_num(np.clip(picture, 0, None), posinf=0)
    return np.round(positive * (255 / max(float(positive.max()), 1e-6))).astype(np.uint8)


def loose_crop(photograph: NDArray[np.uint8]) -> Head | None:
    """Cut the head out loosely; ``None`` when no face is found.

    The largest face that is beyond doubt is taken. If there is none, the photograph is turned by
    quarters; if there is none that way either, the largest that is doubtful counts.

    Parameters
    ----------
    photograph : (h, w) uint8
        Grey, upright or on a side.
    """
    scale = min(1.0, LARGEST_PIXELS / max(photograph.shape))
    height, width = (max(1, round(side * scale)) for side in photograph.shape)
    small = np.asarray(
        cv2.resize(photograph, (width, height), interpolation=cv2.INTER_AREA), np.uint8
    )
    upright = find_faces(small) or find_faces(small, enlarge=1)
    turn, faces = 0, _sure(small, upright)
    if not faces:
        # the largest one that is doubtful is all there is
        turn, faces = _turned(small) or (0, upright[:1])
    if not faces:
        return None
    image, box = _cut(np.rot90(photograph, turn), faces[0].box, scale)
    shares = [_side(face.box) / _side(faces[0].box) for face in faces]
    return Head(
        image,
        box,
        n_faces=sum(share >= COUNTED_SHARE for share in shares),
        n_alike=sum(share >= ALIKE_SHARE for share in shares),
        turned=-90 * turn % 360,
    )


def _sure(photograph: NDArray[np.uint8], faces: Sequence[Face]) -> list[Face]:
    """Leave out faces that the detector is not sure of and the network does not see.

    The largest ones are asked about: a mosaic, or a crowd, has thousands.
    """
    doubtful = [face for face in faces if face.score < SURE_HOG][:MOST_DOUBTFUL]
    seen = [face for face in doubtful if confirmed(photograph, face.box, SURE_CNN)]
    return [face for face in faces if face.score >= SURE_HOG or face in seen]


def _turned(photograph: NDArray[np.uint8]) -> tuple[int, list[Face]] | None:
    """Find faces beyond doubt in a photograph on its side or head.

    Returns
    -------
    How often it has to be turned by a quarter, counterclockwise, and its faces, the largest
    first; of several ways that in which the detector is surest of the largest.
    """
    # enlarged, a large picture takes seconds, and one without a face is looked at in every way
    small = max(photograph.shape) < ENLARGED_PIXELS
    found: dict[int, list[Face]] = {}
    for turn in TURNS[1:]:
        view = np.rot90(photograph, turn)
        faces = _sure(view, find_faces(view) or (find_faces(view, enlarge=1) if small else []))
        if faces:
            found[turn] = faces
    return max(found.items(), key=lambda one: one[1][0].score) if found else None


def _side(box: Box) -> int:
    """Edge of the square that a box is; the border of the photograph may cut one direction."""
    return max(box.right - box.left, box.bottom - box.top) + 1


def _cut(photograph: NDArray[np.uint8], box: Box, scale: float) -> tuple[NDArray[np.uint8], Box]:
    """Cut a square around a box that was found in the photograph times ``scale``."""
    size = _side(box) / scale
    centre = (
        (box.left + box.right + 1) / 2 / scale,
        (box.top + box.bottom + 1) / 2 / scale,
    )
    side = size * (1 + 2 * LOOSE)
    crop = cut_square(photograph, centre, side, CROP_PIXELS)
    near, far = (
        round(CROP_PIXELS * LOOSE * size / side),
        round(CROP_PIXELS * (1 + LOOSE) * size / side),
    )
    return crop, Box(near, near, far - 1, far - 1)


def mirrored(crop: NDArray[np.uint8], box: Box) -> tuple[NDArray[np.uint8], Box]:
    """Exchange left and right of an image (h, w) and of the face's box in it."""
    last = crop.shape[1] - 1
    flipped = Box(last - box.right, box.top, last - box.left, box.bottom)
    return np.ascontiguousarray(crop[:, ::-1]), flipped


def cut_square(
    image: NDArray[np.uint8], centre: tuple[float, float], side: float, pixels: int
) -> NDArray[np.uint8]:
    """Resample a square of ``side`` pixels around ``centre`` (x, y) to (pixels, pixels).

    What lies outside the image is black.
    """
    half = int(np.ceil(side / 2))
    left, top = round(centre[0]) - half, round(centre[1]) - half
    # only what is cut gets a border: around all of a large photograph it takes gigabytes
    inside = image[max(top, 0) : top + 2 * half, max(left, 0) : left + 2 * half]
    before = max(-top, 0), max(-left, 0)
    after = (2 * half - one - there for one, there in zip(before, inside.shape, strict=True))
    (above, beside), (below, beyond) = before, after
    cut = cv2.copyMakeBorder(
        np.ascontiguousarray(inside), above, below, beside, beyond, cv2.BORDER_CONSTANT, value=0
    )
    shrinks = 2 * half > pixels
    return np.asarray(
        cv2.resize(
            cut,
            (pixels, pixels),
            interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC,
        ),
        np.uint8,
    )
