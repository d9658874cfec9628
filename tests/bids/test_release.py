"""The account of a release: what the walk does not find is shared without a look."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from bids_reid import __version__
from bids_reid.bids import hash_cache
from bids_reid.bids.annex import key_of_link, parse_key
from bids_reid.bids.git_history import GitHistory, NoHistoryError
from bids_reid.bids.hash_cache import HashCache
from bids_reid.bids.release import walk_release
from bids_reid.errors import NoInputError
from bids_reid.records import Image
from tests.bids.test_formats import META, dicom_bytes, nifti_bytes, tar_bytes, zip_bytes

SCAN = nifti_bytes()
OTHER_SCAN = SCAN[:-4] + b'\0\0\0\1'


def put(root: Path, name: str, content: bytes = SCAN) -> Path:
    """Write a file and the folders that lead to it."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def walk(root: Path, **options: Any) -> dict[str, Image]:
    """Images by path; each path once, and sorted."""
    images = list(walk_release(root, **options))
    paths = [image.path for image in images]
    assert paths == sorted(set(paths))
    return dict(zip(paths, images, strict=True))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git(folder: Path, *arguments: str) -> None:
    """Run git as somebody, with no settings of this machine."""
    who = ('-c', 'user.name=a', '-c', 'user.email=a@example.org', '-c', 'init.defaultBranch=main')
    allowed = ('-c', 'protocol.file.allow=always')
    environment = {
        **os.environ,
        'GIT_CONFIG_GLOBAL': '/dev/null',
        'GIT_CONFIG_SYSTEM': '/dev/null',
    }
    command = ['git', *who, *allowed, *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=environment)


needs_git = pytest.mark.skipif(shutil.which('git') is None, reason='needs git')


def annex_key(content: bytes, suffix: str = '.nii.gz') -> str:
    return f'SHA256E-s{len(content)}--{sha256(content)}{suffix}'


def annexed(root: Path, name: str, content: bytes = SCAN, *, present: bool = True) -> str:
    """A link as git-annex makes it, with the content if that is wanted."""
    for folder in ('objects', 'refs'):
        (root / '.git' / folder).mkdir(parents=True, exist_ok=True)
    put(root, '.git/HEAD', b'ref: refs/heads/main\n')
    key = annex_key(content)
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    target = root / '.git' / 'annex' / 'objects' / 'aa' / 'bb' / key / key
    path.symlink_to(os.path.relpath(target, path.parent))
    if present:
        put(target.parent, key, content)
    return key


# ------------------------------------------------------------------------- what is walked


def test_every_place_of_a_folder_is_walked(tmp_path: Path) -> None:
    """A face in sourcedata, derivatives, a hidden or an ignored folder is shared with the rest."""
    names = [
        *('sub-01/anat/sub-01_T1w.nii', 'sourcedata/x/raw', 'derivatives/fs/sub-01/mri/orig.mgz'),
        *('.heudiconv/01/a', '.hidden.nii', 'code/notes.txt', 'work/node/b.json', 'a/b/c/d/e/f'),
    ]
    for name in names:
        put(tmp_path, name)
    put(tmp_path, '.bidsignore', b'code/\n')
    put(tmp_path, '.gitignore', b'work/\n')
    put(tmp_path, 'README', b'words')
    images = walk(tmp_path)
    assert set(images) == set(names)
    for name in names:
        assert images[name] == Image(name, 'nifti', len(SCAN), sha256(SCAN))


