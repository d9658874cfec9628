"""The settings of a run, as one value that is passed on explicitly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bids_reid.errors import UsageError
from bids_reid.records import IDENTIFYING, PART_NAMES, RAW

Level = Literal['participant', 'group']
LEVELS: tuple[Level, ...] = ('participant', 'group')
Keep = Literal['templates', 'renders']
_CONDITION = re.compile('[A-Za-z0-9]+')


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A run of the program.

    Empty tuples mean "all": of the extractors those that can run. ``allow_network`` lets run those
    of other packages that send images to a network. ``command`` is the command line as it was
    typed, for the reports.

    Raises
    ------
    UsageError
        A value would do nothing or something else than was meant: from Python, nobody parsed it.
    """

    bids_dir: Path
    output_dir: Path
    levels: tuple[Level, ...]
    work_dir: Path | None = None
    participants: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    extractors: tuple[str, ...] = ()
    allow_network: bool = False
    models_dir: Path | None = None
    photos: Path | None = None
    consent: Path | None = None
    derivatives: tuple[tuple[str, Path], ...] = ()
    max_risk: float | None = None
    max_findings: float | None = None
    audit: str | None = None
    release: Path | None = None
    refaced: tuple[str, ...] = ()
    reviewed: Path | None = None
    parts: tuple[str, ...] = IDENTIFYING
    against: Path | None = None
    breakdown: tuple[str, ...] | None = None
    seed: int = 0
    filter_file: Path | None = None
    database_dir: Path | None = None
    skip_validation: bool = False
    n_procs: int = 1
    memory_gb: float | None = None
    omp_threads: int = 1
    plugin_file: Path | None = None
    stop_on_first_crash: bool = False
    dry_run: bool = False
    reports_only: bool = False
    stamp: bool = False
    keep: Keep = 'templates'
    report_faces: bool = False
    complete_face: bool = False
    verbosity: int = 0
    command: str = ''

    def __post_init__(self) -> None:
        if not self.levels or not set(self.levels) <= set(LEVELS):
            raise UsageError(f'levels are participant, group or both, not {self.levels}')
        for name, share in (('risk', self.max_risk), ('share of findings', self.max_findings)):
            if share is not None and not 0 <= share <= 1:
                raise UsageError(f'the largest {name} is a number from 0 to 1, not {share}')
        if not self.parts or not set(self.parts) <= set(PART_NAMES):
            given = ', '.join(self.parts) or 'none'
            raise UsageError(f'parts of a face are some of {", ".join(PART_NAMES)}, not {given}')
        for name, _ in self.derivatives:
            if name.lower() == RAW or not _CONDITION.fullmatch(name):
                raise UsageError(f'{name!r} cannot name a condition: letters and digits, not raw')

    @property
    def datasets(self) -> dict[str, Path]:
        """Where the scans of each condition are."""
        return {RAW: self.bids_dir, **dict(self.derivatives)}

    @property
    def audited(self) -> str:
        """The condition that is to be shared: by default the last one given."""
        return self.audit or (self.derivatives[-1][0] if self.derivatives else RAW)

    @property
    def releases(self) -> tuple[Path, ...]:
        """Folders that may be the release, as far as the command line says which."""
        if self.release is not None:
            return (self.release,)
        if self.audit in self.datasets:
            return (self.datasets[self.audit],)
        return tuple(folder for _, folder in self.derivatives) or (self.bids_dir,)

    @property
    def gated(self) -> bool:
        """Whether the exit code has to say if the release passes."""
        return not (self.max_findings is None and self.max_risk is None and self.release is None)

    @property
    def keep_renders(self) -> bool:
        """Whether pictures of the renders are kept."""
        return self.keep == 'renders' or self.report_faces

    @property
    def work(self) -> Path:
        """Folder for intermediate files."""
        return self.work_dir or self.output_dir / 'work'
