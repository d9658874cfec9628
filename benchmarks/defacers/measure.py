"""Measure de-faced heads: ``python -m benchmarks.defacers.measure FOLDER TARGET [--nprocs N]``.

Each file that ``cases.jsonl`` of FOLDER names is measured as the participant level does it, and
gives one JSON object in TARGET: its line, with the ``measures``, or with a ``reason`` if it cannot
be processed. What was measured of the same file by the same code stays, so a run that was stopped
goes on; the code is known by a digest of its files, or by ``--version``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_reid.json_fields import to_object

if TYPE_CHECKING:
    from collections.abc import Iterator

MEASURES = ('surface', 'views', 'faces', 'data', 'participant/measures.py', 'records.py')
"""What decides about measures, in the package."""
READ = {'.py', '.npz'}
NODS = (0.07, 0.14)
"""Radians by which a face is displaced: 7 to 14 mm."""


def measured(path: Path) -> dict[str, Any]:
    """Measure a file; what cannot be processed has a ``reason`` only."""
    from bids_reid.errors import ScanError
    from bids_reid.participant.measures import measured_skin, skin_evidence
    from bids_reid.surface.volume import load_volume

    start = time.perf_counter()
    try:
        skin, frame, measures = measured_skin(load_volume(path))
    except ScanError as error:
        return {'reason': str(error)}
    between = time.perf_counter()
    if not measures.skull_stripped:
        measures = replace(measures, face_evidence=skin_evidence(skin, frame))
    seconds = {'seconds': round(between - start, 3)}
    seconds['evidence_seconds'] = round(time.perf_counter() - between, 3)
    return {**seconds, 'measures': measures.to_json(), 'displaced': displaced(path)}


def displaced(path: Path) -> list[list[dict[str, Any]]]:
    """Trace the parts of a face where it is not: nodded up, and down, by `NODS` radians.

    Without a face a frame may be as far off: a model that never saw it takes forehead for an eye.
    Nothing is displaced of a whole face, nor where nobody knows the place of one.
    """
    from bids_reid.errors import ScanError
    from bids_reid.surface.frame import FieldOfView, find_frame
    from bids_reid.surface.islands import islands, joined
    from bids_reid.surface.mesh import Mesh, vertex_normals
    from bids_reid.surface.skin import extract_skin
    from bids_reid.surface.traces import emptied_air, face_traces, nodded
    from bids_reid.surface.volume import load_volume

    try:
        volume = load_volume(path)
        skin = extract_skin(volume)
    except ScanError:
        return []
    view = FieldOfView(volume.affine, volume.data.shape)
    found = find_frame(skin.points, view)
    if found.left is None or not found.trusted:
        return []
    mesh = Mesh(skin.points, skin.triangles)
    alone = islands(volume, mesh, vertex_normals(mesh), found.frame)
    mesh = mesh if alone is None else joined(mesh, alone)
    surface = mesh.points, vertex_normals(mesh)
    rng = np.random.default_rng(list(path.name.encode()))
    frames = [nodded(found.frame, sign * rng.uniform(*NODS)) for sign in (-1, 1)]
    traces = [face_traces(*surface, [frame], view, emptied_air(volume)) for frame in frames]
    return [[to_object(part) for part in one.parts] for one in traces]


def code_digest() -> str:
    """Name the code that measures by its content."""
    import bids_reid

    package = Path(bids_reid.__file__).parent
    files: list[Path] = []
    for name in MEASURES:
        place = package / name
        files += [place] if place.is_file() else sorted(place.rglob('*'))
    digest = hashlib.sha256()
    for path in files:
        if path.suffix in READ:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def measure_all(folder: Path, target: Path, *, version: str, nprocs: int) -> int:
    """Measure what is not measured yet; returns how many files that were."""
    # what is there when it is stopped shall be a sample of all people and tools
    todo = sorted(_not_measured(folder, target, version), key=_mixed)
    if not todo:
        return 0
    pool = ProcessPoolExecutor(nprocs, get_context('forkserver'))
    with pool, target.open('a') as file:
        for row in pool.map(partial(_row, folder, version=version), todo):
            file.write(json.dumps(row) + '\n')
            file.flush()
    return len(todo)


def cases_of(folder: Path) -> list[dict[str, Any]]:
    """Read ``cases.jsonl``."""
    return _read(folder / 'cases.jsonl')


def newest(target: Path) -> dict[str, dict[str, Any]]:
    """Return what was measured last of each file."""
    return {row['file']: row for row in _read(target)}


def _not_measured(folder: Path, target: Path, version: str) -> Iterator[dict[str, Any]]:
    """Lines of files that were not measured by this code since they were made."""
    done = newest(target) if target.exists() else {}
    for case in cases_of(folder):
        path = folder / case['file']
        if not path.exists():
            continue
        row = done.get(case['file'])
        if row is None or (row['version'], row['made']) != (version, path.stat().st_mtime_ns):
            yield case


def _mixed(case: dict[str, Any]) -> str:
    return hashlib.sha256(case['file'].encode()).hexdigest()


def _row(folder: Path, case: dict[str, Any], *, version: str) -> dict[str, Any]:
    path = folder / case['file']
    return {**case, 'version': version, 'made': path.stat().st_mtime_ns, **measured(path)}


def _read(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines; the last may not have been written to its end."""
    *lines, last = path.read_text().split('\n')
    rows = [json.loads(line) for line in lines]
    return rows if not last else [*rows, *_whole(last)]


def _whole(line: str) -> list[dict[str, Any]]:
    try:
        return [json.loads(line)]
    except json.JSONDecodeError:
        return []


def main() -> None:
    """Measure, and print how many files were."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path, help='with cases.jsonl')
    parser.add_argument('target', type=Path, help='JSON lines; those that are there stay')
    parser.add_argument('--nprocs', type=int, default=1)
    parser.add_argument('--version', help='name of the code that measures')
    arguments = parser.parse_args()
    version = arguments.version or code_digest()
    n = measure_all(arguments.folder, arguments.target, version=version, nprocs=arguments.nprocs)
    print(f'{n} measured under version {version}')


if __name__ == '__main__':
    main()
