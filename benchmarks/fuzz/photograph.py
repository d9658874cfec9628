"""Fuzz what reads photographs and pictures: damaged files may give a reason only.

    python -m benchmarks.fuzz.photograph --minutes 30 --seed 0

A picture of a phantom's face, in one of the formats and ways of saving that people have, is
damaged; the photograph's head is cut out, and the picture asked for faces.
"""

from __future__ import annotations

import io
import struct
import sys
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

from benchmarks.fuzz.driver import Case, cut, flipped, lengthened, main
from bids_reid.errors import PhotoError
from bids_reid.faces.photographs import head_of
from bids_reid.faces.pictures import picture_faces
from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.photograph import photograph

pillow_heif.register_heif_opener()

SIDE = 160
"""Pixels of a picture: large enough for a face, small enough for a dozen cases a second."""
_WAYS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ('JPEG', 'RGB', {'exif': True}),
    ('JPEG', 'RGB', {'progressive': True}),
    ('JPEG', 'CMYK', {}),
    ('MPO', 'RGB', {'save_all': True}),
    ('PNG', 'RGB', {'exif': True}),
    ('PNG', 'P', {'transparency': bytes(range(256))}),
    ('PNG', 'I;16', {}),
    ('PNG', 'RGBA', {'save_all': True}),
    ('HEIF', 'RGB', {'exif': True}),
    ('HEIF', 'RGB', {'save_all': True}),
    ('WEBP', 'RGB', {'exif': True}),
    ('WEBP', 'RGBA', {'save_all': True, 'lossless': True}),
    ('AVIF', 'RGB', {}),
    ('TIFF', 'RGB', {'compression': 'tiff_lzw'}),
    ('TIFF', 'RGB', {'compression': 'tiff_adobe_deflate', 'save_all': True}),
    ('TIFF', '1', {'compression': 'group4'}),
    ('TIFF', 'F', {}),
    ('TIFF', 'RGB', {'compression': 'jpeg'}),
    ('GIF', 'P', {'save_all': True}),
    ('BMP', 'RGB', {}),
    ('JPEG2000', 'RGB', {}),
    ('PPM', 'RGB', {}),
    ('ICO', 'RGBA', {}),
    ('PCX', 'P', {}),
    ('TGA', 'RGB', {'compression': 'tga_rle'}),
)
_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@cache
def _face() -> Image.Image:
    (person,) = draw_people(1, seed=5)
    return Image.fromarray(photograph(person, seed=1, size=SIDE))


@cache
def _saved(number: int) -> bytes:
    """The picture in one of the ways."""
    kind, mode, given = _WAYS[number]
    options = dict(given)
    picture = _face().convert('L').convert(mode) if mode == 'I;16' else _face().convert(mode)
    if options.get('exif'):
        exif = Image.Exif()
        exif[0x0112], exif[0x010F], exif[0x8769] = 6, 'maker', {0x9000: b'0232'}
        options['exif'] = exif.tobytes()
    if options.get('save_all'):
        other = Image.new('RGB', picture.size, 'grey').convert(mode)
        options['append_images'] = [other, picture.copy()]
    target = io.BytesIO()
    picture.save(target, kind, **options)
    return target.getvalue()


def _with_number(content: bytes, random: np.random.Generator) -> bytes:
    """Put an extreme number into the header, where sizes and counts are, or anywhere."""
    changed = bytearray(content)
    places = min(len(content), 600) if random.random() < 0.7 else len(content)
    for at in random.integers(0, places, random.integers(1, 4)):
        number = _NUMBERS[random.integers(len(_NUMBERS))]
        code = ('<I', '>I', '<H', '>H')[random.integers(4)]
        packed = struct.pack(code, number & (0xFFFFFFFF if code[1] == 'I' else 0xFFFF))
        changed[at : at + len(packed)] = packed
    return bytes(changed)


def _with_flips_ahead(content: bytes, random: np.random.Generator) -> bytes:
    """Damage the header alone."""
    ahead = int(random.integers(16, 600))
    return flipped(content[:ahead], random) + content[ahead:]


def _without_part(content: bytes, random: np.random.Generator) -> bytes:
    first, last = np.sort(random.integers(0, len(content), 2))
    return content[:first] + content[last:]


_DAMAGE = (flipped, cut, lengthened, _with_number, _with_number, _with_flips_ahead, _without_part)


class Photograph:
    """Pictures of one face in 25 ways, damaged in seven."""

    name = 'photograph'
    allowed = (PhotoError,)

    def case(self, random: np.random.Generator) -> Case:
        """Damage a picture once or twice."""
        way = int(random.integers(len(_WAYS)))
        content, done = _saved(way), []
        for _ in range(random.integers(1, 3)):
            damage = _DAMAGE[random.integers(len(_DAMAGE))]
            content = damage(content, random) if content else content
            done.append(damage.__name__.strip('_'))
        return Case(f'{way} {" ".join(map(str, _WAYS[way][:2]))} {" ".join(done)}', {'x': content})

    def run(self, folder: Path, case: Case) -> str:  # noqa: ARG002 (the file is all it needs)
        """Read it as a photograph and as a picture; both have to tell, or to read it."""
        path = folder / 'x'
        try:
            faces = picture_faces(path)
        except PhotoError:
            # as a photograph it is too dark, small or damaged as well, or is read without a word
            head_of(path)
            return 'a photograph only'
        head = head_of(path)
        return f'{"head" if head else "no head"}, {faces.n_with_face} with face'


if __name__ == '__main__':
    # detectors are read once, not in each case
    with NamedTemporaryFile(suffix='.png') as file:
        _face().save(file.name)
        picture_faces(Path(file.name))
    sys.exit(main(Photograph()))
