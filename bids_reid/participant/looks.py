"""Check one image of any kind for a face.

Scans that are searched get more (`bids_reid.participant.steps`); every other file that can show a
head gets this, once per bytes. Content decides what it is and what needs looking at. Of several
ways to read an image (its numbers, the shape of its labels) the one that shows most of a face
counts.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
from nibabel.affines import voxel_sizes

from bids_reid import __version__
from bids_reid.bids import formats
from bids_reid.errors import PhotoError, ScanError, is_refusal
from bids_reid.messages import count
from bids_reid.records import Image, ImageRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bids_reid.records import ImageKind, ImageStatus, PictureFaces, ScanMeasures
    from bids_reid.risk.presence import Presence
    from bids_reid.surface.skin import Skin
    from bids_reid.surface.volume import Stored, Volume

PACKAGES = ('nibabel', 'numpy', 'pillow', 'pydicom', 'pyvista', 'scipy', 'vtk')
"""Packages besides this one on which the check of an image depends."""
CLOSED = ('ctf mri', 'fif', 'array')
"""Formats of volumes that cannot be read."""
FEWEST_VOXELS = 16
"""A head with fewer voxels along its longer sides shows no face."""
MOST_IN_A_ROW = 400_000
"""Surfaces have fewer numbers; more of them in a row may be a volume."""
LONG_SIDES = (32, 4096)
"""No picture is longer than the second value.

If the other side reaches the first, the data may be a volume.
"""
FACE_MM = (20.0, 55.0, 55.0)
"""Smallest depth, width and height that hold eyes, nose and mouth."""
HEAD_MM = (200.0, 240.0, 230.0)
"""Sides of a usual field of view: to the right, front and top."""
SMOOTH_SHARE = 0.1
"""If neighbours never differ by more than this share of the range, the image has no edges."""
TRACES = 0.02
"""A filter may leave less than this share of the brightness."""
BY_TEXTURE = 'assessed by its texture: a phase image, or noise in air'
_ORDER = ('no findings', 'not looked at', 'could not assess', 'review')


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a look gave: the fields of `ImageRecord`."""

    kind: ImageKind
    status: ImageStatus
    reason: str | None = None
    measures: ScanMeasures | None = None
    faces: PictureFaces | None = None


def look(root: Path, image: Image) -> ImageRecord:
    """Look at an image; one that cannot be read gives a record that says why.

    Parameters
    ----------
    root : Path
        Folder that the image's paths start from.
    image : Image
        Its format is one of `bids_reid.bids.formats.FORMATS`; '' if nobody has looked yet.

    Raises
    ------
    RenderingError
        This machine cannot render.
    OSError, MemoryError
        It refuses something else: that is nothing about the image.
    """
    files = [root / name for name in image.members or (image.path,)]
    # of a pair, the header tells what it is
    files.sort(key=lambda file: file != root / image.path)
    format_ = formats.UNKNOWN
    try:
        if image.absent is not None:
            raise ScanError(image.absent)
        _check_here(files)
        format_ = image.format or _sniffed(files)
        image = replace(image, format=format_)
        seen = _looked(files, format_)
    except (ScanError, PhotoError) as error:
        seen = _Seen(_kind(format_), 'failed', str(error))
    except OSError as error:
        if is_refusal(error):
            raise
        reason = error.strerror or str(error) or type(error).__name__
        seen = _Seen(_kind(format_), 'failed', f'cannot read {files[0].name}: {reason}')
    return record_of(image, seen.kind, seen.status, seen.reason, seen.measures, seen.faces)


def record_of(
    image: Image,
    kind: ImageKind,
    status: ImageStatus,
    reason: str | None,
    measures: ScanMeasures | None = None,
    faces: PictureFaces | None = None,
) -> ImageRecord:
    """Make the record of an image by this version."""
    return ImageRecord(
        image.sha256 or '', image.format, kind, status, reason, dict(_versions()), measures, faces
    )


