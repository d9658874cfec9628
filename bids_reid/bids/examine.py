"""What files hold, and their hashes: from the cache, or read by several processes, in order."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, BinaryIO

from bids_reid.bids.formats import image_format, sniff_file
from bids_reid.bids.hash_cache import Known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bids_reid.bids.hash_cache import HashCache
    from bids_reid.bids.tree import Found

_CHUNK_FILES = 64
_CHUNK_BYTES = 1 << 25
_CHUNK_KNOWN = 2000
_FEW_CHUNKS = 4
"""Number of chunks to read before it is worth starting further processes."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A file with what is known of it, or ``problem``: why its content cannot be read."""

    found: Found
    known: Known | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Job:
    """A file to be read: where, its name, its state before, and whether its hash is needed."""

    at: str
    path: str
    state: tuple[int, int, int]
    always: bool


_Answer = tuple[Known | None, str | None]


def examined(found: Iterable[Found], cache: HashCache, n_procs: int) -> Iterator[Examined]:
    """Look into files, in the order in which they come, with a bounded number in hand.

    Parameters
    ----------
    cache : HashCache
        Asked first; what is new is added.
    n_procs : int
        Processes that read.
    """
    with _readers(n_procs) as read:
        waiting: deque[tuple[_Chunk, Callable[[], list[_Answer]]]] = deque()
        for chunk in _chunks(found, cache):
            waiting.append((chunk, read(chunk.jobs)))
            if len(waiting) > 2 * n_procs:
                yield from _answered(*waiting.popleft(), cache)
        while waiting:
            yield from _answered(*waiting.popleft(), cache)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Files in order, those among them that have to be read, and what is known of the others."""

    found: list[tuple[Found, Known | None, bool]]
    jobs: list[_Job]


def _chunks(found: Iterable[Found], cache: HashCache) -> Iterator[_Chunk]:
    chunk, n_bytes = _Chunk([], []), 0
    for one in found:
        known = None
        job = None
        if one.status is not None:
            known = cache.get(one.status)
            if known is None or (known.sha256 is None and _needs_hash(one.path, known, one.store)):
                job = _Job(one.at, one.path, _state(one.status), one.store)
                chunk.jobs.append(job)
                n_bytes += one.status.st_size
        chunk.found.append((one, known, job is not None))
        full = len(chunk.jobs) >= _CHUNK_FILES or len(chunk.found) >= _CHUNK_KNOWN
        if full or n_bytes >= _CHUNK_BYTES:
            yield chunk
            chunk, n_bytes = _Chunk([], []), 0
    yield chunk


def _answered(
    chunk: _Chunk, answers: Callable[[], list[_Answer]], cache: HashCache
) -> Iterator[Examined]:
    read = iter(answers())
    for found, known, asked in chunk.found:
        if not asked or found.status is None:
            yield Examined(found, known)
            continue
        new, problem = next(read)
        if new is not None:
            cache.put(found.status, new)
        yield Examined(found, new, problem)


def _state(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _needs_hash(path: str, known: Known, always: bool) -> bool:
    return always or image_format(known.content, path) is not None


def _read_all(jobs: list[_Job]) -> list[_Answer]:
    return [_read(job) for job in jobs]


def _read(job: _Job) -> _Answer:
    """Look into a file; whatever goes wrong becomes the reason why it cannot be read."""
    try:
        with open(job.at, 'rb', opener=_open) as file:
            content = sniff_file(file)
            known = Known(content, None)
            if _needs_hash(job.path, known, job.always):
                known = Known(content, _sha256(file))
            if _state(os.fstat(file.fileno())) != job.state:
                return (
                    None,
                    'changed while it was read: run again when no other program writes to it',
                )
    except OSError as error:
        return None, f'cannot be read: {error.strerror or error}'
    except Exception as error:  # noqa: BLE001
        # no content may end the walk, or hide the file
        return None, f'cannot be read: {type(error).__name__}: {error}'
    return known, None


def _open(path: str, flags: int) -> int:
    """Open a file that may have become a pipe since, without waiting for somebody to write."""
    return os.open(path, flags | getattr(os, 'O_NONBLOCK', 0))


def _sha256(file: BinaryIO) -> str:
    file.seek(0)
    return hashlib.file_digest(file, 'sha256').hexdigest()  # type: ignore[arg-type]


@contextmanager
def _readers(n_procs: int) -> Iterator[Callable[[list[_Job]], Callable[[], list[_Answer]]]]:
    """Yield a function that has files read; the answers come when its result is called."""
    pool: list[ProcessPoolExecutor] = []
    n_chunks = 0

    def read(jobs: list[_Job]) -> Callable[[], list[_Answer]]:
        nonlocal n_chunks
        n_chunks += bool(jobs)
        if n_procs <= 1 or not jobs or n_chunks <= _FEW_CHUNKS:
            return lambda: _read_all(jobs)
        if not pool:
            pool.append(ProcessPoolExecutor(n_procs, mp_context=get_context('forkserver')))
        try:
            return _ready(pool[0].submit(_read_all, jobs), jobs)
        except BrokenProcessPool:
            return lambda: _read_all(jobs)

    try:
        yield read
    finally:
        for one in pool:
            one.shutdown(cancel_futures=True)


def _ready(future: Future[list[_Answer]], jobs: list[_Job]) -> Callable[[], list[_Answer]]:
    def answers() -> list[_Answer]:
        try:
            return future.result()
        except BrokenProcessPool:
            # such as a script that starts us without "if __name__ == '__main__'"
            return _read_all(jobs)

    return answers
