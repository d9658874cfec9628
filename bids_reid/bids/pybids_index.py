"""The index that pybids makes of a dataset: of head images alone, and kept if asked for."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from bids import BIDSLayout, BIDSLayoutIndexer

from bids_reid.bids.head_images import HEAD_DATATYPES
from bids_reid.bids.inputs import dataset_participants
from bids_reid.errors import CannotWriteError, NotBidsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STAMP = 'bids_reid_state.txt'
"""File beside a kept index, with the state of the folders that the index was made from."""
UNFINISHED = 'unfinished'


def open_index(
    bids_dir: Path,
    participants: Iterable[str],
    database_dir: Path | None,
    note: Callable[[str], None],
) -> BIDSLayout:
    """Index head images of ``participants`` only: pybids needs minutes for a large dataset.

    Parameters
    ----------
    bids_dir : Path
        Raw BIDS dataset.
    participants : iterable of str
        Labels without prefix.
    database_dir : Path or None
        Where the index is kept, of all participants. One made here is made again when folders
        have changed.
    note : callable
        Called with a line that the user should read.

    Raises
    ------
    NotBidsError
        pybids cannot read the dataset.
    UsageError
        The index is of another dataset.
    CannotWriteError
        The index cannot be written.
    """
    if database_dir is None:
        return _index(bids_dir, participants, None)
    try:
        made = (database_dir / 'layout_index.sqlite').is_file()
        stamp = database_dir / STAMP
        kept = stamp.read_text(encoding='utf-8', errors='replace') if stamp.is_file() else None
        current = _state(bids_dir)
        # an index that is kept has to serve every later choice of participants
        everybody = sorted(dataset_participants(bids_dir))
        if made and kept != UNFINISHED:
            layout = _index(bids_dir, everybody, database_dir)
            if kept is None:
                note(
                    f'{database_dir} was made by another program: scans that were added later '
                    'are not found'
                )
            if kept in (None, current):
                return layout
        database_dir.mkdir(parents=True, exist_ok=True)
        stamp.write_text(UNFINISHED, encoding='utf-8')
        layout = _index(bids_dir, everybody, database_dir, afresh=True)
        stamp.write_text(current, encoding='utf-8')
    except OSError as error:
        raise CannotWriteError(f'cannot write {database_dir}: {error.strerror}') from error
    return layout


def _state(bids_dir: Path) -> str:
    """Hash that changes when a file or folder is added to those that are indexed, or removed."""
    patterns = ['sub-*', 'sub-*/ses-*']
    patterns += [f'{above}/{datatype}' for above in patterns for datatype in HEAD_DATATYPES]
    folders = sorted(
        folder for pattern in patterns for folder in bids_dir.glob(pattern) if folder.is_dir()
    )
    digest = hashlib.sha256()
    for folder in folders:
        line = f'{folder.relative_to(bids_dir).as_posix()}\t{folder.stat().st_mtime_ns}\n'
        digest.update(line.encode('utf-8', 'surrogateescape'))
    return digest.hexdigest()


def _index(
    bids_dir: Path, participants: Iterable[str], database_dir: Path | None, *, afresh: bool = False
) -> BIDSLayout:
    """Index the dataset, or read the index that is kept unless it is to be made ``afresh``."""
    chosen = '|'.join(re.escape(label) for label in participants)
    datatypes = '|'.join(HEAD_DATATYPES)
    indexer = BIDSLayoutIndexer(
        validate=False,
        index_metadata=False,
        ignore=[
            re.compile(rf'^/(?!sub-({chosen})(/|$))'),
            re.compile(rf'^/sub-[^/]+/(?!ses-[^/]+|{datatypes})[^/]+'),
            re.compile(rf'^/sub-[^/]+/ses-[^/]+/(?!({datatypes})(/|$))[^/]+'),
        ],
    )
    try:
        layout = BIDSLayout(
            bids_dir,
            validate=False,
            indexer=indexer,
            database_path=database_dir,
            reset_database=afresh,
        )
    except Exception as error:
        if isinstance(error, OSError) and database_dir is not None:
            raise
        # pybids trusts what it reads
        source = bids_dir if database_dir is None else f'{bids_dir} or its index {database_dir}'
        message = (str(error).splitlines() or [''])[0]
        raise NotBidsError(
            f'pybids cannot read {source}: {type(error).__name__}: {message}'
        ) from error
    # pybids takes the dataset from the index, whatever it is called with
    if Path(layout.root) != bids_dir:
        raise UsageError(f'{database_dir} is the index of another dataset, {layout.root}')
    return layout
