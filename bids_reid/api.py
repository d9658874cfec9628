"""bids_reid from Python: run the levels, load an output folder, assess one image.

`run`, `load`, `assess` and `Output` are stable: code that uses them as documented here keeps
working. They are attributes of the package as well.

>>> import bids_reid
>>> bids_reid.run('data', 'out', photos='photos', max_risk=0.05)  # doctest: +SKIP
<Exit.OK: 0>
>>> output = bids_reid.load('out')  # doctest: +SKIP
>>> output.outcome  # doctest: +SKIP
'look first'
>>> bids_reid.assess('sub-01_T1w.nii.gz').verdict  # doctest: +SKIP
'review'

In a notebook, call them as shown. In a script, call `run` and `assess` below
``if __name__ == '__main__':``, because they start processes that import the script.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

from bids_reid.records import IDENTIFYING, PART_NAMES
from bids_reid.settings import LEVELS, Settings, labels, names

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Unpack

    import pandas as pd

    from bids_reid.devices import Device
    from bids_reid.errors import Exit
    from bids_reid.participant.library import EnrolledScan
    from bids_reid.risk.presence import Presence
    from bids_reid.settings import Keep, Level

    PathLike = str | os.PathLike[str]
    Names = str | Sequence[str]

__all__ = ['Options', 'Outcome', 'Output', 'assess', 'load', 'run']

Outcome = Literal['do not share', 'look first', 'nothing found']
_PREFIXES = {'participants': 'sub-', 'sessions': 'ses-'}
_NAMES = ('participants', 'sessions', 'modalities', 'extractors', 'refaced', 'parts', 'breakdown')
_PATHS = (
    *('work_dir', 'models_dir', 'photos', 'consent', 'release', 'reviewed', 'against'),
    *('filter_file', 'database_dir', 'plugin_file'),
)
_TEXT = (
    *('participant_id', 'session_id', 'photo', 'path', 'sha256', 'annex_key', 'condition'),
    *('modality', 'extractor', 'decision', 'variable', 'group', 'a', 'b', 'baseline', 'reason'),
    *('probe_dataset', 'probe_condition', 'probe_session', 'probe_modality', 'reviewed_by'),
    *('gallery_dataset', 'gallery_condition', 'gallery_session', 'gallery_modality', 'note'),
    *('parts_left', 'parts_unclear', 'face_completed', 'still_identified'),
)
"""Columns of text, even where all of it looks like numbers."""
_WHOLE = re.compile('k|seed|rank|best_rank|bytes|turned|n_.*')
"""Columns of whole numbers."""


class Options(TypedDict, total=False):
    """Options of `run`: the fields of `bids_reid.settings.Settings`, which explains them.

    Paths may be text, lists of names may be text with commas, and ``derivatives`` is a mapping of
    names to folders.
    """

    work_dir: PathLike | None
    participants: Names
    sessions: Names
    modalities: Names
    extractors: Names
    allow_network: bool
    models_dir: PathLike | None
    photos: PathLike | None
    consent: PathLike | None
    derivatives: Mapping[str, PathLike]
    max_risk: float | None
    max_findings: float | None
    audit: str | None
    release: PathLike | None
    refaced: Names
    reviewed: PathLike | None
    parts: Names
    against: PathLike | None
    breakdown: Names | None
    seed: int
    filter_file: PathLike | None
    database_dir: PathLike | None
    skip_validation: bool
    n_procs: int
    memory_gb: float | None
    omp_threads: int
    device: Device
    plugin_file: PathLike | None
    stop_on_first_crash: bool
    dry_run: bool
    reports_only: bool
    keep: Keep
    report_faces: bool
    complete_face: bool
    stamp: bool
    verbosity: int


@dataclass(frozen=True, slots=True)
class Output:
    """The content of an output folder.

    Attributes
    ----------
    folder : Path
        The output folder.
    scans : tuple of EnrolledScan
        Each scan with its line in ``group_images.tsv``, its files and its record.
    tables : dict of str to pandas.DataFrame
        Name of a table, such as ``group_identification``, to its rows. Labels are text, numbers
        are numbers (whole ones ``Int64``), and ``n/a`` is missing.
    summary : dict
        Content of ``group_summary.json``; empty if the group level has not run.
    """

    folder: Path
    scans: tuple[EnrolledScan, ...]
    tables: dict[str, pd.DataFrame]
    summary: dict[str, Any]

    def __repr__(self) -> str:
        """Name the outcome and count the contents."""
        from bids_reid.messages import count

        outcome = self.outcome or 'the group level has not run'
        held = f'{count(len(self.scans), "scan")}, {count(len(self.tables), "table")}'
        return f'Output({str(self.folder)!r}: {outcome}, {held})'

    @property
    def outcome(self) -> Outcome | None:
        """``do not share``, ``look first`` or ``nothing found``; ``None`` before a group level."""
        return cast('Outcome | None', self.summary.get('outcome'))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Sentences that explain the outcome, the worst first."""
        return tuple(reason['sentence'] for reason in self.summary.get('reasons', ()))

    @property
    def images(self) -> pd.DataFrame:
        """The table ``group_images``: one row for each image, with its verdict.

        Raises
        ------
        NoInputError
            The group level has not run.
        """
        return self._table('group_images')

    @property
    def identification(self) -> pd.DataFrame:
        """The table ``group_identification``: rank-k identification rates.

        Raises
        ------
        NoInputError
            The group level has not run with photographs.
        """
        return self._table('group_identification')

    @property
    def report(self) -> Path:
        """Path of the page of the group level.

        Raises
        ------
        NoInputError
            The group level has not run.
        """
        return self._there(self.folder / 'group.html')

    def _table(self, name: str) -> pd.DataFrame:
        if name not in self.tables:
            self._there(self.folder / f'{name}.tsv')
        return self.tables[name]

    def _there(self, path: Path) -> Path:
        from bids_reid.errors import NoInputError

        if not path.is_file():
            photos = ' with photos' if path.stem == 'group_identification' else ''
            raise NoInputError(f'{path} is missing: run the group level{photos} first')
        return path


