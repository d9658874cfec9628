"""Time the decisions, the SVM above all: ``python -m benchmarks.decisions [--people N ...]``.

Makes templates of 81 x 128 numbers, about as far apart as faces are (face_recognition on phantoms:
people differ in some twenty directions, renders scatter around them, photographs are shifted),
learns and searches with 3 photographs of each of 60 people, and prints one TSV row for each number
of people: the processor seconds that each decision learns and searches, and its rank-1 rate. With
`--one-vs-one` also scikit-learn's SVC, whose cost grows with the square of the number of people.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

VIEWS, DIRECTIONS = 81, 20
PHOTOGRAPHED, PHOTOS = 60, 3


def make(n_people: int, d: int) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Templates of people, photographs (p, d) of some of them, and who is on each (p,)."""
    import numpy as np

    rng = np.random.default_rng(1)
    directions = np.linalg.qr(rng.normal(size=(d, DIRECTIONS)))[0].T
    people = rng.normal(0, 0.05, (n_people, DIRECTIONS))
    gallery = [
        (person @ directions + rng.normal(0, 0.015, (VIEWS, d))).astype(np.float32)
        for person in people
    ]
    shown = np.repeat(np.arange(min(PHOTOGRAPHED, n_people)), PHOTOS)
    seen = people[shown] + rng.normal(0, 0.03, (len(shown), DIRECTIONS))
    shift = rng.normal(size=d)
    shift *= 0.3 / np.linalg.norm(shift)
    probes = seen @ directions + shift + rng.normal(0, 0.015, (len(shown), d))
    return gallery, probes.astype(np.float32), shown


def timed(work: Callable[..., Any], *given: object) -> tuple[Any, float]:
    """Result of a call and its processor time in seconds."""
    start = time.process_time()
    result = work(*given)
    return result, time.process_time() - start


def measure(n_people: int, d: int) -> dict[str, float]:
    """Seconds that each decision learns and searches, and rank-1 rates in per cent."""
    from bids_reid.match.decisions import DECISIONS, score
    from bids_reid.match.probes import Renders, VectorProbes
    from bids_reid.match.training import Training

    gallery, features, shown = make(n_people, d)
    people = [f'{number:06}' for number in range(n_people)]
    probes = VectorProbes(features, 'euclidean')
    renders = [Renders.plain(features) for features in gallery]
    training = Training(renders, people, probes)
    cells: dict[str, float] = {}
    for name, decision in DECISIONS.items():
        learned, seconds = timed(decision.learn, training)
        if learned is None:
            continue
        results, more = timed(score, probes, renders, people, {name: learned})
        cells |= {f'{name}_learn_s': seconds, f'{name}_search_s': more}
        cells[f'{name}_rank1'] = rate(results[name].scores, shown)
    return cells


def one_vs_one(n_people: int, d: int) -> dict[str, float]:
    """Seconds and rank-1 rate of the SVM that scikit-learn's ``SVC`` makes of all people."""
    import numpy as np
    from sklearn.svm import SVC

    gallery, probes, shown = make(n_people, d)
    renders = np.concatenate(gallery)
    labels = np.repeat(np.arange(n_people), VIEWS)
    machine = SVC(kernel='linear', C=1.0, cache_size=500)
    _, seconds = timed(machine.fit, renders / renders.std(), labels)
    scores, more = timed(machine.decision_function, probes / renders.std())
    return {'svc_s': seconds + more, 'svc_rank1': rate(scores, shown)}


def rate(scores: np.ndarray, shown: np.ndarray) -> float:
    """Rank-1 rate in per cent."""
    return 100 * float((scores.argmax(axis=1) == shown).mean())


def main(given: argparse.Namespace) -> None:
    """Measure and print."""
    for variable in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'):
        os.environ[variable] = '1'
    for number, n_people in enumerate(given.people):
        cells = measure(n_people, given.numbers)
        if given.one_vs_one:
            cells |= one_vs_one(n_people, given.numbers)
        if not number:
            print('people', 'd', *cells, sep='\t')
        print(n_people, given.numbers, *(f'{cell:.2f}' for cell in cells.values()), sep='\t')


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--people', type=int, nargs='+', default=[182, 1000])
    parser.add_argument('--numbers', type=int, default=128, help='length of a feature')
    parser.add_argument('--one-vs-one', action='store_true')
    main(parser.parse_args())
