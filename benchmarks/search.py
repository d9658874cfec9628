"""Time the search of a large gallery: ``python benchmarks/search.py [--scans N] [--photos N]``.

Makes a store of templates on disk (100,000 scans x 81 views x 128 numbers: 4.1 GB in a temporary
folder; TMPDIR says where), then takes in turn, several rounds in one process,

- the bare product: every photograph times every view in float32, read in blocks, nothing kept;
- the search as the group level does it: shards, merge, and exact scores where results depend on
  them, up to the ranks.

Prints one TSV row for each, of the median round, with the peak memory of the process after it; and
whether ranks and scores are those of the exact path on a part of the store that it can do.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from bids_reid.risk.identification import Searches

VIEWS, D = 81, 128
BLOCK_SCANS = 25
"""Scans of one block of the bare product, which is fastest at about 2,000 views."""


class Store:
    """Templates below each other in a file, read when asked for: pages of a map would pile up."""

    def __init__(self, path: Path) -> None:
        self.file = path.open('rb', buffering=0)
        self.n_scans = path.stat().st_size // (4 * VIEWS * D)

    def __len__(self) -> int:
        return self.n_scans

    def __getitem__(self, scan: int) -> np.ndarray:
        return self.read(scan, 1)

    def read(self, first: int, n_scans: int) -> np.ndarray:
        """Templates of a run of scans, shape (n_scans * VIEWS, D)."""
        import numpy as np

        features = np.empty((min(n_scans, self.n_scans - first) * VIEWS, D), np.float32)
        self.file.seek(first * 4 * VIEWS * D)
        if self.file.readinto(features) != features.nbytes:
            raise EOFError(f'the store ends before scan {first + n_scans}')
        return features


class Run:
    """Some scans of a store, as a gallery of their own."""

    def __init__(self, store: Store, scans: range) -> None:
        self.store, self.scans = store, scans

    def __len__(self) -> int:
        return len(self.scans)

    def __getitem__(self, scan: int) -> np.ndarray:
        return self.store[self.scans[scan]]


def make_store(path: Path, n_scans: int, n_photos: int) -> np.ndarray:
    """Write templates of as many people as scans; return photographs (p, d) of some of them.

    As faces are, people differ in some twenty directions; views and photographs scatter around
    them so much that not all are found. Photograph k shows person ``k * n_scans // n_photos``.
    """
    import numpy as np

    rng = np.random.default_rng(1)
    directions = np.linalg.qr(rng.normal(size=(D, 20)))[0].T.astype(np.float32)
    people = rng.normal(0, 0.15, (n_scans, 20)).astype(np.float32)
    with path.open('wb') as file:
        for first in range(0, n_scans, 500):
            centres = people[first : first + 500] @ directions
            noise = rng.standard_normal((len(centres), VIEWS, D), dtype=np.float32)
            (centres[:, None] + noise * np.float32(0.03)).tofile(file)
    shown = people[np.arange(n_photos) * n_scans // n_photos]
    shown = shown + rng.normal(0, 0.12, shown.shape).astype(np.float32)
    noise = rng.standard_normal((n_photos, D), dtype=np.float32)
    return (shown @ directions + noise * np.float32(0.03)).astype(np.float32)


def bare_product(probes: np.ndarray, store: Store) -> None:
    """Multiply every photograph with every view."""
    import numpy as np

    columns = np.ascontiguousarray(probes.T)
    product = np.empty((BLOCK_SCANS * VIEWS, len(probes)), np.float32)
    for first in range(0, len(store), BLOCK_SCANS):
        views = store.read(first, BLOCK_SCANS)
        np.matmul(views, columns, out=product[: len(views)])


def searches_of(scores: np.ndarray, n_scans: int) -> Searches:
    """Say who is who, as `make_store` does."""
    import numpy as np

    from bids_reid.risk.identification import Searches

    n_photos = len(scores)
    people = tuple(f'{scan:06}' for scan in range(n_scans))
    return Searches(
        scores=scores,
        photos=tuple(map(str, range(n_photos))),
        photo_participants=tuple(people[k * n_scans // n_photos] for k in range(n_photos)),
        acquired=np.ones(n_photos, dtype=bool),
        scan_participants=people,
        enrolled=np.ones(n_scans, dtype=bool),
    )


def group_search(probes: np.ndarray, store: Store | Run) -> tuple[Searches, list, int]:
    """Search in shards and merge: searches, results of both units, exact scores computed."""
    import numpy as np
    from bids_reid.group.search_steps import SHARD_SCANS
    from bids_reid.match.scores import probe_scores
    from bids_reid.match.search import FastScores, search
    from bids_reid.risk.refinement import refine

    from bids_reid.risk.identification import mated_ranks

    scores = np.empty((len(probes), len(store)), np.float32)
    found = FastScores('euclidean', scores, np.empty(len(store), np.float32))
    for first in range(0, len(store), SHARD_SCANS):
        scans = range(first, min(first + SHARD_SCANS, len(store)))
        shard = search(probes, Run(store, scans), similarity='euclidean')
        found.scores[:, scans.start : scans.stop] = shard.scores
        found.slack[scans.start : scans.stop] = shard.slack

    def rescore(scan: int, photos: np.ndarray) -> np.ndarray:
        return probe_scores(probes[photos], [store[scan]], similarity='euclidean')[:, 0]

    searches = searches_of(found.scores, len(store))
    n_exact = refine(searches, found.radius, rescore)
    return searches, mated_ranks(searches) + mated_ranks(searches, 'participant'), n_exact


def check(folder: Path) -> tuple[bool, float]:
    """Whether a small gallery gives exactly the exact path's results, and that path's GFLOP/s."""
    from bids_reid.match.scores import probe_scores

    from bids_reid.risk.identification import mated_ranks

    probes = make_store(folder / 'small', 1000, 50)
    store = Store(folder / 'small')
    start = time.perf_counter()
    exact = searches_of(probe_scores(probes, store, similarity='euclidean'), len(store))
    seconds = time.perf_counter() - start
    results = mated_ranks(exact) + mated_ranks(exact, 'participant')
    return group_search(probes, store)[1] == results, gflop(len(probes), store) / seconds


def gflop(n_photos: int, store: Store) -> float:
    """Additions and multiplications of the bare product, in thousand millions."""
    return 2e-9 * n_photos * len(store) * VIEWS * D


def timed(work: Callable[[], object]) -> tuple[object, tuple[float, float]]:
    """Result of ``work``, and its wall and processor time in seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, (time.perf_counter() - wall, time.process_time() - processor)


