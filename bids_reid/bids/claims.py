"""Claims of de-identification in the sidecars of an image (BIDS 1.9 and later)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bids_reid.bids.files import read_json
from bids_reid.bids.text_files import parse_json, read_text
from bids_reid.records import Claim

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

METHOD, CODES = 'DeidentificationMethod', 'DeidentificationMethodCodeSequence'
FACE_CODE = '113102'
"""DICOM's "Clean Recognizable Visual Features Option" (PS3.16, CID 7050)."""
_FACE_WORDS = re.compile(
    r'(?<![a-z])fac(e|ial)|(de|re)-?fac|shear|skull|brain|visual feature|anonymi\b', re.IGNORECASE
)
"""Words of a method that changes faces, including names of tools.

Most methods written by scanners and archives concern only names and dates in headers.
"""


def read_claim(image: Path, dataset_dir: Path) -> Claim:
    """Read whether an image is said to be de-faced, with the inheritance of BIDS.

    Parameters
    ----------
    image : Path
        An image below ``dataset_dir``.

    Returns
    -------
    Claim
        A method concerns the face if its code is 113102, or if its words say so.
    """
    metadata = inherited_metadata(image, dataset_dir)
    methods = [str(method) for method in _several(metadata.get(METHOD)) if str(method).strip()]
    codes = [code for code in _several(metadata.get(CODES)) if isinstance(code, dict)]
    methods += [
        ' '.join(str(code[key]) for key in ('CodeValue', 'CodeMeaning') if code.get(key))
        for code in codes
    ]
    if not methods:
        return Claim()
    by_code = any(str(code.get('CodeValue')) == FACE_CODE for code in codes)
    claimed = by_code or any(_FACE_WORDS.search(method) for method in methods)
    return Claim(claimed, tuple(methods))


def damaged_sidecars(images: Iterable[tuple[Path, Path]]) -> list[Path]:
    """Return the sidecars of images that hold no JSON object, so that no claim can be read.

    Inherited ones, too. With each image comes the folder of its dataset.

    >>> damaged_sidecars([])
    []
    """
    apply = {path for image, dataset_dir in images for path in _inherited(image, dataset_dir)}
    return sorted(path for path in apply if path.is_file() and not _holds_object(path))


def _holds_object(path: Path) -> bool:
    try:
        return isinstance(parse_json(read_text(path)), dict)
    except (OSError, ValueError):
        return False


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def inherited_metadata(image: Path, dataset_dir: Path) -> dict[str, Any]:
    """Merge the JSON files that apply to an image, the nearest one last.

    A file applies if it lies in a folder on the way from the dataset to the image, ends with the
    same suffix and has no word in its name that the image's name lacks (BIDS, inheritance
    principle). That also holds for names that are not BIDS, as ``sub-01_T1w_defaced``.
    """
    merged: dict[str, Any] = {}
    for path in _inherited(image, dataset_dir):
        merged |= read_json(path)
    return merged


def _inherited(image: Path, dataset_dir: Path) -> Iterator[Path]:
    """Yield the JSON files that apply to an image, the nearest one last."""
    inside = image.relative_to(dataset_dir).parent.parts
    folders = [dataset_dir.joinpath(*inside[:depth]) for depth in range(len(inside) + 1)]
    words = _words(image)
    for folder in folders:
        apply = [path for path in _sidecars(folder) if _applies(path, words)]
        yield from sorted(apply, key=lambda path: len(_words(path)))


def _sidecars(folder: Path) -> tuple[Path, ...]:
    """JSON files of a folder, in order; none if it is not there."""
    return _listed(folder, folder.stat().st_mtime_ns) if folder.is_dir() else ()


@lru_cache(maxsize=64)
def _listed(folder: Path, _time: int) -> tuple[Path, ...]:
    # every scan asks for the dataset's own folder, which has an entry for every participant
    return tuple(sorted(folder.glob('*.json')))


def _words(path: Path) -> list[str]:
    return path.name.removesuffix('.gz').rpartition('.')[0].split('_')


def _applies(sidecar: Path, words: list[str]) -> bool:
    own = _words(sidecar)
    return own[-1] == words[-1] and set(own) <= set(words)
