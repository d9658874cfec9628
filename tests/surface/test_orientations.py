"""How a file stores its axes changes no picture."""

from __future__ import annotations

from functools import cache
from itertools import combinations, permutations
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.scanner import Scan
from bids_reid.surface.frame import FieldOfView, find_frame
from bids_reid.surface.skin import extract_skin
from bids_reid.surface.volume import load_volume
from bids_reid.views.cameras import standard_views
from bids_reid.views.render import render_views
from tests.support.artefacts import store
from tests.support.presets import scan_preset

SEED = 20
GREY_LEVELS = 1.0
# one light: what is stored decides where the head is, and no light depends on it
VIEWS = [view for view in standard_views() if view.light_azimuth == view.light_elevation == 0]
Storage = tuple[tuple[int, int, int], tuple[int, ...]]
ORDERS = list(permutations(range(3)))
FLIPS = [flips for count in range(4) for flips in combinations(range(3), count)]
ALL = [(order, flips) for order in ORDERS for flips in FLIPS][1:]
SOME: list[Storage] = [((0, 1, 2), (0, 1)), ((1, 2, 0), (0, 2)), ((2, 1, 0), ())]


@cache
def scanned() -> Scan:
    (person,) = draw_people(1, seed=SEED)
    return scan_preset('t1w', person, seed=[SEED, 0], spacing=1.5)


def renders(scan: Scan, folder: Path) -> NDArray[np.uint8]:
    path = folder / 'scan.nii'
    nib.Nifti1Image(scan.data, scan.affine).to_filename(path)
    volume = load_volume(path)
    skin = extract_skin(volume)
    frame = find_frame(skin.points, FieldOfView(volume.affine, volume.data.shape)).frame
    return render_views(skin.points, skin.triangles, frame, VIEWS).images


@pytest.fixture(scope='module')
def as_scanned(tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.uint8]:
    return renders(scanned(), tmp_path_factory.mktemp('plain'))


@pytest.mark.parametrize(
    'storage', [pytest.param(one, marks=() if one in SOME else pytest.mark.slow) for one in ALL]
)
def test_no_storage_changes_a_view(
    storage: Storage, as_scanned: NDArray[np.uint8], tmp_path: Path
) -> None:
    """Otherwise a rate depends on which converter wrote the files.

    Turns by 90 degrees and flips of the stored axes: the same head in the same place.
    """
    stored = renders(store(scanned(), *storage), tmp_path)
    away = np.abs(stored.astype(np.int16) - as_scanned).mean(axis=(1, 2))
    assert away.shape == (len(VIEWS),) == (9,)
    assert away.max() <= GREY_LEVELS
