"""A BIDS dataset as a whole: whether it is one, what it is called, and who is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bids_reid.bids.entities import is_label
from bids_reid.bids.files import read_json
from bids_reid.bids.photo_labels import loose_key
from bids_reid.bids.text_files import parse_json, read_text
from bids_reid.bids.walk import check_there
from bids_reid.errors import NotBidsError, NothingSelectedError
from bids_reid.messages import count

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

SHOWN = 5
"""Labels named in a message."""


def check_dataset(bids_dir: Path, *, validate: bool) -> None:
    """Look whether ``bids_dir`` is a BIDS dataset.

    Raises
    ------
    NoInputError
        The folder is not there or cannot be listed.
    NotBidsError
        Its dataset_description.json is missing or says too little (only with ``validate``).
    """
    check_there(bids_dir, folder=True, name='bids_dir')
    if not validate:
        return
    description = bids_dir / 'dataset_description.json'
    try:
        content = parse_json(read_text(description))
    except FileNotFoundError:
        raise NotBidsError(
            f'{bids_dir} is not a BIDS dataset: dataset_description.json is missing: add it '
            'with Name and BIDSVersion, or run with --skip-bids-validation'
        ) from None
    except (OSError, ValueError) as error:
        raise NotBidsError(f'{description} cannot be read: {error}') from error
    if not isinstance(content, dict):
        raise NotBidsError(f'{description} holds no JSON object')
    missing = [key for key in ('Name', 'BIDSVersion') if key not in content]
    if missing:
        raise NotBidsError(f'{description} lacks {" and ".join(missing)}')


def check_labels(
    bids_dir: Path,
    *,
    validate: bool,
    participants: Sequence[str] = (),
    sessions: Sequence[str] = (),
) -> list[str]:
    """Look whether BIDS allows the labels of the folders chosen, before any work.

    A file name is taken apart at ``_``, ``-`` and ``.``: with one of these in a label it would be
    somebody else's.

    Parameters
    ----------
    validate : bool
        Folders with other labels end the run.
    participants, sessions : sequence of str
        Labels without prefix; empty for all.

    Returns
    -------
    list of str
        Lines that the user should read: what is left out without ``validate``, and labels that
        differ only in case.

    Raises
    ------
    NotBidsError
        There are such folders; only with ``validate``, or if one of them is asked for.
    """
    wrong = list(_misnamed_folders(bids_dir, participants, sessions))
    asked = [name for name in wrong if name.removeprefix('sub-') in participants]
    if wrong and (validate or asked):
        first = (asked or wrong)[0]
        folders = count(len(wrong), 'folder')
        raise NotBidsError(
            f'{bids_dir} has {folders} with a label that BIDS does not allow (only letters, '
            f'digits and +), first: {first}: rename {"it" if len(wrong) == 1 else "them"} and '
            'the files in there, or choose others with --participant-label; with '
            '--skip-bids-validation their images are checked for a face, but not searched'
        )
    said = [
        f'{name} has a label that BIDS does not allow (only letters, digits and +): its images '
        'are checked for faces, but not searched, and belong to no participant'
        for name in wrong
    ]
    labels = participants or sorted(dataset_participants(bids_dir))
    return said + list(_told_twins(labels))


def _misnamed_folders(
    bids_dir: Path, participants: Sequence[str], sessions: Sequence[str]
) -> Iterator[str]:
    """Yield the folders of participants, or of their sessions, with a wrong label, by path."""
    people = [bids_dir / f'sub-{label}' for label in participants]
    for person in people or sorted(bids_dir.glob('sub-*')):
        if not person.is_dir():
            continue
        if not is_label(person.name[4:]):
            yield person.name
            continue
        within = [] if sessions else sorted(person.glob('ses-*'))
        for session in within:
            if session.is_dir() and not is_label(session.name[4:]):
                yield f'{person.name}/{session.name}'


def _told_twins(labels: Sequence[str]) -> Iterator[str]:
    """Say which labels differ only in case: some disks do not tell them apart."""
    first: dict[str, str] = {}
    for label in labels:
        other = first.setdefault(label.casefold(), label)
        if other != label:
            yield (
                f'sub-{other} and sub-{label} differ only in upper and lower case: keep the '
                'dataset and the results on a file system that distinguishes case'
            )


def dataset_participants(bids_dir: Path) -> frozenset[str]:
    """Labels of all participants that have a folder, without reading any image.

    A folder with a label that BIDS does not allow is no participant's.
    """
    labels = (folder.name[4:] for folder in bids_dir.glob('sub-*') if folder.is_dir())
    return frozenset(filter(is_label, labels))


def check_chosen(bids_dir: Path, participants: Sequence[str], dataset: Collection[str]) -> None:
    """Look whether the participants asked for are in the dataset.

    Raises
    ------
    NothingSelectedError
        One is not; the message names those that may be meant, or a few that are there.
    """
    strangers = [label for label in participants if label not in dataset]
    if not strangers:
        return
    keys = {loose_key(label) for label in strangers}
    meant = sorted(f'sub-{label}' for label in dataset if loose_key(label) in keys)
    there = ', '.join(f'sub-{label}' for label in sorted(dataset)[:SHOWN])
    more = ', ...' if len(dataset) > SHOWN else ''
    hint = f': it has {there}{more}' if there else ': it has no folder sub-*'
    if meant:
        hint = f': did you mean {" or ".join(meant)}?'
    raise NothingSelectedError(f'{bids_dir} has no sub-{", sub-".join(strangers)}{hint}')


def dataset_name(bids_dir: Path) -> str:
    """Name of the dataset as it calls itself."""
    return str(read_json(bids_dir / 'dataset_description.json').get('Name', bids_dir.name))
