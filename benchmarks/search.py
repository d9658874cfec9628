"""Time the search of a large gallery: ``python -m benchmarks.search [--scans N] [--photos N]``.

Makes a store of templates on disk (100,000 scans x 81 views x 128 numbers: 4.1 GB in a temporary
folder; TMPDIR says where), then takes in turn, several rounds in one process,

- the bare product: every photograph times every view, read in blocks, nothing kept; in float32, as
  features are stored, and in float64, as they are compared;
- the search as the group level does it under ``best``: shards, their files, merge, ranks. Only
  the templates come from the store, since opening a file for each is the disk's time.

Prints one TSV row for each, of the median round: time, processor time, how much of the float32
product's speed it reaches by processor time, and the peak memory of the process after it.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, TypeVar
from unittest.mock import patch

if TYPE_CHECKING:
    import numpy as np

    from bids_reid.records import Score

T = TypeVar('T')

VIEWS, D = 81, 128
EXTRACTOR = 'face_recognition'
BLOCK_SCANS = 25
"""Scans of one block of the bare product, which is fastest at about 2,000 views."""


class Store:
    """Templates below each other in a file, read when asked for: pages of a map would pile up."""

    def __init__(self, path: Path) -> None:
        self.file = path.open('rb', buffering=0)
        self.n_scans = path.stat().st_size // (4 * VIEWS * D)

    def read(self, first: int, n_scans: int) -> np.ndarray:
        """Templates of a run of scans, shape (n_scans * VIEWS, D)."""
        import numpy as np

        features = np.empty((min(n_scans, self.n_scans - first) * VIEWS, D), np.float32)
        self.file.seek(first * 4 * VIEWS * D)
        if self.file.readinto(features) != features.nbytes:
            raise EOFError(f'the store ends before scan {first + n_scans}')
        return features


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


def bare_product(probes: np.ndarray, store: Store, dtype: str) -> None:
    """Multiply every photograph with every view."""
    import numpy as np

    columns = np.ascontiguousarray(probes.T, dtype)
    product = np.empty((BLOCK_SCANS * VIEWS, len(probes)), dtype)
    for first in range(0, store.n_scans, BLOCK_SCANS):
        views = store.read(first, BLOCK_SCANS).astype(dtype, copy=False)
        np.matmul(views, columns, out=product[: len(views)])


def group_search(probes: np.ndarray, store: Store, folder: Path) -> list[Score]:
    """Search in shards and merge, with files in a folder; results of both units."""
    import numpy as np

    from bids_reid.group import searching
    from bids_reid.group.encoding import read_encoded
    from bids_reid.group.galleries import GalleryScan, ScanGallery
    from bids_reid.match.probes import Renders
    from bids_reid.records import Photo
    from bids_reid.risk.identification import mated_ranks

    class Templates:
        """Templates of some scans, in place of those in an output folder."""

        def __init__(self, scans: Sequence[GalleryScan], extractor: str) -> None:  # noqa: ARG002
            self.people = [scan.participant for scan in scans]

        def __iter__(self) -> Iterator[Renders[np.ndarray]]:
            for person in self.people:
                yield Renders.plain(store.read(int(person), 1))

    names = [str(number) for number in range(len(probes))]
    encoded, fitted = folder / 'encoded.npz', folder / 'fitted.npz'
    np.savez(
        encoded,
        extractor=EXTRACTOR,
        features=probes,
        photographs=names,
        statuses=[['ok', '']] * len(names),
        faces=[[1, 1, 0]] * len(names),
    )
    np.savez(fitted, decisions=np.array(['best']))
    people = [f'{scan:06}' for scan in range(store.n_scans)]
    scans = (GalleryScan(person, person, 'scan', 'T1w', 'raw', 'ok') for person in people)
    gallery = ScanGallery('raw', 'T1w', tuple(scans))
    shown = [people[number * len(people) // len(names)] for number in range(len(names))]
    photos = map(Photo, names, shown, map(Path, names))
    plan = searching.Plan(tuple(photos))
    shards = []
    with patch.object(searching, 'StoredTemplates', Templates):
        for shard in gallery.shards():
            shards.append(folder / f'{len(shards)}.npz')
            searching.search_shard(
                shard, list(plan.mated(gallery)), plan, [encoded], EXTRACTOR, fitted, shards[-1]
            )
    photographs = read_encoded([encoded], names, EXTRACTOR)
    (merged,) = searching.merge_shards([gallery], plan, photographs, shards)
    searches = merged.searches('best')
    return mated_ranks(searches) + mated_ranks(searches, 'participant')


def gflop(n_photos: int, store: Store) -> float:
    """Additions and multiplications of the bare product, in thousand millions."""
    return 2e-9 * n_photos * store.n_scans * VIEWS * D


def timed(work: Callable[[], T]) -> tuple[T, tuple[float, float]]:
    """Result of ``work``, and its wall and processor time in seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, (time.perf_counter() - wall, time.process_time() - processor)


def peak_mb() -> float:
    """Most memory that this process has occupied so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(given: argparse.Namespace) -> None:
    """Make the store and time both."""
    for variable in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'):
        os.environ[variable] = str(given.threads)
    rounds: dict[str, list[tuple[float, float]]] = {}
    peaks: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        probes = make_store(folder / 'store', given.scans, given.photos)
        store = Store(folder / 'store')
        work: dict[str, Callable[[], Any]] = {
            'float32': lambda: bare_product(probes, store, 'float32'),
            'float64': lambda: bare_product(probes, store, 'float64'),
            'search': lambda: group_search(probes, store, folder),
        }
        with store.file:
            for _ in range(given.rounds):
                for what, call in work.items():
                    results, times = timed(call)
                    rounds.setdefault(what, []).append(times)
                    peaks.setdefault(what, peak_mb())

    total, fastest = gflop(given.photos, store), None
    print('what', 'wall_s', 'cpu_s', 'gflop_s', 'ratio', 'peak_mb', sep='\t')
    for what, each in rounds.items():
        wall, processor = (median(values) for values in zip(*each, strict=True))
        fastest = fastest or processor
        cells = (wall, processor, total / processor, fastest / processor)
        print(what, *(f'{cell:.2f}' for cell in cells), f'{peaks[what]:.0f}', sep='\t')
    first = sum(score.rank == 1 for score in results[: given.photos])
    print(
        f'# {given.photos} photographs, {given.scans} scans, threads: {given.threads}, rounds: '
        f'{given.rounds}; {first} at rank 1'
    )


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--scans', type=int, default=100_000)
    parser.add_argument('--photos', type=int, default=1000)
    parser.add_argument('--threads', type=int, default=1, help='as --omp-nthreads gives a node')
    parser.add_argument('--rounds', type=int, default=3)
    main(parser.parse_args())
