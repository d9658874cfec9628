"""Whether a face is found where there is one, and only there: ``python -m benchmarks.presence``.

Synthetic heads are de-faced in every way of `tests.support.defacing`, at several noise levels
and contrasts, written as NIfTI, and measured as the participant level does it. ``--measure FILE``
writes what was measured, one JSON object a scan (an hour of one core for all), and prints the
confusion table; ``--table FILE`` prints it again, so that limits may change without measuring
again. Limits were chosen on the first `N_CHOSEN` people, and are reported on the others.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import lru_cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bids_reid.phantom.scanner import Scan

NOISES = (0.01, 0.03, 0.06, 0.1)
CONTRASTS = ('T1w', 'FLAIR', 'T2w', 'T1w')
SPACING = 1.5
N_INTACT, N_OTHER = 60, 12
N_CHOSEN = 6
SEED = 61
ANSWERS = ('yes', 'unsure', 'no')
VERDICTS = ('no findings', 'review', 'could not assess')
LOSE_BRAIN = ('plane', 'mask', 'deep')
CUTS = {'cut-eyes': 0.0, 'cut-nose': -34.0}
"""Whole faces, the field of view of which ends at a height."""


class Case(NamedTuple):
    """One scan to make: how it is de-faced, whose, and how it is scanned."""

    defacing: str
    person: int
    modality: str
    noise: float


def cases(person: int) -> list[Case]:
    """One person under one noise level and contrast, de-faced in every way if there is time."""
    from tests.support.defacing import DEFACINGS

    how = list(product(CONTRASTS, NOISES))[person // 2 * 7 % 16]
    names = (*DEFACINGS, *CUTS) if person < N_OTHER else ('intact',)
    return [Case(name, person, *how) for name in names]


def make(case: Case) -> Scan:
    """Scan and de-face somebody."""
    from tests.support.artefacts import crop
    from tests.support.defacing import DEFACINGS, deface_stored

    if case.defacing in CUTS:
        intact = exposed(case._replace(defacing='intact'))
        return crop(intact, low=(-np.inf, -np.inf, CUTS[case.defacing]))
    if DEFACINGS[case.defacing].before is not None:
        return exposed(case)
    intact = exposed(case._replace(defacing='intact'))
    return deface_stored(case.defacing, intact, seed=seed(case))


def seed(case: Case) -> list[int]:
    """Of a person's scan."""
    return [SEED, case.person, 5]


@lru_cache(maxsize=1)
def exposed(case: Case) -> Scan:
    """A scan before anything is done to what is stored."""
    from bids_reid.phantom.identity import draw_people
    from tests.support.defacing import scan_defaced

    (who,) = draw_people(1, seed=[SEED, case.person])
    return scan_defaced(
        case.defacing,
        who,
        seed=seed(case),
        modality=case.modality,
        noise=case.noise,
        spacing=SPACING,
    )


def measure_person(person: int) -> list[dict[str, object]]:
    """Measure all scans of a person."""
    return [measure(case) for case in sorted(cases(person), key=lambda case: 'refaced' in case[0])]


def measure(case: Case) -> dict[str, object]:
    """Measure one scan; what cannot be processed has an ``error``."""
    import nibabel as nib

    from bids_reid.errors import ScanError
    from bids_reid.participant.measures import measured_skin, skin_evidence
    from bids_reid.surface.volume import load_volume
    from tests.support.defacing import brain_lost

    scan = make(case)
    with TemporaryDirectory() as folder:
        path = Path(folder) / 'scan.nii'
        nib.save(nib.Nifti1Image(scan.data, scan.affine), path)
        try:
            skin, frame, measures = measured_skin(load_volume(path))
        except ScanError as error:
            return {**case._asdict(), 'Status': 'failed', 'Reason': str(error)}
    if not measures.skull_stripped:
        measures = replace(measures, face_evidence=skin_evidence(skin, frame))
    lost = 0.0
    if case.defacing in LOSE_BRAIN:
        lost = brain_lost(exposed(case._replace(defacing='intact')), scan)
    return {**case._asdict(), 'lost_ml': lost, **measures.to_json()}


def table(rows: list[dict[str, Any]]) -> Iterator[tuple[object, ...]]:
    """Count answers and verdicts per way of de-facing, for both groups of people."""
    from bids_reid.records import ScanMeasures
    from bids_reid.risk.presence import assess

    names = list(dict.fromkeys(row['defacing'] for row in rows))
    yield ('defacing', 'people', 'n', *ANSWERS, *VERDICTS, 'brain_yes', 'brain_unsure')
    for half, name in product(('chosen', 'reported'), names):
        those = [
            assess(ScanMeasures.from_json(row) if 'Points' in row else None, row.get('Reason'))
            for row in rows
            if row['defacing'] == name and (row['person'] >= N_CHOSEN) == (half == 'reported')
        ]
        counts = [sum(one.face_present == answer for one in those) for answer in ANSWERS]
        counts += [sum(one.verdict == verdict for one in those) for verdict in VERDICTS]
        counts += [sum(one.brain_loss == answer for one in those) for answer in ('yes', 'unsure')]
        yield (name, half, len(those), *counts)


def main() -> None:
    """Measure, or print the confusion table of what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--measure', type=Path, help='write measures here, one JSON a line')
    parser.add_argument('--table', type=Path, help='print the table of measures in this file')
    parser.add_argument('--nprocs', type=int, default=1)
    arguments = parser.parse_args()
    if arguments.measure:
        context = get_context('forkserver')
        pool = ProcessPoolExecutor(arguments.nprocs, context)
        with pool, arguments.measure.open('w') as target:
            for rows in pool.map(measure_person, range(N_INTACT)):
                target.writelines(json.dumps(row) + '\n' for row in rows)
                target.flush()
    given = arguments.table or arguments.measure
    if given:
        found = [json.loads(line) for line in given.read_text().splitlines()]
        for row in table(found):
            print(*row, sep='\t')


if __name__ == '__main__':
    main()
