"""Records belong to bytes: what was looked at once counts wherever it lies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bids_reid import __version__
from bids_reid.bids.image_records import (
    NO_SENSE,
    has_current_look,
    image_record_path,
    read_image_record,
    save_image_record,
)
from bids_reid.records import Image, ImageRecord, PictureFaces
from tests.support.scan_records import WHOLE_FACE

IMAGE = Image('sub-01_photo.jpg', 'jpeg', 5, 'ab' * 32)
SEEN = ImageRecord(
    *('ab' * 32, 'jpeg', 'photograph', 'ok', None, {'bids_reid': __version__}),
    faces=PictureFaces(1, 1),
)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    """The verdict of an image is made of its record."""
    for record in (SEEN, replace(SEEN, faces=None, kind='head volume', measures=WHOLE_FACE)):
        save_image_record(tmp_path, record)
        assert read_image_record(tmp_path, record.sha256) == record
    assert image_record_path(tmp_path, 'x') == tmp_path / 'images' / 'x.json'


def test_a_damaged_record_is_none(tmp_path: Path) -> None:
    """What it says cannot be trusted: the image is looked at again."""
    assert read_image_record(tmp_path, SEEN.sha256) is None
    save_image_record(tmp_path, SEEN)
    path = image_record_path(tmp_path, SEEN.sha256)
    text = path.read_text()
    damaged = (text[:50], '[]', text.replace('"ok"', '"fine"'), text.replace('ab' * 32, 'x'))
    for content in damaged:
        path.write_text(content)
        assert read_image_record(tmp_path, SEEN.sha256) is None


def test_a_measure_that_is_no_number_is_a_failure(tmp_path: Path) -> None:
    """A record that nobody can read would be made again for ever; the image would have no row."""
    measures = replace(WHOLE_FACE, volume_litres=float('nan'))
    save_image_record(tmp_path, replace(SEEN, kind='head volume', measures=measures))
    record = read_image_record(tmp_path, SEEN.sha256)
    assert record is not None
    assert (record.status, record.reason, record.measures) == ('failed', NO_SENSE, None)


def test_a_reason_names_no_folder(tmp_path: Path) -> None:
    save_image_record(tmp_path, replace(SEEN, status='failed', reason='Empty: /home/jane/x.nii'))
    record = read_image_record(tmp_path, SEEN.sha256)
    assert record is not None
    assert record.reason == 'Empty: x.nii'


def test_only_a_look_of_this_version_at_these_bytes_counts(tmp_path: Path) -> None:
    """An older version may have missed what this one finds."""
    assert not has_current_look(tmp_path, IMAGE)
    save_image_record(tmp_path, SEEN)
    assert has_current_look(tmp_path, IMAGE)
    assert has_current_look(tmp_path, replace(IMAGE, path='elsewhere.jpg'))
    assert not has_current_look(tmp_path, replace(IMAGE, sha256='cd' * 32))
    assert not has_current_look(tmp_path, replace(IMAGE, sha256=None))
    for other in (
        replace(SEEN, software_versions={'bids_reid': '0'}),
        # a disk that was full, or memory that was short, may not be next time
        replace(SEEN, status='failed', faces=None, reason='why'),
    ):
        save_image_record(tmp_path, other)
        assert not has_current_look(tmp_path, IMAGE)
