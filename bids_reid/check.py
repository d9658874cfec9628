"""``bids-reid-check``: whether a folder is, byte for byte, the release that passed its audit.

It looks for no face. It is the last call before the folder is uploaded.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from bids_reid.arguments import Parser, absolute, add_nprocs, add_version
from bids_reid.bids.files import read_json
from bids_reid.bids.formats import OWN_OUTPUT, OWN_RESULTS
from bids_reid.bids.hash_cache import HashCache
from bids_reid.bids.layout import cache_file
from bids_reid.bids.manifest import SCHEMA_VERSION, manifest_sha256
from bids_reid.bids.release import walk_release
from bids_reid.bids.tables import NOT_AVAILABLE, read_table
from bids_reid.bids.walk import check_there
from bids_reid.cli import guarded
from bids_reid.errors import Exit, NoInputError, UsageError
from bids_reid.json_fields import as_field
from bids_reid.messages import count, say
from bids_reid.records import Image
from bids_reid.suggestions import did_you_mean
from bids_reid.surroundings import prepare_surroundings

PROGRAM = 'bids-reid-check'
DESCRIPTION = """\
Compare a folder with its audit, right before you upload the folder. Every image
in RELEASE must be one that was audited, at the same path and with the same
bytes, and the audit must have ended with "nothing found". OUT is the output
folder of bids-reid; its files group_images.tsv and group_summary.json are read.
RELEASE is only read.
"""
EXAMPLES = {
    'Check the folder that you are about to upload:': 'bids-reid-check OUT RELEASE',
    'Check two participants, whose scans alone will be uploaded:': (
        'bids-reid-check OUT RELEASE --only sub-01 sub-02'
    ),
    'Read every file again, and print the result for a program:': (
        'bids-reid-check OUT RELEASE --full --json'
    ),
}
EXIT_CODES = {
    0: 'Every image was audited and has not changed since.',
    3: 'There are problems. Each is named in a line.',
    64: 'Wrong usage.',
    66: 'OUT or RELEASE is missing, or OUT is damaged or of another version.',
}
TABLE = 'group_images.tsv'
SUMMARY = 'group_summary.json'
PASS = 'nothing found'  # noqa: S105
NO_HASH = ('URL', 'VURL', 'WORM', 'GIT')
"""Backends of git-annex whose keys say nothing of the content."""

Chosen = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Row:
    """What the audit says of an image of the release; ``None`` is not known."""

    path: str
    sha256: str | None
    annex_key: str | None
    verdict: str | None
    reason: str | None

    def holds(self, image: Image) -> bool:
        """Whether an image has the content that was audited.

        A key of git-annex counts where one of both has no SHA-256, such as an image whose content
        is not here; not one that is made of a name or an address, under which content can change.
        """
        if image.sha256 is not None and self.sha256 is not None:
            return image.sha256 == self.sha256
        key = image.annex_key
        return key is not None and key == self.annex_key and not key.startswith(NO_HASH)


@dataclass(frozen=True, slots=True)
class Audit:
    """What the group level wrote of a release.

    ``reasons`` are pairs of outcome and sentence; there is none if nothing was found.
    ``findings`` says whether the limit allowed findings on some images.
    """

    rows: tuple[Row, ...]
    outcome: str
    reasons: tuple[tuple[str, str], ...]
    manifest: str
    findings: bool = False

    @property
    def acceptable(self) -> tuple[str, ...]:
        """Verdicts of images that may be shared: some findings, if the limit allowed them."""
        excused = self.findings and self.outcome == PASS
        return ('no findings', 'review') if excused else ('no findings',)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """A reason not to upload; ``path`` is empty if the reason concerns the whole release."""

    path: str
    problem: str
    detail: str

    def __str__(self) -> str:
        return ': '.join(filter(None, (self.path, self.problem, self.detail)))


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``bids-reid-check``; return its exit code."""
    prepare_surroundings(is_program=argv is None)
    options = build_parser().parse_args(sys.argv[1:] if argv is None else argv)
    return guarded(PROGRAM, partial(check, options))


