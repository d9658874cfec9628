"""The number that ties a table to a folder."""

from __future__ import annotations

import hashlib
from itertools import permutations
from pathlib import Path

import pytest

from bids_reid.bids.manifest import manifest_sha256
from bids_reid.bids.tables import read_table, written

IMAGES = (
    ('sub-02/anat/sub-02_T1w.nii.gz', 'a' * 64, 'MD5E-s3--b.nii.gz'),
    ('sub-01/anat/sub-01_T1w.nii.gz', None, 'MD5E-s3--c.nii.gz'),
    ('sub-01/anat/sub-01_T2w.nii.gz', None, None),
)


def test_it_is_what_sha256sum_would_say_of_the_list() -> None:
    """People recompute it with a shell: order, content and line ends are a promise."""
    text = (
        'MD5E-s3--c.nii.gz  sub-01/anat/sub-01_T1w.nii.gz\n'
        '-  sub-01/anat/sub-01_T2w.nii.gz\n'
        f'{"a" * 64}  sub-02/anat/sub-02_T1w.nii.gz\n'
    )
    expected = hashlib.sha256(text.encode()).hexdigest()
    assert {manifest_sha256(images) for images in permutations(IMAGES)} == {expected}
    assert manifest_sha256([]) == hashlib.sha256(b'').hexdigest()


@pytest.mark.parametrize('column', [0, 1, 2])
@pytest.mark.parametrize('image', [0, 1])
def test_any_change_changes_it(image: int, column: int) -> None:
    """A number that stays ties nothing together; a key counts only without a SHA-256."""
    changed = [list(one) for one in IMAGES]
    changed[image][column] = f'{changed[image][column]}x'
    same = manifest_sha256(map(tuple, changed)) == manifest_sha256(IMAGES)  # type: ignore[arg-type]
    assert same == (image == 0 and column == 2)


@pytest.mark.parametrize('name', ['plain', 'Ünicode', 'tab\there', 'line\nend', 'not\udcffutf8'])
def test_a_reader_of_the_table_gets_the_number_of_its_writer(tmp_path: Path, name: str) -> None:
    """A file whose name is not UTF-8 would make every check of its release fail."""
    table = tmp_path / 'table.tsv'
    table.write_text(f'path\n{written(name)}\n', encoding='utf-8')
    (read,) = read_table(table)
    assert manifest_sha256([(read['path'], None, None)]) == manifest_sha256([(name, None, None)])
