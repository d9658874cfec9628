"""Faces are found on pictures as people keep them: turned, in pages, in documents."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bids_reid.errors import PhotoError
from bids_reid.faces import opened_pictures, pictures
from bids_reid.faces.documents import document_faces
from bids_reid.faces.pictures import picture_faces, pixel_faces
from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.photograph import photograph
from bids_reid.phantom.scanner import Pose, expose
from bids_reid.records import PictureFaces

FACE = PictureFaces(1, 1)


@cache
def face() -> NDArray[np.uint8]:
    (person,) = draw_people(1, seed=5)
    return photograph(person, seed=1, size=240)


def encoded(kind: str = 'JPEG', picture: NDArray[np.uint8] | None = None) -> bytes:
    target = io.BytesIO()
    Image.fromarray(face() if picture is None else picture).save(target, kind)
    return target.getvalue()


def blank(side: int = 64) -> NDArray[np.uint8]:
    return np.full((side, side), 90, np.uint8)


@pytest.mark.parametrize('turn', range(4))
def test_a_face_is_found_however_the_picture_lies(turn: int) -> None:
    """Telephones and scanners lay pictures on their side; people turn their head to look."""
    content = encoded('PNG', np.ascontiguousarray(np.rot90(face(), turn)))
    assert picture_faces(content) == FACE


def test_a_picture_without_a_face_has_none() -> None:
    """Otherwise every figure of a release would have to be looked at."""
    assert picture_faces(encoded('PNG', blank())) == PictureFaces(1, 0)


def slices(axis: int) -> NDArray[np.uint8]:
    """A figure of slices of a head, as programs draw them for a look at quality."""
    (person,) = draw_people(1, seed=7)
    data = expose(person, modality='T1w', spacing=2.0, pose=Pose()).data
    places = np.linspace(0.15, 0.85, 21) * data.shape[axis]
    tiles = [np.take(data, int(place), axis).T[::-1] for place in places]
    rows = [np.hstack(tiles[start : start + 7]) for start in (0, 7, 14)]
    return pictures.as_grey(np.vstack(rows))


@pytest.mark.slow
@pytest.mark.parametrize('axis', range(3))
def test_figures_of_slices_are_no_finding(axis: int) -> None:
    """Every report on quality has hundreds, each of which a person would have to look at."""
    assert not pictures.shows_face(slices(axis))


def test_what_one_detector_doubts_another_has_to_see(monkeypatch: pytest.MonkeyPatch) -> None:
    """One alone takes slices of a head for faces, and would miss none of a faint photograph."""
    monkeypatch.setattr(pictures, 'SURE_HOG', 9.0)
    monkeypatch.setattr(pictures, 'LARGE_SHARE', 9.0)
    photo = np.asarray(Image.fromarray(face()).convert('L'))
    assert pictures._hog(photo)
    monkeypatch.setattr(pictures, 'network', lambda: SimpleNamespace(surest=lambda _: None))
    assert not pictures._hog(photo)
    monkeypatch.setattr(pictures, 'LARGE_SHARE', 0.2)
    assert pictures._hog(photo)
    monkeypatch.setattr(pictures, 'LARGE_SHARE', 9.0)
    monkeypatch.setattr(pictures, 'SURE_HOG', 0.6)
    assert pictures._hog(photo)


def test_a_face_on_a_later_page_is_found(tmp_path: Path) -> None:
    """The first frame of a film, or page of a scan, may be black."""
    first, second = Image.fromarray(blank()), Image.fromarray(face()).convert('L')
    first.save(tmp_path / 'pages.tiff', save_all=True, append_images=[second])
    assert picture_faces(tmp_path / 'pages.tiff') == PictureFaces(2, 1)


def test_numbers_of_any_range_are_looked_at() -> None:
    """Pictures of 16 bits would come out white, or black."""
    deep = face().astype(np.float32) * 40 - 1000
    assert pixel_faces([deep, blank()]) == PictureFaces(2, 1)


def test_a_picture_that_is_too_large_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """One huge file must not take the memory of all the others."""
    monkeypatch.setattr(opened_pictures, 'MOST_PIXELS', 1000)
    with pytest.raises(PhotoError, match='too large: 64 x 64'):
        picture_faces(encoded('PNG', blank()))


def test_a_huge_jpeg_is_unpacked_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """A panorama has faces too."""
    monkeypatch.setattr(pictures, 'LARGEST_PIXELS', 30)
    monkeypatch.setattr(opened_pictures, 'MOST_PIXELS', 70 * 70)
    assert picture_faces(encoded('JPEG', blank(240))) == PictureFaces(1, 0)


@pytest.mark.parametrize('content', [b'', b'\xff\xd8\xff nothing', encoded('PNG', blank())[:60]])
def test_damaged_pictures_are_told(content: bytes) -> None:
    """Nobody looked at them."""
    with pytest.raises(PhotoError):
        picture_faces(content)


def documents() -> dict[str, bytes]:
    text = base64.b64encode(encoded()).decode()
    drawing = f'<svg><image xlink:href="data:image/jpeg;base64,{text}"/></svg>'
    inner = base64.b64encode(drawing.encode()).decode()
    lines = '\n'.join(text[start : start + 76] for start in range(0, len(text), 76))
    cell = {'outputs': [{'data': {'image/png': lines}}]}
    office = io.BytesIO()
    with zipfile.ZipFile(office, 'w') as file:
        file.writestr('[Content_Types].xml', '<x/>')
        file.writestr('word/media/image1.jpeg', encoded())
    return {
        'page': f'<html><img src="data:image/jpeg;base64,{text}"></html>'.encode(),
        'drawing': drawing.encode(),
        'drawing in a page': f'<img src="data:image/svg+xml;base64,{inner}">'.encode(),
        'notebook': json.dumps({'cells': [cell], 'nbformat': 4}).encode(),
        'pdf of a photograph': encoded('PDF'),
        'pdf of pixels': pdf_of_pixels(filtered=False),
        'pdf of filtered pixels': pdf_of_pixels(filtered=True),
        'page of two bytes a letter': f'<img src="data:image/jpeg;base64,{text}">'.encode(
            'utf-16'
        ),
        'pdf of matplotlib': pdf_of_matplotlib(),
        'office': office.getvalue(),
    }


def pdf_of_matplotlib() -> bytes:
    """A figure with the picture as its colours: 256 of them, so they are numbered."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3, 3))
    figure.figimage(np.asarray(Image.fromarray(face()).convert('L')), cmap='gray')
    target = io.BytesIO()
    figure.savefig(target, format='pdf')
    return target.getvalue()


