"""Damaged, strange and hostile pictures: each is read or told, and none stops the others."""

from __future__ import annotations

import contextlib
import errno
import io
import mmap
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile

from bids_reid.errors import MachineError, PhotoError
from bids_reid.faces import opened_pictures, photographs
from bids_reid.faces.documents import document_faces
from bids_reid.faces.opened_pictures import jpeg_passes, one_picture, turned
from bids_reid.faces.photographs import head_of, read_photograph
from bids_reid.faces.pictures import picture_faces
from bids_reid.records import PictureFaces

pillow_heif.register_heif_opener()

KINDS = ('JPEG', 'PNG', 'HEIF', 'WEBP', 'TIFF', 'GIF', 'BMP')


@cache
def noise(side: int = 48) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side + 8, 3), np.uint8)
    return Image.fromarray(pixels)


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    target = io.BytesIO()
    picture.save(target, kind, **options)
    return target.getvalue()


def mutated(content: bytes) -> Iterator[bytes]:
    """Cut, flip, empty, repeat and lengthen a file in 19 ways."""
    for tenths in range(1, 10, 2):
        yield content[: len(content) * tenths // 10]
    yield content[:-1]
    random = np.random.default_rng(len(content))
    for flips in (1, 3, 10, 100):
        for where in (len(content), min(200, len(content))):
            changed = bytearray(content)
            for place in random.integers(4, where, flips):
                changed[place] ^= 1 << int(random.integers(8))
            yield bytes(changed)
    middle = len(content) // 2
    yield content[:middle] + bytes(len(content) - middle)
    yield content[: middle // 2] + content[middle:]
    yield content + content
    yield content + b'\xff' * 1000
    yield content[:12] + b'\xff' * 24 + content[36:]


@pytest.mark.parametrize('kind', KINDS)
def test_no_damage_gets_past_the_reader(tmp_path: Path, kind: str) -> None:
    """A damaged HEIC among a thousand photographs ended the group level without tables."""
    told = []
    for number, content in enumerate(mutated(saved(noise(), kind))):
        path = tmp_path / str(number)
        path.write_bytes(content)
        for read in (read_photograph, picture_faces):
            try:
                read(path)  # type: ignore[operator]
            except PhotoError as error:
                told.append(str(error))
    # what is appended to a whole file changes nothing; most of the rest does
    assert len(told) >= 8
    assert str(tmp_path) not in ''.join(told)


@pytest.mark.parametrize(
    'raised', [EOFError(), IndexError('x'), KeyError(3), struct.error(), RuntimeError('dlib')]
)
def test_whatever_a_decoder_raises_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception
) -> None:
    """Which errors decoders raise changes with their versions."""
    noise().save(tmp_path / 'x.png')

    def fail(*_: object, **__: object) -> None:
        raise raised

    with monkeypatch.context() as patch:
        patch.setattr(ImageFile.ImageFile, 'load', fail)
        with pytest.raises(PhotoError, match='not a picture, or damaged'):
            read_photograph(tmp_path / 'x.png')
        with pytest.raises(PhotoError, match='not a picture, or damaged'):
            picture_faces(tmp_path / 'x.png')
    monkeypatch.setattr(photographs, 'find_faces', fail)
    with pytest.raises(PhotoError, match='cannot be searched for a face'):
        head_of(tmp_path / 'x.png')


@pytest.mark.parametrize('number', [errno.ENFILE, errno.EMFILE])
def test_what_the_machine_lacks_is_no_photographs_fault(number: int) -> None:
    """Else a busy machine makes people look safe."""
    with pytest.raises(MachineError), one_picture():
        raise OSError(number, 'no')


def test_a_refused_photograph_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match=r'^cannot be read: Permission denied$'), one_picture():
        raise PermissionError(errno.EACCES, 'Permission denied', str(tmp_path))


def test_memory_that_one_picture_wants_is_its_own_fault() -> None:
    """One file takes no more than its share, whatever its format hides."""
    with pytest.raises(PhotoError, match=r'needs more than 1\.5 GB'), one_picture():
        np.empty(opened_pictures.MEMORY + 10**8, np.uint8)
    with pytest.raises(PhotoError, match=r'needs more than 1\.5 GB'), one_picture(), one_picture():
        np.empty(opened_pictures.MEMORY + 10**8, np.uint8)
    # a file that a decoder maps into memory
    with pytest.raises(PhotoError, match=r'needs more than 1\.5 GB'), one_picture():
        mmap.mmap(-1, opened_pictures.MEMORY + 10**8)
    # afterwards there is as much as before
    assert np.empty(opened_pictures.MEMORY + 10**8, np.uint8).size


