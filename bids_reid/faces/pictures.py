"""Faces in pictures of any kind: photographs, figures, drawings, scanned pages.

A picture may lie on its side, and hold a face of any size: both detectors of dlib are asked about
it upright and turned, until one of them is sure.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import cv2
import numpy as np

from bids_reid.errors import PhotoError
from bids_reid.faces.detect import Box, detector
from bids_reid.faces.evidence import network
from bids_reid.faces.opened_pictures import OpenedPicture, in_grey, is_deep, one_picture, turned
from bids_reid.records import PictureFaces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Grey = NDArray[np.uint8]

LARGEST_PIXELS = 1600
"""Size to which pictures are shrunk; upright pictures are checked at twice this size.

A face of a 40th of the longer side is found, on its side one of a 20th.
"""
CNN_PIXELS = 640
"""The same size for the network."""
SMALLEST_PIXELS = 40
"""A smaller picture shows no face that could be recognised."""
ENLARGED_PIXELS = 480
"""Smaller pictures are doubled in size, so that faces from 40 pixels are found."""
SURE_HOG = 0.6
"""With a lower score of the HOG detector, a face may be a slice of a head: the network must see it
too.

On 110 of 111 photographs and renders that detector was surer, or the network saw a face, too. On
60 figures of slices that one reached 0.3, on 10 of them, and the network saw none.
"""
MOST_DOUBTFUL = 40
"""Largest number of doubtful faces per picture that the network checks, at two hundredths of a
second each."""
LARGE_SHARE = 0.2
"""Smallest width of a face that counts, as a share of the longer side.