def test_images_come_by_path_whatever_the_folders_are_called(tmp_path: Path) -> None:
    """Two lists are compared line by line."""
    names = ['a', 'a-b/x', 'a.b', 'a0', 'b/a', 'b/a!/x', 'b/a/x', 'b/a0', 'b!/z', 'b0/y', 'é/x']
    for name in set(names) - {'a', 'b/a'}:
        put(tmp_path, name)
    assert list(walk(tmp_path)) == sorted(set(names) - {'a', 'b/a'})


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have further processes start with the first files."""
    monkeypatch.setattr('bids_reid.bids.examine._FEW_CHUNKS', 0)
    monkeypatch.setattr('bids_reid.bids.examine._CHUNK_FILES', 8)


@pytest.mark.usefixtures('small_chunks')
def test_several_processes_find_the_same(tmp_path: Path) -> None:
    """The number of processors must not change the account."""
    for subject in range(10):
        for number in range(10):
            content = SCAN + bytes([subject, number])
            put(tmp_path, f'sub-{subject:02}/anat/{number}.nii', content if number % 2 else b'x')
    alone, together = walk(tmp_path), walk(tmp_path, n_procs=2)
    assert list(alone.items()) == list(together.items())
    assert len(alone) == 100


@pytest.mark.usefixtures('small_chunks')
def test_a_walk_that_is_given_up_leaves_no_process(tmp_path: Path) -> None:
    """A caller that stops at the first finding is not kept waiting."""
    for number in range(100):
        put(tmp_path, f'{number:04}.nii')
    images = walk_release(tmp_path, n_procs=2)
    assert next(iter(images)).path == '0000.nii'
    images.close()  # type: ignore[attr-defined]
    assert not multiprocessing.active_children()


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """An empty account of it would pass."""
    with pytest.raises(NoInputError, match='nowhere'):
        walk_release(tmp_path / 'nowhere')
    put(tmp_path, 'file')
    with pytest.raises(NoInputError, match='file'):
        walk_release(tmp_path / 'file')


def test_own_results_are_one_image(tmp_path: Path) -> None:
    """They hold faces: the release is not to be shared with them, and not looked into."""
    put(tmp_path, 'sub-01/a.nii')
    put(tmp_path, 'derivatives/reid/sub-01/skin.nii')
    put(tmp_path, 'derivatives/reid.nii')
    images = walk(tmp_path, own=[tmp_path / 'derivatives' / 'reid', tmp_path / 'not there'])
    assert list(images) == ['derivatives/reid.nii', 'derivatives/reid/', 'sub-01/a.nii']
    own = Image('derivatives/reid/', 'own output', None, None)
    assert images['derivatives/reid/'] == own
    assert walk(tmp_path, own=[tmp_path, tmp_path.parent]) == walk(tmp_path)


# ---------------------------------------------------------------------------------- links


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    """A linked scan is uploaded as a scan."""
    root = tmp_path / 'release'
    outside = put(tmp_path, 'outside/far/scan')
    put(root, 'sub-01/a.nii')
    (root / 'link.txt').symlink_to(outside)
    (root / 'folder').symlink_to(tmp_path / 'outside')
    (root / 'sub-01' / 'up').symlink_to(root)
    (root / 'self').symlink_to('self')
    assert list(walk(root)) == ['folder/far/scan', 'link.txt', 'self', 'sub-01/a.nii']


def test_a_link_to_nothing_counts_if_it_may_be_an_image(tmp_path: Path) -> None:
    """Whoever copies the folder elsewhere may have what is missing here."""
    for name in ('a.nii.gz', 'b.json', 'c.strange'):
        (tmp_path / name).symlink_to('nothing')
    images = walk(tmp_path)
    assert list(images) == ['a.nii.gz', 'c.strange']
    assert images['a.nii.gz'].format == 'nifti'
    assert images['a.nii.gz'].sha256 is None
    assert 'No such file' in str(images['a.nii.gz'].absent)


def test_pipes_and_sockets_are_never_opened(tmp_path: Path) -> None:
    """A pipe would keep the run waiting for ever."""
    os.mkfifo(tmp_path / 'pipe.nii')
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(tmp_path)
        try:
            server.bind('socket')
        finally:
            os.chdir(here)
        images = walk(tmp_path)
    assert list(images) == ['pipe.nii', 'socket']
    assert {image.format for image in images.values()} == {'unknown'}
    assert all('not opened' in str(image.absent) for image in images.values())


def test_what_cannot_be_read_is_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can say that it is no face. Root may read everything, so the errors are made."""
    put(tmp_path, 'a/b.json', b'{}')
    put(tmp_path, 'closed/c.nii')
    real_open, real_scan = os.open, os.scandir

    def no_open(path: Any, *arguments: Any, **options: Any) -> int:
        if str(path).endswith('b.json'):
            raise PermissionError(13, 'Permission denied')
        return real_open(path, *arguments, **options)

    def no_scan(path: Any) -> Any:
        if str(path).rstrip('/').endswith('closed'):
            raise PermissionError(13, 'Permission denied')
        return real_scan(path)

    monkeypatch.setattr(os, 'open', no_open)
    monkeypatch.setattr(os, 'scandir', no_scan)
    images = walk(tmp_path)
    assert images == {
        'a/b.json': Image(
            'a/b.json', 'unknown', 2, None, absent='cannot be read: Permission denied'
        ),
        'closed/': Image(
            'closed/', 'unknown', None, None, absent='cannot be listed: Permission denied'
        ),
    }


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
def test_a_folder_without_rights_is_an_image(tmp_path: Path) -> None:
    """As above, with real rights."""
    put(tmp_path, 'closed/c.nii')
    put(tmp_path, 'd.nii').chmod(0)
    (tmp_path / 'closed').chmod(0)
    try:
        images = walk(tmp_path)
    finally:
        (tmp_path / 'closed').chmod(0o700)
    assert [image.absent is None for image in images.values()] == [False, False]


