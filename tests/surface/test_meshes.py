"""Surfaces of any format come as points and triangles in millimetres."""

from __future__ import annotations

import base64
import errno
import gzip
import re
import struct
import tracemalloc
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import pyvista as pv

from bids_reid.bids.formats import sniff
from bids_reid.errors import ScanError
from bids_reid.surface import meshes
from bids_reid.surface.gifti import LARGEST, write_surface
from bids_reid.surface.mesh import Mesh, flat_ends
from bids_reid.surface.meshes import EDGE_MM, mesh_skin, read_mesh


def ball(radius: float = 80.0, nsub: int = 3) -> pv.PolyData:
    return pv.Icosphere(radius=radius, nsub=nsub)


def saved(folder: Path, extension: str) -> Path:
    surface, path = ball(), folder / f'head{extension}'
    points, triangles = np.asarray(surface.points, np.float32), surface.regular_faces
    if extension == '.surf.gii':
        write_surface(path, points, triangles.astype(np.int32))
    elif extension == '.seghead':
        nib.freesurfer.write_geometry(path, points, triangles)
    elif extension == '.obj':
        lines = [f'v {x} {y} {z}' for x, y, z in points]
        lines += [f'f {a} {b} {c}' for a, b, c in triangles + 1]
        path.write_text('\n'.join(lines))
    else:
        surface.save(path)
    return path


def read(path: Path) -> Mesh | None:
    return read_mesh(path, sniff(path).format)


@pytest.mark.parametrize(
    'extension', ['.surf.gii', '.seghead', '.stl', '.ply', '.obj', '.vtk', '.vtp']
)
def test_a_surface_is_read_as_it_was_written(extension: str, tmp_path: Path) -> None:
    """A scalp is a face, whichever program wrote it."""
    mesh = read(saved(tmp_path, extension))
    assert mesh is not None
    assert len(mesh.triangles) == ball().n_cells
    np.testing.assert_allclose(np.linalg.norm(mesh.points, axis=1), 80, atol=0.1)


def test_values_on_a_surface_are_no_surface(tmp_path: Path) -> None:
    """Otherwise every functional file of a release would have to be looked at by a person."""
    values = nib.gifti.GiftiDataArray(np.zeros(10, np.float32), 'NIFTI_INTENT_SHAPE')
    nib.save(nib.GiftiImage(darrays=[values]), tmp_path / 'x.func.gii')
    assert read(tmp_path / 'x.func.gii') is None


def test_a_volume_in_a_file_of_surfaces_is_told(tmp_path: Path) -> None:
    """The faces of its box would be a surface without a face, and the head inside would pass."""
    for name in ('x.vtk', 'x.vti'):
        pv.ImageData(dimensions=(9, 9, 9)).save(tmp_path / name)
        with pytest.raises(ScanError, match='cannot read'):
            read(tmp_path / name)


def test_points_alone_are_told(tmp_path: Path) -> None:
    """A cloud of points shows a face, which nothing here looks at."""
    pv.PolyData(np.random.default_rng(0).normal(size=(50, 3))).save(tmp_path / 'cloud.ply')
    with pytest.raises(ScanError, match='inspect it yourself'):
        read(tmp_path / 'cloud.ply')


@pytest.mark.parametrize('extension', ['.surf.gii', '.seghead', '.stl', '.ply'])
def test_a_cut_file_is_a_reason(extension: str, tmp_path: Path) -> None:
    """Half of a surface was not looked at."""
    path = saved(tmp_path, extension)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ScanError):
        read(path)


@pytest.mark.parametrize('times', [1.0, 1e-3, 0.1])
def test_units_are_known_by_size(times: float) -> None:
    """In metres, as MNE has them, a head would be a grain without a face."""
    surface = ball(80 * times)
    skin, notes = mesh_skin(
        Mesh(np.asarray(surface.points, np.float32), surface.regular_faces.astype(np.int32))
    )
    np.testing.assert_allclose(np.linalg.norm(skin.points, axis=1).max(), 80, atol=0.1)
    assert skin.volume_litres == pytest.approx(4 / 3 * np.pi * 0.08**3 * 1e3, rel=0.05)
    assert bool(notes) == (times != 1)


