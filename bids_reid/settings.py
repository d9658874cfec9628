"""The settings of a run, as one value that is passed on explicitly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bids_reid.devices import DEVICES, Device
from bids_reid.errors import UsageError
from bids_reid.records import IDENTIFYING, PART_NAMES, RAW
from bids_reid.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Level = Literal['participant', 'group']
LEVELS: tuple[Level, ...] = ('participant', 'group')
Keep = Literal['templates', 'renders', 'nothing']
KEPT: tuple[Keep, ...] = ('templates', 'renders', 'nothing')
AS_FREE = 0
"""Number of processes that leaves it to the run to choose."""
_CONDITION = re.compile('[A-Za-z0-9]+')


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of a run, as on the command line.

    Attributes
    ----------
    bids_dir, output_dir : Path
        The dataset, which is only read, and the folder for the results.
    levels : tuple of str
        ``participant``, ``group`` or both.
    work_dir : Path or None
        Folder for intermediate files; ``work`` in ``output_dir`` by default.
    participants, sessions, modalities : tuple of str
        Labels without ``sub-`` and ``ses-``, and BIDS suffixes; empty for all.
    extractors : tuple of str
        Names of extractors; empty for all that can run.
    allow_network : bool
        Whether extractors of other packages may send images of faces to a network.
    models_dir : Path or None
        Folder with the weights of the ``deepface-...`` extractors.
    photos, consent : Path or None
        Photographs, and the table of participants who agreed to the search.
    derivatives : tuple of (str, Path)
        Name and folder of each further condition.
    max_risk, max_findings : float or None
        The limits of the gate, 0 to 1.
    audit, release : str or None, Path or None
        The condition to be shared, or another folder to be shared.
    refaced : tuple of str
        Conditions whose faces were replaced.
    reviewed : Path or None
        Table of images that a person has looked at.
    parts : tuple of str
        Parts of a face that must be removed.
    against : Path or None
        Earlier output whose scans may be linked with those here.
    breakdown : tuple of str or None
        Columns of ``participants.tsv`` by which rates are broken down; ``None`` for age and sex.
    seed : int
        Seed of all random draws.
    filter_file, database_dir : Path or None
        JSON file with pybids filters, and folder of the pybids index.
    skip_validation : bool
        Whether a dataset without a valid ``dataset_description.json`` is accepted.
    n_procs, omp_threads : int
        Processes at the same time, and threads of each; with `AS_FREE` processes the run chooses.
    memory_gb : float or None
        Memory that all processes together may use, in GB; ``None`` for nine tenths of what is
        free.
    device : str
        Where networks and renders are computed: ``auto``, ``cpu`` or ``gpu``.
    plugin_file : Path or None
        YAML file with a Nipype plugin.
    stop_on_first_crash, dry_run, reports_only : bool
        How to run.
    keep : str
        ``templates``, ``renders``, or ``nothing`` that can give a face back once it is not needed.
    report_faces, complete_face : bool
        Whether pages show renders, and whether cut faces are completed.
    stamp : bool
        Whether the report has the date, the time and the path of the audited folder.
    verbosity : int
        How much is said: 0 to 3; Nipype speaks from 2 on.
    command : str
        The command as it was typed, without folders, for the reports.

    Raises
    ------
    UsageError
        A value would do nothing, or something else than it seems to say. Values from Python do
        not pass the parser of the command line.
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
    device: Device = 'auto'
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
        self._check_names()
        self._check_numbers()

    def _check_names(self) -> None:
        if not self.levels:
            raise UsageError('no level is given: give participant, group or both')
        _check_among('level', self.levels, LEVELS)
        _check_among('value of keep', (self.keep,), KEPT)
        _check_among('device', (self.device,), DEVICES)
        if self.keep == 'nothing' and self.report_faces:
            raise UsageError('--report-faces keeps renders, and --keep nothing does not: drop one')
        check_parts(self.parts)
        for name, _ in self.derivatives:
            if name.lower() == RAW or not _CONDITION.fullmatch(name):
                raise UsageError(
                    f'{name!r} cannot name a condition: use letters and digits, and not raw'
                )

    def _check_numbers(self) -> None:
        for name, share in (('max_risk', self.max_risk), ('max_findings', self.max_findings)):
            if share is not None and not 0 <= share <= 1:
                hint = f': did you mean {share / 100:g}?' if 1 < share <= 100 else ''
                raise UsageError(f'{name} is a number from 0 to 1, not {share}{hint}')
        for name, number, least in (
            ('n_procs', self.n_procs, AS_FREE),
            ('omp_threads', self.omp_threads, 1),
            ('seed', self.seed, 0),
        ):
            if number < least:
                raise UsageError(f'{name} is at least {least}, not {number}')
        if self.memory_gb is not None and not self.memory_gb > 0:
            raise UsageError(f'memory_gb is above 0, not {self.memory_gb}')

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
    def keep_skins(self) -> bool:
        """Whether skins are kept, or needed by the group level of the same run."""
        return self.keep != 'nothing' or bool(self.refaced)

    @property
    def work(self) -> Path:
        """Folder for intermediate files."""
        return self.work_dir or self.output_dir / 'work'


def names(given: Iterable[str]) -> tuple[str, ...]:
    """Leave out repetitions."""
    return tuple(dict.fromkeys(given))


def labels(given: Iterable[str], prefix: str) -> tuple[str, ...]:
    """Strip the prefix and repetitions; people type ``sub-01`` as often as ``01``.

    >>> labels(['sub-01', '01', '02'], 'sub-')
    ('01', '02')
    """
    return names(label.removeprefix(prefix) for label in given)


def check_parts(parts: Collection[str]) -> None:
    """Look whether all names are parts of a face.

    Raises
    ------
    UsageError
        One is not, or there is none.
    """
    if not parts:
        raise UsageError(f'no part of a face is given: choose from {", ".join(PART_NAMES)}')
    _check_among('part of a face', parts, tuple(PART_NAMES))


def _check_among(what: str, given: Iterable[str], known: Collection[str]) -> None:
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known) or f': choose from {", ".join(known)}'
            raise UsageError(f'unknown {what} {name!r}{hint}')
