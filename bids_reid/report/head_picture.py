"""The average head, coloured by what is left of a face: it shows where something is, not who.

A picture has a letter of :data:`CLASSES` per point of :func:`bids_reid.surface.parts.face_parts`.
Letters spread to the pixels around their point, and the most of them around a pixel win, so that
borders are smooth without inventing values in between. The same letters give the same bytes.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_reid.surface.parts import BACKGROUND, PARTS, VIEWS, face_parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCALE = 1.3
"""Pixels of a picture per stored one."""
SPREAD = 1.7
"""Standard deviation with which a letter spreads, stored pixels; points are 5 pixels apart."""
LEVELS = 21
"""Of light, per colour: nine colours and some more fit a palette, and few levels pack well."""
SKIN = '#ece7df'
BESIDE = '#dfb8a6'
BESIDE_TEXT = 'skin beside the parts of the face, as de-facing leaves it'
BESIDE_MM = 8.0
"""Skin so far from each part is beside the face; gaps between parts are narrower."""
EARS = tuple(number for number, part in enumerate(PARTS) if part.endswith('ear'))
LINE = '#26160f'
NEAR = '#f4cd6b'
"""People differ from the average by some millimetres: such skin may be there or not."""
GREY = '#9aa0a6'
EDGE = '#6b6b6b'
OPAQUE = (0, 77, 128, 178)
"""Of the edge of the head, which so is smooth on a light and on a dark page."""
DARKEST = 0.12
SHADOW: Mapping[str, float] = {'striped': 0.72, 'dotted': 0.5}
"""Share of its light that a stripe or dot leaves a pixel."""
STRIPE = 7
"""Pixels from one stripe or dot to the next."""


@dataclass(frozen=True, slots=True)
class Key:
    """A colour of the picture: the line about it in the legend, and its pattern.

    ``weight`` is that of its votes for a pixel: with more than 1 little is smoothed away.
    ``skin``: it says that skin is there or near, which beside the parts of the face means nothing.
    """

    colour: str
    text: str
    pattern: str = 'plain'
    weight: float = 1.0
    skin: bool = False


CLASSES: Mapping[str, Key] = {
    'd': Key('#d7301f', 'skin is there, within 2 mm', 'edged', 1.8, skin=True),
    'c': Key(NEAR, '2 to 5 mm behind: near', skin=True),
    'e': Key(NEAR, '2 to 5 mm in front: near', 'dotted', skin=True),
    'f': Key('#b07f14', 'more than 5 mm in front: something is there', 'dotted'),
    'b': Key('#7fb0dc', '5 to 10 mm behind: removed'),
    'a': Key('#3f76b5', 'more than 10 mm behind: removed'),
    '.': Key(GREY, 'outside the image, or not known', 'striped'),
}
"""Letters of ``ScanMeasures.face_map``, what one has to look at first."""
SHARES: Mapping[str, Key] = {
    '5': Key('#8f1414', 'skin is left in more than 75% of the scans', 'edged', 1.8, skin=True),
    '4': Key('#c22a26', '50 to 75%', weight=1.7, skin=True),
    '3': Key('#e2593f', '25 to 50%', weight=1.6, skin=True),
    '2': Key('#f5924f', '10 to 25%', weight=1.5, skin=True),
    '1': Key('#fdc765', 'up to 10%, but not none', weight=1.4, skin=True),
    '0': Key('#7fb0dc', 'in none'),
    '.': Key(GREY, 'outside the image of every scan', 'striped'),
}
LIMITS = (0.1, 0.25, 0.5, 0.75)


def shares(n_left: Sequence[int], n_in_view: Sequence[int]) -> str:
    """Return a letter of `SHARES` per point.

    Parameters
    ----------
    n_left, n_in_view : sequence of int
        Per point: scans with skin in its place, and scans whose image it lies in.

    >>> shares([0, 1, 1, 3, 0], [4, 100, 2, 3, 0])
    '0135.'
    """
    letters = []
    for left, seen in zip(n_left, n_in_view, strict=True):
        if not seen:
            letters.append('.')
        elif not left:
            letters.append('0')
        else:
            letters.append(str(1 + sum(left / seen > limit for limit in LIMITS)))
    return ''.join(letters)


def used(letters: str, keys: Mapping[str, Key] = CLASSES) -> tuple[Key, ...]:
    """Return the lines of the legend: of the colours in a picture, in their order."""
    beside = {letter for letter, on in zip(letters, _beside(), strict=True) if on}
    inside = {letter for letter, on in zip(letters, _beside(), strict=True) if not on}
    lines = [
        key
        for letter, key in keys.items()
        if letter in inside or (letter in beside and not key.skin)
    ]
    hidden = any(keys[letter].skin for letter in beside)
    return (*lines, Key(BESIDE, BESIDE_TEXT)) if hidden else tuple(lines)


def base_address() -> str:
    """Return `head_base` as an address with its data."""
    return _address(head_base(), 'webp')


def overlay_address(letters: str, keys: Mapping[str, Key] = CLASSES) -> str:
    """Return `head_overlay` as an address with its data."""
    return _address(head_overlay(letters, keys), 'webp')


def picture_address(letters: str, keys: Mapping[str, Key] = CLASSES) -> str:
    """Return the picture as an address with its data."""
    return _address(head_picture(letters, keys), 'png')


def _address(picture: bytes, kind: str) -> str:
    return f'data:image/{kind};base64,' + b64encode(picture).decode('ascii')


def head_picture(letters: str, keys: Mapping[str, Key] = CLASSES) -> bytes:
    """Paint the views of the average head, side by side, on nothing.

    Parameters
    ----------
    letters : str
        One per point of `face_parts`, in order.
    keys : mapping
        Their colours, at most seven.

    Returns
    -------
    bytes
        Of a PNG file with a palette.

    Raises
    ------
    ValueError
        There are more or fewer letters than points, or others than those of ``keys``.
    """
    from PIL import Image

    colour = _colours(letters, keys)
    light, line = _light(colour, list(keys.values()))
    pixels = colour * LEVELS + np.searchsorted(_levels()[0], light).astype(np.uint8)
    n_colours = (len(keys) + 2) * LEVELS
    pixels[line] = n_colours
    pixels = np.where(_covered() < len(OPAQUE), n_colours + 1 + _covered(), pixels)
    palette = _palette([*(key.colour for key in keys.values()), BESIDE, SKIN])
    image = Image.fromarray(pixels.astype(np.uint8))
    image.putpalette(palette)
    file = BytesIO()
    opaque = bytes([255] * (n_colours + 1)) + bytes(OPAQUE)
    image.save(file, format='PNG', optimize=True, transparency=opaque)
    return file.getvalue()


@cache
def head_base() -> bytes:
    """Paint the light on the average head, in grey, as a WebP file: a page needs it once.

    Multiplied with a `head_overlay` it looks like the picture that `head_picture` paints.
    """
    shade = _enlarged(face_parts().shade.astype(np.float32) / np.float32(255))
    light = (255 * (DARKEST + (1 - DARKEST) * shade)).round()
    pixels = np.repeat(light[..., None], 4, axis=-1)
    pixels[_covered() < len(OPAQUE), :3] = _rgb(EDGE)
    pixels[..., 3] = np.array([*OPAQUE, 255])[_covered()]
    return _webp(pixels.astype(np.uint8), quality=85, method=4)


def head_overlay(letters: str, keys: Mapping[str, Key] = CLASSES) -> bytes:
    """Paint the colours of `head_picture` without the light: plain areas, which pack well.

    Parameters and errors are those of `head_picture`; it is a WebP file without loss.
    """
    several = [*keys.values(), Key(BESIDE, BESIDE_TEXT), Key(SKIN, '')]
    colour = _colours(letters, keys)
    shadow, line = _pattern(colour, several)
    number = colour + len(several) * (shadow < 1).astype(np.uint8)
    number[line] = 2 * len(several)
    number[_covered() < len(OPAQUE)] = 2 * len(several) + 1
    plain = np.array([_rgb(key.colour) for key in several])
    left = np.array([SHADOW.get(key.pattern, 1.0) for key in several])
    seen = np.concatenate([plain, plain * left[:, None], [_rgb(LINE)]]).round()
    palette = np.concatenate([np.insert(seen, 3, 255, axis=1), [[0, 0, 0, 0]]])
    return _webp(palette.astype(np.uint8)[number], lossless=True, quality=50, method=2)


def _rgb(colour: str) -> list[int]:
    return list(bytes.fromhex(colour[1:]))


def _webp(pixels: NDArray[np.uint8], **options: Any) -> bytes:
    """Pack red, green, blue and opacity (h, w, 4), 0 to 255."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(pixels).save(file, format='WEBP', **options)
    return file.getvalue()


