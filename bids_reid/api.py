"""The program from Python: run the levels, load an output folder, assess one image.

>>> from bids_reid import api
>>> api.run('ds', 'out', photos='photos')  # doctest: +SKIP
<Exit.OK: 0>
>>> api.load('out').tables['group_images']  # doctest: +SKIP
>>> api.assess('sub-01_T1w.nii.gz').verdict  # doctest: +SKIP
'review'

A notebook calls these as they stand, a script below ``if __name__ == '__main__':`` as anything
that starts processes: these import the script.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_reid.records import IDENTIFYING, PART_NAMES
from bids_reid.settings import LEVELS, Settings

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import pandas as pd

    from bids_reid.errors import Exit
    from bids_reid.participant.library import EnrolledScan
    from bids_reid.risk.presence import Presence
    from bids_reid.settings import Level

    PathLike = str | os.PathLike[str]

_PATHS = (
    *('work_dir', 'models_dir', 'photos', 'consent', 'against', 'filter_file', 'plugin_file'),
    *('release', 'reviewed'),
)


@dataclass(frozen=True, slots=True)
class Output:
    """The content of an output folder.

    Attributes
    ----------
    scans
        Each scan with its line in ``group_images.tsv``, its files and its record.
    tables
        Name of a table, such as ``group_identification``, to its rows; ``n/a`` is missing.
    summary
        ``group_summary.json``; empty if the group level has not run.
    """

    scans: tuple[EnrolledScan, ...]
    tables: dict[str, pd.DataFrame]
    summary: dict[str, Any]


def run(
    bids_dir: PathLike,
    output_dir: PathLike,
    levels: Level | Sequence[Level] = LEVELS,
    **options: Any,
) -> Exit:
    """Run the levels as the command line does, and print the same messages.

    Parameters
    ----------
    bids_dir, output_dir
        As on the command line.
    levels
        ``participant``, ``group`` or both.
    **options
        Fields of `bids_reid.settings.Settings`, for example ``photos``, ``modalities=('T1w',)``,
        ``derivatives={'defaced': DIR}``, ``n_procs``. ``allow_network=True`` lets extractors of
        other packages send images of faces to a network.

    Returns
    -------
    The exit code, for example ``Exit.SOME_FAILED`` where a scan failed.

    Raises
    ------
    ReidError
        Nothing could be done, for a reason that its message names.

    Notes
    -----
    As in the program, files written from then on by this process are readable by their owner only,
    and its temporary files go to a folder of its own in that of the system: ``TMPDIR`` names it
    from then on, and it is removed when the process ends.

    Run one after the other in a process. The locks that keep runs apart belong to a process: two
    of its threads would not be kept from the same output. Other processes are.
    """
    from bids_reid.levels import run_levels
    from bids_reid.messages import show_messages

    for name in _PATHS:
        if options.get(name) is not None:
            options[name] = _absolute(options[name])
    conditions = dict(options.pop('derivatives', {}))
    settings = Settings(
        bids_dir=_absolute(bids_dir),
        output_dir=_absolute(output_dir),
        levels=(levels,) if isinstance(levels, str) else tuple(levels),
    )
    settings = replace(
        settings,
        derivatives=tuple((name, _absolute(folder)) for name, folder in conditions.items()),
        command='bids_reid.api.run',
        **options,
    )
    show_messages()
    return run_levels(settings)


def load(output_dir: PathLike) -> Output:
    """Read the results that an output folder holds.

    Raises
    ------
    NoInputError
        It holds no results of the participant level, or those of an older version, or a table is
        damaged.
    """
    from bids_reid.bids.files import read_json
    from bids_reid.bids.image_records import has_looks
    from bids_reid.bids.layout import scan_files
    from bids_reid.participant.library import read_scans

    folder = _absolute(output_dir)
    tables = {path.stem: _table(path) for path in sorted(folder.glob('group_*.tsv'))}
    # a release may hold no scans of heads, only images that got a look
    no_scans = has_looks(folder) and not scan_files(folder)
    summary = read_json(folder / 'group_summary.json')
    limits = summary.get('limits')
    needed = limits.get('parts') if isinstance(limits, dict) else None
    if not isinstance(needed, list) or not set(map(str, needed)) <= set(PART_NAMES):
        needed = IDENTIFYING
    scans = () if no_scans else tuple(read_scans(folder, needed=needed))
    return Output(scans, tables, summary)


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
            dtype=dict.fromkeys(('participant_id', 'session_id', 'photo'), 'str'),
        )
    except (OSError, ValueError) as error:
        raise NoInputError(f'{path} is damaged: run the group level again') from error
    for name in table.select_dtypes(['object', 'str']):
        table[name] = table[name].map(
            # of a column of text and numbers pandas makes both
            lambda cell: read_cell(cell) if isinstance(cell, str) else cell
        )
    return table


def assess(image: PathLike, parts: Sequence[str] = IDENTIFYING) -> Presence:
    """Judge whether a face is left on an image; nothing is written.

    Parameters
    ----------
    image
        Volume, surface, photograph or document, or a folder with a DICOM series; of several
        volumes the first.
    parts
        Those of a face that have to be removed, as of ``--parts``.

    Returns
    -------
    The verdict and its reasons, as in ``group_images.tsv``.

    Raises
    ------
    ScanError
        The image cannot be read, or shows no head.
    RenderingError
        This machine cannot render.
    """
    from bids_reid.errors import ScanError
    from bids_reid.participant.looks import look
    from bids_reid.records import Image
    from bids_reid.risk.presence import assess_image
    from bids_reid.views.selftest import check_rendering, use_offscreen_window

    use_offscreen_window()
    check_rendering()
    path = _absolute(image)
    files = sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else ()
    members = tuple(f'{path.name}/{one.name}' for one in files)
    first = members[0] if members else path.name
    record = look(path.parent, Image(first, '', None, None, members=members))
    if record.status == 'failed':
        raise ScanError(record.reason)
    return assess_image(record, path.name.partition('.')[0].rpartition('_')[2], parts)


def _absolute(path: PathLike) -> Path:
    return Path(path).expanduser().absolute()