def test_names_need_not_be_utf8(tmp_path: Path) -> None:
    """Such a file is as much a face as any."""
    name = os.fsdecode(b'sub-\xff/\xfe\n\t.nii')
    put(tmp_path, name)
    assert walk(tmp_path)[name].sha256 == sha256(SCAN)


# --------------------------------------------------------------------------- several files


def test_a_dicom_series_is_one_image(tmp_path: Path) -> None:
    """A row per slice would hide the rows that matter."""
    first = [dicom_bytes('1.2.1') + bytes([number]) for number in range(3)]
    for number, content in enumerate(first):
        put(tmp_path, f'dicom/IM{number}', content)
    put(tmp_path, 'dicom/IM1b', dicom_bytes('1.2.2'))
    put(tmp_path, 'other/IM0', first[0])
    images = walk(tmp_path)
    assert list(images) == ['dicom/IM0', 'dicom/IM1b', 'other/IM0']
    series = images['dicom/IM0']
    assert series.members == ('dicom/IM0', 'dicom/IM1', 'dicom/IM2')
    lines = ''.join(f'{sha256(content)}  IM{n}\n' for n, content in enumerate(first))
    assert series.sha256 == sha256(lines.encode())
    assert series.bytes == sum(map(len, first))
    assert images['other/IM0'].members == ()
    assert {image.format for image in images.values()} == {'dicom'}


@pytest.mark.parametrize(
    ('kind', 'format_', 'names'),
    [
        (nibabel.Nifti1Pair, 'nifti', ('a.hdr', 'a.img')),
        (nibabel.AnalyzeImage, 'analyze', ('a.hdr', 'a.img')),
    ],
)
def test_a_pair_is_one_image(
    tmp_path: Path, kind: Any, format_: str, names: tuple[str, str]
) -> None:
    """Neither half can be looked at alone."""
    nibabel.save(kind(np.zeros((6, 6, 6), np.float32), np.eye(4)), tmp_path / 'a.hdr')
    (image,) = walk(tmp_path).values()
    assert (image.path, image.format, image.members) == ('a.hdr', format_, names)
    assert image.absent is None
    before = image.sha256
    with (tmp_path / 'a.img').open('r+b') as file:
        file.write(b'x')
    assert walk(tmp_path)['a.hdr'].sha256 != before
    (tmp_path / 'a.img').unlink()
    assert 'data file' in str(walk(tmp_path)['a.hdr'].absent)


def test_data_that_a_header_names_belongs_to_it(tmp_path: Path) -> None:
    """Data alone have no mark to be known by."""
    noise = bytes(range(256))
    nrrd = b'NRRD0004\ntype: uchar\ndimension: 3\nsizes: 3 3 3\nencoding: raw\ndata file: '
    put(tmp_path, 'a.nhdr', nrrd + b'./a.raw\n\n')
    put(tmp_path, 'a.raw', noise)
    put(tmp_path, 'b.mhd', META + b'ElementDataFile = b%02d.raw 1 2 1\n')
    put(tmp_path, 'b01.raw', noise)
    put(tmp_path, 'b02.raw', noise)
    put(tmp_path, 'c+orig.HEAD', b'type = integer-attribute\nname = DATASET_DIMENSIONS\n')
    put(tmp_path, 'c+orig.BRIK', noise)
    put(tmp_path, 'd.mih', b'mrtrix image\ndim: 3,3,3\nfile: d.dat 0\nEND\n')
    put(tmp_path, 'd.dat', b'plain words count as data here')
    put(tmp_path, 'alone.raw', noise)
    assert {image.path: (image.format, image.members) for image in walk(tmp_path).values()} == {
        'a.nhdr': ('nrrd', ('a.nhdr', 'a.raw')),
        'alone.raw': ('unknown', ()),
        'b.mhd': ('metaimage', ('b.mhd', 'b01.raw', 'b02.raw')),
        'c+orig.HEAD': ('afni', ('c+orig.BRIK', 'c+orig.HEAD')),
        'd.mih': ('mrtrix', ('d.dat', 'd.mih')),
    }


