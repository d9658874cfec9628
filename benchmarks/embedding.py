"""Time dlib against ONNX Runtime on faces: ``python -m benchmarks.embedding [N_FACES]``.

Both take the same synthetic faces in turn, several rounds in one run, on one thread. Prints one
TSV row per engine: milliseconds of processor time per face for the network alone (median round),
for the alignment (landmarks and chip, the same for both) and for both together, how long the
engine takes to load, and the memory that this adds to the process; then how far the engines'
features are apart.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TypeVar

T = TypeVar('T')
ROUNDS = 5


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Result of ``work`` and its processor time in seconds."""
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def resident_mb() -> float:
    """Memory this process occupies now."""
    pages = int(Path('/proc/self/statm').read_text(encoding='ascii').split()[1])
    return pages * os.sysconf('SC_PAGESIZE') / 2**20


def synthetic_faces(count: int) -> tuple[list, list]:
    """Noisy grey photographs of three people, and where their faces are."""
    import numpy as np

    from bids_reid.faces.detect import find_face
    from bids_reid.phantom.identity import draw_people
    from bids_reid.phantom.photograph import photograph

    rng = np.random.default_rng(1)
    images, boxes = [], []
    for number, person in enumerate(draw_people(3, seed=1)):
        grey = photograph(person, seed=number).mean(axis=2)
        box = find_face(grey.astype(np.uint8))
        for _ in range(number, count if box else 0, 3):
            noisy = grey + rng.normal(0, 8, grey.shape)
            images.append(np.clip(noisy, 0, 255).astype(np.uint8))
            boxes.append(box)
    return images, boxes


def main(n_faces: int) -> None:
    """Time both engines on ``n_faces`` faces."""
    os.environ['OMP_NUM_THREADS'] = '1'
    import numpy as np

    from bids_reid.faces.face_recognition import WEIGHTS, FaceRecognition
    from bids_reid.faces.networks.dlib_resnet import DlibEngine, OnnxEngine
    from bids_reid.faces.weights import models_folder

    images, boxes = synthetic_faces(n_faces)
    extractor, weights = FaceRecognition(), models_folder() / WEIGHTS
    extractor.chips(images[:1], boxes[:1])
    chips, alignment = timed(lambda: extractor.chips(images, boxes))
    engines, loading, memory = {}, {}, {}
    for name, make in {
        'onnxruntime': lambda: OnnxEngine(weights.read_bytes()),
        'dlib': lambda: DlibEngine(weights),
    }.items():
        before = resident_mb()
        engines[name], loading[name] = timed(make)
        engines[name].embed(chips[:16])
        memory[name] = resident_mb() - before
    features, rounds = {}, {name: [] for name in engines}
    for _ in range(ROUNDS):
        for name, engine in engines.items():
            features[name], seconds = timed(lambda engine=engine: engine.embed(chips))
            rounds[name].append(seconds)

    print('engine', 'network_ms', 'align_ms', 'both_ms', 'load_s', 'memory_mb', sep='\t')
    for name, engine in engines.items():
        network = median(rounds[name])
        per_face = [1000 * t / len(chips) for t in (network, alignment, network + alignment)]
        cells = (*(f'{value:.2f}' for value in (*per_face, loading[name])), f'{memory[name]:.0f}')
        print(engine.name, *cells, sep='\t')
    ratio = median(rounds['dlib']) / median(rounds['onnxruntime'])
    apart = np.linalg.norm(features['dlib'] - features['onnxruntime'], axis=1).max()
    print(f'# {len(chips)} faces, {ROUNDS} rounds: the network is {ratio:.1f} times faster')
    print(f'# largest L2 distance between features: {apart:.2g}')


if __name__ == '__main__':
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 81)
