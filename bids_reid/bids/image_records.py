"""Records of images that were checked for faces: one file per content, whatever the name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bids_reid import __version__
from bids_reid.bids.files import json_text, read_json, write_json
from bids_reid.bids.text_files import parse_json
from bids_reid.printable import without_folders
from bids_reid.records import ImageRecord

if TYPE_CHECKING:
    from pathlib import Path

    from bids_reid.records import Image

FOLDER = 'images'
NO_SENSE = 'the recorded measurements are invalid'


def image_record_path(output_dir: Path, sha256: str) -> Path:
    """Where the record of an image is, by the hash of its content."""
    return output_dir / FOLDER / f'{sha256}.json'


def has_looks(output_dir: Path) -> bool:
    """Whether an image was checked for faces."""
    names = (path.name for path in (output_dir / FOLDER).glob('*.json'))
    return any(not name.startswith('.') for name in names)


def save_image_record(output_dir: Path, record: ImageRecord) -> None:
    """Write the record of an image.

    Raises
    ------
    CannotWriteError
        The file cannot be written.
    """
    try:
        ImageRecord.from_json(parse_json(json_text(record.to_json())))
    except (KeyError, TypeError):
        # nobody could read such a record
        record = replace(record, status='failed', reason=NO_SENSE, measures=None, faces=None)
    if record.reason is not None:
        # readers of other programs name the file as they were given it
        record = replace(record, reason=without_folders(record.reason))
    write_json(image_record_path(output_dir, record.sha256), record.to_json())


def read_image_record(output_dir: Path, sha256: str) -> ImageRecord | None:
    """Read the record of an image; ``None`` if there is none, or it is damaged."""
    try:
        record = ImageRecord.from_json(read_json(image_record_path(output_dir, sha256)))
    except (KeyError, TypeError):
        return None
    return record if record.sha256 == sha256 else None


def has_current_look(output_dir: Path, image: Image) -> bool:
    """Whether this version looked at what an image holds, and could.

    One that could not be looked at is tried again, but for archives, which never are.
    """
    record = read_current_record(output_dir, image.sha256)
    return record is not None and (record.status != 'failed' or record.kind == 'archive')


def read_current_record(output_dir: Path, sha256: str | None) -> ImageRecord | None:
    """Read the record of an image if it is of this version: another may have been blind."""
    record = None if sha256 is None else read_image_record(output_dir, sha256)
    if record is None or record.software_versions.get('bids_reid') != __version__:
        return None
    return record