def test_a_zarr_folder_is_one_image(tmp_path: Path) -> None:
    """Its thousands of chunks have no mark to be known by."""
    put(tmp_path, 'a.ome.zarr/.zattrs', b'{}')
    put(tmp_path, 'a.ome.zarr/0/0/0', b'chunk')
    put(tmp_path, 'b/.zarray', b'{}')
    images = walk(tmp_path)
    assert list(images) == ['a.ome.zarr/', 'b/']
    before = images['a.ome.zarr/']
    assert before.bytes == 7
    assert before.format == 'array'
    assert 'Zarr' in str(before.absent)
    put(tmp_path, 'a.ome.zarr/0/0/0', b'chonk')
    assert walk(tmp_path)['a.ome.zarr/'].sha256 != before.sha256


def test_archives_are_found_by_their_members(tmp_path: Path) -> None:
    """A defaced dataset with the originals in raw.tgz is not de-faced."""
    put(tmp_path, 'raw.tgz', tar_bytes({'a.nii': SCAN}, 'w:gz'))
    put(tmp_path, 'tables.zip', zip_bytes({'a.tsv': b'1'}))
    assert list(walk(tmp_path)) == ['raw.tgz']


# ------------------------------------------------------------------ git-annex, LFS and git


@needs_git
def test_annexed_content_is_read_and_keeps_its_key(tmp_path: Path) -> None:
    """A row has the key, so that a tree without content can be checked later."""
    key = annexed(tmp_path, 'sub-01/anat/a.nii.gz')
    assert walk(tmp_path) == {
        'sub-01/anat/a.nii.gz': Image(
            'sub-01/anat/a.nii.gz', 'nifti', len(SCAN), sha256(SCAN), annex_key=key
        )
    }


@needs_git
def test_annexed_content_that_is_not_here_is_told_by_its_key(tmp_path: Path) -> None:
    """It will be uploaded from elsewhere."""
    key = annexed(tmp_path, 'a.nii.gz', present=False)
    annexed(tmp_path, 'a.json', present=False)
    pointer = f'/annex/objects/{annex_key(OTHER_SCAN)}\n'
    put(tmp_path, 'unlocked.nii.gz', pointer.encode())
    put(tmp_path, 'unlocked.json', pointer.encode())
    (tmp_path / 'md5.nii').symlink_to('.git/annex/objects/x/MD5E-s7--d41d8.nii/MD5E-s7--d41d8.nii')
    images = walk(tmp_path)
    reason = (
        f'the content is not on this machine (git-annex: SHA256E {sha256(SCAN)}): get it first'
    )
    assert images['a.nii.gz'] == Image(
        'a.nii.gz', 'nifti', len(SCAN), sha256(SCAN), key, absent=reason
    )
    assert images['md5.nii'].sha256 is None
    assert images['md5.nii'].bytes == 7
    assert images['unlocked.nii.gz'].sha256 == sha256(OTHER_SCAN)
    assert images['unlocked.nii.gz'].annex_key == annex_key(OTHER_SCAN)
    assert list(images) == ['a.nii.gz', 'md5.nii', 'unlocked.nii.gz']


@needs_git
def test_annexed_content_that_no_link_leads_to_is_an_image(tmp_path: Path) -> None:
    """The version before de-facing travels with a copy of the folder."""
    annexed(tmp_path, 'a.nii.gz')
    old = annexed(tmp_path, 'old.nii.gz', OTHER_SCAN)
    (tmp_path / 'old.nii.gz').unlink()
    path = f'.git/annex/objects/aa/bb/{old}/{old}'
    images = walk(tmp_path)
    assert list(images) == [path, 'a.nii.gz']
    assert images[path] == Image(path, 'nifti', len(SCAN), sha256(OTHER_SCAN), old)