def peak_mb() -> float:
    """Most memory that this process has occupied so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(given: argparse.Namespace) -> None:
    """Make the store, time both, check."""
    for variable in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'):
        os.environ[variable] = str(given.threads)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / 'store'
        probes = make_store(path, given.scans, given.photos)
        store = Store(path)
        work = {
            'product': lambda: bare_product(probes, store),
            'search': lambda: group_search(probes, store),
        }
        rounds: dict[str, list] = {what: [] for what in work}
        peaks = {}
        for _ in range(given.rounds):
            for what, call in work.items():
                result, times = timed(call)
                rounds[what].append(times)
                peaks.setdefault(what, peak_mb())
        same, exact = check(Path(name))

    total = gflop(given.photos, store)
    reached = {what: total / median(wall for wall, _ in rounds[what]) for what in work}
    print('what', 'wall_s', 'cpu_s', 'gflop_s', 'ratio', 'peak_mb', sep='\t')
    for what, times in rounds.items():
        wall, processor = (median(values) for values in zip(*times, strict=True))
        cells = (wall, processor, reached[what], reached[what] / reached['product'])
        print(what, *(f'{cell:.2f}' for cell in cells), f'{peaks[what]:.0f}', sep='\t')
    _, results, n_exact = result
    first = sum(score.rank == 1 for score in results[: given.photos])
    print(
        f'# {given.photos} photographs, {given.scans} scans, threads: {given.threads}, rounds: '
        f'{given.rounds}; {first} at rank 1, {n_exact} scores computed exactly'
    )
    print(f'# the exact path reaches {exact:.2f} GFLOP/s; same results as it: {same}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--scans', type=int, default=100_000)
    parser.add_argument('--photos', type=int, default=1000)
    parser.add_argument('--threads', type=int, default=1, help='as --omp-nthreads gives a node')
    parser.add_argument('--rounds', type=int, default=3)
    main(parser.parse_args())