@cache
def _versions() -> Mapping[str, str]:
    """Versions of this package and others, found once per process: that takes 10 ms."""
    return {'bids_reid': __version__} | {name: version(name) for name in PACKAGES}


def _check_here(files: Sequence[Path]) -> None:
    """Find out whether the content of all files is here.

    Raises
    ------
    ScanError
        It is not.
    """
    for file in files:
        if file.is_symlink() and not file.exists():
            raise ScanError(
                f'{file.name} is a link to content that is not on this machine: get it first'
            )


def _sniffed(files: list[Path]) -> str:
    """Format of what the files are; the one that tells, as the header of a pair, comes first."""
    for file in files[:2]:
        found = formats.image_format(formats.sniff(file), file.name)
        if found not in {None, formats.UNKNOWN}:
            files.sort(key=lambda one: one != file)
            return str(found)
    return formats.UNKNOWN


def _kind(format_: str) -> ImageKind:
    """Name the kind of what could not be looked at."""
    if format_ in formats.PICTURES:
        return 'photograph'
    if format_ in formats.SURFACES:
        return 'surface'
    if format_ in {'document', 'archive'}:
        return 'document' if format_ == 'document' else 'archive'
    return 'other volume' if format_ in formats.VOLUMES and format_ not in CLOSED else 'unreadable'


def _looked(files: Sequence[Path], format_: str) -> _Seen:
    if format_ == 'dicom':
        return _series(files)
    if format_ in CLOSED:
        raise ScanError(f'cannot read the format of {files[0].name}: inspect it yourself')
    if format_ in formats.VOLUMES:
        from bids_reid.surface.volume_files import read_volume

        return _volume(read_volume(files, format_))
    if format_ in formats.SURFACES:
        return _surface(files[0], format_)
    if format_ in formats.PICTURES:
        from bids_reid.faces.pictures import picture_faces

        return _pictures('photograph', picture_faces(files[0]))
    if format_ == 'document':
        return _document(files[0])
    if format_ == 'archive':
        from bids_reid.bids.archives import describe_archive

        raise ScanError(f'images in archives are not looked at ({describe_archive(files[0])})')
    raise ScanError(f'cannot read the format of {files[0].name}: inspect it yourself')


def _document(file: Path) -> _Seen:
    from bids_reid.faces.documents import document_faces

    faces = document_faces(file)
    if not faces.n_pictures and not faces.n_unreadable:
        return _Seen('document', 'not_needed', 'the document contains no picture')
    return _pictures('document', faces)


def _pictures(kind: ImageKind, faces: PictureFaces) -> _Seen:
    return _Seen(kind, 'ok' if faces.n_with_face else 'no_face', faces=faces)


def _series(files: Sequence[Path]) -> _Seen:
    """A DICOM series is a volume, or pictures."""
    from bids_reid.faces.pictures import pixel_faces
    from bids_reid.surface.dicom import read_series

    series = read_series(files)
    if series.volume is not None:
        return _volume(series.volume)
    faces = pixel_faces(series.pictures)
    return _pictures('photograph', replace(faces, n_unreadable=series.n_left_out))


def _surface(file: Path, format_: str) -> _Seen:
    from bids_reid.surface.meshes import mesh_skin, read_mesh

    mesh = read_mesh(file, format_)
    if mesh is None:
        return _Seen('surface', 'not_needed', 'the file holds values on a surface, but no surface')
    skin, notes = mesh_skin(mesh)
    seen = _shape('surface', skin, notes)
    if notes and not _believed(seen):
        reason = f'{"; ".join(notes)}: no face was found'
        return _Seen('surface', 'not_needed', reason)
    return seen