def test_keys_are_taken_apart() -> None:
    """A wrong hash in the account would let another file pass."""
    key = parse_key('SHA256E-s30-m12--' + 'a' * 64 + '.nii.gz')
    assert key is not None
    assert (key.backend, key.size, key.sha256, key.suffix) == ('SHA256E', 30, 'a' * 64, '.nii.gz')
    other = parse_key('MD5-s3--d41d8.nii')
    assert other is not None
    assert (other.checksum, other.sha256, other.suffix) == ('d41d8.nii', None, '')
    assert parse_key('URL--http&c%%x') is not None
    assert parse_key('T1w.nii.gz') is None
    assert key_of_link('../.git/annex/objects/a/b/MD5-s1--a/MD5-s1--a') == 'MD5-s1--a'
    assert key_of_link('../sub-01_T1w.nii') is None


def test_a_pointer_of_lfs_is_told_by_its_hash(tmp_path: Path) -> None:
    """What is not here is not looked at."""
    oid = sha256(SCAN)
    head = 'version https://git-lfs.github.com/spec/v1\n'
    put(tmp_path, 'a.nii', f'{head}oid sha256:{oid}\nsize 123\n'.encode())
    put(tmp_path, 'a.json', f'{head}oid sha256:{oid}\nsize 123\n'.encode())
    (image,) = walk(tmp_path).values()
    assert (image.path, image.format, image.bytes, image.sha256) == ('a.nii', 'nifti', 123, oid)
    assert image.annex_key is None
    assert 'Git LFS' in str(image.absent)


@needs_git
def test_an_image_in_the_history_of_git_is_found(tmp_path: Path) -> None:
    """`git rm` takes it from the folder, not from what is shared."""
    git(tmp_path, 'init')
    put(tmp_path, 'sub-01/a.nii')
    put(tmp_path, 'README', b'words ' * 100)
    put(tmp_path, 'old.nii', OTHER_SCAN)
    git(tmp_path, 'add', '.')
    git(tmp_path, 'commit', '-m', 'all')
    git(tmp_path, 'rm', '-q', 'old.nii')
    git(tmp_path, 'commit', '-m', 'without')
    for packed in (False, True):
        if packed:
            git(tmp_path, 'gc', '-q')
        (old, now) = walk(tmp_path).values()
        assert now.path == 'sub-01/a.nii'
        assert old.path.startswith('.git/')
        assert (old.format, old.bytes, old.sha256) == ('nifti', len(SCAN), sha256(OTHER_SCAN))
        assert 'Git history' in str(old.absent)


@needs_git
def test_the_committed_version_of_a_changed_file_is_found(tmp_path: Path) -> None:
    """De-faced in place and not committed: the whole face is in .git."""
    git(tmp_path, 'init')
    put(tmp_path, 'a.nii', OTHER_SCAN)
    git(tmp_path, 'add', '.')
    put(tmp_path, 'a.nii', SCAN + b'x')
    images = walk(tmp_path)
    assert [image.sha256 for image in images.values()] == [sha256(OTHER_SCAN), sha256(SCAN + b'x')]


@needs_git
def test_a_copy_has_no_other_history(tmp_path: Path) -> None:
    """`cp -r` changes all times: files would be told twice. The index is not written."""
    original = tmp_path / 'original'
    put(original, 'a.nii')
    git(original, 'init')
    git(original, 'add', '.')
    # no program of a stranger's settings is run
    git(original, 'config', 'filter.x.clean', f'touch {tmp_path}/ran; cat')
    put(original, '.git/info/attributes', b'*.nii filter=x\n')
    copy = tmp_path / 'copy'
    shutil.copytree(original, copy)
    for file in copy.rglob('*'):
        os.utime(file, (1, 1))
    index = (copy / '.git' / 'index').read_bytes()
    assert list(walk(copy)) == ['a.nii']
    assert (copy / '.git' / 'index').read_bytes() == index
    assert not (tmp_path / 'ran').exists()


@needs_git
def test_a_file_that_is_not_checked_out_is_in_the_history(tmp_path: Path) -> None:
    """Git takes a file that it was told to skip for unchanged."""
    git(tmp_path, 'init')
    put(tmp_path, 'a.nii')
    git(tmp_path, 'add', '.')
    git(tmp_path, 'update-index', '--skip-worktree', 'a.nii')
    (tmp_path / 'a.nii').unlink()
    assert [image.sha256 for image in walk(tmp_path).values()] == [sha256(SCAN)]