def run(
    bids_dir: PathLike,
    output_dir: PathLike,
    levels: Level | Sequence[Level] = LEVELS,
    **options: Unpack[Options],
) -> Exit:
    """Run the levels as the command line does, and print the same messages.

    Parameters
    ----------
    bids_dir, output_dir : path
        The BIDS dataset, which is only read, and the folder for the results.
    levels : str or sequence of str
        ``participant``, ``group`` or both.
    **options
        See `Options`; for example ``photos='photos'``, ``modalities='T1w,FLAIR'``,
        ``derivatives={'defaced': 'defaced'}`` or ``n_procs=4``. The defaults are those of the
        command line, except ``n_procs``, which is 1.

    Returns
    -------
    Exit
        The exit code, for example ``Exit.OK`` or ``Exit.SOME_FAILED``. `load` reads the results.

    Raises
    ------
    TypeError
        There is no such option.
    ReidError
        Nothing could be done, for a reason that its message names.

    Notes
    -----
    As in the program, only their owner can read files that this process writes from now on.
    Temporary files of the process go to a folder of its own: ``TMPDIR`` names it, and it is
    removed when the process ends.

    Call `run` from one thread at a time. Locks keep other processes from the same output, but
    not other threads.

    Examples
    --------
    >>> import bids_reid
    >>> bids_reid.run('data', 'out', max_risks=0.05)
    Traceback (most recent call last):
    TypeError: run() has no option 'max_risks': did you mean max_risk?
    """
    from bids_reid.levels import run_levels
    from bids_reid.messages import show_messages

    settings = Settings(
        bids_dir=_absolute(bids_dir),
        output_dir=_absolute(output_dir),
        levels=(levels,) if isinstance(levels, str) else tuple(levels),
        command='bids_reid.run',
        **_fields(options),
    )
    show_messages()
    return run_levels(settings)


def _fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """Turn options into fields of Settings.

    Raises
    ------
    TypeError
        There is no such option.
    """
    given = dict(options)
    for name in given:
        if name not in Options.__annotations__:
            raise TypeError(f'run() has no option {name!r}{_meant(name)}')
    for name in _NAMES:
        if given.get(name) is not None:
            given[name] = labels(_split(given[name]), _PREFIXES.get(name, ''))
    for name in _PATHS:
        if given.get(name) is not None:
            given[name] = _absolute(given[name])
    if 'derivatives' in given:
        folders = dict(given['derivatives']).items()
        given['derivatives'] = tuple((name, _absolute(folder)) for name, folder in folders)
    return given


def _meant(name: str) -> str:
    from bids_reid.config_file import option_name
    from bids_reid.suggestions import closest

    fields = {field: field for field in Options.__annotations__}
    spellings = {option_name(field).replace('-', '_'): field for field in fields} | fields
    found = closest(name, spellings)
    return '' if found is None else f': did you mean {spellings[found]}?'


