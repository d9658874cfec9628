"""Head scans of a BIDS dataset, through pybids."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids import BIDSLayout, BIDSLayoutIndexer
from bids.layout import Query

from bids_reid.bids.files import read_json
from bids_reid.bids.head_images import (
    HEAD_DATATYPES,
    HEAD_SUFFIXES,
    is_wanted,
    left_out_images,
    no_magnitude,
    scan_of,
)
from bids_reid.bids.walk import check_there
from bids_reid.errors import (
    CannotWriteError,
    NoInputError,
    NotBidsError,
    NothingSelectedError,
    UsageError,
)
from bids_reid.records import Scan

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

STAMP = 'bids_reid_state.txt'
"""Beside a kept index: the state of the folders that it was made from."""
UNFINISHED = 'unfinished'
USUAL_VARIABLES = ('age', 'sex')
"""Columns of participants.tsv that rates are broken down by unless others are named."""


def check_dataset(bids_dir: Path, *, validate: bool) -> None:
    """Look whether ``bids_dir`` is a BIDS dataset.

    Raises
    ------
    NoInputError
        The folder is not there or cannot be listed.
    NotBidsError
        Its dataset_description.json is missing or says too little (only with ``validate``).
    """
    check_there(bids_dir, folder=True)
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


def participant_variables(
    bids_dir: Path, names: Sequence[str] | None
) -> dict[str, dict[str, str]]:
    """Read columns of ``participants.tsv``.

    Parameters
    ----------
    bids_dir : Path
        Raw BIDS dataset.
    names : sequence of str or None
        Which columns; ``None`` for age and sex, as far as there are such.

    Returns
    -------
    dict
        Column to value of each participant, whose label has no prefix; nothing without a table.

    Raises
    ------
    UsageError
        A column named is not there.
    """
    try:
        text = (bids_dir / 'participants.tsv').read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError):
        text = ''
    rows = [line.split('\t') for line in text.splitlines() if line.strip()]
    header = [name.strip() for name in rows[0]] if rows else []
    missing = [name for name in names or () if name not in header]
    if missing or (names and 'participant_id' not in header):
        raise UsageError(
            f'{bids_dir}/participants.tsv has no column {", ".join(missing or ["participant_id"])}'
        )
    if 'participant_id' not in header:
        return {}
    wanted = [name for name in names or USUAL_VARIABLES if name in header]
    table = [dict(zip(header, row, strict=False)) for row in rows[1:]]
    return {
        name: {
            row['participant_id'].strip().removeprefix('sub-'): row.get(name, '') for row in table
        }
        for name in wanted
    }


def find_scans(
    bids_dir: Path,
    *,
    participants: Sequence[str] = (),
    sessions: Sequence[str] = (),
    modalities: Sequence[str] = (),
    filter_file: Path | None = None,
    database_dir: Path | None = None,
    note: Callable[[str], None] | None = None,
    may_be_none: bool = False,
) -> tuple[Scan, ...]:
    """Find the scans of the chosen participants.

    Parameters
    ----------
    bids_dir : Path
        Raw BIDS dataset.
    participants, sessions : sequence of str
        Labels without prefix; empty for all.
    modalities : sequence of str
        BIDS suffixes; without any, all there are but those of masks and maps of labels.
    filter_file : Path, optional
        JSON object: suffix (in any case) to pybids entity filters; ``null`` asks for absence.
        Only one that names ``part`` gets images that are no magnitudes.
    database_dir : Path, optional
        Where pybids keeps its index. One made here is made again when folders have changed.
    note : callable, optional
        Called with each line that the user should read: images left out for their names.
    may_be_none : bool
        That no scan is there is no error: a release may hold other images.

    Raises
    ------
    NotBidsError
        pybids cannot read the dataset.
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
    note = note or (lambda _: None)
    chosen = participants or sorted(known)
    layout = _layout(bids_dir, chosen, database_dir, note)
    misnamed = set(_outside_folders(bids_dir, chosen, sessions, modalities or HEAD_SUFFIXES))
    people: dict[str, Any] = {'session': list(sessions)} if sessions else {}
    if participants:
        people['subject'] = list(participants)
    # a scan that is there as .nii and .nii.gz counts once
    scans: dict[tuple[str, str], Scan] = {}
    for path, asked_by_part in _images(layout, people, modalities, filters, filter_file):
        scan = scan_of(path, bids_dir)
        if scan is None:
            misnamed |= set() if path.name.startswith('.') else {path}
        elif asked_by_part or not no_magnitude(scan.source_name):
            scans[scan.original] = scan
    if not modalities:
        _tell_left_out(bids_dir, chosen, note)
    if misnamed:
        images = 'image is' if len(misnamed) == 1 else 'images are'
        note(
            f'{len(misnamed)} {images} not named as BIDS asks and left out, first: {min(misnamed)}'
        )
    if not scans and not may_be_none:
        what = ' or '.join(modalities) or ', '.join(HEAD_DATATYPES)
        raise NothingSelectedError(f'no {what} scan in {bids_dir} passes the filters')
    return tuple(sorted(scans.values(), key=lambda scan: scan.place))