def test_coarse_surfaces_get_points_all_over() -> None:
    """What is compared with a face point by point is missed between the vertices of a BEM."""
    surface = ball(nsub=2)
    mesh = Mesh(np.asarray(surface.points, np.float32), surface.regular_faces.astype(np.int32))
    skin, _ = mesh_skin(mesh)
    corners = skin.points[skin.triangles]
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    assert np.percentile(edges, 90) <= EDGE_MM
    area = pv.PolyData.from_regular_faces(skin.points, skin.triangles).area
    assert area == pytest.approx(surface.area, rel=1e-4)


def test_a_flat_end_is_a_cut() -> None:
    """Below it there was more: a face that ends there is no whole one, and none is missed."""
    whole = ball(nsub=5)
    cut = whole.clip_closed_surface(normal=(0, 0, 1), origin=(0, 0, -40)).triangulate()
    for surface, expected in ((whole, False), (cut, True)):
        points = np.asarray(surface.points, np.float32)
        ends = flat_ends(Mesh(points, surface.regular_faces.astype(np.int32)))
        assert ends == ((False, False), (False, False), (expected, False))


def zeros(n_bytes: int) -> bytes:
    """Pack so many zeros, a million at a time."""
    packer = zlib.compressobj()
    packed = b''.join(packer.compress(bytes(1 << 20)) for _ in range(n_bytes >> 20))
    return packed + packer.flush()


def test_a_small_file_with_a_huge_array_is_not_unpacked(tmp_path: Path) -> None:
    """A megabyte from a stranger would take all of the memory, and other people's work with it."""
    path = saved(tmp_path, '.surf.gii')
    packed = base64.b64encode(zeros(LARGEST + (1 << 20)))
    content = re.sub(rb'<Data>[^<]*', b'<Data>' + packed, path.read_bytes(), count=1)
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(ScanError, match='larger than any head'):
        read_mesh(path, 'gifti')
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


def test_a_small_file_that_is_packed_as_a_whole_is_not_unpacked_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same, packed one step further."""
    path = saved(tmp_path, '.surf.gii')
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert read_mesh(path, 'gifti') is not None
    monkeypatch.setattr('bids_reid.surface.meshes.LARGEST', path.stat().st_size + 10)
    with pytest.raises(ScanError, match='larger than any head'):
        read_mesh(path, 'gifti')


def test_a_header_takes_no_more_memory_than_its_file_has(tmp_path: Path) -> None:
    """FreeSurfer's header of two billion points takes 8 GB before anybody sees that none is there.

    A machine that refuses these would end the run of all others, too.
    """
    path = saved(tmp_path, '.seghead')
    content = path.read_bytes()
    end = content.index(b'\n\n') + 2
    path.write_bytes(content[:end] + struct.pack('>2i', 700_000_000, 10) + content[end + 8 :])
    with pytest.raises(ScanError, match='ends before'):
        read_mesh(path, 'freesurfer surface')


@pytest.mark.parametrize('kind', ['ascii', 'binary_little_endian'])
def test_things_that_take_no_bytes_are_not_counted(kind: str, tmp_path: Path) -> None:
    """Two lines of text would keep a process busy for weeks."""
    for name in ('thing', 'face'):
        path = tmp_path / f'{name}.ply'
        lines = ['ply', f'format {kind} 1.0', f'element {name} 1000000000000', 'end_header', '']
        path.write_text('\n'.join(lines))
        with pytest.raises(ScanError, match='without properties'):
            read_mesh(path, 'ply')


@pytest.mark.parametrize('error', [MemoryError(), OSError(errno.ENOSPC, 'No space left')])
def test_what_the_machine_lacks_is_no_result_of_a_surface(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record would say for good that the surface cannot be read."""
    path = saved(tmp_path, '.stl')

    def refuses(_: Path) -> Mesh:
        raise error

    monkeypatch.setitem(meshes._READERS, 'stl', refuses)
    with pytest.raises(type(error)):
        read_mesh(path, 'stl')
