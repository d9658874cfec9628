"""Count verdicts on measured heads: ``python -m benchmarks.defacers.table FOLDER MEASURED``.

Prints a row for each combination of ``--by`` (by default the source, the tool, the field of view
and what is left: ``some`` if a part that identifies is there, as `fit` counts it), with the number
of heads, of each verdict and answer, of warnings of brain that was cut, and the share of ``no
findings`` with its 95% Wilson interval. ``--wrong`` names the files of which some is left and the
verdict is ``no findings``, or none is and it is another.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.defacers.fit import image_left
from benchmarks.defacers.measure import cases_of, newest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bids_reid.risk.presence import Presence

KEYS = ('source', 'tool', 'view', 'some')
SOME = {True: 'some', False: 'none', None: 'unclear'}
VERDICTS = ('no findings', 'review', 'could not assess')
ANSWERS = ('yes', 'unsure', 'no')
BRAIN = ('yes', 'unsure')
"""Warnings of brain that was cut."""


class Judged(NamedTuple):
    """A case of ``cases.jsonl`` and what the program says of it."""

    case: dict[str, Any]
    presence: Presence


def judged(folder: Path, measured: Path) -> list[Judged]:
    """Judge all cases that were measured."""
    from bids_reid.records import ScanMeasures
    from bids_reid.risk.presence import assess

    rows = newest(measured)
    out = []
    for case in cases_of(folder):
        row = rows.get(case['file'])
        if row is None:
            continue
        content = row.get('measures')
        scan = None if content is None else ScanMeasures.from_json(content)
        case['some'] = SOME[image_left(case)]
        out.append(Judged(case, assess(scan, row.get('reason'))))
    return out


def table(those: Sequence[Judged], by: Sequence[str] = KEYS) -> Iterator[tuple[object, ...]]:
    """Count, a row for each combination of keys of the cases; the first row is the header."""
    from bids_reid.risk.intervals import wilson

    groups: dict[tuple[str, ...], list[Presence]] = defaultdict(list)
    for one in those:
        groups[tuple(str(one.case[key]) for key in by)].append(one.presence)
    brain = tuple(f'brain_{answer}' for answer in BRAIN)
    yield (*by, 'n', *VERDICTS, *ANSWERS, *brain, 'no_findings_share', 'low', 'high')
    for key, presences in sorted(groups.items()):
        n = len(presences)
        verdicts = Counter(str(presence.verdict) for presence in presences)
        answers = Counter(str(presence.face_present) for presence in presences)
        share = verdicts['no findings'] / n
        low, high = wilson(share, n)
        counts = [verdicts[name] for name in VERDICTS] + [answers[name] for name in ANSWERS]
        counts += [sum(one.brain_loss == answer for one in presences) for answer in BRAIN]
        yield (*key, n, *counts, *(f'{float(one):.3f}' for one in (share, low, high)))


def wrong(those: Sequence[Judged]) -> Iterator[tuple[object, ...]]:
    """Name the files that are judged wrongly, worst first."""
    yield ('some', 'verdict', 'file', 'parts', 'reason')
    for one in sorted(those, key=lambda one: one.case['some'] == 'none'):
        clear = one.presence.verdict == 'no findings'
        if one.case['some'] == ('some' if clear else 'none'):
            parts = {name: share for name, share in one.case['parts'].items() if share}
            row = (one.case['some'], one.presence.verdict, one.case['file'])
            yield (*row, parts, one.presence.reason)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path, help='with cases.jsonl')
    parser.add_argument('measured', type=Path, help='what benchmarks.defacers.measure wrote')
    parser.add_argument('--by', nargs='+', default=KEYS, help='keys of the cases')
    parser.add_argument('--wrong', action='store_true', help='name the files judged wrongly')
    arguments = parser.parse_args()
    those = judged(arguments.folder, arguments.measured)
    rows = wrong(those) if arguments.wrong else table(those, arguments.by)
    for row in rows:
        print(*row, sep='\t')


if __name__ == '__main__':
    main()