def _shape(
    kind: ImageKind,
    skin: Skin,
    notes: tuple[str, ...] = (),
    voxel_size: tuple[float, ...] = (),
) -> _Seen:
    """Look at a shape as all there is, and, where it has flat ends, as what was cut there."""
    from bids_reid.participant.measures import measured_shape
    from bids_reid.surface.mesh import Mesh, flat_ends

    whole = _measured(kind, measured_shape(skin, notes=notes, voxel_size=voxel_size))
    cut = flat_ends(Mesh(skin.points, skin.triangles))
    if not np.any(cut) or _severity(whole) == len(_ORDER) - 1:
        return whole
    other = _measured(kind, measured_shape(skin, cut=cut, notes=notes, voxel_size=voxel_size))
    # of what is too small for a head, nothing else was cut off that could be a face
    if _severity(other) < len(_ORDER) - 1 and _is_small(whole):
        return whole
    return max(whole, other, key=_severity)


def _measured(kind: ImageKind, measures: ScanMeasures) -> _Seen:
    from bids_reid.risk.presence import assess

    seen = assess(measures).face_present
    return _Seen(kind, 'no_face' if seen == 'no' else 'ok', measures=measures)


def _volume(volume: Stored) -> _Seen:
    """Look at a volume as it is said to be, and otherwise where that cannot be.

    Raises
    ------
    ScanError
        Nothing in it can be looked at, or what was looked at clears only a part of it.
    """
    from bids_reid.risk.presence import PART
    from bids_reid.surface.parts import TOP
    from bids_reid.surface.volume import MIN_SLICES, holds_a_head, prepared

    shape = tuple(sorted((*volume.data.shape, 1, 1)[:3]))
    if shape[1] < FEWEST_VOXELS:
        _check_rows(volume, shape)
        size = ' x '.join(map(str, volume.data.shape))
        return _Seen('other volume', 'not_needed', f'{size} values are too few to show a face')
    if volume.data.min() == volume.data.max():
        return _Seen('other volume', 'not_needed', 'the volume is empty: all voxels are equal')
    if shape[0] < MIN_SLICES:
        _check_rows(volume, shape)
        return _slices(volume)
    lengths = np.sort(voxel_sizes(volume.affine) * volume.data.shape)
    usable = np.isfinite(volume.affine).all() and (lengths > 0).all()
    if (
        not usable
        or not holds_a_head(volume.affine, volume.data.shape)
        or (lengths < FACE_MM).any()
    ):
        return _stretched(volume)
    whole = prepared(volume)
    # what the file holds may be several times as large
    del volume
    seen = _judged(whole)
    if seen.status == 'not_needed' and any(note.endswith(TOP) for note in whole.notes):
        raise ScanError(PART)
    return seen


def _check_rows(volume: Stored, shape: tuple[int, ...]) -> None:
    """Find out whether numbers in a row, or in a few long ones, may be a volume.

    Raises
    ------
    ScanError
        They may.
    """
    if shape[1] == 1 and shape[2] > MOST_IN_A_ROW:
        raise ScanError(f'{volume.name} may hold a volume stored as one row: inspect it yourself')
    if shape[1] >= LONG_SIDES[0] and shape[2] > LONG_SIDES[1]:
        raise ScanError(
            f'{volume.name} may hold a volume stored as long rows: inspect it yourself'
        )


def _slices(volume: Stored) -> _Seen:
    """Look at a few slices as pictures."""
    from bids_reid.faces.pictures import pixel_faces

    faces = pixel_faces(_flat(volume))
    if faces.n_with_face:
        return _Seen('other volume', 'ok', faces=faces)
    n = faces.n_pictures
    return _Seen(
        'other volume',
        'not_needed',
        f'{count(n, "slice")}: too few for a head, and none shows a face',
    )


def _flat(volume: Stored) -> Iterator[NDArray[np.float32]]:
    """Slices across the shortest axis, with square pixels, as they would be looked at."""
    import cv2

    data = volume.data.reshape((*volume.data.shape, 1, 1)[:3])
    axis = int(np.argmin(data.shape))
    sizes = np.delete(np.nan_to_num(voxel_sizes(volume.affine), nan=1.0), axis)
    times = sizes / max(float(sizes.min()), 1e-6)
    for one in np.moveaxis(data, axis, 0):
        width, height = (min(round(n * by), 4096) for n, by in zip(one.shape, times, strict=True))
        upright = np.ascontiguousarray(one.T[::-1])
        yield np.asarray(cv2.resize(upright, (width, height), interpolation=cv2.INTER_LINEAR))