@pytest.mark.parametrize('kind', ['BMP', 'PPM', 'TIFF', 'PNG', 'JPEG', 'GIF', 'HEIF', 'WEBP'])
def test_gigabytes_behind_a_picture_are_not_taken(tmp_path: Path, kind: str) -> None:
    """Some files are mapped, or read, as a whole; that is no lack of the machine's."""
    path = tmp_path / 'x'
    # what is stored as it is, in grey, is mapped
    picture = noise().convert('L') if kind in ('BMP', 'PPM', 'TIFF') else noise()
    path.write_bytes(saved(picture, kind))
    with path.open('r+b') as file:
        file.truncate(4 * 10**9)
    for read in (read_photograph, picture_faces):
        try:
            read(path)  # type: ignore[operator]
        except PhotoError as error:
            assert 'memory' in str(error) or 'too large' in str(error)  # noqa: PT017


def test_a_machine_without_memory_is_told() -> None:
    """It is another advice than to look at the photograph."""
    program = """
import resource
from bids_reid.errors import MachineError
from bids_reid.faces import opened_pictures
resource.setrlimit(resource.RLIMIT_AS, (opened_pictures._taken() + 10**8,) * 2)
try:
    with opened_pictures.one_picture():
        bytearray(10**9)
except MachineError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, check=True)
    assert done.stdout == b'not enough memory to open a picture\n'


def test_a_picture_that_takes_too_long_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A film of a million frames, or tables that point at each other, must not take a day."""
    noise().save(tmp_path / 'x.png')
    monkeypatch.setattr(opened_pictures, 'SECONDS', 0.05)

    def load(_: object) -> None:
        while True:
            pass

    monkeypatch.setattr(ImageFile.ImageFile, 'load', load)
    with pytest.raises(PhotoError, match='takes too long to unpack'):
        read_photograph(tmp_path / 'x.png')