The slices of a figure are smaller.
"""
CROP_PIXELS = 160
"""Side in pixels of the square in which the network checks a face."""
CROP_SIDES = (1.6, 2.0)
"""Width of that square, in widths of the detected face."""
SURE_CNN = 0.6
NETWORK_PIXELS = 16
"""Smallest picture that fits the filters of the network."""
MOST_FRAMES = 12
"""Largest number of frames of a film, or pages of a file, that are checked, evenly spaced."""
TURNS = (0, 1, 3, 2)
"""Quarters of a turn, in the order in which they are tried."""


def picture_faces(source: Path | bytes) -> PictureFaces:
    """Ask whether there are faces in the frames of a picture.

    Raises
    ------
    PhotoError
        It is no picture, damaged or too large.
    """
    n_frames = n_with_face = n_unreadable = 0
    known: set[bytes] = set()
    with one_picture(), OpenedPicture(source, 2 * LARGEST_PIXELS) as picture:
        for frame in _frames(picture):
            n_frames += frame is not None
            n_unreadable += frame is None
            if frame is None or _is_known(frame, known):
                continue
            n_with_face += shows_face(frame)
            if n_with_face:
                break
    return PictureFaces(n_frames, n_with_face, n_unreadable)


def _is_known(frame: Grey, known: set[bytes]) -> bool:
    """Whether the same frame had a look, as most of a film that stands still; remember it."""
    content = hashlib.sha256(f'{frame.shape}'.encode() + frame.tobytes()).digest()
    if content in known:
        return True
    known.add(content)
    return False


def pixel_faces(pictures: Iterable[NDArray[np.generic]]) -> PictureFaces:
    """Ask whether there are faces in pictures of any numbers, (h, w) or (h, w, 3)."""
    n_pictures = n_with_face = n_unreadable = 0
    for picture in pictures:
        try:
            with one_picture():
                n_with_face += shows_face(as_grey(picture))
            n_pictures += 1
        except PhotoError:
            n_unreadable += 1
    return PictureFaces(n_pictures, n_with_face, n_unreadable)


def shows_face(picture: Grey) -> bool:
    """Whether a detector finds a face in a grey picture (h, w), upright or turned."""
    if min(picture.shape) < SMALLEST_PIXELS or picture.min() == picture.max():
        return False
    large = _shrunk(picture, LARGEST_PIXELS)
    small = _shrunk(picture, CNN_PIXELS)
    if max(picture.shape) < ENLARGED_PIXELS:
        large = cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    if any(_hog(np.rot90(large, turn)) for turn in TURNS):
        return True
    if max(picture.shape) > LARGEST_PIXELS and _hog(_shrunk(picture, 2 * LARGEST_PIXELS)):
        return True
    return any(_cnn(np.rot90(small, turn)) for turn in TURNS)


def as_grey(picture: NDArray[np.generic]) -> Grey:
    """Scale the numbers of a picture (h, w) or (h, w, 3) to grey: all but the extremes show."""
    values = np.nan_to_num(np.asarray(picture, np.float32), posinf=0, neginf=0)
    if values.ndim == 3:
        values = values[..., :3].mean(axis=-1)
    low, high = np.percentile(values, [0.5, 99.5])
    scaled = (values - low) * (255 / max(float(high - low), 1e-6))
    return np.clip(np.round(scaled), 0, 255).astype(np.uint8)


def _shrunk(picture: Grey, longest: int) -> Grey:
    scale = longest / max(picture.shape)
    if scale >= 1:
        return picture
    height, width = (max(1, round(side * scale)) for side in picture.shape)
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _hog(picture: Grey) -> bool:
    """Whether the HOG detector finds a face that it is sure of, or that the network sees, too."""
    # numpy leaves the stride of a single column open, and dlib asks for it
    picture = np.array(picture, order='C')
    boxes, scores, _ = detector().run(picture, 0, 0.0)
    large = LARGE_SHARE * max(picture.shape)
    found = zip(boxes, scores, strict=True)
    if any(score >= SURE_HOG or box.width() >= large for box, score in found):
        return True
    # the surest come first
    return any(
        confirmed(picture, Box(box.left(), box.top(), box.right(), box.bottom()))
        for box in list(boxes)[:MOST_DOUBTFUL]
    )


def confirmed(picture: Grey, box: Box, sure: float = 0.0) -> bool:
    """Whether the network sees a face, too, where the other detector found one.

    Parameters
    ----------
    picture : (h, w) uint8
        Grey.
    box : Box
        What the other detector found.
    sure : float
        The network's confidence has to be above this; at 1 it is quite sure.
    """
    centre = ((box.left + box.right) / 2, (box.top + box.bottom) / 2)
    for times in CROP_SIDES:
        side = max(2, round((box.right - box.left + 1) * times))
        crop = cv2.getRectSubPix(picture, (side, side), centre)
        how = cv2.INTER_AREA if side > CROP_PIXELS else cv2.INTER_LINEAR
        crop = cv2.resize(crop, (CROP_PIXELS, CROP_PIXELS), interpolation=how)
        if _sees(np.asarray(crop, np.uint8), sure):
            return True
    return False


def _cnn(picture: Grey) -> bool:
    if min(picture.shape) < NETWORK_PIXELS:
        return False
    return _sees(picture, SURE_CNN)


def _sees(picture: Grey, sure: float) -> bool:
    """Whether the network is surer than that of a face."""
    face = network().surest(picture)
    return face is not None and face.score > sure


def _frames(picture: OpenedPicture) -> Iterator[Grey | None]:
    """Frames of a picture, upright and grey; ``None`` for one that is too large or damaged.

    Raises
    ------
    PhotoError
        No frame can be read.
    """
    n_frames = picture.n_frames()
    wanted = np.unique(np.linspace(0, n_frames - 1, min(n_frames, MOST_FRAMES)).round())
    reasons = []
    for number in wanted:
        try:
            with one_picture():
                frame = _frame(picture, int(number) if n_frames > 1 else None)
        except PhotoError as error:
            reasons.append(str(error))
        else:
            yield frame
    if len(reasons) == len(wanted):
        raise PhotoError(reasons[0])
    # the small copies that a large file holds show what it shows
    if picture.format != 'TIFF':
        yield from [None] * len(reasons)


def _frame(picture: OpenedPicture, number: int | None) -> Grey:
    frame = picture.frame(number)
    # what is behind a transparent picture is white, as on a page
    grey = as_grey(np.asarray(frame)) if is_deep(frame) else in_grey(frame, on_paper=True)
    return turned(grey, picture.orientation())
