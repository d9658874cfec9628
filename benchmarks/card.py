"""Time networks and renders on a graphics card: ``python -m benchmarks.card [--scan SCAN]``.

Prints one TSV row per network and device: milliseconds of wall time per face (median round), scans
a minute (as many faces of each as the extractor takes), TFLOP/s, and the share of the card's peak
in float32 (``--peak``, from its data sheet). Then it prints how far features are from those of
the processor, and whether every photograph of synthetic people has the same ranks. With a scan:
its 81 renders on every device of EGL. Where there is no card it says so, and ends well.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

ROUNDS = 5
HEADER = ('network', 'engine', 'face_ms', 'scans_per_minute', 'tflops', 'share_of_peak')
Array = np.ndarray


class Network(NamedTuple):
    """A network as it is timed: its model, its input, and engines for the processor and a card."""

    model: bytes
    on_processor: Callable[[], Any]
    on_card: Callable[[], Any]
    pixels: int
    similarity: str
    faces: int
    """Of a scan."""


def networks() -> Iterator[tuple[str, Network]]:
    """Yield the networks that can run on a card, by the names of their extractors."""
    from bids_reid.faces import face_recognition, facenet
    from bids_reid.faces.extractors import load_extractor
    from bids_reid.faces.networks import (
        dlib_onnx,
        dlib_resnet,
        dlib_weights,
        facenet_inception,
        tensorflow_graph,
        tensorflow_onnx,
    )
    from bids_reid.faces.weights import models_folder

    content = (models_folder() / face_recognition.WEIGHTS).read_bytes()
    yield (
        'face_recognition',
        Network(
            dlib_onnx.grey_model(dlib_weights.read_network(content)),
            lambda: dlib_resnet.OnnxEngine(content),
            lambda: dlib_resnet.OnnxEngine(content, on_card=True),
            dlib_resnet.CHIP_PIXELS,
            'euclidean',
            len(load_extractor('face_recognition').views),
        ),
    )
    weights = facenet.weights_file()
    if weights is not None:
        yield (
            'facenet',
            Network(
                tensorflow_onnx.grey_model(tensorflow_graph.read_graph(weights.read_bytes())),
                lambda: facenet_inception.OnnxEngine(weights),
                lambda: facenet_inception.OnnxEngine(weights, on_card=True),
                facenet_inception.FACE_PIXELS,
                'cosine',
                len(load_extractor('facenet').views),
            ),
        )


def flops(model: bytes) -> float:
    """Count multiplications and additions of one image in convolutions and matrix products."""
    import onnx

    shown = onnx.shape_inference.infer_shapes(onnx.load_from_string(model)).graph
    sizes = {one.name: list(one.dims) for one in shown.initializer}
    for value in (*shown.value_info, *shown.output):
        # the number of images has a name, and counts once
        sizes[value.name] = [one.dim_value or 1 for one in value.type.tensor_type.shape.dim]
    total = 0.0
    for node in shown.node:
        if node.op_type == 'Conv':
            _, channels, *window = sizes[node.input[1]]
            total += 2.0 * np.prod(sizes[node.output[0]]) * channels * np.prod(window)
        elif node.op_type == 'MatMul':
            total += 2.0 * np.prod(sizes[node.input[1]])
    return total


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Result of ``work``, and the median of its wall times in seconds."""
    result, seconds = work(), []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return result, median(seconds)


def chips_of_people(extractor: str, n_people: int) -> Array:
    """Faces cut out of two photographs of each synthetic person, one after the other."""
    from bids_reid.faces.detect import find_face
    from bids_reid.faces.extractors import load_extractor
    from bids_reid.phantom.identity import draw_people
    from bids_reid.phantom.photograph import photograph

    images, boxes = [], []
    for number, person in enumerate(draw_people(n_people, seed=1)):
        both = [photograph(person, seed=[number, which]).mean(axis=2) for which in (0, 1)]
        greys = [grey.astype(np.uint8) for grey in both]
        found = [find_face(grey) for grey in greys]
        if None not in found:
            images += greys
            boxes += found
    model: Any = load_extractor(extractor)
    chips: Array = model.chips(images, boxes)
    return chips