def build_parser() -> Parser:
    """Build the parser of ``bids-reid-check``."""
    parser = Parser(PROGRAM, description=DESCRIPTION, examples=EXAMPLES, exit_codes=EXIT_CODES)
    parser.add_argument(
        'output_dir', metavar='OUT', type=absolute, help='Output folder of the audit.'
    )
    parser.add_argument(
        'release', metavar='RELEASE', type=absolute, help='Folder that you will upload.'
    )
    parser.add_argument(
        '--only',
        nargs='+',
        metavar='PATH',
        help='Files and folders below RELEASE that you will upload. Default: all.',
    )
    parser.add_argument(
        '--allow-missing',
        action='store_true',
        help='Accept that audited images are missing from RELEASE.',
    )
    parser.add_argument('--json', action='store_true', help='Print one JSON object instead.')
    parser.add_argument(
        '--cache',
        type=absolute,
        metavar='FILE',
        help='Known hashes of unchanged files. Default: OUT/.cache/files.tsv.',
    )
    parser.add_argument(
        '--full',
        '--no-cache',
        dest='full',
        action='store_true',
        help='Read all files again, and keep no hashes.',
    )
    add_nprocs(parser, '-n', '--nprocs', '--n-procs')
    add_version(parser)
    return parser


def check(options: argparse.Namespace) -> Exit:
    """Compare a folder with its audit, and print the problems.

    Raises
    ------
    NoInputError
        The folder or the audit is not there, or cannot be used.
    UsageError
        The paths given are not below the folder.
    """
    out: Path = options.output_dir
    release: Path = options.release
    check_there(release, folder=True)
    if (release / SUMMARY).is_file() and not (out / SUMMARY).is_file():
        raise UsageError(f'{out} holds no audit, but {release} does: are OUT and RELEASE swapped?')
    audit = read_audit(out)
    if out.resolve() == release.resolve():
        raise UsageError(f'{release} is the output folder: name the folder that you will upload')
    only = None if options.only is None else _below(release, options.only)
    if only is not None:
        _check_known(only, release, audit)
    chosen = partial(_is_chosen, only)
    images = _walk(options)
    problems = sorted(find_problems(audit, images, chosen, missing=not options.allow_missing))
    n_images = sum(any(map(chosen, _paths(image))) for image in images)
    if options.json:
        _print_json(audit, problems, n_images)
    else:
        _print_lines(problems, n_images)
    return Exit.RISK if problems else Exit.OK


def _walk(options: argparse.Namespace) -> list[Image]:
    """Walk through the folder; files that an earlier walk hashed are not read again."""
    out: Path = options.output_dir
    cache = HashCache(None if options.full else options.cache or cache_file(out))
    images = list(walk_release(options.release, cache=cache, own=[out], n_procs=options.n_procs))
    cache.save()
    return images


def _below(release: Path, paths: Sequence[str]) -> tuple[str, ...]:
    """Make paths relative to the release, as the table has them; ``''`` is all of it.

    Raises
    ------
    UsageError
        One of them is not below it.
    """
    below = []
    for path in paths:
        relative = Path(os.path.relpath(release / path, release))
        if not path or relative.parts[:1] == (os.pardir,):
            raise UsageError(f'--only {path!r} is not below {release}')
        below.append('' if relative == Path() else relative.as_posix())
    return tuple(below)


def _check_known(only: Iterable[str], release: Path, audit: Audit) -> None:
    """Look whether each path is in the folder or in the audit: a slip must not pass.

    Raises
    ------
    NoInputError
        Something is neither in the folder nor in the audit.
    """
    for path in only:
        there = os.path.lexists(release / path)
        if not there and not any(_is_chosen((path,), row.path) for row in audit.rows):
            known = {one for row in audit.rows for one in _with_folders(row.path)}
            hint = did_you_mean(path, known)
            raise NoInputError(f'--only {path} is neither in {release} nor in its audit{hint}')


