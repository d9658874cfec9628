"""The stored average head is the phantom's."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from types import ModuleType

import numpy as np
import pytest

from bids_reid.phantom.anatomy import ASLEEP
from bids_reid.phantom.head_shape import head_sdf
from bids_reid.phantom.identity import average_person
from bids_reid.surface.average import PARTS, average_head


@pytest.mark.slow
def test_the_file_is_what_the_phantom_gives(tool: Callable[[str], ModuleType]) -> None:
    """Otherwise nobody can tell where the average head came from, or make it anew."""
    path = files('bids_reid') / 'data' / 'average_head.npz'
    with path.open('rb') as file:
        stored = dict(np.load(file))
    made = tool('average_head').average_head()
    assert stored.keys() == made.keys()
    for name, values in made.items():
        # another processor may round the last bit differently
        np.testing.assert_allclose(stored[name], values, atol=1.01 if name == 'field' else 0.02)
    assert len(path.read_bytes()) < 250_000


def test_the_field_is_the_distance_to_the_skin() -> None:
    """A tenth of a millimetre near the skin; a wrong sign or axis would turn every frame."""
    head = average_head()
    rng = np.random.default_rng(4)
    near = head.head + rng.uniform(-3, 3, head.head.shape).astype(np.float32)
    distance, gradient, valid = head.distance(near)
    true = head_sdf(near, average_person(), ASLEEP)
    assert np.median(np.abs(distance - true)[valid]) < 0.3
    step = np.float32(0.05)
    for axis in range(3):
        ahead = head.distance(near + step * np.eye(3, dtype=np.float32)[axis])[0]
        slope = (ahead - distance) / step
        assert np.median(np.abs(slope - gradient[:, axis])) < 0.01


def test_the_face_is_on_the_skin_and_its_normals_leave_it() -> None:
    head = average_head()
    person = average_person()
    assert np.abs(head_sdf(head.face, person, ASLEEP)).max() < 0.3
    outside = head_sdf(head.face + 2 * head.face_normals, person, ASLEEP)
    assert np.mean(outside > 1) > 0.97
    nose = head.face[head.face_part == PARTS.index('nose')]
    assert nose[:, 1].max() == head.face[:, 1].max()