def _colours(letters: str, keys: Mapping[str, Key]) -> NDArray[np.uint8]:
    """Number of the colour of each pixel, as `_winners` says."""
    n_points = len(face_parts().points)
    if len(letters) != n_points or not set(letters) <= set(keys):
        raise ValueError(f'a face map has {n_points} letters of {"".join(keys)!r}')
    place = {letter: number for number, letter in enumerate(keys)}
    numbers = np.array([place[letter] for letter in letters])
    skin = np.array([key.skin for key in keys.values()])
    numbers[skin[numbers] & _beside()] = len(keys)
    return _winners(numbers, list(keys.values()))


def _winners(numbers: NDArray[np.intp], keys: Sequence[Key]) -> NDArray[np.uint8]:
    """Number of the key that each pixel takes, then of skin beside the face and of any other."""
    shown = face_parts().shown
    number = np.where(shown >= 0, numbers[shown], len(keys) + 1)
    # where nothing votes, beside the head, the first number would win
    votes = []
    for n, weight in enumerate([*(key.weight for key in keys), 1.0, 1.0]):
        mine = np.where(number == n, np.float32(weight), np.float32(0))
        votes.append(_enlarged(_spread(mine, SPREAD)))
    return np.argmax(votes, axis=0).astype(np.uint8)


