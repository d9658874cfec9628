"""Photographs as the study took them: a loose crop around the head, grey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, ImageFile, ImageOps
from pillow_heif import register_heif_opener

from bids_reid.errors import PhotoError
from bids_reid.faces.detect import Box, find_face

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LOOSE = 0.6
"""Margin around the detector's box, in box sizes: forehead, ears and chin are inside."""
CROP_PIXELS = 480
SMALLEST_PIXELS = 40
"""A face smaller than this is not found, even in an enlarged picture."""
LARGEST_PIXELS = 1600
"""Photographs are shrunk to this for the search of the face; a face of a 40th of it is found."""


def read_photograph(path: Path) -> NDArray[np.uint8]:
    """Read a photograph upright (EXIF rotation obeyed), as grey (h, w) uint8.

    Raises
    ------
    PhotoError
        The file is no picture, damaged or too small. The message does not repeat its name, which
        may say who a stranger is.
    """
    register_heif_opener()
    # face_recognition makes Pillow fill what a cut file lacks with grey, without a word
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture)
            if min(upright.size) < SMALLEST_PIXELS:
                raise PhotoError(f'too small: {upright.width} x {upright.height} pixels')
            if upright.mode in ('I', 'F') or upright.mode.startswith('I;16'):
                return _to_8_bits(np.asarray(upright, dtype=np.float32))
            return np.asarray(upright.convert('RGB').convert('L'))
    except FileNotFoundError as error:
        raise PhotoError('not there, or a link without content') from error
    except Image.DecompressionBombError as error:
        raise PhotoError('too large: too many pixels') from error
    except (OSError, ValueError, SyntaxError) as error:
        raise PhotoError('not a picture, or damaged') from error


def _to_8_bits(picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Scale a deeper picture by its brightest value: Pillow cuts what is above 255."""
    positive = np.nan_to_num(np.clip(picture, 0, None), posinf=0)
    return np.round(positive * (255 / max(float(positive.max()), 1e-6))).astype(np.uint8)


def loose_crop(photograph: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Box] | None:
    """Cut the head out loosely; ``None`` when no face is found.

    Parameters
    ----------
    photograph : (h, w) uint8
        Grey, upright.

    Returns
    -------
    crop : (CROP_PIXELS, CROP_PIXELS) uint8
        Square, with the detector's box in its middle; what lies outside the photograph is black.
    box : Box
        The face's box in the crop.
    """
    scale = min(1.0, LARGEST_PIXELS / max(photograph.shape))
    height, width = (max(1, round(side * scale)) for side in photograph.shape)
    small = cv2.resize(photograph, (width, height), interpolation=cv2.INTER_AREA)
    box = find_face(small) or find_face(small, enlarge=1)
    if box is None:
        return None
    # the border of the photograph may cut the box in one direction
    size = (max(box.right - box.left, box.bottom - box.top) + 1) / scale
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


def cut_square(
    image: NDArray[np.uint8], centre: tuple[float, float], side: float, pixels: int
) -> NDArray[np.uint8]:
    """Resample a square of ``side`` pixels around ``centre`` (x, y) to (pixels, pixels).

    What lies outside the image is black.
    """
    half = int(np.ceil(side / 2))
    x, y = round(centre[0]), round(centre[1])
    framed = cv2.copyMakeBorder(image, half, half, half, half, cv2.BORDER_CONSTANT, value=0)
    cut = framed[y : y + 2 * half, x : x + 2 * half]
    shrinks = 2 * half > pixels
    return np.asarray(
        cv2.resize(
            cut,
            (pixels, pixels),
            interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC,
        ),
        np.uint8,
    )
