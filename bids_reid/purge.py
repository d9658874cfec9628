"""``bids-reid-purge``: delete what can give a face back, and prove that it is gone."""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from bids_reid import __version__
from bids_reid.bids.files import read_json, write_json
from bids_reid.bids.locks import LOCKS, locked_output
from bids_reid.bids.sensitive import (
    KINDS,
    OWN_FOLDERS,
    SUMMARY,
    OutputFile,
    Sensitive,
    is_output,
    output_files,
    sensitive_amounts,
    sensitive_counts,
)
from bids_reid.bids.walk import check_there
from bids_reid.cli import Parser, absolute, guarded
from bids_reid.errors import CannotWriteError, Exit, NoInputError
from bids_reid.messages import count, logger
from bids_reid.printable import printable
from bids_reid.surroundings import prepare_surroundings

DESCRIPTION = """\
Delete every file in OUT, an output folder of bids-reid, that can give a face back: skins,
templates of every extractor, renders, pages that show renders, and what killed runs left. Without
--keep-report all that bids-reid wrote in OUT goes. Files are listed first, then deleted, then
looked for again. Files of others stay, and no link is followed. What is deleted is deleted as rm
does it: snapshots, backups and the blocks of a disk may hold it still. A work folder elsewhere
(-w DIR) is not known here: delete DIR/bids_reid-* yourself if a run was killed.
"""
EPILOG = """\
exit codes: 0 nothing is left; 64 wrong usage; 66 OUT is not there, or is no output of bids-reid;
73 something is left, or cannot be deleted
"""
NAMES: dict[Sensitive, tuple[str, str]] = {
    'skins': ('skin', 'skins'),
    'templates': ('template', 'templates'),
    'renders': ('render', 'renders'),
    'pages_with_faces': ('page with faces', 'pages with faces'),
    'intermediate': ('intermediate file', 'intermediate files'),
    'unfinished': ('unfinished file', 'unfinished files'),
}
PAGES = (
    "participants' pages showed faces and are gone: bids-reid BIDS_DIR OUT participant "
    '--reports-only writes them again, without'
)
SHOWN = 3
"""Names of a kind that are listed without ``-v``."""
_DESCRIPTION = 'dataset_description.json'
_LAST = (_DESCRIPTION, LOCKS)
"""Without the first a folder is no output: it goes last, so that a purge can be repeated."""

