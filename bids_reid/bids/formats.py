"""Formats of files that can show a head, recognised by content; names decide only what is left.

Nothing here raises because of a file's content: what cannot be told is said to be unknown, and an
unknown file counts as one that may show a head.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

VOLUMES = (
    *('nifti', 'analyze', 'mgh', 'minc', 'nrrd', 'metaimage', 'afni', 'ecat', 'mrtrix', 'parrec'),
    *('dicom', 'ctf mri', 'fif', 'array'),
)
"""``fif``: one with a magnetic resonance image or a surface of the head; ``array``: of NumPy,
MATLAB or HDF5, large enough in three axes for a head."""
SURFACES = (*('gifti', 'freesurfer surface', 'stl', 'ply', 'obj', 'off', 'vtk', 'scene'),)
"""``scene``: VRML, X3D, Collada, glTF."""
PICTURES = (
    *('jpeg', 'png', 'gif', 'bmp', 'tiff', 'webp', 'heif', 'jpeg 2000', 'netpbm', 'photoshop'),
)
"""``heif`` includes AVIF."""
OWN_OUTPUT = 'own output'
TEMPLATE = 'template'
OWN_RESULTS = (OWN_OUTPUT, TEMPLATE)
"""Results of this program. Nobody has to look at them: they must not be shared."""
UNKNOWN = 'unknown'
FORMATS = (
    *(*VOLUMES, *SURFACES, *PICTURES, 'video', 'document', 'archive'),
    *(*OWN_RESULTS, UNKNOWN),
)
"""Formats of images. ``document``: a page or drawing with pictures in it; ``archive``: one with an
image in it, or one that cannot be listed; ``own output``: a folder of this program's results;
``template``: a file of face features that this program wrote, whatever its name."""

TEXT = 'text'
OTHER = 'other'
BINARY = 'binary'
EMPTY = 'empty'
POINTER = 'pointer'
"""Contents that are no image: text without pictures; a known format without pictures; what is not
known; nothing; where git-annex or Git LFS keep the content."""
LFS = 'Git LFS'


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a file.

    Attributes
    ----------
    format : str
        One of `FORMATS`, or `TEXT`, `OTHER`, `BINARY`, `EMPTY` or `POINTER`.
    details : tuple of str
        Of DICOM the UID of the series, if it has one; of a header whose data are in other files
        their names, with ``{}`` for its own name up to the suffix; of a pointer the key of
        git-annex, or one made up for Git LFS and `LFS`.
    """

    format: str
    details: tuple[str, ...] = ()


BY_NAME: dict[str, str] = {
    **dict.fromkeys(('.nii', '.nii.gz', '.nii.bz2', '.nii.zst', '.nii.xz', '.nia'), 'nifti'),
    **dict.fromkeys(('.hdr', '.img', '.hdr.gz', '.img.gz'), 'analyze'),
    **dict.fromkeys(('.mgh', '.mgz', '.mgh.gz'), 'mgh'),
    **dict.fromkeys(('.mnc', '.mnc.gz', '.mnc2'), 'minc'),
    **dict.fromkeys(('.nrrd', '.nhdr', '.seg.nrrd'), 'nrrd'),
    **dict.fromkeys(('.mha', '.mhd', '.zraw'), 'metaimage'),
    **dict.fromkeys(('.head', '.brik', '.brik.gz', '.brik.bz2'), 'afni'),
    '.v': 'ecat',
    **dict.fromkeys(('.mif', '.mif.gz', '.mih'), 'mrtrix'),
    **dict.fromkeys(('.dcm', '.dicom', '.ima'), 'dicom'),
    '.mri': 'ctf mri',
    **dict.fromkeys(('.npy', '.npz'), 'array'),
    **dict.fromkeys(('.gii', '.gii.gz'), 'gifti'),
    **dict.fromkeys(
        ('.pial', '.white', '.inflated', '.orig.nofix', '.seghead', '.smseghead', '.tri'),
        'freesurfer surface',
    ),
    **{f'.{name}': name for name in ('stl', 'ply', 'obj', 'off')},
    **dict.fromkeys(('.vtk', '.vtp', '.vtu', '.vti'), 'vtk'),
    **dict.fromkeys(('.wrl', '.x3d', '.dae', '.glb', '.gltf', '.3mf'), 'scene'),
    **dict.fromkeys(('.jpg', '.jpeg', '.jfif', '.jpe'), 'jpeg'),
    **{f'.{name}': name for name in ('png', 'gif', 'bmp', 'tiff', 'webp')},
    '.tif': 'tiff',
    **dict.fromkeys(('.heic', '.heif', '.avif'), 'heif'),
    **dict.fromkeys(('.jp2', '.j2k', '.jpx'), 'jpeg 2000'),
    **dict.fromkeys(('.pgm', '.ppm', '.pnm'), 'netpbm'),
    '.psd': 'photoshop',
    **dict.fromkeys(
        ('.mp4', '.m4v', '.mov', '.avi', '.mkv', '.webm', '.mpg', '.mpeg', '.wmv', '.flv'), 'video'
    ),
}
"""Formats by the end of the name, in lower case.

Such a file counts as an image even if its content cannot be recognised.
"""
_IMAGE_ENDS = tuple(sorted(BY_NAME, key=len, reverse=True))
_ABSENT_BY_NAME = {
    **BY_NAME,
    **dict.fromkeys(
        (
            *('.zip', '.tar', '.tgz', '.tbz2', '.txz', '.7z', '.rar', '.gz', '.bz2', '.xz'),
            *('.zst', '.iso', '.dmg'),
        ),
        'archive',
    ),
    **dict.fromkeys(
        (
            *('.pdf', '.svg', '.html', '.htm', '.ipynb', '.docx', '.pptx', '.xlsx', '.odt'),
            *('.odp', '.doc', '.ppt', '.xls', '.rtf', '.ps', '.eps'),
        ),
        'document',
    ),
    **dict.fromkeys(('.mat', '.h5', '.hdf5'), 'array'),
}
"""Formats of content that is not on this machine: whether a page contains pictures is unknown."""
_RECORDINGS = (
    *('.fif', '.fif.gz', '.eeg', '.vhdr', '.vmrk', '.edf', '.bdf', '.set', '.fdt', '.cnt'),
    *('.meg4', '.res4', '.hc', '.acq', '.infods', '.newds', '.con', '.sqd', '.kdf', '.ave'),
    *('.mrk', '.elp', '.hsp', '.mhd', '.chn', '.trg', '.snirf', '.nwb', '.tdat', '.tidx'),
    *('.tmet', '.edf.gz', '.raw.fif', '.xltek', '.wav', '.mp3'),
)
_DERIVED = (
    *('.tck', '.trk', '.trx', '.tck.gz', '.trk.gz', '.xfm', '.lta', '.x5', '.m3z', '.mat'),
    *('.annot', '.label', '.curv', '.thickness', '.area', '.sulc', '.w', '.warp', '.ctab'),
)
_SOFTWARE = (
    '.pyc',
    '.so',
    '.ttf',
    '.otf',
    '.woff',
    '.woff2',
    '.eot',
    '.mo',
    '.o',
    '.a',
    '.mexa64',
)
NO_PICTURE = (*_RECORDINGS, *_DERIVED, *_SOFTWARE)
"""Names of binary files without pictures whose content has no signature."""
_RECORDING_FOLDER = re.compile(r'\.(ds|mefd|mff)/', re.IGNORECASE)
_FREESURFER_VERTICES = re.compile(r'(.*/)?[lr]h\.[^/]+', re.S)
_BTI = re.compile(r'(.*/)?(c,rf[^/]*|e,rf[^/]*|config|hs_file)', re.S)
_PLAIN = (
    *('.json', '.tsv', '.tsv.gz', '.csv', '.txt', '.md', '.rst', '.bval', '.bvec', '.yml'),
    *('.yaml', '.xml', '.py', '.m', '.sh', '.r', '.toml', '.cfg', '.log', '.cff', '.bib'),
    *('.ini', '.js', '.css', '.jsonl', '.mk', '.html.j2', '.lock'),
)
_PLAIN_NAMES = ('readme', 'changes', 'license', 'citation', 'authors', 'makefile', 'dockerfile')


