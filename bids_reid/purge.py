"""``bids-reid-purge``: delete what can give a face back, and prove that it is gone."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from bids_reid.arguments import Parser, absolute, add_version
from bids_reid.bids.locks import LOCKS, locked_output
from bids_reid.bids.sensitive import (
    KINDS,
    OWN_FOLDERS,
    OutputFile,
    Sensitive,
    count_again,
    is_output,
    output_files,
)
from bids_reid.bids.walk import check_there
from bids_reid.cli import guarded
from bids_reid.errors import CannotWriteError, Exit, NoInputError
from bids_reid.messages import count, logger
from bids_reid.printable import printable
from bids_reid.surroundings import prepare_surroundings

PROGRAM = 'bids-reid-purge'
DESCRIPTION = """\
Delete every file in OUT that can give a face back: skins, templates of every
extractor, renders, pages that show renders, and files that interrupted runs
left. OUT is an output folder of bids-reid. Without --keep-report, everything
that bids-reid wrote in OUT is deleted. Files are listed, then deleted, then
looked for again. Files of others stay, and links are not followed. Files are
deleted as by rm: snapshots, backups and blocks of a disk may still hold them.
If a run with another work folder (-w DIR) was interrupted, delete
DIR/bids_reid-* yourself.
"""
EXAMPLES = {
    'See what would be deleted:': 'bids-reid-purge OUT --dry-run',
    'Delete what can give a face back, and keep the tables and pages:': (
        'bids-reid-purge OUT --keep-report'
    ),
    'Delete everything that bids-reid wrote:': 'bids-reid-purge OUT',
}
EXIT_CODES = {
    0: 'Nothing is left.',
    64: 'Wrong usage.',
    66: 'OUT is missing, or is not an output folder of bids-reid.',
    73: 'A file is left, or cannot be deleted.',
}
NAMES: dict[Sensitive, tuple[str, str]] = {
    'skins': ('skin', 'skins'),
    'templates': ('template', 'templates'),
    'renders': ('render', 'renders'),
    'pages_with_faces': ('page with faces', 'pages with faces'),
    'intermediate': ('intermediate file', 'intermediate files'),
    'unfinished': ('unfinished file', 'unfinished files'),
}
PAGES = (
    "The participants' pages showed faces, and were deleted. To write them again without faces: "
    'bids-reid BIDS_DIR OUT participant --reports-only'
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
    return guarded(PROGRAM, lambda: purge(options), written=[options.output_dir])


def build_parser() -> Parser:
    """Build the parser of ``bids-reid-purge``."""
    parser = Parser(PROGRAM, description=DESCRIPTION, examples=EXAMPLES, exit_codes=EXIT_CODES)
    parser.add_argument(
        'output_dir', metavar='OUT', type=absolute, help='Output folder of bids-reid.'
    )
    parser.add_argument(
        '--keep-report',
        action='store_true',
        help='Keep the files that hold no face: tables, the group page, pages of participants '
        'without renders, and records. bids-reid-check still works.',
    )
    parser.add_argument(
        '--dry-run', action='store_true', help='List the files, and delete nothing.'
    )
    parser.add_argument('--json', action='store_true', help='Print one JSON object instead.')
    parser.add_argument(
        '-v', '--verbose', dest='verbose', action='store_true', help='List all file names.'
    )
    add_version(parser)
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
            f'{out} is not an output folder of bids-reid, by its {_DESCRIPTION}: '
            'nothing was deleted'
        )
    files = {file.path: file for file in output_files(out)}
    if options.dry_run:
        return _purge(out, list(files.values()), options)
    with locked_output(out):
        # taking the lock removes unfinished files; they were to go, so they are listed as well
        files |= {file.path: file for file in output_files(out)}
        return _purge(out, [files[path] for path in sorted(files)], options)


def _purge(out: Path, files: Sequence[OutputFile], options: argparse.Namespace) -> Exit:
    chosen = _sensitive if options.keep_report else _ours
    if not options.json:
        return _act(out, files, chosen, options)
    before = logger.disabled
    logger.disabled = True
    try:
        return _act(out, files, chosen, options)
    finally:
        logger.disabled = before
        print(json.dumps(_facts(out, files, chosen, dry_run=options.dry_run), indent=2))


def _facts(
    out: Path, files: Sequence[OutputFile], chosen: Chosen, *, dry_run: bool
) -> dict[str, object]:
    """Return what ``--json`` prints; ``left`` are the files to delete that are still there."""
    doomed = [file for file in files if chosen(file) or file.kind == 'link']
    return {
        'dry_run': dry_run,
        'to_delete': [_described(file) for file in doomed],
        'kept': [_described(file) for file in files if file not in doomed],
        'left': [file.path for file in doomed if os.path.lexists(out / file.path)],
    }


def _described(file: OutputFile) -> dict[str, object]:
    return {'path': file.path, 'kind': file.kind, 'bytes': file.bytes}


def _act(
    out: Path, files: Sequence[OutputFile], chosen: Chosen, options: argparse.Namespace
) -> Exit:
    _list(files, verbose=options.verbose, keep_report=options.keep_report)
    if options.dry_run:
        logger.info('nothing was deleted (--dry-run)')
        return Exit.OK
    _delete(out, [file for file in files if chosen(file)])
    if options.keep_report:
        count_again(out)
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
        logger.info(f'{reports} are kept: tables, pages, records')
    else:
        _list_kind(reports, by_kind['report'], verbose=verbose)
    if by_kind['other']:
        others = f'{count(len(by_kind["other"]), "file")} not written by bids-reid, kept'
        _list_kind(others, by_kind['other'], verbose=verbose)
    n_linked = sum(file.sensitive and file.names > 1 for file in files)
    if n_linked:
        logger.info(f'{count(n_linked, "file")} with other names (hard links): these names stay')


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
    """Delete files, and then empty folders of bids_reid; `_prove` finds what is left."""
    for file in files:
        if file.path not in _LAST:
            with suppress(OSError):
                (out / file.path).unlink()
    for folder in sorted(out.iterdir()):
        if OWN_FOLDERS.fullmatch(folder.name) and not folder.is_symlink():
            _remove_empty(folder)


def _remove_empty(folder: Path) -> None:
    """Remove a folder and those below it that hold no file."""
    for place, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):
            Path(place).rmdir()


def _prove(out: Path, before: Sequence[OutputFile], chosen: Chosen) -> Exit:
    """Look again, name what is left, and remove the folder itself if it is empty.

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
        ('link, not followed: delete its target yourself', beyond),
    ):
        for file in some:
            logger.info(f'{title}: {printable(file.path)}')
    if left or beyond:
        raise CannotWriteError(
            f'{count(len(left) + len(beyond), "file")} left in {out}, named above: delete them'
        )
    if (out / '.git').exists():
        raise CannotWriteError(
            f'{out} is a git repository: its history and annex may still hold the files: '
            'delete them there as well'
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


if __name__ == '__main__':
    sys.exit(main())