def test_a_decoder_complains_to_nobody(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Of one damaged fax hundreds of lines reached the terminal."""
    content = bytearray(saved(noise(200).convert('1'), 'TIFF', compression='group4'))
    content[300:400] = b'\xff' * 100
    (tmp_path / 'x.tif').write_bytes(content)
    with contextlib.suppress(PhotoError):
        read_photograph(tmp_path / 'x.tif')
    sys.stderr.write('own')
    sys.stderr.flush()
    assert capfd.readouterr().err == 'own'


def chunk(name: bytes, content: bytes) -> bytes:
    crc = struct.pack('>I', zlib.crc32(name + content))
    return struct.pack('>I', len(content)) + name + content + crc


def png(width: int, height: int, *others: bytes, data: bytes = b'') -> bytes:
    header = struct.pack('>2I5B', width, height, 8, 0, 0, 0, 0)
    return b''.join(
        (
            b'\x89PNG\r\n\x1a\n',
            chunk(b'IHDR', header),
            *others,
            chunk(b'IDAT', zlib.compress(data)),
            chunk(b'IEND', b''),
        )
    )


def tiff(*entries: tuple[int, int, int, int], after: bytes = b'') -> bytes:
    """A TIFF file of one table: number, type, count and value of each entry."""
    rows = b''.join(struct.pack('<HHII', *entry) for entry in entries)
    table = struct.pack('<H', len(entries)) + rows + bytes(4)
    return b'II*\0\x08\0\0\0' + table + after


def tiff_of(width: int, height: int, *entries: tuple[int, int, int, int]) -> bytes:
    shape = ((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 8))
    place = ((262, 3, 1, 1), (277, 3, 1, 1))
    data = zlib.compress(bytes(100_000))
    return tiff(*shape, *place, *entries, after=data)


def with_size(kind: str, width: int, height: int) -> bytes:
    """A small picture whose header says that it is large."""
    picture = Image.new('RGB', (64, 64))
    content = bytearray(saved(picture, kind))
    if kind == 'GIF':
        content[6:10] = struct.pack('<2H', width, height)
    elif kind == 'BMP':
        content[18:26] = struct.pack('<2i', width, height)
    elif kind == 'JPEG':
        place = content.index(b'\xff\xc0')
        content[place + 5 : place + 9] = struct.pack('>2H', height, width)
    else:
        old = struct.pack('>2I', 64, 64)
        assert old in content
        content = content.replace(old, struct.pack('>2I', width, height))
    return bytes(content)


def passes(number: int) -> bytes:
    """A JPEG file that draws 8000 x 8000 pixels ``number`` times."""
    content = saved(Image.new('L', (8000, 8000)), 'JPEG', progressive=True)
    start = content.index(b'\xff\xda')
    end = content.index(b'\xff\xd9')
    return content[:start] + content[start:end] * number + content[end:]


HOSTILE: dict[str, Callable[[], bytes]] = {
    'PNG of 4 Gpixel': lambda: png(65_000, 65_000),
    'PNG of no rows': lambda: png(100, 0),
    'PNG with a bomb in its text': lambda: png(
        99, 99, chunk(b'zTXt', b'a\0\0' + zlib.compress(bytes(300_000_000), 9))
    ),
    'PNG with a bomb in its colour profile': lambda: png(
        99, 99, chunk(b'iCCP', b'a\0\0' + zlib.compress(bytes(300_000_000), 9))
    ),
    'PNG with a bomb in its international text': lambda: png(
        99, 99, chunk(b'iTXt', b'a\0\1\0\0\0' + zlib.compress(bytes(300_000_000), 9))
    ),
    'JPEG of 4 Gpixel': lambda: with_size('JPEG', 65_000, 65_000),
    'JPEG of a thousand passes': lambda: passes(100),
    'GIF of 4 Gpixel': lambda: with_size('GIF', 65_000, 65_000),
    'BMP of 4 Gpixel': lambda: with_size('BMP', 65_000, 65_000),
    'BMP of negative width': lambda: with_size('BMP', -5, 48),
    'BMP of the smallest number': lambda: with_size('BMP', 48, -(2**31)),
    'HEIF of 1 Gpixel': lambda: with_size('HEIF', 32_000, 32_000),
    'HEIF of 4 Gpixel': lambda: with_size('HEIF', 65_000, 65_000),
    'TIFF of 10 Gpixel': lambda: tiff_of(100_000, 100_000),
    'TIFF with a tile of 4 GB': lambda: tiff_of(
        99, 99, (322, 4, 1, 65_536), (323, 4, 1, 65_536), (324, 4, 1, 200), (325, 4, 1, 99_000)
    ),
    'TIFF with a strip beyond its end': lambda: tiff_of(
        99, 99, (273, 4, 1, 2**31), (278, 4, 1, 2**32 - 1), (279, 4, 1, 2**32 - 1)
    ),
    'TIFF of 60,000 samples': lambda: tiff_of(99, 99, (277, 3, 1, 60_000)),
    'TIFF with large tables': lambda: tiff(
        *((20_000 + number, 1, 2_000_000, 8) for number in range(30_000)),
        after=bytes(2_000_000),
    ),
    'TIFF that follows itself': lambda: b'II*\0\x08\0\0\0' + b'\0\0' + b'\x08\0\0\0',
    'TIFF in a loop of tables': lambda: tiff((34_665, 4, 1, 8), (330, 4, 1, 8)),
    'a program': lambda: b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n%%EOF\n',
    'nothing but a mark': lambda: b'RIFF\xff\xff\xff\xffWEBPVP8X' + bytes(20),
}


@pytest.mark.parametrize('name', HOSTILE)
def test_hostile_pictures_are_told(tmp_path: Path, name: str) -> None:
    """A small file may ask for hours or all of the memory."""
    (tmp_path / 'x').write_bytes(HOSTILE[name]())
    with pytest.raises(PhotoError):
        read_photograph(tmp_path / 'x')
    with pytest.raises(PhotoError):
        picture_faces(tmp_path / 'x')


def test_a_program_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is a program of PostScript would be run by Ghostscript."""
    monkeypatch.setattr(subprocess, 'Popen', lambda *_, **__: pytest.fail('it was run'))
    (tmp_path / 'x.jpg').write_bytes(saved(noise(), 'EPS'))
    with pytest.raises(PhotoError):
        read_photograph(tmp_path / 'x.jpg')


def exif_of(*entries: tuple[int, int, int, int]) -> bytes:
    return b'Exif\0\0' + tiff(*entries)


STRANGE: dict[str, Callable[[], bytes]] = {
    'EXIF that points at itself': lambda: saved(
        noise(), 'JPEG', exif=exif_of((34_665, 4, 1, 8), (34_853, 4, 1, 8))
    ),
    'EXIF that is cut': lambda: saved(noise(), 'JPEG', exif=exif_of((0x112, 3, 1, 1))[:16]),
    'EXIF of noise': lambda: saved(noise(), 'JPEG', exif=b'Exif\0\0II*\0' + b'\xf3' * 500),
    'an orientation of many numbers': lambda: saved(
        noise(), 'JPEG', exif=exif_of((0x112, 3, 9, 8))
    ),
    'an orientation that is none': lambda: saved(noise(), 'JPEG', exif=exif_of((0x112, 3, 1, 77))),
    'a colour profile of noise': lambda: saved(noise(), 'PNG', icc_profile=b'\x01' * 3000),
    'print colours': lambda: saved(noise().convert('CMYK'), 'TIFF'),
    'print colours in JPEG': lambda: saved(noise().convert('CMYK'), 'JPEG'),
    'black and white': lambda: saved(noise().convert('1'), 'PNG'),
    'grey with transparency': lambda: saved(noise().convert('LA'), 'PNG'),
    'numbered colours with transparency': lambda: saved(
        noise().convert('P'), 'PNG', transparency=bytes(range(256))
    ),
    'numbered colours, one transparent': lambda: saved(
        noise().convert('P'), 'GIF', transparency=3
    ),
    'Lab colours': lambda: saved(noise().convert('LAB'), 'TIFF'),
    '16 bits a colour': lambda: sixteen_bits(),  # noqa: PLW0108 (defined below)
    'moving WebP': lambda: saved(
        noise(), 'WEBP', save_all=True, append_images=[Image.new('RGB', (56, 48), 'red')]
    ),
    'moving PNG': lambda: saved(
        noise(), 'PNG', save_all=True, append_images=[Image.new('RGB', (56, 48), 'red')]
    ),
    'pictures of two eyes': lambda: saved(
        noise(), 'MPO', save_all=True, append_images=[Image.new('RGB', (56, 48), 'red')]
    ),
    'JPEG 2000': lambda: saved(noise(), 'JPEG2000'),
}


def sixteen_bits() -> bytes:
    """A PNG file of 16 bits for each of red, green and blue."""
    pixels = np.asarray(noise()).astype('>u2') * 257
    lines = b''.join(b'\0' + line.tobytes() for line in pixels)
    height, width = pixels.shape[:2]
    header = chunk(b'IHDR', struct.pack('>2I5B', width, height, 16, 2, 0, 0, 0))
    data = chunk(b'IDAT', zlib.compress(lines))
    return b'\x89PNG\r\n\x1a\n' + header + data + chunk(b'IEND', b'')


@pytest.mark.parametrize('name', STRANGE)
def test_strange_pictures_are_read(tmp_path: Path, name: str) -> None:
    """Viewers show them: a person who is told that they are damaged believes nothing more."""
    (tmp_path / 'x').write_bytes(STRANGE[name]())
    expected = np.asarray(noise().convert('L')).astype(float)
    grey = read_photograph(tmp_path / 'x')
    assert grey.shape == expected.shape
    assert np.corrcoef(grey.ravel(), expected.ravel())[0, 1] > 0.5
    faces = picture_faces(tmp_path / 'x')
    assert faces.n_pictures >= 1
    assert not faces.n_unreadable


@pytest.mark.parametrize('shape', [(1, 100_000), (100_000, 1), (40, 60_000), (60_000, 40)])
def test_banners_are_looked_at_or_told(tmp_path: Path, shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'x.png')
    assert picture_faces(tmp_path / 'x.png') == PictureFaces(1, 0)
    if min(shape) == 1:
        with pytest.raises(PhotoError, match='too small'):
            head_of(tmp_path / 'x.png')
    else:
        assert head_of(tmp_path / 'x.png') is None


def test_a_picture_that_is_not_the_main_one_is_looked_at(tmp_path: Path) -> None:
    """A HEIF file says which of its pictures is shown; the others are in the release, too."""
    from tests.faces.test_pictures import face

    both = pillow_heif.from_pillow(Image.fromarray(face()))
    both.add_from_pillow(Image.new('RGB', (240, 240), 'grey'))
    both.save(tmp_path / 'x.heic', primary_index=1)
    assert picture_faces(tmp_path / 'x.heic').n_with_face == 1
    # and the main one is whom a photograph shows
    assert read_photograph(tmp_path / 'x.heic').std() < 5


def test_a_large_photograph_is_shrunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Telephones take 200 million pixels: around a face all of them would be copied twice."""
    monkeypatch.setattr(photographs, 'LARGE', 10_000)
    monkeypatch.setattr(photographs, 'LARGE_SIDE', 90)
    picture = np.tile(np.linspace(0, 255, 400).astype(np.uint8), (300, 1))
    for name in ('x.png', 'x.jpg'):
        Image.fromarray(picture).save(tmp_path / name)
        grey = read_photograph(tmp_path / name)
        assert 9_000 < grey.size <= 10_000
        assert grey.shape[1] / grey.shape[0] == pytest.approx(4 / 3, rel=0.02)
        assert np.abs(grey[50] - np.linspace(0, 255, grey.shape[1])).max() < 4


@pytest.mark.parametrize('orientation', range(1, 9))
def test_pixels_are_turned_as_pillow_does(orientation: int) -> None:
    from PIL import ImageOps

    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    picture = Image.fromarray(pixels)
    picture.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(picture))
    np.testing.assert_array_equal(turned(pixels, orientation), expected)


def test_passes_of_a_jpeg_are_counted() -> None:
    """The small picture in the header of a photograph has passes of its own."""
    small = saved(noise(16), 'JPEG')
    plain = saved(noise(), 'JPEG', exif=b'Exif\0\0' + small)
    assert plain.count(b'\xff\xda') == 2
    assert jpeg_passes(plain) == 1
    assert jpeg_passes(saved(noise(), 'JPEG', progressive=True)) > 5
    assert jpeg_passes(plain[:2] + b'garbage' + plain[2:]) == 2


def test_a_film_that_stands_still_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look takes seconds."""
    from bids_reid.faces import pictures

    asked: list[NDArray[np.uint8]] = []
    monkeypatch.setattr(pictures, 'shows_face', lambda grey: bool(asked.append(grey)))
    first, other = noise(), Image.new('RGB', noise().size, 'red')
    film = saved(first, 'TIFF', save_all=True, append_images=[first, other, first])
    assert picture_faces(film) == PictureFaces(4, 0)
    assert len(asked) == 2


def test_a_document_that_is_damaged_in_any_way_is_told(tmp_path: Path) -> None:
    """One office file that is locked, or packed in a strange way, ended the run."""
    import zipfile

    path = tmp_path / 'x.docx'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as file:
        file.writestr('word/media/image1.png', saved(noise(), 'PNG'))
    whole = path.read_bytes()
    assert document_faces(path) == PictureFaces(1, 0)
    # locked, packed by method 99, and with a member of another name than the list's
    for place, value in ((8, 1), (6, 1)):
        changed = bytearray(whole)
        changed[place] = value
        changed[whole.index(b'PK\x01\x02') + place + 2] = value
        path.write_bytes(changed)
        assert document_faces(path) == PictureFaces(0, 0, 1)
    for content in mutated(whole):
        path.write_bytes(content)
        try:
            document_faces(path)
        except PhotoError as error:
            assert 'inspect it yourself' in str(error)  # noqa: PT017


def test_a_drawing_that_is_cut_is_told(tmp_path: Path) -> None:
    """Nobody knows what was behind the cut."""
    import gzip

    path = tmp_path / 'x.svg'
    path.write_bytes(gzip.compress(b'<svg>' + b'x' * 1000 + b'</svg>')[:-20])
    with pytest.raises(PhotoError):
        document_faces(path)


def test_text_without_pictures_is_read_in_time(tmp_path: Path) -> None:
    """Words of just less than what a picture has were read letter by letter, hundreds of times."""
    path = tmp_path / 'x.html'
    path.write_bytes((b'a' * 399 + b'.') * 20_000)
    assert document_faces(path) == PictureFaces(0, 0)