@needs_git
def test_a_hook_of_another_repository_does_not_mislead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a hook, git's variables name the repository that is pushed."""
    git(tmp_path, 'init')
    put(tmp_path, 'a.nii')
    git(tmp_path, 'add', '.')
    (tmp_path / 'a.nii').unlink()
    monkeypatch.setenv('GIT_DIR', '/nowhere')
    monkeypatch.setenv('GIT_INDEX_FILE', '/nowhere')
    assert [image.format for image in walk(tmp_path).values()] == ['nifti']


@needs_git
def test_submodules_and_work_trees_have_a_history_too(tmp_path: Path) -> None:
    """Their .git is a file, and the content lies elsewhere."""
    inner = tmp_path / 'inner'
    put(inner, 'a.nii')
    put(inner, 'old.nii', OTHER_SCAN)
    git(inner, 'init')
    git(inner, 'add', '.')
    git(inner, 'commit', '-m', 'all')
    git(inner, 'rm', '-q', 'old.nii')
    git(inner, 'commit', '-m', 'without')
    outer = tmp_path / 'outer'
    outer.mkdir()
    git(outer, 'init')
    git(outer, 'submodule', 'add', str(inner), 'sub')
    old, now = walk(outer).values()
    assert old.path.startswith('.git/modules/sub/')
    assert old.sha256 == sha256(OTHER_SCAN)
    assert now.path == 'sub/a.nii'
    # the submodule alone is a release, too
    old, now = walk(outer / 'sub').values()
    assert (old.path[:5], old.sha256, now.path) == ('.git/', sha256(OTHER_SCAN), 'a.nii')
    tree = tmp_path / 'tree'
    git(inner, 'worktree', 'add', str(tree))
    old, now = walk(tree).values()
    assert old.path.startswith('.git/')
    assert old.sha256 == sha256(OTHER_SCAN)
    assert now.path == 'a.nii'


@needs_git
def test_unlocked_content_is_not_told_twice(tmp_path: Path) -> None:
    """git-annex keeps a copy of an unlocked file, Git LFS of any: they are no older version."""
    git(tmp_path, 'init')
    key = annex_key(SCAN)
    put(tmp_path, 'a.nii.gz', f'/annex/objects/{key}\n'.encode())
    put(tmp_path, f'.git/annex/objects/aa/bb/{key}/{key}')
    put(tmp_path, f'.git/lfs/objects/aa/bb/{sha256(OTHER_SCAN)}', OTHER_SCAN)
    git(tmp_path, 'add', '.')
    images = walk(tmp_path)
    # nothing is known of Git LFS: it is told; the pointer of git-annex is as git has it
    assert list(images) == [f'.git/lfs/objects/aa/bb/{sha256(OTHER_SCAN)}', 'a.nii.gz']
    put(tmp_path, f'.git/annex/objects/aa/bb/{key}/{key}', SCAN)
    lfs = f'version https://git-lfs.github.com/spec/v1\noid sha256:{sha256(OTHER_SCAN)}\nsize 1\n'
    put(tmp_path, 'b.nii', lfs.encode())
    git(tmp_path, 'add', '.')
    assert list(walk(tmp_path)) == ['a.nii.gz', 'b.nii']


def test_a_history_that_cannot_be_read_is_an_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without git nobody knows what is in it."""
    put(tmp_path, '.git/HEAD', b'ref: refs/heads/main\n')
    (tmp_path / '.git' / 'objects').mkdir()
    put(tmp_path, '.git/config', b'[broken\n')
    (image,) = walk(tmp_path).values()
    assert image == Image('.git/', 'unknown', None, None, absent=image.absent)
    assert 'Git history cannot be read' in str(image.absent)
    monkeypatch.setenv('PATH', '')
    (image,) = walk(tmp_path).values()
    assert 'git is not installed' in str(image.absent)
    with pytest.raises(NoHistoryError):
        GitHistory(tmp_path / '.git', tmp_path)


@needs_git
def test_a_file_that_somebody_put_into_git_is_found(tmp_path: Path) -> None:
    """Nothing but its name says that .git is git's alone."""
    git(tmp_path, 'init')
    put(tmp_path, 'README', b'words')
    git(tmp_path, 'add', '.')
    assert walk(tmp_path) == {}
    put(tmp_path, '.git/backup/a.nii')
    put(tmp_path, '.git/annex/othertmp/x')
    assert list(walk(tmp_path)) == ['.git/annex/othertmp/x', '.git/backup/a.nii']