def _with_folders(path: str) -> Iterator[str]:
    yield path
    yield from (str(folder) for folder in PurePosixPath(path).parents if folder.name)


def _is_chosen(only: Sequence[str] | None, path: str) -> bool:
    """Whether a path, or something below it, is to be uploaded."""
    return only is None or any(_is_below(path, one) or _is_below(one, path) for one in only)


def _is_below(path: str, folder: str) -> bool:
    path, folder = path.rstrip('/'), folder.rstrip('/')
    return not folder or path == folder or path.startswith(f'{folder}/')


def _paths(image: Image) -> tuple[str, ...]:
    """Paths of all files of an image, its own first."""
    return tuple(dict.fromkeys((image.path, *image.members)))


def read_audit(out: Path) -> Audit:
    """Read what the group level wrote.

    Raises
    ------
    NoInputError
        It is not there, damaged, or of another version.
    """
    check_there(out, folder=True)
    summary, table = out / SUMMARY, out / TABLE
    for path in (summary, table):
        if not path.is_file():
            raise NoInputError(f'{path} is not there: run the group level of bids-reid first')
    content = read_json(summary)
    version = content.get('schema_version')
    if content and version != SCHEMA_VERSION:
        raise NoInputError(
            f'{summary} was written by another version of bids-reid (schema {version}, not '
            f'{SCHEMA_VERSION}): run the group level again with this version'
        )
    try:
        reasons = tuple(
            (as_field(str, one['outcome']), as_field(str, one['sentence']))
            for one in content['reasons']
        )
        outcome, manifest, sentence = (
            as_field(str, content[key])
            for key in ('outcome', 'manifest_sha256', 'outcome_sentence')
        )
        findings = bool(content['limits']['max_findings'])
    except (KeyError, TypeError) as error:
        raise NoInputError(f'{summary} is damaged: run the group level again') from error
    if outcome == PASS:
        reasons = ()
    return Audit(
        tuple(_read_rows(table)),
        outcome,
        reasons or _unexplained(outcome, sentence),
        manifest,
        findings,
    )


def _unexplained(outcome: str, sentence: str) -> tuple[tuple[str, str], ...]:
    return () if outcome == PASS else ((outcome, sentence),)


def _read_rows(table: Path) -> Iterator[Row]:
    """Read the rows of the images in the release."""
    try:
        for row in read_table(table):
            if row['in_release'] == 'yes':
                known = (
                    _known(row, name) for name in ('sha256', 'annex_key', 'verdict', 'reason')
                )
                yield Row(row['path'], *known)
    except (OSError, KeyError, ValueError) as error:
        raise NoInputError(f'{table} is damaged: run the group level again') from error


def _known(row: Mapping[str, str], column: str) -> str | None:
    return None if row[column] == NOT_AVAILABLE else row[column]


def find_problems(
    audit: Audit, images: Sequence[Image], chosen: Chosen, *, missing: bool = True
) -> Iterator[Problem]:
    """Find all reasons not to upload.

    Parameters
    ----------
    images : sequence of Image
        Of the folder, all of them.
    chosen : callable
        Whether a path is to be uploaded.
    missing : bool
        Whether an audited image that is not in the folder is a problem.
    """
    listed = manifest_sha256((row.path, row.sha256, row.annex_key) for row in audit.rows)
    if listed != audit.manifest:
        # what it says of an image is worth nothing
        detail = f'{TABLE} was changed, or belongs to another run: run the group level again'
        yield Problem('', 'table', detail)
        return
    for outcome, sentence in audit.reasons:
        yield Problem('', outcome, sentence)
    there = {path for image in images for path in _paths(image)}
    rows = Rows(audit, there)
    for image in images:
        if any(map(chosen, _paths(image))):
            yield from rows.problems(image)
    if missing:
        yield from rows.missing(chosen)


