"""Names, sidecars and tables of what is written, and how it is written: atomically, for the owner.

The skin's sidecar is a scan's record: it is written last, so that it stands for a finished scan,
and it is written for a failed scan too, with the reason.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_reid import __version__
from bids_reid.errors import CannotWriteError
from bids_reid.records import RAW, Scan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PRIVATE_UMASK = 0o077
"""What is written about faces is readable by its owner only."""
BIDS_VERSION = '1.10.0'
NOT_AVAILABLE = 'n/a'
_BREAKS = re.compile(r'[\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029]')
"""What ends a cell or, to some reader, a line."""
BIDSIGNORE = ('*.html', 'group_*', 'logs/', 'work/', '*_desc-*')
"""BIDS has no names yet for features, views and renders, nor for a skin surface."""
_RECORD = re.compile(r'(?P<stem>.+)_desc-(?P<condition>[A-Za-z0-9]*)skin_(?P<modality>[^_]+)')


@dataclass(frozen=True, slots=True)
class ScanFiles:
    """Where the outputs of one scan are.

    The name of a condition other than raw stands at the beginning of ``desc``:
    ``sub-01_desc-defacedskin_T1w.surf.gii`` beside ``sub-01_desc-skin_T1w.surf.gii``.
    """

    folder: Path
    stem: str
    modality: str
    condition: str = RAW

    @classmethod
    def of(cls, scan: Scan, output_dir: Path) -> ScanFiles:
        """Files of ``scan`` under ``output_dir``."""
        folder = output_dir / f'sub-{scan.participant}'
        if scan.session is not None:
            folder /= f'ses-{scan.session}'
        return cls(folder / 'anat', scan.source_name, scan.modality, scan.condition)

    def _named(self, desc: str, ending: str) -> Path:
        condition = '' if self.condition == RAW else self.condition
        return self.folder / f'{self.stem}_desc-{condition}{desc}_{self.modality}{ending}'

    @property
    def record(self) -> Path:
        """Sidecar of the skin, written last."""
        return self._named('skin', '.json')

    @property
    def skin(self) -> Path:
        """The surface, GIFTI."""
        return self._named('skin', '.surf.gii')

    @property
    def views(self) -> Path:
        """The table of views; its dictionary has the same name with ``.json``."""
        return self._named('views', '.tsv')

    @property
    def renders(self) -> Path:
        """Folder of the pictures, if they were kept."""
        return self._named('renders', '')

    def template(self, label: str) -> Path:
        """Features of the extractor whose BIDS label is ``label``; sidecar with ``.json``."""
        return self._named(label, '.npz')


@contextmanager
def atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes ``path`` when the block ends well.

    Raises
    ------
    CannotWriteError
        The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix='.', suffix=path.name)
        os.close(handle)
    except OSError as error:
        raise CannotWriteError(f'cannot write {path}: {error.strerror}') from error
    temporary = Path(name)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise CannotWriteError(f'cannot write {path}: {error.strerror}') from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text."""
    with atomically(path) as temporary:
        # names of files need not be UTF-8
        temporary.write_text(text, encoding='utf-8', errors='backslashreplace', newline='\n')


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write an indented JSON object."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + '\n')


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; an empty one if there is none or it is damaged."""
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def copy_file(source: Path, target: Path) -> None:
    """Copy a file's content."""
    with atomically(target) as temporary:
        shutil.copyfile(source, temporary)


def write_table(path: Path, kind: str, rows: Iterable[Mapping[str, object]]) -> None:
    """Write a TSV and its dictionary.

    Parameters
    ----------
    path : Path
        The ``.tsv``; the dictionary goes beside it.
    kind : str
        Which of ``data/columns/<kind>.json`` describes it; its keys are the columns, in order.
    rows : iterable of mapping
        One mapping from every column to its value; ``None`` becomes ``n/a``.
    """
    dictionary = json.loads(_packaged(f'columns/{kind}.json'))
    lines = ['\t'.join(dictionary)]
    lines += ['\t'.join(_cell(row[column]) for column in dictionary) for row in rows]
    write_text(path, '\n'.join(lines) + '\n')
    write_json(path.with_suffix('.json'), dictionary)


def remove_table(path: Path) -> None:
    """Remove a TSV that `write_table` wrote, and its dictionary; neither need be there."""
    path.unlink(missing_ok=True)
    path.with_suffix('.json').unlink(missing_ok=True)


def _packaged(name: str) -> str:
    """Text of a file of the package's data folder."""
    return (resources.files('bids_reid') / 'data' / name).read_text('utf-8')


def _cell(value: object) -> str:
    if isinstance(value, Real) and not isinstance(value, Integral):
        return NOT_AVAILABLE if math.isnan(value) else f'{float(value):.6g}'
    if value is None:
        return NOT_AVAILABLE
    return _BREAKS.sub(' ', str(value)) or NOT_AVAILABLE