Chosen = Callable[[OutputFile], bool]


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``bids-reid-purge``; return its exit code."""
    prepare_surroundings(is_program=argv is None)
    options = build_parser().parse_args(sys.argv[1:] if argv is None else argv)
    return guarded('bids-reid-purge', lambda: purge(options), written=[options.output_dir])


def build_parser() -> Parser:
    """Build the parser of ``bids-reid-purge``."""
    parser = Parser(
        prog='bids-reid-purge',
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('output_dir', metavar='OUT', type=absolute, help='output of bids-reid')
    parser.add_argument('--version', action='version', version=f'bids-reid {__version__}')
    parser.add_argument(
        '--keep-report',
        action='store_true',
        help='keep what holds no face: tables, group page, pages of participants without renders, '
        'records of scans and images; bids-reid-check can still be called',
    )
    parser.add_argument('--dry-run', action='store_true', help='list the files, delete nothing')
    parser.add_argument('-v', dest='verbose', action='store_true', help='list all names')
    return parser


def purge(options: argparse.Namespace) -> Exit:
    """List, delete and look again.

    Raises
    ------
    NoInputError
        The folder is not there, or is no output of bids_reid.
    CannotWriteError
        Something is left, or a run writes there.
    """
    out: Path = options.output_dir
    check_there(out, folder=True)
    if not is_output(out):
        raise NoInputError(
            f'{out} is no output of bids-reid: its {_DESCRIPTION} does not say so; '
            'nothing was deleted'
        )
    files = {file.path: file for file in output_files(out)}
    if options.dry_run:
        return _purge(out, list(files.values()), options)
    with locked_output(out):
        # whoever takes the lock sweeps what is unfinished: that was to go, and is listed, too
        files |= {file.path: file for file in output_files(out)}
        return _purge(out, [files[path] for path in sorted(files)], options)


def _purge(out: Path, files: Sequence[OutputFile], options: argparse.Namespace) -> Exit:
    chosen = _sensitive if options.keep_report else _ours
    _list(files, verbose=options.verbose, keep_report=options.keep_report)
    if options.dry_run:
        logger.info('nothing was deleted: --dry-run')
        return Exit.OK
    _delete(out, [file for file in files if chosen(file)])
    if options.keep_report:
        _count_again(out)
    return _prove(out, files, chosen)


def _sensitive(file: OutputFile) -> bool:
    return file.sensitive


def _ours(file: OutputFile) -> bool:
    return file.sensitive or file.kind == 'report'


def _list(files: Sequence[OutputFile], *, verbose: bool, keep_report: bool) -> None:
    """List what will go, with names, and count what will stay."""
    by_kind: dict[str, list[OutputFile]] = defaultdict(list)
    for file in files:
        by_kind[file.kind].append(file)
    for kind in KINDS:
        _list_kind(count(len(by_kind[kind]), *NAMES[kind]), by_kind[kind], verbose=verbose)
    reports = f'{count(len(by_kind["report"]), "file")} without faces'
    if keep_report:
        logger.info(f'{reports}, to be kept: tables, pages, records')
    else:
        _list_kind(reports, by_kind['report'], verbose=verbose)
    if by_kind['other']:
        others = f'{count(len(by_kind["other"]), "file")} not written by bids-reid, to be kept'
        _list_kind(others, by_kind['other'], verbose=verbose)
    n_linked = sum(file.sensitive and file.names > 1 for file in files)
    if n_linked:
        logger.info(f'{count(n_linked, "file")} with other names too (hard links), which stay')


def _list_kind(title: str, files: Sequence[OutputFile], *, verbose: bool) -> None:
    if not files:
        return
    logger.info(f'{title}, {_size(sum(file.bytes for file in files))}')
    shown = files if verbose else files[:SHOWN]
    for file in shown:
        logger.info(f'  {printable(file.path)}')
    if len(shown) < len(files):
        logger.info(f'  and {len(files) - len(shown):,} more (-v lists all)')


def _size(n_bytes: int) -> str:
    """Write a size as people read it.

    >>> _size(900), _size(2_340_000)
    ('900 bytes', '2.3 MB')
    """
    for unit, name in ((10**9, 'GB'), (10**6, 'MB'), (10**3, 'kB')):
        if n_bytes >= unit:
            return f'{n_bytes / unit:.1f} {name}'
    return count(n_bytes, 'byte')


def _delete(out: Path, files: Sequence[OutputFile]) -> None:
    """Delete files, and folders of bids_reid that are empty then; what stays is found later."""
    for file in files:
        if file.path not in _LAST:
            with suppress(OSError):
                (out / file.path).unlink()
    for folder in sorted(out.iterdir()):
        if OWN_FOLDERS.fullmatch(folder.name) and not folder.is_symlink():
            _remove_empty(folder)


def _count_again(out: Path) -> None:
    """Say in the summary of the group level what is left now."""
    summary = out / SUMMARY
    content = read_json(summary)
    if 'sensitive_files' in content:
        counts = sensitive_counts(sensitive_amounts(out))
        write_json(summary, content | {'sensitive_files': counts})


def _remove_empty(folder: Path) -> None:
    """Remove a folder and those below it that hold no file."""
    for place, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):
            Path(place).rmdir()


def _prove(out: Path, before: Sequence[OutputFile], chosen: Chosen) -> Exit:
    """Look again, tell what is left, and let the folder itself go if nothing is.

    Raises
    ------
    CannotWriteError
        Something is left that should not be.
    """
    after = output_files(out)
    left = [file for file in after if file.path not in _LAST and chosen(file)]
    beyond = [file for file in before if file.kind == 'link']
    n_deleted = sum(map(chosen, before)) - len(left)
    logger.info(f'{count(n_deleted, "file")} deleted')
    for title, some in (
        ('left, and can give a face back', [file for file in left if file.sensitive]),
        ('left', [file for file in left if not file.sensitive]),
        ('a link that was not followed: delete what it leads to', beyond),
    ):
        for file in some:
            logger.info(f'{title}: {printable(file.path)}')
    if left or beyond:
        raise CannotWriteError(
            f'{count(len(left) + len(beyond), "file")} left in {out}, named above: delete them'
        )
    if (out / '.git').exists():
        raise CannotWriteError(
            f'{out} is a git repository: its history and annex may hold the files still; '
            'delete them there, too'
        )
    if chosen is _sensitive:
        if any(file.kind == 'pages_with_faces' for file in before):
            logger.info(PAGES)
    else:
        for name in _LAST:
            (out / name).unlink(missing_ok=True)
        with suppress(OSError):
            out.rmdir()
    logger.info(f'0 files of {len(KINDS)} kinds left')
    return Exit.OK
