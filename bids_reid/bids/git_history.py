"""Images in the history of git: what was deleted from a folder travels with its ``.git``."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from bids_reid.bids.formats import POINTER, UNKNOWN, Content, image_format, sniff_file
from bids_reid.bids.hash_cache import Known
from bids_reid.printable import without_folders
from bids_reid.records import Image

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bids_reid.bids.hash_cache import HashCache

_FILTER_OFF = ('clean=', 'smudge=', 'process=', 'required=false')
LEAST_BYTES = 300
"""Smallest size of an image; smaller blobs are links and pointers."""
_IN_MEMORY = 1 << 24
_BLOCK = 1 << 20
IN_HISTORY = (
    'the file is in the Git history: share a copy without .git, or remove the file from the '
    'history'
)


class NoHistoryError(Exception):
    """The history cannot be read; the message says why."""


class GitHistory:
    """The blobs of a repository; nothing is written, fetched or run.

    Parameters
    ----------
    git_dir : Path
        Its ``.git``, or a folder in ``.git/modules``.
    work_tree : Path
        The folder whose files it keeps.

    Raises
    ------
    NoHistoryError
        There is no git.
    """

    def __init__(self, git_dir: Path, work_tree: Path) -> None:
        program = shutil.which('git')
        if program is None:
            raise NoHistoryError('git is not installed')
        # no program that the configuration of a stranger's repository names
        safe = ('safe.directory=*', 'core.fsmonitor=false', 'core.hooksPath=/dev/null')
        options = [word for setting in safe for word in ('-c', setting)]
        self._command = [program, *options, f'--git-dir={git_dir}']
        self._git_dir = git_dir
        self._work_tree = work_tree
        # a hook of git, which may have started us, is told of its own repository
        kept = {name: value for name, value in os.environ.items() if not name.startswith('GIT_')}
        self._environment = {
            **kept,
            'GIT_OPTIONAL_LOCKS': '0',
            'GIT_NO_LAZY_FETCH': '1',
            'GIT_ALLOW_PROTOCOL': 'none',
            'GIT_TERMINAL_PROMPT': '0',
            'LC_ALL': 'C',
        }
        self._command[1:1] = self._no_filters()

    def images(self, prefix: str, cache: HashCache) -> Iterator[Image]:
        """Yield the images among the blobs that are not files of the work tree as well.

        Parameters
        ----------
        prefix : str
            In front of the blob's name in the path of the image.
        cache : HashCache
            Blobs never change: what is in it is not read again.

        Raises
        ------
        NoHistoryError
            Git failed.
        """
        there = self._in_work_tree()
        unknown = []
        for name, size in self._blobs():
            if size > LEAST_BYTES and name not in there:
                known = cache.get_blob(name, size)
                if known is None:
                    unknown.append(name)
                else:
                    yield from _image(f'{prefix}{name.hex()}', size, known)
        for name, size, file in self._contents(sorted(unknown)):
            known = _known(file)
            cache.put_blob(name, size, known)
            yield from _image(f'{prefix}{name.hex()}', size, known)

    def keys(self) -> set[str]:
        """Keys of git-annex and hashes of Git LFS to which pointers in the work tree lead.

        Raises
        ------
        NoHistoryError
            Git failed.
        """
        there = self._in_work_tree()
        small = (name for name, size in self._blobs() if size <= LEAST_BYTES and name in there)
        keys = set()
        for _, _, file in self._contents(sorted(small)):
            content: Content = sniff_file(file)
            if content.format == POINTER:
                keys |= {content.details[0], content.details[0].rpartition('--')[2]}
        return keys

    def _in_work_tree(self) -> set[bytes]:
        """Blobs that are the content of a file, as far as git's index tells."""
        with self._own_index():
            try:
                changed = set(self._fields('diff-files', '-z', '--name-only'))
            except NoHistoryError:
                # a repository without a work tree
                return set()
            there = set()
            for entry in self._fields('ls-files', '-z', '--stage', '-v'):
                about, _, path = entry.partition(b'\t')
                tag, _, name, _ = about.split()
                # other tags are of files that are not looked at, or not checked out
                if tag == b'H' and path not in changed:
                    there.add(bytes.fromhex(name.decode()))
            return there

    @contextmanager
    def _own_index(self) -> Iterator[None]:
        """Use a copy of the index in which files that only look changed, as in a copy, are not."""
        with tempfile.TemporaryDirectory() as folder:
            index = self._git_dir / 'index'
            if index.is_file():
                self._environment['GIT_INDEX_FILE'] = shutil.copy(index, folder)
                # a status other than 0 says that files did change
                with suppress(NoHistoryError):
                    list(self._lines('update-index', '-q', '--refresh'))
            try:
                yield
            finally:
                self._environment.pop('GIT_INDEX_FILE', None)

    def _no_filters(self) -> list[str]:
        """Options that keep git from running the filters of the repository's settings."""
        names: set[str] = set()
        with suppress(NoHistoryError):
            found = self._lines('config', '--name-only', '--get-regexp', r'^filter\.')
            names = {name.rpartition('.')[0] for name in found}
        settings = [f'{name}.{end}' for name in sorted(names) for end in _FILTER_OFF]
        return [word for setting in settings for word in ('-c', setting)]

    def _lines(self, *arguments: str) -> Iterator[str]:
        """Yield the lines that git wrote."""
        with self._started(*arguments) as output:
            for line in output:
                yield os.fsdecode(line.rstrip(b'\n'))

    def _blobs(self) -> Iterator[tuple[bytes, int]]:
        """Yield the names of all blobs and their sizes in bytes."""
        format_ = '--batch-check=%(objectname) %(objecttype) %(objectsize)'
        with self._started('cat-file', format_, '--batch-all-objects', '--unordered') as output:
            for line in output:
                name, kind, size = line.split()
                if kind == b'blob':
                    yield bytes.fromhex(name.decode()), int(size)

    def _contents(self, names: Iterable[bytes]) -> Iterator[tuple[bytes, int, BinaryIO]]:
        """Yield name, size and open content of blobs, one at a time."""
        with tempfile.TemporaryFile() as asked:
            asked.writelines(name.hex().encode() + b'\n' for name in names)
            if not asked.tell():
                return
            asked.seek(0)
            with self._started('cat-file', '--batch', '--buffer', stdin=asked) as output:
                for header in iter(output.readline, b''):
                    name, _, size = header.split()
                    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
                        _copy(output, cast('BinaryIO', file), int(size))
                        output.read(1)
                        file.seek(0)
                        yield bytes.fromhex(name.decode()), int(size), cast('BinaryIO', file)

    def _fields(self, *arguments: str) -> Iterator[bytes]:
        """Yield what git wrote between zeros."""
        before = b''
        with self._started(*arguments) as output:
            while block := output.read(_BLOCK):
                *whole, before = (before + block).split(b'\0')
                yield from whole

    @contextmanager
    def _started(self, *arguments: str, stdin: IO[bytes] | None = None) -> Iterator[IO[bytes]]:
        """Run git while the block reads what it writes."""
        with tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(  # noqa: S603
                    [*self._command, *arguments],
                    stdin=stdin or subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    cwd=self._work_tree,
                    env=self._environment,
                )
            except OSError as error:
                raise NoHistoryError(f'git cannot be started: {error.strerror}') from error
            with process:
                try:
                    yield cast('IO[bytes]', process.stdout)
                except ValueError as error:
                    raise NoHistoryError('an object is missing or damaged') from error
                finally:
                    if process.stdout is not None and process.stdout.read(1):
                        process.kill()
            if process.returncode > 0:
                errors.seek(0)
                lines = errors.read().decode('utf-8', 'replace').strip().splitlines()
                raise NoHistoryError(lines[-1] if lines else f'git {arguments[0]} failed')


def _known(file: BinaryIO) -> Known:
    content = sniff_file(file)
    if image_format(content, '') is None:
        return Known(content, None)
    file.seek(0)
    return Known(content, hashlib.file_digest(file, 'sha256').hexdigest())  # type: ignore[arg-type]


def _image(path: str, size: int, known: Known) -> Iterator[Image]:
    """Yield the image that a blob is, if it is one."""
    format_ = image_format(known.content, '')
    if format_ is not None:
        yield Image(path, format_, size, known.sha256, absent=IN_HISTORY)


def _copy(source: IO[bytes], target: BinaryIO, size: int) -> None:
    while size > 0:
        block = source.read(min(size, _BLOCK))
        if not block:
            raise ValueError('cut')
        target.write(block)
        size -= len(block)


def unread_history(path: str, reason: str) -> Image:
    """Return an image in place of those that a history which cannot be read may have."""
    # git names the folder as it was given it
    reason = f'the Git history cannot be read: {without_folders(reason)}'
    return Image(path, UNKNOWN, None, None, absent=reason)
