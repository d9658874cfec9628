"""What an output folder holds: files that can give a face back, reports, files of others."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass
from importlib import resources
from typing import TYPE_CHECKING, Literal, get_args

from bids_reid.bids.files import HIDDEN, packaged_text, read_json, write_json
from bids_reid.bids.locks import LOCKS
from bids_reid.run_log import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Sensitive = Literal[
    'skins', 'templates', 'renders', 'pages_with_faces', 'intermediate', 'unfinished'
]
"""Kinds of files that can give a face back: ``intermediate`` are those of the work folder, which
a killed run leaves, ``unfinished`` those that were being written."""
KINDS: tuple[Sensitive, ...] = get_args(Sensitive)
Kind = Sensitive | Literal['report', 'link', 'other']
"""``report``: written by bids_reid, and holds no face. ``link``: to a folder, or of a name that a
sensitive file has; what it leads to is not here. ``other``: not written by bids_reid."""

SUMMARY = 'group_summary.json'
"""Group-level file that gives the number of such files."""
FIGURES = 'figures'
"""The folder of the group level's figures, which hold no faces."""
FIGURE = re.compile(
    r'(cmc|distributions|changes|growth|det|published)(_[A-Za-z0-9-]+)?\.(svg|pdf)'
)
"""How they are named."""
CITATIONS = ('CITATION.md', 'CITATION.bib')
"""Files of ``logs/`` with the methods text and its bibliography."""
OWN_FOLDERS = re.compile(rf'sub-[^/]+|images|verdicts|logs|{FIGURES}|work|\.cache')
"""Folders that bids_reid creates in an output folder."""
_RENDERS = re.compile(r'.+_desc-[A-Za-z0-9]*renders_[A-Za-z0-9]+')
_OF_SCAN: dict[re.Pattern[str], Kind] = {
    re.compile(r'.+_desc-[A-Za-z0-9]*skin_[A-Za-z0-9]+\.surf\.gii'): 'skins',
    # of whatever extractor: its package may be gone
    re.compile(r'.+_desc-[A-Za-z0-9]+_[A-Za-z0-9]+\.npz'): 'templates',
    re.compile(r'.+_desc-[A-Za-z0-9]*(skin|views)_[A-Za-z0-9]+\.json'): 'report',
    re.compile(r'.+_desc-[A-Za-z0-9]*views_[A-Za-z0-9]+\.tsv'): 'report',
}
_SIDECAR = re.compile(r'.+_desc-[A-Za-z0-9]+_[A-Za-z0-9]+\.json')
_UNFINISHED_BEFORE = re.compile(r'\.[a-z0-9_]{8}(?P<name>.+)')
"""Prefix that earlier versions put before the names of files that they were writing."""
_OTHER_REPORTS = ('dataset_description.json', '.bidsignore', LOCKS)
_FORMER_TABLES = ('group_scans',)
_FACES = b'<ul class="faces">'
"""List that only a page with renders contains; escaped text in a page never looks like that."""
_OUR_PAGE = (b'<meta name="generator" content="bids_reid">', b'<title>bids_reid: ')
"""Marks of our pages; earlier versions had only the title."""


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file of an output folder.

    Attributes
    ----------
    path : str
        Relative to the folder.
    kind : str
        See `Kind`.
    bytes : int
        Of the file itself, not of what it links to.
    names : int
        How many names the content has on its file system (hard links).
    """

    path: str
    kind: Kind
    bytes: int
    names: int = 1

    @property
    def sensitive(self) -> bool:
        """Whether it can give a face back."""
        return self.kind in KINDS


@dataclass(frozen=True, slots=True)
class Amount:
    """How many files there are of a kind, and how large they are together."""

    files: int = 0
    bytes: int = 0


def is_output(folder: Path) -> bool:
    """Whether a folder is an output of bids_reid: a derivative that it made first of all.

    A dataset of synthetic people, which bids_reid made, too, is none.
    """
    content = read_json(folder / 'dataset_description.json')
    made_by = content.get('GeneratedBy')
    first = made_by[0] if isinstance(made_by, list) and made_by else None
    ours = isinstance(first, dict) and first.get('Name') == 'bids_reid'
    return ours and content.get('DatasetType') == 'derivative'


def output_files(folder: Path) -> list[OutputFile]:
    """Return all files of an output folder with their kinds, by path.

    Links are never followed: one to a folder counts as one file. The repository of git that the
    folder may be is not looked into.

    Raises
    ------
    OSError
        A folder cannot be listed.
    """
    return sorted(_below(folder, ()), key=lambda file: file.path)


def sensitive_amounts(folder: Path) -> dict[Sensitive, Amount]:
    """Count the files that can give a face back, and their bytes, by kind.

    Files and folders that cannot be read, as those that another run takes away, are passed over.
    """
    amounts = dict.fromkeys(KINDS, Amount())
    for file in _below(folder, (), strict=False):
        if file.kind in KINDS:
            before = amounts[file.kind]
            amounts[file.kind] = Amount(before.files + 1, before.bytes + file.bytes)
    return amounts


def sensitive_counts(amounts: Mapping[Sensitive, Amount]) -> dict[str, dict[str, int]]:
    """Return amounts as ``group_summary.json`` has them: all kinds, however few there are."""
    return {kind: asdict(amounts.get(kind, Amount())) for kind in KINDS}


def count_again(folder: Path) -> dict[Sensitive, Amount]:
    """Write the new counts of sensitive files into the summary of the group level; return them.

    Raises
    ------
    CannotWriteError
        The summary cannot be written.
    """
    amounts, content = sensitive_amounts(folder), read_json(folder / SUMMARY)
    if 'sensitive_files' in content:
        counts = sensitive_counts(amounts)
        write_json(folder / SUMMARY, content | {'sensitive_files': counts})
    return amounts


def _below(folder: Path, parts: tuple[str, ...], *, strict: bool = True) -> Iterator[OutputFile]:
    """Yield the files below the folder that ``parts`` lead to."""
    try:
        with os.scandir(folder.joinpath(*parts)) as listing:
            entries = list(listing)
    except OSError:
        if strict:
            raise
        return
    for entry in entries:
        place = (*parts, entry.name)
        if place == ('.git',):
            continue
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _below(folder, place, strict=strict)
                continue
            status = entry.stat(follow_symlinks=False)
        except OSError:
            if strict:
                raise
            continue
        kind = _kind(folder, place)
        if entry.is_symlink() and (kind in KINDS or _is_own_folder(entry, place[0])):
            kind = 'link'
        yield OutputFile('/'.join(place), kind, status.st_size, status.st_nlink)


def _is_own_folder(entry: os.DirEntry[str], top: str) -> bool:
    """Whether an entry is a folder, or leads to one, where bids_reid has files."""
    return entry.is_dir() and OWN_FOLDERS.fullmatch(top) is not None


def _kind(folder: Path, parts: tuple[str, ...]) -> Kind:
    """Tell what kind of file has a path, by name; pages by content."""
    name = parts[-1]
    if any(part.startswith(HIDDEN) for part in parts):
        return 'unfinished'
    if name.startswith('.') and parts[0] != 'work':
        before = _UNFINISHED_BEFORE.fullmatch(name)
        if before and _kind_of_name(folder, (*parts[:-1], before['name'])) != 'other':
            return 'unfinished'
    return _kind_of_name(folder, parts)


def _kind_of_name(folder: Path, parts: tuple[str, ...]) -> Kind:
    if len(parts) == 1:
        return _kind_at_top(folder, parts[0])
    top, name = parts[0], parts[-1]
    if top.startswith('sub-'):
        return _kind_of_scan(folder, parts)
    if top == 'work' and parts[1].startswith('bids_reid-'):
        return 'intermediate'
    ours = (
        (top == 'images' and len(parts) == 2 and name.endswith('.json'))
        or (top == 'verdicts' and len(parts) > 2 and name.endswith('.json'))
        or (top == 'logs' and len(parts) == 2 and name.startswith(('crash-', PREFIX)))
        or (top == 'logs' and parts[1:] in [(name,) for name in CITATIONS])
        or (top == FIGURES and len(parts) == 2 and FIGURE.fullmatch(name) is not None)
        or (top == '.cache' and parts[1:] in (('files.tsv',), ('folders.json',)))
    )
    return 'report' if ours else 'other'


def _kind_of_scan(folder: Path, parts: tuple[str, ...]) -> Kind:
    """Tell what a file in the folder of a participant is."""
    if any(map(_RENDERS.fullmatch, parts[1:-1])):
        return 'renders'
    for named, kind in _OF_SCAN.items():
        if named.fullmatch(parts[-1]):
            return kind
    # other programs name files like sidecars of templates
    path = folder.joinpath(*parts)
    ours = _SIDECAR.fullmatch(parts[-1]) and 'Extractor' in read_json(path)
    return 'report' if ours else 'other'


def _kind_at_top(folder: Path, name: str) -> Kind:
    """Tell what a file right in the output is."""
    if name.endswith('.html'):
        return _kind_of_page(folder / name)
    if name == 'README.md':
        return 'report' if _begins_as_ours(folder / name) else 'other'
    stem, _dot, ending = name.partition('.')
    table = ending in ('tsv', 'json') and stem in _tables()
    return 'report' if table or name in _OTHER_REPORTS else 'other'


def _tables() -> set[str]:
    """Names of the group level's tables; their dictionaries are in the package."""
    columns = resources.files('bids_reid') / 'data' / 'columns'
    named = {entry.name.removesuffix('.json') for entry in columns.iterdir()}
    return {name for name in named if name.startswith('group_')} | {
        'group_summary',
        *_FORMER_TABLES,
    }


def _kind_of_page(path: Path) -> Kind:
    try:
        content = path.read_bytes()
    except OSError:
        # a page of ours that cannot be read may show faces
        return 'pages_with_faces' if path.name.startswith('sub-') else 'other'
    if not any(mark in content for mark in _OUR_PAGE):
        return 'other'
    return 'pages_with_faces' if _FACES in content else 'report'


def _begins_as_ours(path: Path) -> bool:
    """Whether a README has the heading of ours."""
    heading = packaged_text('output_README.md').partition('\n')[0]
    try:
        with path.open(encoding='utf-8', errors='replace') as file:
            return file.readline().rstrip('\n') == heading
    except OSError:
        return False