def _stretched(volume: Stored) -> _Seen:
    """Look at what its header makes too small or too large for a face: headers may be wrong.

    Only a face that is clearly there is believed.
    """
    from bids_reid.surface.volume import prepared, sides

    field = sides(volume.affine, volume.data.shape)
    size = f'by its header, the field of view is {field} mm'
    for affine in _head_sized(volume):
        with suppress(ScanError):
            seen = _judged(prepared(volume._replace(affine=affine)))
            if _believed(seen):
                return replace(seen, reason=f'{size}, which cannot be right')
    lengths = np.sort(voxel_sizes(volume.affine) * volume.data.shape)
    if (lengths >= FACE_MM).all():
        raise ScanError(f'{size}: this fits no head, but may fit a face: inspect it yourself')
    return _Seen(
        'other volume',
        'not_needed',
        f'{size}: this fits no face, and no face was found at other sizes',
    )


def _head_sized(volume: Stored) -> Iterator[NDArray[np.float64]]:
    """Affines by which a volume is as large as a head: of its grid, then of its proportions."""
    yield np.diag([*(np.array(HEAD_MM) / volume.data.shape), 1.0])
    with np.errstate(invalid='ignore', divide='ignore'):
        times = max(HEAD_MM) / (voxel_sizes(volume.affine) * volume.data.shape).max()
        affine = np.diag([times, times, times, 1.0]) @ volume.affine
    if np.isfinite(affine).all() and (voxel_sizes(affine) > 0).all():
        yield affine
    yield np.diag([*[max(HEAD_MM) / max(volume.data.shape)] * 3, 1.0])


def _believed(seen: _Seen) -> bool:
    """Whether so much of a face is seen on what was made as large as a head that it is one."""
    from bids_reid.risk.presence import assess, speaks_for_a_face

    if seen.measures is None or assess(seen.measures).face_present == 'no':
        return False
    return speaks_for_a_face(seen.measures)


def _severity(seen: _Seen) -> int:
    """How much it takes to clear what was seen: the place of its verdict in `_ORDER`."""
    return _ORDER.index(_presence(seen).verdict)


def _presence(seen: _Seen) -> Presence:
    from bids_reid.risk.presence import assess_image

    record = record_of(Image('', '', None, ''), seen.kind, seen.status, seen.reason, seen.measures)
    return assess_image(record, None)


def _judged(volume: Volume) -> _Seen:
    """Look at a volume's numbers and, where air is noise, at what is not.

    Raises
    ------
    ScanError
        Nothing in it can be looked at.
    """
    from bids_reid.surface.texture import smooth_part

    head = smooth_part(volume)
    if head is None:
        return _by_numbers(volume)
    shown = _by_brightness(head, as_stored=False)
    told = 'could not assess' if shown is None else _presence(shown).verdict
    if shown is not None:
        shown = replace(shown, kind='other volume', reason=BY_TEXTURE)
    if shown is not None and told == 'review':
        return shown
    try:
        usual = _by_numbers(volume)
    except ScanError:
        if shown is None:
            raise
        return shown
    # of a part of a face or a brain that is cut, numbers without an order say nothing
    if shown is None or told != 'no findings' or _presence(usual).face_present == 'yes':
        return usual
    return shown


