"""Names of the files of a scan, and which scans there are files of.

The skin's sidecar is a scan's record: it is written last, so that it stands for a finished scan,
and it is written for a failed scan too, with the reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bids_reid.bids.files import sweep_temporaries
from bids_reid.errors import UsageError
from bids_reid.records import RAW, Scan

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_RECORD = re.compile(
    r'(?P<stem>sub-.+)_desc-(?P<condition>[A-Za-z0-9]*)skin_(?P<modality>[^_]+)', re.DOTALL
)
"""Name without its extension; names of files may contain line breaks."""


def render_name(view: int) -> str:
    """Name of the picture of a view."""
    return f'view-{view:02d}.png'


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

    @property
    def entities(self) -> dict[str, str]:
        """Labels in the name of the scan, by their keys: ``sub``, ``ses``, ``run``, ..."""
        return dict(part.partition('-')[::2] for part in self.stem.split('_'))

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
    def shape(self) -> Path:
        """The shape of the head, in place of a skin that is not kept."""
        return self._named('shape', '.npz')

    @property
    def views(self) -> Path:
        """The table of views; its dictionary has the same name with ``.json``."""
        return self._named('views', '.tsv')

    @property
    def renders(self) -> Path:
        """Folder of the pictures, if they were kept."""
        return self._named('renders', '')

    def render(self, view: int) -> Path:
        """Picture of a view."""
        return self.renders / render_name(view)

    def template(self, label: str) -> Path:
        """Features of the extractor whose BIDS label is ``label``; sidecar with ``.json``."""
        return self._named(label, '.npz')


def check_file_names(conditions: Iterable[str], labels: Iterable[str]) -> None:
    """Find out whether files of two conditions or extractors would have the same name.

    ``labels`` are those of extractors. A name ends with one, or with what any scan has, and begins
    with the condition: without anything between, ``x`` and ``yz`` may look like ``xy`` and ``z``.

    Raises
    ------
    UsageError
        They would.
    """
    known: dict[str, tuple[str, str]] = {}
    descs = ('skin', 'shape', 'views', 'renders', *labels)
    for condition in conditions:
        for desc in descs:
            name = desc if condition == RAW else f'{condition}{desc}'
            if name in known:
                other, what = known[name]
                raise UsageError(
                    f'{desc} of the condition {condition} would share file names with {what} of '
                    f'{other}: choose another name with -d'
                )
            known[name] = condition, desc


def cache_file(output_dir: Path) -> Path:
    """Where hashes of files are kept, so that a second run need not read all files again."""
    return output_dir / '.cache' / 'files.tsv'


def bids_uri(path: Path, dataset_dir: Path, dataset: str = RAW) -> str:
    """BIDS URI of a file; ``dataset`` is what DatasetLinks calls the dataset: its condition."""
    return f'bids:{dataset}:{path.relative_to(dataset_dir).as_posix()}'


def sweep_output(output_dir: Path, participants: Iterable[str] = ()) -> int:
    """Remove what killed runs left half-written; return how many files and folders.

    Only the folders of ``participants`` are looked into, as another run may be at work in others;
    without any, those of all.
    """
    flat = (output_dir, cache_file(output_dir).parent, output_dir / 'images', output_dir / 'logs')
    number = sum(map(sweep_temporaries, flat))
    number += sweep_temporaries(output_dir / 'verdicts', below=True)
    folders = [output_dir / f'sub-{label}' for label in participants] or output_dir.glob('sub-*')
    return number + sum(sweep_temporaries(folder, below=True) for folder in folders)


def scan_files(output_dir: Path, participants: Iterable[str] = ()) -> list[ScanFiles]:
    """Files of the scans that have a record, by name, sorted: raw, then conditions.

    Only the folders of ``participants`` are looked into; without any, those of all.
    """
    folders = [output_dir / f'sub-{label}' for label in participants] or output_dir.glob('sub-*')
    scans: list[ScanFiles] = []
    for folder in folders:
        for pattern in ('anat/*_desc-*skin_*.json', 'ses-*/anat/*_desc-*skin_*.json'):
            named = ((path, _RECORD.fullmatch(path.stem)) for path in folder.glob(pattern))
            scans += [
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

    return sorted(scans, key=order)
