"""Bottles and balls are named; no head, whole, cut or de-faced, is ever taken for one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bids_reid.phantom.identity import draw_people
from bids_reid.surface.frame import FieldOfView
from bids_reid.surface.simple_shapes import (
    ALONG,
    BALL,
    FINER,
    FURTHEST,
    PRISM,
    _shares,
    simple_shape,
)
from bids_reid.surface.skin import extract_skin
from bids_reid.surface.volume import Stored, Volume, load_volume, prepared
from tests.support.defacing import DEFACINGS, scan_defaced
from tests.support.objects import OTHERS, SIMPLE, thing
from tests.support.presets import PRESETS, scan_preset

SHARED = Path(__file__).parents[3] / 'shared' / 'data'


def shape_of(volume: Volume) -> str | None:
    skin = extract_skin(volume)
    return simple_shape(skin.points, skin.triangles, FieldOfView(volume.affine, volume.data.shape))


@pytest.mark.parametrize('name', SIMPLE)
def test_a_test_object_is_named(name: str) -> None:
    """Otherwise somebody looks for the brain that was cut from a bottle."""
    assert shape_of(thing(name)) == (BALL if 'ball' in name else PRISM)


@pytest.mark.parametrize('name', OTHERS)
def test_what_is_less_simple_is_not_named(name: str) -> None:
    """A rule that takes a melon for a bottle takes a head for one, too."""
    assert shape_of(thing(name)) is None


def test_no_axis_that_is_sought_is_beyond_the_bound() -> None:
    """A bottle whose first axis is that far from the best one would be no bottle."""
    angle = 0.0
    for width in FINER:
        # the unit vector beside the axis that turns it most
        step = width * np.array([np.sqrt(1 - width**2), -width])
        angle += np.arctan2(step[0], 1 + step[1])
    assert angle == pytest.approx(FURTHEST, abs=1e-12)
    # skin that runs along the axis furthest away, and just so
    place = angle + np.pi / 2 + np.arcsin(ALONG) - 1e-4
    normal, weight = np.array([[np.sin(place), 0, np.cos(place)]]), np.ones(1)
    first, furthest = np.array([[0, 0, 1.0], [np.sin(angle), 0, np.cos(angle)]])
    assert _shares(normal, weight, furthest)[0] == 1
    assert _shares(normal, weight, first)[0] == 0
    assert _shares(normal, weight, first, FURTHEST)[0] == 1


@pytest.mark.parametrize('name', ['intact', 'plane', 'deep'])
def test_a_head_is_never_a_bottle(name: str) -> None:
    assert shape_of(defaced(name, 0)) is None


@pytest.mark.parametrize('reach', [40.0, 80.0])
@pytest.mark.parametrize('axis', [0, 1, 2])
def test_a_slab_of_a_head_is_never_a_bottle(axis: int, reach: float) -> None:
    """Slabs of vessels end flatly, at the field of view, and run along one axis in between."""
    whole = defaced('intact', 0)
    middle, half = whole.data.shape[axis] // 2, int(reach / whole.spacing[axis] / 2)
    part = [slice(None)] * 3
    part[axis] = slice(middle - half, middle + half)
    cut = Volume(whole.data[tuple(part)], whole.affine, whole.voxel_size)
    assert shape_of(cut) is None
    # air on both sides, as a tool may leave it
    padded = np.pad(cut.data, [(9, 9) if one == axis else (0, 0) for one in range(3)])
    assert shape_of(Volume(padded, whole.affine, whole.voxel_size)) is None


def defaced(name: str, number: int) -> Volume:
    people = draw_people(4, seed=11)
    seed = [len(name), number]
    scan = scan_defaced(name, people[number % 4], seed=seed, spacing=1.6)
    return prepared(Stored('x', np.asarray(scan.data, np.float32), scan.affine))


@pytest.mark.slow
@pytest.mark.parametrize('number', range(3))
@pytest.mark.parametrize('name', DEFACINGS)
def test_no_tool_makes_a_bottle_of_a_head(name: str, number: int) -> None:
    assert shape_of(defaced(name, number)) is None


@pytest.mark.slow
@pytest.mark.parametrize('name', PRESETS)
def test_no_scanner_makes_a_bottle_of_a_head(name: str) -> None:
    (who,) = draw_people(1, seed=5)
    scan = scan_preset(name, who, seed=[1], spacing=2.5)
    volume = prepared(Stored('x', np.asarray(scan.data, np.float32), scan.affine))
    assert shape_of(volume) is None


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason='the shared data are not beside the checkout')
def test_no_shared_head_is_a_bottle() -> None:
    for path in sorted(SHARED.rglob('*.nii.gz')):
        assert shape_of(load_volume(path)) is None, path.name