@cache
def _beside() -> NDArray[np.bool_]:
    """Whether each point lies beside the parts of the face."""
    from scipy.spatial import cKDTree

    points, part = face_parts().points, face_parts().part
    ear = np.isin(part, EARS)
    distance, _ = cKDTree(points[(part >= 0) & ~ear]).query(points)
    return np.asarray((distance > BESIDE_MM) & ~ear)


def _light(
    colour: NDArray[np.uint8], keys: Sequence[Key]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Light of each pixel, 0 to 1, with the patterns of its colour, and where lines are drawn."""
    shadow, line = _pattern(colour, keys)
    return _enlarged(face_parts().shade.astype(np.float32) / np.float32(255)) * shadow, line


def _pattern(
    colour: NDArray[np.uint8], keys: Sequence[Key]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Share of its light that the pattern of its colour leaves each pixel, and the lines."""
    import cv2

    row, column = np.indices(colour.shape)
    dot = ((row % STRIPE - 4) ** 2 + ((column + row // STRIPE % 2 * 4) % STRIPE - 4) ** 2) < 4
    where = {'striped': (row + column) % STRIPE < 2, 'dotted': dot}
    shadow, line = np.ones(colour.shape, np.float32), np.zeros(colour.shape, bool)
    for number, key in enumerate(keys):
        here = colour == number
        if key.pattern in where:
            shadow[here & where[key.pattern]] = SHADOW[key.pattern]
        elif key.pattern == 'edged':
            # around it, so that it takes nothing away from the smallest spot
            line |= (cv2.dilate(here.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~here
    return shadow, line


@cache
def _levels() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the limits between the levels of light, and the light of each level.

    There are more of them where the head has more pixels: borders between levels are not seen.
    """
    shade = face_parts().shade[face_parts().shown != BACKGROUND].astype(np.float32) / 255
    shares = np.linspace(0, 1, LEVELS)
    light = (np.quantile(shade, shares) + np.linspace(shade.min(), shade.max(), LEVELS)) / 2
    return ((light[1:] + light[:-1]) / 2).astype(np.float32), light.astype(np.float32)


@cache
def _covered() -> NDArray[np.uint8]:
    """How much of a pixel the head covers: index into `OPAQUE`, one more for all of it."""
    head = (face_parts().shown != BACKGROUND).astype(np.float32)
    share = _enlarged(_spread(head, 0.8))
    return np.digitize(share, np.linspace(0.2, 0.8, len(OPAQUE))).astype(np.uint8)


def _spread(values: NDArray[np.float32], deviation: float) -> NDArray[np.float32]:
    """Blur a stored picture; the standard deviation is in its pixels."""
    import cv2

    return np.asarray(cv2.GaussianBlur(values, (0, 0), deviation), np.float32)


def _enlarged(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Enlarge a stored picture to the size of those that are shown."""
    import cv2

    height, width = values.shape
    size = round(width * SCALE), round(height * SCALE)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _palette(colours: Sequence[str]) -> list[int]:
    """Return red, green and blue of each colour in each light, of lines, and of `OPAQUE`."""
    light = DARKEST + (1 - DARKEST) * _levels()[1][:, None]
    ramps = [light * np.array(list(bytes.fromhex(colour[1:]))) for colour in colours]
    numbers = np.concatenate(ramps).round().astype(int).ravel().tolist()
    return [*numbers, *bytes.fromhex(LINE[1:]), *(len(OPAQUE) * bytes.fromhex(EDGE[1:]))]


def view_widths() -> list[tuple[str, float]]:
    """Return the name of each view in the picture and its share of the width."""
    ends = face_parts().ends.tolist()
    return [
        (name, (end - start) / ends[-1])
        for name, start, end in zip(VIEWS, [0, *ends], ends, strict=False)
    ]
