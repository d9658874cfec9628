"""Head scans of a BIDS dataset, through pybids."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids import BIDSLayout, BIDSLayoutIndexer
from bids.layout import Query

from bids_reid.errors import NoInputError, NotBidsError, NothingSelectedError, UsageError
from bids_reid.records import Scan

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HEAD_DATATYPES = ('anat', 'pet', 'ct')
"""Folders that may hold a picture of the whole head."""


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
    scans: set[Scan] = set()
    for modality in modalities:
        wanted: dict[str, Any] = {'suffix': modality, 'extension': ['.nii', '.nii.gz']}
        if sessions:
            wanted['session'] = list(sessions)
        if participants:
            wanted['subject'] = list(participants)
        wanted |= filters.get(modality.lower(), {})
        scans.update(_scan(file, modality) for file in layout.get(**wanted))
    if not scans:
        raise NothingSelectedError(
            f'no {" or ".join(modalities)} scan in {bids_dir} passes the filters'
        )
    # without a session sorts before any session
    return tuple(sorted(scans, key=lambda s: (s.participant, s.session or '', s.source_name)))


def _scan(file: Any, modality: str) -> Scan:
    entities = file.get_entities()
    return Scan(
        participant=entities['subject'],
        session=entities.get('session'),
        modality=modality,
        source_name=file.filename.rsplit(f'_{modality}', 1)[0],
        path=Path(file.path),
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
    return BIDSLayout(
        bids_dir,
        validate=False,
        indexer=indexer,
        database_path=database_dir,
        reset_database=False,
    )


def _read_filters(path: Path | None) -> dict[str, dict[str, Any]]:
    if path is None:
        return {}
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise NoInputError(f'no such file: {path}') from None
    except ValueError as error:
        raise UsageError(f'{path} is not JSON: {error}') from error
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        raise UsageError(f'{path} must hold one object of filters per suffix, as {{"T1w": {{}}}}')
    return {
        suffix.lower(): {
            entity: Query.NONE if value is None else value for entity, value in wanted.items()
        }
        for suffix, wanted in content.items()
    }