def format_by_name(name: str) -> str | None:
    """Return the format that a name claims; ``None`` if it claims no image."""
    name = name.lower()
    if not name.endswith(_IMAGE_ENDS):
        return None
    # the longest end wins
    return next(BY_NAME[end] for end in _IMAGE_ENDS if name.endswith(end))


def format_of_absent(name: str) -> str | None:
    """Return the format that content which is not here may have; ``None`` if it is no image.

    Names that tell nothing give `UNKNOWN`.
    """
    lower = name.lower()
    base = lower.rpartition('/')[2]
    if lower.endswith((*_PLAIN, *NO_PICTURE)) or base.startswith('.git') or base in _PLAIN_NAMES:
        return format_by_name(name) if lower.endswith('.mhd') else None
    found = format_by_name(name)
    if found is None:
        ends = (name for end, name in _ABSENT_BY_NAME.items() if lower.endswith(end))
        found = next(ends, UNKNOWN)
    return None if _is_recording(lower) and found == UNKNOWN else found


def image_format(content: Content, name: str) -> str | None:
    """Return the format of an image, or ``None`` if the content is not an image.

    Parameters
    ----------
    name : str
        Path of the file in the folder, for content that says nothing.
    """
    lower = name.lower()
    match content.format:
        case 'other' | 'pointer':
            return None
        case 'empty':
            return format_by_name(lower)
        case 'text':
            return UNKNOWN if format_by_name(lower) and not lower.endswith('.mhd') else None
        case 'binary':
            return None if lower.endswith(NO_PICTURE) or _is_recording(lower) else UNKNOWN
    return content.format


def _is_recording(name: str) -> bool:
    """Whether a name is of a recording, or of numbers per vertex, without a suffix to know."""
    patterns = (_RECORDING_FOLDER.search, _FREESURFER_VERTICES.fullmatch, _BTI.fullmatch)
    return any(pattern(name) for pattern in patterns)


def sniff(path: Path | str) -> Content:
    """Recognise the content of a file.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with open(path, 'rb') as file:  # noqa: PTH123
        return sniff_file(file)


def sniff_file(file: BinaryIO, *, nested: bool = False) -> Content:
    """Recognise the content of an open file, from its first byte on.

    Parameters
    ----------
    nested : bool
        The file is the start of a member of an archive: it may be cut, and an archive in it is
        not opened.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    # the recognisers know of archives, archives ask here about their members
    from bids_reid.bids.recognise import recognise

    try:
        return recognise(file, nested=nested)
    except OSError:
        raise
    except Exception:  # noqa: BLE001
        # damaged files make the readers of their formats raise anything
        return Content(UNKNOWN)