def _split(given: str | Iterable[str]) -> Iterable[str]:
    from bids_reid.arguments import split_names

    return split_names(given) if isinstance(given, str) else names(given)


def load(output_dir: PathLike) -> Output:
    """Read the results that an output folder holds.

    Parameters
    ----------
    output_dir : path
        Folder that `run` or the command line wrote.

    Returns
    -------
    Output
        Scans, tables and summary.

    Raises
    ------
    NoInputError
        It holds no results of the participant level, or those of an older version, or a table is
        damaged.

    Examples
    --------
    >>> import bids_reid
    >>> bids_reid.load('no-such-folder')
    Traceback (most recent call last):
    bids_reid.errors.NoInputError: ...no-such-folder...
    """
    from bids_reid.bids.files import read_json
    from bids_reid.bids.image_records import has_looks
    from bids_reid.bids.layout import scan_files
    from bids_reid.participant.library import read_scans

    folder = _absolute(output_dir)
    tables = {path.stem: _table(path) for path in sorted(folder.glob('group_*.tsv'))}
    # a release may hold no scans of heads, only other images
    no_scans = has_looks(folder) and not scan_files(folder)
    summary = read_json(folder / 'group_summary.json')
    limits = summary.get('limits')
    needed = limits.get('parts') if isinstance(limits, dict) else None
    if not isinstance(needed, list) or not set(map(str, needed)) <= set(PART_NAMES):
        needed = IDENTIFYING
    scans = () if no_scans else tuple(read_scans(folder, needed=needed))
    return Output(folder, scans, tables, summary)


def _table(path: Path) -> pd.DataFrame:
    import csv

    import pandas as pd

    from bids_reid.bids.tables import read_cell
    from bids_reid.errors import NoInputError

    try:
        table = pd.read_csv(
            path,
            sep='\t',
            # a name may begin with a quotation mark
            quoting=csv.QUOTE_NONE,
            na_values='n/a',
            keep_default_na=False,
            # labels such as 01 are no numbers
            dtype=dict.fromkeys(_TEXT, 'str'),
        )
    except (OSError, ValueError) as error:
        raise NoInputError(f'{path} is damaged: run the group level again') from error
    for name in table.select_dtypes(['object', 'str']):
        if table[name].isna().all():
            continue
        table[name] = table[name].map(
            # of a column of text and numbers pandas makes both
            lambda cell: read_cell(cell) if isinstance(cell, str) else cell
        )
    for name in table.select_dtypes('number'):
        if _WHOLE.fullmatch(str(name)) and (table[name].dropna() % 1 == 0).all():
            # which has a place for missing values
            table[name] = table[name].astype('Int64')
    return table


def assess(image: PathLike, parts: Names = IDENTIFYING) -> Presence:
    """Judge whether a face is left on an image; nothing is written.

    Parameters
    ----------
    image : path
        Volume, surface, photograph or document, or a folder with a DICOM series. If a file holds
        several volumes, the first is judged, with what others show where it shows nothing.
    parts : str or sequence of str
        Parts of a face that must be removed, as of ``--parts``.

    Returns
    -------
    Presence
        The verdict and its reasons, as in ``group_images.tsv``.

    Raises
    ------
    UsageError
        A part is unknown.
    ScanError
        The image cannot be read, or shows no head.
    RenderingError
        This machine cannot render.

    Examples
    --------
    >>> import bids_reid
    >>> bids_reid.assess('sub-01_T1w.nii.gz', parts='beard')
    Traceback (most recent call last):
    bids_reid.errors.UsageError: unknown part of a face 'beard'...
    """
    from bids_reid.errors import ScanError
    from bids_reid.participant.looks import look
    from bids_reid.records import Image
    from bids_reid.risk.presence import assess_image
    from bids_reid.settings import check_parts
    from bids_reid.views.selftest import check_rendering, use_offscreen_window

    needed = tuple(_split(parts))
    check_parts(needed)
    use_offscreen_window()
    check_rendering()
    path = _absolute(image)
    files = sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else ()
    members = tuple(f'{path.name}/{one.name}' for one in files)
    first = members[0] if members else path.name
    record = look(path.parent, Image(first, '', None, None, members=members))
    if record.status == 'failed':
        raise ScanError(record.reason)
    return assess_image(record, path.name.partition('.')[0].rpartition('_')[2], needed)


def _absolute(path: PathLike) -> Path:
    return Path(path).expanduser().absolute()