def pdf_of_pixels(*, filtered: bool) -> bytes:
    import zlib

    height, width, _ = face().shape
    rows = face().reshape(height, -1)
    if filtered:
        above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
        rows = np.hstack([np.full((height, 1), 2, np.uint8), rows - above])
    data = zlib.compress(np.ascontiguousarray(rows).tobytes())
    more = b'/DecodeParms << /Predictor 15 /Colors 3 /Columns 240 >>' if filtered else b''
    return (
        b'%%PDF-1.4\n1 0 obj\n<< /Type /XObject /Subtype /Image /Width %d /Height %d '
        b'/BitsPerComponent 8 /ColorSpace /DeviceRGB /Filter /FlateDecode %s /Length %d >>\n'
        b'stream\n%s\nendstream\nendobj\n' % (width, height, more, len(data), data)
    )


@pytest.mark.parametrize(
    'name',
    [
        *('page', 'page of two bytes a letter', 'drawing', 'drawing in a page', 'notebook'),
        *('pdf of a photograph', 'pdf of pixels', 'pdf of filtered pixels'),
        *('pdf of matplotlib', 'office'),
    ],
)
def test_a_face_in_a_document_is_found(name: str, tmp_path: Path) -> None:
    """Reports and notebooks hold pictures of participants that nobody thinks of."""
    (tmp_path / 'document').write_bytes(documents()[name])
    assert document_faces(tmp_path / 'document') == FACE


def test_what_cannot_be_taken_out_is_counted(tmp_path: Path) -> None:
    """A picture packed in another way was not looked at: the document must not pass."""
    path = tmp_path / 'document'
    path.write_bytes(b'%PDF-1.4\n1 0 obj\n<< /Subtype /Image /Filter /JBIG2Decode >>\nstream\n\n')
    assert document_faces(path) == PictureFaces(0, 0, 1)
    path.write_bytes(b'%PDF-1.4\ntrailer << /Encrypt 5 0 R >>')
    assert document_faces(path) == PictureFaces(0, 0, 1)
    volume = base64.b64encode(b'\x1f\x8b' + bytes(600)).decode()
    path.write_text(f'<html><script>const scan = "{volume}"</script></html>')
    assert document_faces(path) == PictureFaces(0, 0, 1)


@pytest.mark.parametrize(
    'start', [b'\xd0\xcf\x11\xe0', b'%!PS-Adobe', b'{\\rtf1 {\\pict ffd8}', b'BZh9']
)
def test_a_document_without_a_reader_never_passes(start: bytes, tmp_path: Path) -> None:
    """Their pictures are packed in ways that no search for base64 finds."""
    (tmp_path / 'document').write_bytes(start + bytes(600))
    with pytest.raises(PhotoError):
        document_faces(tmp_path / 'document')


def test_text_alone_has_no_picture(tmp_path: Path) -> None:
    """Pages of words need no look."""
    path = tmp_path / 'document'
    path.write_text('<html><p>' + 'words and words ' * 500 + '</p></html>')
    assert document_faces(path) == PictureFaces(0, 0)
    path.write_bytes(b'PK\x03\x04 not a zip')
    with pytest.raises(PhotoError):
        document_faces(path)


@pytest.mark.parametrize('shape', [(40, 100_000), (100_000, 40)])
def test_a_very_long_picture_shows_no_face(shape: tuple[int, int]) -> None:
    """Shrunk to a single row it ended in an error of dlib's."""
    assert not pictures.shows_face(np.zeros(shape, np.uint8))
