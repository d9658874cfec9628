"""Skin is smooth and a brain is folded: that tells a skull-stripped scan."""

from __future__ import annotations

import numpy as np
import pytest
import pyvista as pv
from numpy.typing import NDArray

from bids_reid.surface.vault import FOLDED_DEGREES, is_brain, vault_roughness


def ball(fold_mm: float = 0, waves: float = 0.25, nsub: int = 5) -> tuple[NDArray, NDArray]:
    mesh = pv.Icosphere(radius=85, nsub=nsub)
    points = np.asarray(mesh.points, float)
    depth = fold_mm * np.prod(np.sin(waves * points + [0.3, 1, 2]), axis=1)
    points *= 1 + depth[:, None] / 85
    return points.astype(np.float32), mesh.regular_faces.astype(np.int32)


@pytest.mark.parametrize('nsub', [5, 6])
def test_skin_is_told_from_folds(nsub: int) -> None:
    """Otherwise a brain is searched for a face, or a head is taken for a brain: no risk shown."""
    assert vault_roughness(*ball(nsub=nsub)) < 0.5 * FOLDED_DEGREES
    assert vault_roughness(*ball(fold_mm=8, waves=0.35, nsub=nsub)) > 1.3 * FOLDED_DEGREES


def test_a_noisy_face_is_no_brain() -> None:
    """Otherwise the faces of noisy scans are thrown away, and the risk looks smaller."""
    points, triangles = ball(nsub=6)
    # from voxel to voxel, everywhere
    noisy = points + np.random.default_rng(1).normal(0, 0.4, points.shape).astype(np.float32)
    assert vault_roughness(noisy, triangles) < 0.7 * FOLDED_DEGREES
    # and the scalp is broken over two thirds of the vault, as 10% noise leaves it
    broken = np.abs(points[:, 0]) < 50
    noisy[broken] = ball(fold_mm=12, waves=0.5, nsub=6)[0][broken]
    assert vault_roughness(noisy, triangles) < 0.8 * FOLDED_DEGREES


def test_rougher_is_more() -> None:
    folded = [vault_roughness(*ball(fold_mm=depth)) for depth in (0, 2, 4, 8)]
    assert folded == sorted(folded)


def test_a_wavy_face_below_a_smooth_vault_is_skin() -> None:
    """Ears, noses and collars say nothing about the skull."""
    points, triangles = ball()
    rough = ball(fold_mm=8)[0]
    points[points[:, 2] < 20] = rough[points[:, 2] < 20]
    assert vault_roughness(points, triangles) < 0.5 * FOLDED_DEGREES


def test_where_the_head_lies_and_looks_does_not_matter() -> None:
    points, triangles = ball(fold_mm=3)
    moved = points @ np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], np.float32) + np.float32(400)
    assert vault_roughness(moved, triangles) == pytest.approx(
        vault_roughness(points, triangles), abs=0.3
    )


def test_only_what_is_folded_is_a_brain() -> None:
    """A face that is thrown away counts as not recognised: the risk would look smaller."""
    assert is_brain(2 * FOLDED_DEGREES)
    assert not is_brain(0.5 * FOLDED_DEGREES)
