"""The files that make the output folder a BIDS derivative: description, README, .bidsignore."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_reid import __version__
from bids_reid.bids.files import Batch, objects, packaged_text, read_json, write_text
from bids_reid.bids.layout import cache_file
from bids_reid.bids.places import check_places
from bids_reid.bids.text_files import read_text
from bids_reid.errors import CannotWriteError
from bids_reid.faces.extractors import extractor_names, load_extractor, registration
from bids_reid.faces.registrations import bids_label
from bids_reid.records import RAW

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

BIDS_VERSION = '1.10.0'
DESCRIPTION = 'dataset_description.json'
SENDS = 'sends images of faces to a network'


def ignored_names() -> tuple[str, ...]:
    """Return what BIDS has no name for: pages, tables about images, skins, views, features.

    All other files are validated.
    """
    return (
        # without a slash at the end: the validator asks about the folders themselves, too
        *('*.html', 'group_*', 'verdicts', 'images', 'figures', 'logs', 'ratings', 'work'),
        *(
            f'*_desc-{condition}{desc}_*'
            for desc in ('skin', 'shape', 'views', 'renders', *map(bids_label, extractor_names()))
            # to the validator an asterisk is one character or more
            for condition in ('', '*')
        ),
    )


def prepare_output(
    output_dir: Path,
    bids_dir: Path,
    derivatives: Iterable[tuple[str, Path]] = (),
    extractors: Iterable[str] = (),
) -> None:
    """Make the folder a BIDS derivative.

    ``derivatives`` are the names of conditions and where they are; links to others, which an
    earlier run wrote, are kept. Of ``extractors`` those of other packages are named among what
    generated the folder, and so are those of earlier runs.

    The same files come out whoever writes them, so that parallel runs do not disturb each other;
    of those with other conditions each keeps the links of the others.

    Raises
    ------
    CannotWriteError
        The folder cannot be made or written, or it is a dataset that is only read.
    """
    derivatives = tuple(derivatives)
    check_output(output_dir, bids_dir, derivatives)
    description = output_dir / DESCRIPTION
    try:
        output_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CannotWriteError(f'cannot write {output_dir}: {error.strerror}') from error
    with _one_at_a_time(output_dir):
        before = read_json(description)
        folders = condition_folders(output_dir, bids_dir, derivatives)
        content = _description(output_dir, bids_dir, folders)
        content['GeneratedBy'] += _other_packages(extractors, before)
        places, kept = _relative_folders(folders, output_dir), _folders_file(output_dir)
        with Batch() as batch:
            if places != read_json(kept):
                batch.json(kept, places)
            if content != before:
                batch.json(description, content)
            batch.publish()
    readme = output_dir / 'README.md'
    # in a folder that was not ours it may be somebody's
    if before or not readme.exists():
        write_text(readme, packaged_text('output_README.md'))
    _ignore(output_dir / '.bidsignore', keep=bool(before))


def check_output(
    output_dir: Path, bids_dir: Path, derivatives: Iterable[tuple[str, Path]] = ()
) -> None:
    """Find out whether a folder may be written to, without writing anything.

    Raises
    ------
    CannotWriteError
        It is another dataset, or among images that are only read, or nobody can tell what it is.
    """
    check_places(output_dir, bids_dir, derivatives)
    description = output_dir / DESCRIPTION
    content = read_json(description)
    if not content and description.exists():
        raise CannotWriteError(
            f'{description} cannot be read, so {output_dir} may hold another dataset: delete '
            'that file if the folder is an output of bids_reid, or name a new folder'
        )
    if not _is_ours(content):
        raise CannotWriteError(f'{output_dir} holds another dataset: name a new folder')


def _ignore(path: Path, *, keep: bool) -> None:
    """Write a .bidsignore; ``keep`` what ours has, of packages that are not installed any more."""
    names = ignored_names()
    lines = read_text(path).splitlines() if keep and path.exists() else []
    former = sorted({line for line in lines if line.startswith('*_desc-')} - set(names))
    write_text(path, '\n'.join((*names, *former)) + '\n')


def _other_packages(extractors: Iterable[str], before: Mapping[str, Any]) -> list[dict[str, str]]:
    """Describe extractors of other packages, now and before, and say which use a network."""
    entries = [one for one in objects(before, 'GeneratedBy') if one.get('Name') != 'bids_reid']
    for name in extractors:
        registered = registration(name)
        if registered is None:
            continue
        uses = load_extractor(name).uses_network
        said = SENDS if uses else 'declares that it uses no network'
        entry = {
            'Name': registered.package,
            'Version': registered.version,
            'Description': f'Extractor {name}: {said}',
        }
        if entry not in entries:
            entries.append(entry)
    return sorted(entries, key=lambda one: [str(value) for value in one.values()])


def _description(output_dir: Path, bids_dir: Path, folders: Mapping[str, Path]) -> dict[str, Any]:
    """Describe the output, with links to the datasets of all conditions."""
    raw = read_json(bids_dir / DESCRIPTION)
    names = sorted(folders, key=lambda name: (name != RAW, name))
    links = {name: _link(name, folders[name], output_dir, bids_dir) for name in names}
    sources = dict.fromkeys(link for link in links.values() if not link.startswith('urn:'))
    return {
        'Name': f'bids_reid: re-identification risk of {raw.get("Name", bids_dir.name)}',
        'BIDSVersion': BIDS_VERSION,
        'DatasetType': 'derivative',
        'GeneratedBy': [{'Name': 'bids_reid', 'Version': __version__}],
        **({'SourceDatasets': [_source(link) for link in sources]} if sources else {}),
        'DatasetLinks': links,
    }


def _source(link: str) -> dict[str, str]:
    return {'DOI': link} if link.startswith('doi:') else {'URL': link}


def _link(name: str, folder: Path, output_dir: Path, bids_dir: Path) -> str:
    """Return the address of a dataset that anybody may read.

    That is a path if it leads only through the dataset or lies beside the output, else the
    dataset's DOI if it has one, else a name that leads nowhere: where people keep their data is
    nobody else's business, and names of folders tell who they are.
    """
    path, base = _relative(folder, output_dir), bids_dir.resolve()
    inside = all(one.resolve().is_relative_to(base) for one in (folder, output_dir))
    named = [part for part in path.split('/') if part != '..']
    beside = folder.resolve().parent == output_dir.resolve().parent
    if inside or beside or not named or not path.startswith('..'):
        return path
    doi = read_json(folder / DESCRIPTION).get('DatasetDOI')
    if isinstance(doi, str) and doi.startswith('doi:'):
        return doi
    return f'urn:bids-reid:{name}'


def _folders_file(output_dir: Path) -> Path:
    """Where the folders of conditions are kept for later runs; the file is private."""
    return cache_file(output_dir).with_name('folders.json')


def _relative_folders(folders: Mapping[str, Path], output_dir: Path) -> dict[str, str]:
    return {name: _relative(folders[name], output_dir) for name in sorted(folders)}


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until no other run is in this block for the folder, where its file system can tell."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def condition_folders(
    output_dir: Path, bids_dir: Path, derivatives: Iterable[tuple[str, Path]] = ()
) -> dict[str, Path]:
    """Say where the scans of each condition are: as given now, else as an earlier run had it.

    Parameters
    ----------
    output_dir : Path
        Keeps the folders of earlier runs.
    bids_dir : Path
        Raw BIDS dataset.
    derivatives : iterable of (str, Path)
        Names of conditions and where they are, from the command line.

    Returns
    -------
    dict
        By condition; the folders need not be there.
    """
    # before there was a file of its own, all of them were in the description
    links = read_json(output_dir / DESCRIPTION).get('DatasetLinks')
    known = {**(links if isinstance(links, dict) else {}), **read_json(_folders_file(output_dir))}
    start = output_dir.resolve()
    folders = {
        name: Path(os.path.normpath(start / link))
        for name, link in known.items()
        if isinstance(link, str) and not link.startswith(('urn:', 'doi:'))
    }
    return {**folders, **dict(derivatives), RAW: bids_dir}


def _relative(folder: Path, start: Path) -> str:
    """Where a folder is from here: so it stays known if both are moved together."""
    return Path(os.path.relpath(folder.resolve(), start.resolve())).as_posix()


def _is_ours(description: Mapping[str, Any]) -> bool:
    """Whether a dataset_description.json, or that there is none, lets us write ours."""
    names = [entry.get('Name') for entry in objects(description, 'GeneratedBy')]
    return not description or 'bids_reid' in names
