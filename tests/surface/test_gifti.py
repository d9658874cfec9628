"""Skins come back to the last bit, other programs read them, and damaged ones are told."""

from __future__ import annotations

import re
import zlib
from base64 import b64encode
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_reid.errors import ScanError
from bids_reid.surface.gifti import is_whole, read_points, read_surface, write_surface

RANDOM = np.random.default_rng(0)
POINTS = RANDOM.normal(0, 80, (500, 3)).astype(np.float32)
TRIANGLES = RANDOM.integers(0, 500, (900, 3)).astype(np.int32)


@pytest.fixture
def skin(tmp_path: Path) -> Path:
    path = tmp_path / 'skin.surf.gii'
    write_surface(path, POINTS, TRIANGLES)
    return path


def test_a_skin_comes_back_as_it_was(skin: Path) -> None:
    for points, triangles in (
        read_surface(skin),
        nib.load(skin).agg_data(('pointset', 'triangle')),
    ):
        np.testing.assert_array_equal(points, POINTS)
        np.testing.assert_array_equal(triangles, TRIANGLES)
    np.testing.assert_array_equal(read_points(skin), POINTS)
    assert is_whole(skin)


@pytest.mark.parametrize('share', [0, 0.1, 0.5, 0.9, 0.999])
def test_a_cut_skin_is_told(skin: Path, share: float) -> None:
    content = skin.read_bytes()
    skin.write_bytes(content[: int(len(content) * share)])
    assert not is_whole(skin)
    with pytest.raises(ScanError, match=r'skin\.surf\.gii is damaged: delete it'):
        read_surface(skin)


DAMAGES = {
    'another type': (rb'NIFTI_TYPE_FLOAT32', b'NIFTI_TYPE_INT32'),
    'another encoding': (rb'GZipBase64Binary', b'ASCII'),
    'huge': (rb'Dim0="500"', b'Dim0="99999999999"'),
    'shorter': (rb'Dim0="500"', b'Dim0="499"'),
    'longer': (rb'Dim0="500"', b'Dim0="501"'),
    'negative': (rb'Dim0="500"', b'Dim0="-1"'),
    'no number': (rb'Dim0="500"', b'Dim0="x"'),
    'other corners': (rb'Dim1="3"', b'Dim1="4"'),
    'no triangles': (rb'NIFTI_INTENT_TRIANGLE', b'NIFTI_INTENT_SHAPE'),
    'no base64': (rb'<Data>.', b'<Data>*'),
    'no zip': (rb'<Data>[^<]*', b'<Data>AAAA'),
    'empty': (rb'<Data>[^<]*', b'<Data>'),
    'no number in it': (
        rb'<Data>[^<]*',
        b'<Data>' + b64encode(zlib.compress(np.full((500, 3), np.nan, np.float32).tobytes())),
    ),
    'a bomb': (rb'<Data>[^<]*', b'<Data>' + b64encode(zlib.compress(bytes(1 << 26)))),
}


@pytest.mark.parametrize('damage', DAMAGES)
def test_what_was_not_written_is_not_read(skin: Path, damage: str) -> None:
    """Of a damaged skin the shape of another head would be compared."""
    pattern, new = DAMAGES[damage]
    content = skin.read_bytes()
    assert re.search(pattern, content)
    skin.write_bytes(re.sub(pattern, lambda _: new, content, count=1))
    with pytest.raises(ScanError, match='is damaged'):
        read_surface(skin)
    if damage == 'no triangles':
        np.testing.assert_array_equal(read_points(skin), POINTS)
        return
    with pytest.raises(ScanError, match='is damaged'):
        read_points(skin)


def test_a_triangle_of_a_point_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / 'skin.surf.gii'
    for corner in (-1, 3):
        write_surface(path, POINTS[:3], np.array([[0, 1, corner]], np.int32))
        with pytest.raises(ScanError, match='is damaged'):
            read_surface(path)


def test_no_other_file_is_read(skin: Path) -> None:
    """GIFTI may name a file with the data."""
    content = skin.read_bytes()
    named = content.replace(b'ExternalFileName=""', b'ExternalFileName="/etc/passwd"')
    skin.write_bytes(named.replace(b'GZipBase64Binary', b'ExternalFileBinary'))
    with pytest.raises(ScanError, match='is damaged'):
        read_surface(skin)