@needs_git
def test_a_repository_without_work_tree_is_looked_into(tmp_path: Path) -> None:
    """A mirror beside the data has all that was ever in them."""
    data, release = tmp_path / 'data', tmp_path / 'release'
    put(data, 'a.nii')
    git(data, 'init')
    git(data, 'add', '.')
    git(data, 'commit', '-m', 'all')
    git(tmp_path, 'clone', '-q', '--bare', str(data), str(release / 'mirror.git'))
    (image,) = walk(release).values()
    assert image.path.startswith('mirror.git/')
    assert (image.format, image.sha256) == ('nifti', sha256(SCAN))


@needs_git
def test_the_history_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects of git never change, and there may be gigabytes of them."""
    root = tmp_path / 'release'
    put(root, 'a.nii')
    put(root, 'b.txt', b'words ' * 100)
    git(root, 'init')
    git(root, 'add', '.')
    for name in ('a.nii', 'b.txt'):
        (root / name).unlink()
    cache = HashCache(tmp_path / 'cache')
    before = walk(root, cache=cache)
    cache.save()
    read = []
    real = GitHistory._contents

    def contents(self: GitHistory, names: Any) -> Any:
        read.extend(names)
        return real(self, names)

    monkeypatch.setattr(GitHistory, '_contents', contents)
    assert walk(root, cache=HashCache(tmp_path / 'cache')) == before
    assert read == []
    assert walk(root) == before
    assert len(read) == 2


@needs_git
def test_a_damaged_object_is_told(tmp_path: Path) -> None:
    """A history read in part is not a history read."""
    git(tmp_path, 'init')
    put(tmp_path, 'a.nii')
    git(tmp_path, 'add', '.')
    (tmp_path / 'a.nii').unlink()
    (loose,) = (path for path in (tmp_path / '.git' / 'objects').rglob('*') if path.is_file())
    loose.chmod(0o600)
    content = bytearray(loose.read_bytes())
    content[-20:] = bytes(20)
    loose.write_bytes(content)
    assert 'Git history cannot be read' in str(walk(tmp_path)['.git/'].absent)


# -------------------------------------------------------------------------------- the cache


def aged(path: Path) -> Path:
    """Make a file's times look older than the limit; its time of change stays."""
    old = path.stat().st_mtime_ns - 10_000_000_000
    os.utime(path, ns=(old, old))
    return path


@pytest.fixture
def old_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the files that a test just wrote for older ones."""
    monkeypatch.setattr('bids_reid.bids.hash_cache.RACY_NS', 0)


@pytest.mark.usefixtures('old_enough')
def test_a_second_walk_opens_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 100,000 files, it takes seconds instead of minutes."""
    root = tmp_path / 'release'
    for name in ('a.nii', 'b.json', 'c/d.txt', 'c/e.eeg'):
        put(root, name, SCAN if name == 'a.nii' else bytes(range(256)))
    put(root, 'f/IM0', dicom_bytes())
    put(root, 'f/IM1', dicom_bytes())
    cache = HashCache(tmp_path / 'cache.tsv')
    before = walk(root, cache=cache)
    cache.save()
    assert before == walk(root)

    def no_open(path: Any, *_: Any, **__: Any) -> int:
        raise AssertionError(path)

    cache = HashCache(tmp_path / 'cache.tsv')
    monkeypatch.setattr(os, 'open', no_open)
    assert walk(root, cache=cache) == before


@pytest.mark.usefixtures('old_enough')
def test_changed_content_is_noticed_though_its_time_is_set_back(tmp_path: Path) -> None:
    """A program that de-faces may keep the time; so may one that undoes it."""
    path = put(tmp_path / 'release', 'a.nii')
    cache = HashCache(tmp_path / 'cache')
    walk(tmp_path / 'release', cache=cache)
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(OTHER_SCAN)
    os.utime(path, ns=times)
    assert path.stat().st_mtime_ns == times[1]
    (image,) = walk(tmp_path / 'release', cache=cache).values()
    assert image.sha256 == sha256(OTHER_SCAN)