def _images(
    layout: BIDSLayout,
    people: Mapping[str, Any],
    modalities: Sequence[str],
    filters: Mapping[str, dict[str, Any]],
    filter_file: Path | None,
) -> Iterator[tuple[Path, bool]]:
    """Yield the images that pass the filters, and whether these ask for an entity ``part``.

    Suffixes without a filter are asked for together, as each query takes time.
    """
    query = {'extension': ['.nii', '.nii.gz'], **people}
    free = [suffix for suffix in modalities if suffix.lower() not in filters]
    filtered = {suffix for suffix in modalities if suffix.lower() in filters}
    if free or not modalities:
        for path in _query(layout, query | ({'suffix': free} if free else {}), filter_file):
            suffix = path.name.partition('.')[0].rpartition('_')[2]
            if suffix.lower() in filters:
                filtered.add(suffix)
            # the index of another program holds other images, too
            elif is_wanted(suffix, modalities) and _is_of_head(path, layout):
                yield path, False
    for suffix in sorted(filtered):
        wanted: dict[str, Any] = {'suffix': suffix, **filters[suffix.lower()]}
        for path in _query(layout, query | wanted, filter_file):
            yield path, 'part' in wanted


def _is_of_head(path: Path, layout: BIDSLayout) -> bool:
    folders = path.relative_to(layout.root).parts[:-1]
    return any(datatype in folders for datatype in HEAD_DATATYPES)


def _tell_left_out(
    bids_dir: Path, participants: Collection[str], note: Callable[[str], None]
) -> None:
    images = left_out_images(bids_dir, participants)
    if images:
        noun = 'image is' if len(images) == 1 else 'images are'
        path, reason = images[0]
        note(f'{len(images)} {noun} left out, first: {path}: {reason}')


def _query(layout: BIDSLayout, wanted: dict[str, Any], filter_file: Path | None) -> list[Path]:
    """Paths of the images that pass the filters, sorted."""
    try:
        return sorted(Path(file.path) for file in layout.get(**wanted))
    except ValueError as error:
        # pybids refuses entities that it does not know
        raise UsageError(f'{filter_file}: {error}') from error


def _outside_folders(
    bids_dir: Path,
    participants: Iterable[str],
    sessions: Sequence[str],
    modalities: Collection[str],
) -> Iterator[Path]:
    """Head images beside the folders of datatypes, where nothing is indexed."""
    suffixes = '|'.join(map(re.escape, sorted(modalities)))
    name = re.compile(rf'(?!\.)(.*_)?({suffixes})\.nii(\.gz)?', re.DOTALL)
    for label in participants:
        folder = bids_dir / f'sub-{label}'
        within = [folder / f'ses-{session}' for session in sessions] or folder.glob('ses-*')
        for place in (folder, *within):
            yield from (path for path in place.glob('*.nii*') if name.fullmatch(path.name))


def _layout(
    bids_dir: Path,
    participants: Iterable[str],
    database_dir: Path | None,
    note: Callable[[str], None],
) -> BIDSLayout:
    """Index head images of ``participants`` only: pybids needs minutes for a large dataset."""
    if database_dir is None:
        return _index(bids_dir, participants, None)
    try:
        made = (database_dir / 'layout_index.sqlite').is_file()
        stamp = database_dir / STAMP
        kept = stamp.read_text(encoding='utf-8') if stamp.is_file() else None
        current = _state(bids_dir)
        # an index that is kept has to serve every later choice of participants
        everybody = sorted(dataset_participants(bids_dir))
        if made and kept != UNFINISHED:
            layout = _index(bids_dir, everybody, database_dir)
            if kept is None:
                note(
                    f'{database_dir} is the index of another program: '
                    'scans that were added since it was made are not found'
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
            entity: _filter_value(value, f'{path}: {suffix}: {entity}')
            for entity, value in wanted.items()
        }
        for suffix, wanted in content.items()
    }


def _filter_value(value: Any, where: str) -> Any:
    """Value as pybids takes it; ``null`` asks for absence."""
    if isinstance(value, list):
        if any(isinstance(member, list) for member in value):
            raise UsageError(f'{where}: a list within a list')
        return [_filter_value(member, where) for member in value]
    if value is not None and not isinstance(value, str | int | float):
        raise UsageError(f'{where} must be text, a number, true, false, null or a list of these')
    return Query.NONE if value is None else value


def dataset_name(bids_dir: Path) -> str:
    """Name of the dataset as it calls itself."""
    return str(read_json(bids_dir / 'dataset_description.json').get('Name', bids_dir.name))