class Rows:
    """The rows of an audit, by path and by content.

    Parameters
    ----------
    audit : Audit
        The audit.
    there : set of str
        Paths of all files of images in the folder.
    """

    def __init__(self, audit: Audit, there: set[str]) -> None:
        self._audit = audit
        self._there = there
        self._by_path: dict[str, list[Row]] = defaultdict(list)
        self._by_content: dict[str, list[Row]] = defaultdict(list)
        self._moved: set[str] = set()
        for row in audit.rows:
            self._by_path[row.path].append(row)
            for content in filter(None, (row.sha256, row.annex_key)):
                self._by_content[content].append(row)

    def problems(self, image: Image) -> Iterator[Problem]:
        """Find the problems of one image of the folder."""
        path, *others = _paths(image)
        if image.format in OWN_RESULTS:
            detail = 'a template of bids_reid, which holds features of a face: remove it'
            if image.format == OWN_OUTPUT:
                detail = 'it holds results of bids-reid about faces: move it out of the folder'
            yield Problem(path, image.format, detail)
            return
        rows = [row for one in (path, *others) for row in self._by_path.get(one, ())]
        if not rows and _is_of_git(path):
            # no name that anybody gave: the same content is as good at another place
            rows = self._known(image)
        same = [row for row in rows if row.holds(image)]
        if not rows:
            yield self._new(path, image)
        elif not same:
            yield _changed(path, image)
        for row in same:
            if row.verdict not in self._audit.acceptable:
                yield Problem(path, row.verdict or 'no verdict', row.reason or '')

    def _new(self, path: str, image: Image) -> Problem:
        """Tell an image that was moved from one that was never audited."""
        known = self._known(image)
        gone = [row.path for row in known if row.path not in self._there]
        gone = [path for path in gone if path not in self._moved]
        if gone:
            self._moved.add(gone[0])
            return Problem(path, 'moved', f'from {gone[0]}')
        if not known:
            return Problem(path, 'new', 'not audited')
        detail = f'a copy of {known[0].path}, which was audited at that path only'
        return Problem(path, 'new', detail)

    def _known(self, image: Image) -> list[Row]:
        """Return the rows with this content, wherever it was."""
        contents = filter(None, (image.sha256, image.annex_key))
        rows = (row for content in contents for row in self._by_content.get(content, ()))
        return [row for row in dict.fromkeys(rows) if row.holds(image)]

    def missing(self, chosen: Chosen) -> Iterator[Problem]:
        """Find the images that are gone and were not moved.

        A copy without the history of git, or with less of it, lacks nothing.
        """
        gone = self._by_path.keys() - self._there - self._moved
        for path in gone:
            if chosen(path) and not _is_of_git(path):
                yield Problem(path, 'missing', 'audited, but not in the folder')


def _is_of_git(path: str) -> bool:
    return '.git' in path.split('/')


def _changed(path: str, image: Image) -> Problem:
    """Say that an image differs from the audited one, or cannot be compared with it."""
    if image.sha256 is None:
        why = image.absent or 'its content cannot be read'
        return Problem(path, 'absent', f'{why}: it cannot be compared with the audit')
    return Problem(path, 'changed', 'its bytes are not those that were audited')


def _print_json(audit: Audit, problems: Sequence[Problem], n_images: int) -> None:
    found = [asdict(one) | {'path': one.path or None} for one in problems]
    content = {
        'ok': not problems,
        'outcome': audit.outcome,
        'manifest_sha256': audit.manifest,
        'n_images': n_images,
        'problems': found,
    }
    print(json.dumps(content, indent=2))


def _print_lines(problems: Sequence[Problem], n_images: int) -> None:
    for problem in problems:
        say(str(problem))
    images = count(n_images, 'image')
    if problems:
        say(f'{count(len(problems), "problem")} ({images} compared): do not upload')
    else:
        say(f'{images}, all audited, none changed')


if __name__ == '__main__':
    sys.exit(main())