def ranks(features: Array, similarity: str) -> Array:
    """Order of the second photographs for each first one: (people, people)."""
    probes, gallery = features[::2].astype(float), features[1::2].astype(float)
    if similarity == 'cosine':
        probes, gallery = (
            one / np.linalg.norm(one, axis=1, keepdims=True) for one in (probes, gallery)
        )
    distances = np.linalg.norm(probes[:, None] - gallery[None], axis=2)
    return distances.argsort(axis=1, kind='stable')


def row(
    name: str, engine: str, seconds: float, faces: int, operations: float, peak: float | None
) -> str:
    """Tell how fast the faces of a scan were."""
    rate = operations * faces / seconds / 1e12
    share = 'n/a' if peak is None else f'{rate / peak:.0%}'
    face_ms, per_minute = 1000 * seconds / faces, 60 / seconds
    return '\t'.join((name, engine, f'{face_ms:.2f}', f'{per_minute:.0f}', f'{rate:.2f}', share))


def compare(name: str, network: Network, n_people: int, peak: float | None) -> Iterator[str]:
    """Yield the rows of a network, and what its results say of each other."""
    people = chips_of_people(name, n_people)
    noise = np.random.default_rng(0).integers(
        0, 256, (network.faces, network.pixels, network.pixels), np.uint8
    )
    operations, given = flops(network.model), {}
    for device, load in (('processor', network.on_processor), ('card', network.on_card)):
        engine = load()
        _, seconds = timed(lambda engine=engine: engine.embed(noise))
        given[device] = engine.embed(people)
        share = peak if device == 'card' else None
        yield row(name, engine.name, seconds, network.faces, operations, share)
    apart = np.linalg.norm(given['processor'] - given['card'], axis=1).max()
    one, other = (ranks(features, network.similarity) for features in given.values())
    same = 'yes' if (one == other).all() else 'NO'
    yield f'# {name}: features at most {apart:.2g} apart; same ranks of {len(one)} people: {same}'


def render_lines(scan: Path) -> Iterator[str]:
    """Yield how long 81 renders of a scan take on each device, and how far they are apart."""
    from bids_reid.devices import use_renderer
    from bids_reid.participant.measures import face_frame, measured_skin
    from bids_reid.surface.volume import load_volume
    from bids_reid.views.cameras import standard_views
    from bids_reid.views.egl_devices import egl_devices
    from bids_reid.views.render import render_views

    skin, _, measured = measured_skin(load_volume(scan))
    frame, views = face_frame(measured.face_frame), standard_views()
    expected = None
    for device in sorted(egl_devices(), key=lambda one: not one.is_processor):
        use_renderer(device.number)
        (images, name), seconds = timed(
            lambda: render_views(skin.points, skin.triangles, frame, views)
        )
        expected = images if expected is None else expected
        gap = np.abs(images.astype(int) - expected)
        yield (
            f'# renders by {name}: {seconds:.2f} s; {(gap > 2).mean():.2%} of the pixels differ '
            f'by more than 2 of 255 from the first, at most by {gap.max()}'
        )


def main() -> None:
    """Time what there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--peak', type=float, metavar='TFLOPS', help='of the card, in float32')
    parser.add_argument('--people', type=int, default=24, metavar='N')
    parser.add_argument('--scan', type=Path)
    options = parser.parse_args()
    from bids_reid.faces.networks.sessions import NO_PROVIDER, CardError, has_card_provider
    from bids_reid.views.selftest import use_offscreen_window

    use_offscreen_window()
    if has_card_provider():
        print(*HEADER, sep='\t')
        for name, network in networks():
            try:
                print(*compare(name, network, options.people, options.peak), sep='\n', flush=True)
            except CardError as error:
                print(f'# {name}: no graphics card: {error}')
    else:
        print(f'# no graphics card: {NO_PROVIDER}')
    if options.scan is not None:
        print(*render_lines(options.scan), sep='\n')


if __name__ == '__main__':
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    main()
