"""Time the stages of the participant level on scans: ``python benchmarks/stages.py SCAN ...``.

Prints one TSV row per scan and stage. The peak is of the whole process so far, so the largest scan
should come last. Models are loaded before the first scan and are not in its times.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar('T')


def timed(scan: Path, stage: str, work: Callable[[], T]) -> T:
    """Run ``work`` and print its row."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(scan.name, stage, f'{wall:.2f}', f'{processor:.2f}', f'{peak:.0f}', sep='\t', flush=True)
    return result


def main(scans: list[Path]) -> None:
    """Time every stage of every scan."""
    from bids_reid.run import prepare_environment

    prepare_environment()
    from bids_reid.faces.detect import find_faces_by_camera
    from bids_reid.faces.extractors import load_extractor
    from bids_reid.surface.frame import face_frame
    from bids_reid.surface.skin import extract_skin
    from bids_reid.surface.volume import load_volume
    from bids_reid.views.cameras import standard_views
    from bids_reid.views.render import render_views

    views = standard_views()
    extractor = load_extractor('face_recognition')
    print('scan', 'stage', 'wall_s', 'cpu_s', 'peak_mb', sep='\t')
    for scan in scans:
        volume = timed(scan, 'load', lambda scan=scan: load_volume(scan))
        skin = timed(scan, 'skin', lambda volume=volume: extract_skin(volume))
        frame = face_frame(skin.points)
        renders = timed(
            scan,
            'render',
            lambda skin=skin, frame=frame: render_views(skin.points, skin.triangles, frame, views),
        ).images
        found = timed(scan, 'detect', lambda r=renders: find_faces_by_camera(r, views))
        boxes = [found.get((view.camera_yaw, view.camera_pitch)) for view in views]
        seen = [(renders[n], box) for n, box in enumerate(boxes) if box is not None]
        timed(
            scan,
            'embed',
            lambda seen=seen: extractor.features([i for i, _ in seen], [b for _, b in seen]),
        )
        different = len({render.tobytes() for render in renders})
        print(f'# {scan.name}: {different} different renders, {len(seen)} with a face')


if __name__ == '__main__':
    main([Path(name) for name in sys.argv[1:]])
