"""Is a face found where there is one, and only there: ``python benchmarks/presence.py``.

Synthetic heads are de-faced in every way of `bids_reid.phantom.defacing`, at several noise levels
and contrasts, written as NIfTI, and measured as the participant level does it. ``--measure FILE``
writes what was measured, one row per scan (minutes); ``--table FILE`` reads it and prints the
confusion table, so that the verdict's thresholds can change without measuring again. Thresholds
were chosen on the people with even numbers; the table counts those with odd numbers, and says so.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bids_reid.phantom.volume import Scan

NOISES = (0.01, 0.03, 0.06, 0.1)
CONTRASTS = ('T1w', 'FLAIR', 'T2w', 'T1w')
SPACING = 2.0
N_INTACT, N_OTHER = 60, 12
SEED = 61
CUTS = {'cut-eyes': 0.0, 'cut-nose': -34.0}
"""Whole faces, the field of view of which ends at a height."""


class Case(NamedTuple):
    """One scan to make: how it is de-faced, whose, and how it is scanned."""

    defacing: str
    person: int
    modality: str
    noise: float


def cases() -> Iterator[Case]:
    """Every way, over noise levels and contrasts in turn."""
    from bids_reid.phantom.defacing import DEFACINGS

    for name in (*DEFACINGS, *CUTS):
        for person in range(N_INTACT if name == 'intact' else N_OTHER):
            number = person // 2
            how = list(product(CONTRASTS, NOISES))[number * 7 % 16]
            yield Case(name, person, *how)


def make(case: Case) -> Scan:
    """Scan and de-face somebody."""
    from bids_reid.phantom.artefacts import crop
    from bids_reid.phantom.defacing import scan_defaced
    from bids_reid.phantom.identity import draw_people

    (who,) = draw_people(1, seed=[SEED, case.person])
    name = 'intact' if case.defacing in CUTS else case.defacing
    seed = [SEED, case.person, 5]
    scan = scan_defaced(
        name, who, seed=seed, modality=case.modality, noise=case.noise, spacing=SPACING
    )
    if case.defacing in CUTS:
        scan = crop(scan, low=(-np.inf, -np.inf, CUTS[case.defacing]))
    return scan


def measure(case: Case) -> dict[str, object]:
    """Measure one scan; what cannot be processed has an ``error``."""
    import nibabel as nib

    from bids_reid.errors import ScanError
    from bids_reid.surface.volume import load_volume
    from bids_reid.workflows.presence_steps import evidence_of
    from bids_reid.workflows.steps import skin_record

    scan = make(case)
    with TemporaryDirectory() as folder:
        path = Path(folder) / 'scan.nii'
        nib.save(nib.Nifti1Image(scan.data, scan.affine), path)
        try:
            skin, frame, content = skin_record(load_volume(path))
        except ScanError as error:
            return {**case._asdict(), 'Status': 'failed', 'Reason': str(error)}
    evidence = {} if content['SkullStripped'] else evidence_of(skin, frame)
    return {**case._asdict(), **content, **evidence}


def main() -> None:
    """Measure, or print the confusion table of what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--measure', type=Path, help='write measures here, one JSON a line')
    parser.add_argument('--nprocs', type=int, default=1)
    arguments = parser.parse_args()
    context = get_context('forkserver')
    with ProcessPoolExecutor(arguments.nprocs, context) as pool, arguments.measure.open('w') as f:
        for row in pool.map(measure, cases(), chunksize=4):
            f.write(json.dumps(row) + '\n')
            f.flush()


if __name__ == '__main__':
    main()