def test_a_file_that_just_changed_is_not_kept(tmp_path: Path) -> None:
    """It could change again within the same tick of the clock."""
    aged(put(tmp_path / 'release', 'a.nii'))
    cache = HashCache(tmp_path / 'cache')
    walk(tmp_path / 'release', cache=cache)
    assert len(cache) == 0


@pytest.mark.usefixtures('old_enough')
def test_two_processes_keep_what_both_found(tmp_path: Path) -> None:
    """The second to save must not throw away what the first did."""
    for name in 'ab':
        put(tmp_path / name, 'scan.nii')
    caches = [HashCache(tmp_path / 'cache') for _ in 'ab']
    for name, cache in zip('ab', caches, strict=True):
        walk(tmp_path / name, cache=cache)
    for cache in caches:
        cache.save()
    assert len(HashCache(tmp_path / 'cache')) == 2
    assert (tmp_path / 'cache').stat().st_mode & 0o077 == 0


@pytest.mark.usefixtures('old_enough')
def test_a_damaged_cache_costs_time_and_no_more(tmp_path: Path) -> None:
    """A run that was killed, a full disk, a version to come."""
    root = tmp_path / 'release'
    put(root, 'a.nii')
    put(root, 'b.nii', OTHER_SCAN)
    cache = HashCache(tmp_path / 'cache')
    expected = walk(root, cache=cache)
    cache.save()
    whole = (tmp_path / 'cache').read_bytes()
    sha256 = re.findall(rb'[0-9a-f]{64}', whole)[-1]
    for damaged in (
        *(whole[:-5], whole[:-90], b'\xff\0' + whole, b'', whole + b'x\ty\n1\t2\t\n'),
        *(whole.replace(sha256, new) for new in (b'\xad' * 64, b'x' * 64, b'')),
        re.sub(rb'\n\d+', b'\n' + b'9' * 5000, whole),
        whole.replace(b'[', b'[' * 100_000),
    ):
        (tmp_path / 'cache').write_bytes(damaged)
        assert walk(root, cache=HashCache(tmp_path / 'cache')) == expected
    nowhere = HashCache(tmp_path / 'release' / 'a.nii' / 'cache')
    assert walk(root, cache=nowhere) == expected
    nowhere.save()
    assert HashCache(None).save() is None


@pytest.mark.usefixtures('old_enough')
def test_another_version_looks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it took for no image may be one: a new format would never be seen."""
    put(tmp_path / 'release', 'a.nii')
    cache = HashCache(tmp_path / 'cache')
    walk(tmp_path / 'release', cache=cache)
    cache.save()
    assert len(HashCache(tmp_path / 'cache')) == 1
    before = hash_cache._VERSION.replace(__version__.encode(), b'0.0')
    monkeypatch.setattr(hash_cache, '_VERSION', before)
    assert len(HashCache(tmp_path / 'cache')) == 0


@pytest.mark.usefixtures('old_enough')
def test_another_name_of_the_same_file_is_looked_at_again(tmp_path: Path) -> None:
    """A recording without a picture becomes an unknown file if its name no longer says so."""
    first = put(tmp_path / 'release', 'a.eeg', bytes(range(256)))
    cache = HashCache(tmp_path / 'cache')
    assert walk(tmp_path / 'release', cache=cache) == {}
    (tmp_path / 'release' / 'b.stuff').hardlink_to(first)
    (image,) = walk(tmp_path / 'release', cache=cache).values()
    assert (image.path, image.format) == ('b.stuff', 'unknown')
    assert image.sha256 == sha256(bytes(range(256)))


def test_a_file_that_changes_while_it_is_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hash would be of no version of it."""
    path = put(tmp_path, 'a.nii')
    from bids_reid.bids import examine

    real = examine._sha256

    def changes(file: Any) -> str:
        digest = real(file)
        path.write_bytes(SCAN + b'more')
        return digest

    monkeypatch.setattr(examine, '_sha256', changes)
    (image,) = walk(tmp_path).values()
    assert image.sha256 is None
    assert 'changed while it was read' in str(image.absent)


def test_no_content_ends_the_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in one file must not hide the others, nor itself."""
    put(tmp_path, 'a.nii')

    def fails(_: Any) -> None:
        raise RuntimeError('out of luck')

    monkeypatch.setattr('bids_reid.bids.examine.sniff_file', fails)
    (image,) = walk(tmp_path).values()
    assert image.format == 'unknown'
    assert 'out of luck' in str(image.absent)
