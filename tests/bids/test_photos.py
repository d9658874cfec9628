"""Whose photograph it is: a wrong label turns an attack that works into one that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_reid.bids.photos import find_photos
from bids_reid.bids.walk import files_below
from bids_reid.errors import NoInputError, UsageError
from bids_reid.records import Photo
from tests.bids.test_inputs import put


@pytest.mark.parametrize(
    ('name', 'participant'),
    [
        ('sub-01_photo-1.jpg', '01'),
        ('sub-01_ses-02_photo.jpg', '01'),
        ('sub-01.png', '01'),
        ('Sub-01.jpg', '01'),
        ('sub-01 (1).jpg', '01'),
        ('sub-01-2.jpg', '01'),
        ('sub-01/IMG 0001.JPG', '01'),
        ('sub-01/day 2/a.jpeg', '01'),
        ('sub-01/sub-02_photo.jpg', '02'),
        ('holiday/sub-0A1_x.tif', '0A1'),
        ('distractor-1.jpg', None),
        ('IMG_sub-01.jpg', None),
        ('sub-.jpg', None),
        ('nobody/a.webp', None),
        ('sub-01.jfif', '01'),
        ('sub-01/scan.BMP', '01'),
        ('x.gif', None),
        ('sub-01_photo.avif', '01'),
        ('sub-01_photo', '01'),
    ],
)
def test_the_name_says_whose_it_is(tmp_path: Path, name: str, participant: str | None) -> None:
    """Otherwise a participant's photograph is taken for a stranger's, and the risk looks small."""
    put(tmp_path, name)
    assert find_photos(tmp_path) == (Photo(name, participant, tmp_path / name),)


def test_all_pictures_of_a_folder_in_order_and_nothing_else(tmp_path: Path) -> None:
    """Otherwise thumbnails and notes are searched with, or the order changes between machines."""
    pictures = [
        'a.heic', 'b.HEIF', 'c.TIFF', 'deep/er/d.webp', 'e.jpg', 'sub-2/f.png', 'sub-2/g.tif',
    ]  # fmt: skip
    put(tmp_path, *reversed(pictures))
    put(tmp_path, 'sub-2/sub-2.json', 'sub-2.tsv', 'sub-2_consent.PDF', 'sub-2/raw.cr2')
    put(tmp_path, '.hidden.jpg', '.thumbnails/x.jpg', 'sub-2/._f.png', 'notes.txt', 'x.nii', 'jpg')
    (tmp_path / 'folder.jpg').mkdir()
    assert [photo.name for photo in find_photos(tmp_path)] == pictures


def test_a_hidden_folder_above_hides_nothing(tmp_path: Path) -> None:
    put(tmp_path / '.private' / 'photos', 'sub-1.jpg')
    assert len(find_photos(tmp_path / '.private' / 'photos')) == 1


def test_no_photograph_is_an_error(tmp_path: Path) -> None:
    """Otherwise an audit without any attack reports no risk."""
    put(tmp_path, 'notes.txt')
    with pytest.raises(UsageError, match='no photographs'):
        find_photos(tmp_path)
    with pytest.raises(NoInputError, match='gone'):
        find_photos(tmp_path / 'gone')


@pytest.mark.parametrize('bom', ['', '\ufeff'])
@pytest.mark.parametrize('end', ['\n', '\r\n'])
def test_a_table_says_whose_they_are(tmp_path: Path, bom: str, end: str) -> None:
    """As Excel and R write it: byte order mark, line ends of Windows, spaces, other columns."""
    put(tmp_path, 'a.jpg', 'x/b.jpg', 'c d.jpg')
    absolute = str(tmp_path / 'a.jpg')
    rows = [
        ('path', 'age', 'participant_id'),
        ('a.jpg', '7', 'sub-01'),
        ('x/b.jpg', '8', '02 '),
        ('c d.jpg', '9', 'n/a'),
        ('c d.jpg', '9', ''),
        (absolute, '1', 'sub-03'),
    ]
    table = tmp_path / 'photos.tsv'
    table.write_bytes((bom + end.join('\t'.join(row) for row in rows) + end).encode())
    assert find_photos(table) == (
        Photo('a.jpg', '01', tmp_path / 'a.jpg'),
        Photo('x/b.jpg', '02', tmp_path / 'x/b.jpg'),
        Photo('c d.jpg', None, tmp_path / 'c d.jpg'),
        Photo('c d.jpg (2)', None, tmp_path / 'c d.jpg'),
        Photo('a.jpg (2)', '03', tmp_path / 'a.jpg'),
    )


def test_a_link_without_content_is_listed(tmp_path: Path) -> None:
    """What datalad has not fetched becomes an unreadable row; it does not leave the study."""
    (tmp_path / 'sub-01.jpg').symlink_to('/nowhere/content')
    (tmp_path / 'sub-02.tsv').symlink_to('/nowhere/content')
    (photo,) = find_photos(tmp_path)
    assert photo.name == 'sub-01.jpg'
    table = tmp_path / 'photos.tsv'
    table.write_text('path\tparticipant_id\nsub-01.jpg\t01\n')
    assert find_photos(table) == (photo,)


def test_linked_folders_are_searched_and_circles_end(tmp_path: Path) -> None:
    """People link folders of photographs together; a link to the top must not hang the run."""
    put(tmp_path / 'store', 'x.jpg')
    photos = tmp_path / 'photos'
    photos.mkdir()
    for name, target in (('sub-01', 'store'), ('sub-02', 'store'), ('top', 'photos')):
        (photos / name).symlink_to(tmp_path / target)
    (photos / 'self.jpg').symlink_to(photos / 'self.jpg')
    found = [(photo.name, photo.participant) for photo in find_photos(photos)]
    assert found == [('self.jpg', None), ('sub-01/x.jpg', '01'), ('sub-02/x.jpg', '02')]


def test_a_folder_that_may_not_be_searched_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its photographs would be missing, or a traceback would not say whose rights are wrong."""
    put(tmp_path, 'sub-01.jpg')

    def refuse(path: Path) -> bool:
        raise PermissionError(13, 'Permission denied', str(path))

    # tests may run as root, who may search everything
    monkeypatch.setattr(type(tmp_path), 'is_dir', refuse)
    with pytest.raises(NoInputError, match=f'cannot list {tmp_path}: Permission denied'):
        list(files_below(tmp_path))