def _by_numbers(volume: Volume) -> _Seen:
    """Look at a volume's numbers, and at the shape of what is not background.

    Raises
    ------
    ScanError
        Nothing in it can be looked at.
    """
    from bids_reid.surface import labels

    empty = labels.background(volume.data)
    if empty is not None and labels.is_label_map(volume.data, empty):
        return _by_shape(labels.shape_of(volume, empty))
    bright = _by_brightness(volume)
    if empty is None:
        if bright is None and _is_smooth(volume.data):
            reason = 'the image is smooth all over: it has no edge of skin'
            return _Seen('other volume', 'not_needed', reason)
        if bright is None:
            raise ScanError(
                'nothing of the size of a head stands out in the image: inspect it yourself'
            )
        return bright
    clear = bright is not None and _is_clear(bright)
    if bright is not None and clear and not _is_small(bright):
        return bright
    mask = labels.shape_of(volume, empty)
    # values of a brain may fill the shape of a head
    if bright is not None and clear and not labels.may_be_head(mask):
        return bright
    shape = _by_shape(mask)
    if shape.status == 'no_face' and not _is_small(shape):
        # traces around a brain are as wide as the filter that left them
        core = _by_shape(labels.shape_of(volume, empty, TRACES))
        shape = core if _is_small(core) else shape
    return _bright_or_shape(bright, shape, clear=clear)


def _bright_or_shape(bright: _Seen | None, shape: _Seen, *, clear: bool) -> _Seen:
    """Of what a volume's numbers and its shape show, what counts."""
    if bright is None or (not clear and _is_small(shape)):
        # there is nothing but background where a face could be
        return bright if bright is not None and _is_no_head(bright) else shape
    return max(bright, shape, key=_severity)


def _is_clear(bright: _Seen) -> bool:
    """Whether brightness tells; of values above and below that of air it shows a part only.

    Such a part of a brain looks cut.
    """
    verdict = _presence(bright).verdict
    cut = verdict == 'review' and _is_small(bright)
    return verdict != 'could not assess' and not cut


def _by_brightness(volume: Volume, *, as_stored: bool = True) -> _Seen | None:
    """Look for a head that is brighter than the air, or darker; ``None`` if there is none."""
    from bids_reid.participant.measures import measured_skin, with_evidence
    from bids_reid.surface import labels

    ways = [volume]
    if labels.has_bright_border(volume.data):
        ways.append(labels.inverted(volume))
    found = []
    for way in ways:
        with suppress(ScanError):
            skin, frame, measures = measured_skin(way, as_stored=as_stored)
            found.append(_measured('head volume', with_evidence(measures, skin, frame)))
    return max(found, key=_severity, default=None)


def _by_shape(mask: Volume) -> _Seen:
    """Look at the shape of what is not background: all there is of it is in the volume."""
    from bids_reid.surface import labels
    from bids_reid.surface.mesh import contour, enclosed_litres
    from bids_reid.surface.skin import Skin, extract_skin

    extent = np.sort(labels.extent(mask.data, mask.spacing))
    if (extent < FACE_MM).any():
        size = ' x '.join(f'{side:.0f}' for side in extent)
        reason = f'everything but the background measures {size} mm: too small for a face'
        return _Seen('other volume', 'not_needed', reason)
    try:
        skin = extract_skin(mask)
    except ScanError:
        mesh = contour(mask.data, mask.affine)
        skin = Skin(mesh.points, mesh.triangles, 0.0, 0.0, enclosed_litres(mesh))
    return _shape('other volume', skin, mask.notes, mask.voxel_size)


def _is_no_head(seen: _Seen) -> bool:
    """Whether what was seen has a shape that no head has."""
    from bids_reid.surface.simple_shapes import NOT_A_HEAD

    return _presence(seen).reason.startswith(NOT_A_HEAD)


def _is_small(seen: _Seen) -> bool:
    """Whether what was seen has no face, and is no larger than a brain: no head hides in it."""
    from bids_reid.surface.labels import BRAIN_LITRES

    if seen.status == 'not_needed':
        return True
    small = seen.measures is not None and seen.measures.volume_litres <= BRAIN_LITRES
    return small and seen.status == 'no_face'


def _is_smooth(data: NDArray[np.float32]) -> bool:
    """Whether neighbours differ by little everywhere."""
    low, high = np.percentile(data, [0.5, 99.5])
    steps = [float(np.percentile(np.abs(np.diff(data, axis=axis)), 99.9)) for axis in range(3)]
    return max(steps) < SMOOTH_SHARE * float(high - low)
