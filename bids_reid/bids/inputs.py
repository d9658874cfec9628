"""Head scans of a BIDS dataset, through pybids."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids import BIDSLayout, BIDSLayoutIndexer
from bids.layout import Query

from bids_reid.errors import (
    CannotWriteError,
    NoInputError,
    NotBidsError,
    NothingSelectedError,
    UsageError,
)
from bids_reid.records import Scan

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HEAD_DATATYPES = ('anat', 'pet', 'ct')
"""Folders that may hold a picture of the whole head."""
_HEAD_IMAGE = re.compile(
    r'(?P<folder>sub-[^/]+)/(?:(?P<session>ses-[^/]+)/)?(?:' + '|'.join(HEAD_DATATYPES) + ')/'
    r'(?P<name>(?P=folder)(?(session)_(?P=session))(?:_[^/]+)?)_(?P<suffix>[A-Za-z0-9]+)\.nii(?:\.gz)?'
)
"""Where BIDS puts a head image: no backup folder, no ``._`` file of macOS."""


def check_dataset(bids_dir: Path, *, validate: bool) -> None:
    """Look whether ``bids_dir`` is a BIDS dataset.

    Raises
    ------
    NoInputError
        The folder is not there.
    NotBidsError
        Its dataset_description.json is missing or says too little (only with ``validate``).
    """
    if not bids_dir.is_dir():
        raise NoInputError(f'no such folder: {bids_dir}')
    if not validate:
        return
    description = bids_dir / 'dataset_description.json'
    try:
        content = json.loads(description.read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise NotBidsError(f'{bids_dir} is not BIDS: it has no dataset_description.json') from None
    except (OSError, ValueError) as error:
        raise NotBidsError(f'{description} cannot be read: {error}') from error
    if not isinstance(content, dict):
        raise NotBidsError(f'{description} holds no JSON object')
    missing = [key for key in ('Name', 'BIDSVersion') if key not in content]
    if missing:
        raise NotBidsError(f'{description} lacks {" and ".join(missing)}')


def dataset_participants(bids_dir: Path) -> frozenset[str]:
    """Labels of all participants that have a folder, without reading any image."""
    return frozenset(folder.name[4:] for folder in bids_dir.glob('sub-*') if folder.is_dir())


def find_scans(
    bids_dir: Path,
    *,
    participants: Sequence[str] = (),
    sessions: Sequence[str] = (),
    modalities: Sequence[str] = ('T1w', 'FLAIR'),
    filter_file: Path | None = None,
    database_dir: Path | None = None,
) -> tuple[Scan, ...]:
    """Find the scans of the chosen participants.

    Parameters
    ----------
    bids_dir : Path
        Raw BIDS dataset.
    participants, sessions : sequence of str
        Labels without prefix; empty for all.
    modalities : sequence of str
        BIDS suffixes.
    filter_file : Path, optional
        JSON object: suffix (in any case) to pybids entity filters; ``null`` asks for absence.
    database_dir : Path, optional
        Where pybids keeps its index.

    Raises
    ------
    NothingSelectedError
        Nothing is left, or a participant named is not in the dataset.
    NoInputError, UsageError
        The filter file is missing or is not what is described above.
    """
    known = dataset_participants(bids_dir)
    strangers = [label for label in participants if label not in known]
    if strangers:
        raise NothingSelectedError(f'{bids_dir} has no sub-{", sub-".join(strangers)}')
    filters = _read_filters(filter_file)
    layout = _layout(bids_dir, participants or sorted(known), database_dir)
    # a scan that is there as .nii and .nii.gz counts once
    scans: dict[tuple[str, str], Scan] = {}
    for modality in modalities:
        wanted: dict[str, Any] = {'suffix': modality, 'extension': ['.nii', '.nii.gz']}
        if sessions:
            wanted['session'] = list(sessions)
        if participants:
            wanted['subject'] = list(participants)
        wanted |= filters.get(modality.lower(), {})
        for path in _query(layout, wanted, filter_file):
            scan = _scan(path, bids_dir)
            if scan is not None:
                scans[scan.source_name, scan.modality] = scan
    if not scans:
        raise NothingSelectedError(
            f'no {" or ".join(modalities)} scan in {bids_dir} passes the filters'
        )
    # without a session sorts before any session
    return tuple(
        sorted(
            scans.values(),
            key=lambda s: (s.participant, s.session or '', s.source_name, s.modality),
        )
    )


def _query(layout: BIDSLayout, wanted: dict[str, Any], filter_file: Path | None) -> list[Path]:
    """Paths of the images that pass the filters, sorted."""
    try:
        return sorted(Path(file.path) for file in layout.get(**wanted))
    except ValueError as error:
        # pybids refuses entities that it does not know
        raise UsageError(f'{filter_file}: {error}') from error


def _scan(path: Path, bids_dir: Path) -> Scan | None:
    """Scan of an image; ``None`` if it is not where BIDS puts one."""
    match = _HEAD_IMAGE.fullmatch(path.relative_to(bids_dir).as_posix())
    if match is None:
        return None
    session = match['session']
    return Scan(
        participant=match['folder'].removeprefix('sub-'),
        session=None if session is None else session.removeprefix('ses-'),
        modality=match['suffix'],
        source_name=match['name'],
        path=path,
    )


def _layout(bids_dir: Path, participants: Iterable[str], database_dir: Path | None) -> BIDSLayout:
    """Index head images of ``participants`` only: pybids needs minutes for a large dataset."""
    if database_dir is not None:
        # an index that is kept has to serve every later choice of participants
        participants = sorted(dataset_participants(bids_dir))
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
            reset_database=False,
        )
    except OSError as error:
        if database_dir is None:
            raise
        raise CannotWriteError(f'cannot write {database_dir}: {error.strerror}') from error
    # pybids takes the dataset from the index, whatever it is called with
    if Path(layout.root) != bids_dir:
        raise UsageError(f'{database_dir} is the index of another dataset, {layout.root}')
    return layout


def _read_filters(path: Path | None) -> dict[str, dict[str, Any]]:
    if path is None:
        return {}
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise NoInputError(f'no such file: {path}') from None
    except (OSError, ValueError) as error:
        raise UsageError(f'{path} is not JSON: {error}') from error
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        raise UsageError(f'{path} must hold one object of filters per suffix, as {{"T1w": {{}}}}')
    return {
        suffix.lower(): {
            entity: Query.NONE if value is None else value for entity, value in wanted.items()
        }
        for suffix, wanted in content.items()
    }