def test_a_table_without_a_column_is_refused(tmp_path: Path) -> None:
    table = tmp_path / 'photos.tsv'
    table.write_text('path\tsubject\na.jpg\t01\n')
    with pytest.raises(UsageError, match=r'photos\.tsv.*participant_id'):
        find_photos(table)
    table.write_text('')
    with pytest.raises(UsageError, match='path, participant_id'):
        find_photos(table)
    table.write_text('path\tparticipant_id\n')
    with pytest.raises(UsageError, match='no photographs'):
        find_photos(table)


def test_a_photograph_that_is_not_there_is_named_with_its_line(tmp_path: Path) -> None:
    """Otherwise it silently leaves the denominator."""
    put(tmp_path, 'a.jpg')
    table = tmp_path / 'photos.tsv'
    table.write_text('path\tparticipant_id\na.jpg\t01\n\nb.jpg\t02\n')
    with pytest.raises(NoInputError, match=r'line 4.*b\.jpg'):
        find_photos(table)
    table.write_text('participant_id\tpath\n01\n')
    with pytest.raises(NoInputError, match='line 2'):
        find_photos(table)


def test_a_picture_instead_of_a_folder_is_refused(tmp_path: Path) -> None:
    """Somebody types one photograph: one clear line, no traceback."""
    picture = tmp_path / 'sub-01.jpg'
    picture.write_bytes(b'\xff\xd8\xff\xe0\x00\x10JFIF')
    with pytest.raises(UsageError, match=r'sub-01\.jpg'):
        find_photos(picture)


SCAN_FOLDERS = {
    'dataset': ('dataset_description.json', 'sub-01/anat/sub-01_T1w.nii.gz'),
    'dataset with pictures': (
        'dataset_description.json',
        'sub-01/anat/sub-01_T1w.nii',
        *('sub-01/sub-01_photo.jpg', 'sub-02/sub-02_photo.jpg'),
    ),
    'participant': ('sub-01_T1w.nii.gz', 'sub-01_T1w.json', 'sub-01_dwi.bval'),
    'series': ('sub-01/1.dcm', 'sub-01/2.dcm', 'preview.jpg'),
    'surfaces': ('sub-01_hemi-L.surf.gii', 'lh.pial'),
}


@pytest.mark.parametrize('kind', SCAN_FOLDERS)
def test_a_folder_of_scans_is_refused(tmp_path: Path, kind: str) -> None:
    """Each scan would be an unreadable photograph, and every rate n/a."""
    put(tmp_path, *SCAN_FOLDERS[kind])
    (tmp_path / 'dataset_description.json').write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    if 'dataset' not in kind:
        (tmp_path / 'dataset_description.json').unlink()
    with pytest.raises(UsageError, match=r'is a folder of scans \(\d files? of ') as caught:
        find_photos(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert '\n' not in str(caught.value)


def test_images_of_a_scanner_without_suffix_are_no_photographs(tmp_path: Path) -> None:
    """Scanners number their files."""
    for name in ('Jane_Doe', 'sub-01_scan'):
        (tmp_path / name).write_bytes(bytes(128) + b'DICM' + bytes(9))
    with pytest.raises(UsageError, match=r'scans \(2 files of DICOM; 0 pictures') as caught:
        find_photos(tmp_path)
    assert 'Jane' not in str(caught.value)


@pytest.mark.parametrize('content', ['"DatasetType": "derivative"', '"PipelineDescription": {}'])
def test_results_of_a_program_are_no_photographs(tmp_path: Path, content: str) -> None:
    """Figures of a head, named as photographs of a participant, would be searched with."""
    put(tmp_path, 'sub-01/figures/sub-01_desc-skin.png')
    (tmp_path / 'dataset_description.json').write_text(f'{{"Name": "fMRIPrep", {content}}}')
    with pytest.raises(UsageError, match='holds results of fMRIPrep, not photographs'):
        find_photos(tmp_path)


def test_a_scan_among_many_photographs_is_left_out(tmp_path: Path) -> None:
    """One file in the wrong place is no reason to stop, and no photograph."""
    put(tmp_path, 'sub-01_a.jpg', 'sub-02_b.jpg', 'sub-02_T1w.nii.gz')
    assert [photo.name for photo in find_photos(tmp_path)] == ['sub-01_a.jpg', 'sub-02_b.jpg']
