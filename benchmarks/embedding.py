"""Time both networks on faces: ``python -m benchmarks.embedding [N_FACES]``.

Each network is run in turn, several rounds in one run, on one thread and the same synthetic faces,
by what wrote it (dlib, OpenCV), by ONNX Runtime as the program does, and by the same graph in ONNX
Runtime alone: faces scaled before, in calls of as many. Prints one TSV row per network and engine:
milliseconds of processor time per face for the engine (median round), for what cuts the faces out
of pictures (landmarks and chip, or crop), for the extractor, which does both, and its rate against
that of the graph alone; how long the engine takes to load, and the memory that this and its first
faces add to the process; then how far the engines' features are apart. ``graph`` of `OnnxEngine`
is what no better way of calling it would spare.

The last two rows are dlib's network that finds faces, on pictures of 160 by 160 pixels that show
the faces: ``apart`` is the largest difference between scores, and `nan` if other faces are found.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeVar

T = TypeVar('T')
ROUNDS = 5
COLUMNS = (
    *('network', 'engine', 'engine_ms', 'cut_ms', 'extractor_ms', 'graph_ms', 'share'),
    *('load_s', 'memory_mb', 'apart'),
)


class Network(NamedTuple):
    """An extractor, what loads its engines (the program's comes first), and its graph alone."""

    extractor: Any
    engines: dict[str, Callable[[], Any]]
    batch: int
    given: Callable[[Any], dict[str, Any]]


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


def networks() -> list[Network]:
    """Return both networks; the second is left out where its package is missing."""
    from bids_reid.faces import face_recognition, facenet
    from bids_reid.faces.networks import dlib_resnet, facenet_inception
    from bids_reid.faces.weights import models_folder

    weights = models_folder() / face_recognition.WEIGHTS
    found = [
        Network(
            face_recognition.FaceRecognition(),
            {
                'onnxruntime': lambda: dlib_resnet.OnnxEngine(weights.read_bytes()),
                'dlib': lambda: dlib_resnet.DlibEngine(weights),
            },
            dlib_resnet.BATCH,
            lambda chips: {'chips': chips},
        )
    ]
    graph = facenet.weights_file()
    if graph is not None:
        found.append(
            Network(
                facenet.FaceNet(),
                {
                    'onnxruntime': lambda: facenet_inception.OnnxEngine(graph),
                    'opencv': lambda: facenet_inception.OpenCvEngine(graph),
                },
                facenet_inception.BATCH,
                lambda chips: {'faces': facenet_inception.scaled(chips)},
            )
        )
    return found


def rows(network: Network, images: list, boxes: list) -> list[tuple[Any, ...]]:
    """Time one network: the cells of its rows."""
    import numpy as np

    extractor = network.extractor
    chips = extractor.chips(images, boxes)
    engines, loading, memory = {}, {}, {}
    for name, make in network.engines.items():
        before = resident_mb()
        engines[name], loading[name] = timed(make)
        engines[name].embed(chips[: network.batch])
        memory[name] = resident_mb() - before
    session, n = engines['onnxruntime']._session, network.batch
    calls = [network.given(chips[start : start + n]) for start in range(0, len(chips), n)]
    extractor.features(images[:1], boxes[:1])
    works: dict[str, Callable[[], Any]] = {
        **{name: lambda engine=one: engine.embed(chips) for name, one in engines.items()},
        'cut': lambda: extractor.chips(images, boxes),
        'extractor': lambda: extractor.features(images, boxes),
        'graph': lambda: [session.run(None, call) for call in calls],
    }
    features, rounds = {}, {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            features[name], seconds = timed(work)
            rounds[name].append(1000 * seconds / len(chips))
    took = {name: median(times) for name, times in rounds.items()}
    cells = []
    for name, engine in engines.items():
        apart = np.linalg.norm(features[name] - features['onnxruntime'], axis=1).max()
        own = name == 'onnxruntime'
        whole = took['extractor'] if own else took[name] + took['cut']
        numbers = (took[name], took['cut'], whole, took['graph'], took['graph'] / whole)
        cells.append(
            (
                *(extractor.name, engine.name, *(f'{number:.2f}' for number in numbers)),
                *(f'{loading[name]:.2f}', f'{memory[name]:.0f}', f'{apart:.1e}'),
            )
        )
    return cells


def detector_rows(images: list, boxes: list) -> list[tuple[Any, ...]]:
    """Time what finds faces by both engines."""
    import numpy as np

    from bids_reid.faces.networks.dlib_mmod import DlibFaceNetwork, OnnxFaceNetwork
    from bids_reid.faces.photographs import cut_square
    from bids_reid.faces.weights import models_folder

    weights = models_folder() / 'mmod_human_face_detector.dat'
    pictures = [
        cut_square(image, ((box.left + box.right) / 2, (box.top + box.bottom) / 2), 2 * side, 160)
        for image, box in zip(images, boxes, strict=True)
        if (side := box.right - box.left)
    ]
    cells, expected = [], None
    for make in (lambda: OnnxFaceNetwork(weights.read_bytes()), lambda: DlibFaceNetwork(weights)):
        before = resident_mb()
        engine, loading = timed(make)
        engine.surest(pictures[0])
        memory = resident_mb() - before
        took = []
        for _ in range(ROUNDS):
            found, seconds = timed(lambda engine=engine: [engine.surest(one) for one in pictures])
            took.append(1000 * seconds / len(pictures))
        scores = np.array([face.score if face else 0.0 for face in found])
        places = [face and face[1:] for face in found]
        expected = expected or (scores, places)
        apart = np.abs(scores - expected[0]).max() if places == expected[1] else float('nan')
        name = 'onnxruntime' if not cells else 'dlib'
        numbers = (f'{median(took):.2f}', *['n/a'] * 4, f'{loading:.2f}', f'{memory:.0f}')
        cells.append(('finds faces', name, *numbers, f'{apart:.1e}'))
    return cells


def main(n_faces: int) -> None:
    """Time both networks on ``n_faces`` faces."""
    os.environ['OMP_NUM_THREADS'] = '1'
    images, boxes = synthetic_faces(n_faces)
    print(f'# {len(images)} faces, {ROUNDS} rounds', file=sys.stderr, flush=True)
    print(*COLUMNS, sep='\t')
    for network in networks():
        for cells in rows(network, images, boxes):
            print(*cells, sep='\t', flush=True)
    for cells in detector_rows(images, boxes):
        print(*cells, sep='\t', flush=True)


if __name__ == '__main__':
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 80)