def read_table(path: Path) -> list[dict[str, str]]:
    """Read a TSV that `write_table` wrote."""
    header, *lines = path.read_text(encoding='utf-8').removesuffix('\n').split('\n')
    columns = header.split('\t')
    return [dict(zip(columns, line.split('\t'), strict=True)) for line in lines]


def file_sha256(path: Path) -> str:
    """Hash of a file's content, hexadecimal."""
    with path.open('rb') as content:
        return hashlib.file_digest(content, 'sha256').hexdigest()


def bids_uri(path: Path, dataset_dir: Path, dataset: str = RAW) -> str:
    """BIDS URI of a file; ``dataset`` is what DatasetLinks calls the dataset: its condition."""
    return f'bids:{dataset}:{path.relative_to(dataset_dir).as_posix()}'


def prepare_output(
    output_dir: Path, bids_dir: Path, derivatives: Iterable[tuple[str, Path]] = ()
) -> None:
    """Make the folder a BIDS derivative.

    ``derivatives`` are the names of conditions and where they are; links to others, which an
    earlier run wrote, are kept.

    The same files come out whoever writes them, so that parallel runs do not disturb each other.

    Raises
    ------
    CannotWriteError
        The folder cannot be made or written, or it is a dataset that is only read.
    """
    if output_dir.resolve() == bids_dir.resolve():
        raise CannotWriteError('output_dir is bids_dir, which is never written to')
    derivatives = tuple(derivatives)
    for name, folder in derivatives:
        if output_dir.resolve() == folder.resolve():
            raise CannotWriteError(f'output_dir holds the scans of {name}, which are only read')
    description = output_dir / 'dataset_description.json'
    before = read_json(description)
    if not _is_ours(before):
        raise CannotWriteError(f'{output_dir} holds another dataset: give a folder of its own')
    try:
        output_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CannotWriteError(f'cannot write {output_dir}: {error.strerror}') from error
    raw = read_json(bids_dir / 'dataset_description.json')
    links = {**before.get('DatasetLinks', {}), RAW: _relative(bids_dir, output_dir)}
    links |= {name: _relative(folder, output_dir) for name, folder in derivatives}
    links = {name: links[name] for name in sorted(links, key=lambda name: (name != RAW, name))}
    write_json(
        description,
        {
            'Name': f'bids_reid: re-identification risk of {raw.get("Name", bids_dir.name)}',
            'BIDSVersion': BIDS_VERSION,
            'DatasetType': 'derivative',
            'GeneratedBy': [{'Name': 'bids_reid', 'Version': __version__}],
            'SourceDatasets': [{'URL': where} for where in dict.fromkeys(links.values())],
            'DatasetLinks': links,
        },
    )
    readme = output_dir / 'README.md'
    # in a folder that was not ours it may be somebody's
    if before or not readme.exists():
        write_text(readme, _packaged('output_README.md'))
    write_text(output_dir / '.bidsignore', '\n'.join(BIDSIGNORE) + '\n')


def _relative(folder: Path, start: Path) -> str:
    """Where a folder is from here: where people keep their data is nobody else's business."""
    return Path(os.path.relpath(folder.resolve(), start.resolve())).as_posix()


def _is_ours(description: Mapping[str, Any]) -> bool:
    """Whether a dataset_description.json, or that there is none, lets us write ours."""
    generators = description.get('GeneratedBy')
    names = [entry.get('Name') for entry in generators or () if isinstance(entry, dict)]
    return not description or 'bids_reid' in names


def scan_records(
    output_dir: Path, participants: Iterable[str] = ()
) -> Iterator[tuple[ScanFiles, dict[str, Any]]]:
    """Records of the scans that the participant level has written, sorted: raw, then conditions.

    Only the folders of ``participants`` are looked into; without any, those of all.
    """
    folders = [output_dir / f'sub-{label}' for label in participants] or output_dir.glob('sub-*')
    found: list[ScanFiles] = []
    for folder in folders:
        for pattern in ('anat/*_desc-*skin_*.json', 'ses-*/anat/*_desc-*skin_*.json'):
            named = ((path, _RECORD.fullmatch(path.stem)) for path in folder.glob(pattern))
            found += [
                ScanFiles(path.parent, match['stem'], match['modality'], match['condition'] or RAW)
                for path, match in named
                if match
            ]

    def order(files: ScanFiles) -> tuple[Path, str, bool, str]:
        return (
            files.folder,
            f'{files.stem}_{files.modality}',
            files.condition != RAW,
            files.condition,
        )

    for files in sorted(found, key=order):
        record = read_json(files.record)
        if 'Status' in record:
            yield files, record
