"""Messy head scans by name: what real collections hold, with the true skin known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.phantom.defacing import reface
from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.scanner import (
    CENTRE,
    FIELD_OF_VIEW,
    Pose,
    Scan,
    add_noise,
    coil,
    draw_pose,
    expose,
)
from tests.support import artefacts as a

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bids_reid.phantom.identity import Identity
    from bids_reid.phantom.shapes import Vector

    Step = Callable[[Scan], Scan]

_ALL = np.inf


@dataclass(frozen=True, slots=True)
class Preset:
    """How a head is scanned; the parameters that `scan_volume` has are described there.

    ``before`` is done to the signal before noise is added, ``after`` to the stored values.
    """

    modality: str = 'T1w'
    spacing: float | Vector = 1.0
    noise: float = 0.03
    bias: float = 0.4
    pose: Pose | None = None
    scale: float = 1.0
    shoulders: bool = False
    field_of_view: Vector | None = FIELD_OF_VIEW
    centre: Vector = CENTRE
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()


def _above(z: float) -> Preset:
    """Field of view that ends below at a height."""
    return Preset(after=(partial(a.crop, low=(-_ALL, -_ALL, z)),))


def _tilted(x: float, y: float, z: float) -> Preset:
    return Preset(pose=Pose(rotation=(x, y, z)), field_of_view=None)


def _refaced(scan: Scan) -> Scan:
    return reface(scan, draw_people(1, seed=[20, 7])[0])


_CT = Preset('CT', noise=0.015, bias=0.0)
_OBLIQUE = Pose(rotation=(18.0, -7.0, 12.0), shift=(12.0, -30.0, 25.0)).to_world()

PRESETS: dict[str, Preset] = {
    # contrasts
    't1w': Preset(),
    't1w-noise8': Preset(noise=0.08),
    't1w-noise15': Preset(noise=0.15),
    'mp2rage': Preset(noise=0.02, before=(a.randomise_air,)),
    'flair': Preset('FLAIR'),
    't2w': Preset('T2w'),
    'pdw': Preset('PDw'),
    't2starw': Preset('T2starw'),
    'flair-fatsat': Preset('FLAIRfs'),
    't2w-fatsat': Preset('T2wfs'),
    'angio': Preset('angio', noise=0.08),
    'angio-slab': Preset(
        'angio',
        noise=0.08,
        after=(partial(a.crop, low=(-_ALL, -_ALL, -45.0), high=(_ALL, _ALL, 50.0)),),
    ),
    'ct': _CT,
    'ct-padded': replace(
        _CT,
        field_of_view=(250.0, 250.0, 258.0),
        before=(a.add_table,),
        after=(a.pad_circle,),
    ),
    'ct-offset': replace(_CT, after=(a.offset,)),
    'pet': Preset('PET', spacing=2.0, noise=0.08, bias=0.0, after=(a.blur,)),
    # voxels
    'flair-thick': Preset('FLAIR', spacing=(0.9, 0.9, 4.0)),
    't2w-thick-sagittal': Preset('T2w', spacing=(5.0, 0.8, 0.8)),
    'voxel-0.5': Preset(spacing=0.5),
    'voxel-2': Preset(spacing=2.0),
    'voxel-3': Preset(spacing=3.0),
    # signal
    'coil-third': Preset(before=(a.dim_front,)),
    'coil-sixth': Preset(before=(partial(a.dim_front, share=1 / 6),)),
    'ghosting': Preset(before=(a.ghost,)),
    'ringing': Preset(before=(a.ring,)),
    'metal': Preset(before=(a.add_metal,)),
    'background-zeroed': Preset(after=(a.zero_background,)),
    'background-threshold': Preset(after=(a.threshold_background,)),
    'zero-padded': Preset(after=(a.pad_zeros,)),
    'rotated-brick': Preset(
        pose=Pose(rotation=(15.0, -15.0, 20.0)),
        field_of_view=None,
        after=(partial(a.keep_brick, low=(-92.0, -185.0, -110.0), high=(92.0, 50.0, 125.0)),),
    ),
    'rim': Preset(after=(a.bright_rim,)),
    'wrap': Preset(before=(partial(a.fold, high=(_ALL, 20.0, _ALL)),)),
    'wrap-back': Preset(before=(partial(a.fold, low=(-_ALL, -145.0, -_ALL)),)),
    # things beside the head
    'markers': Preset(before=(a.add_markers,)),
    'cushions': Preset(before=(a.add_cushions,)),
    'cushions-bright': Preset(before=(partial(a.add_cushions, strength=3.0),)),
    'headphones': Preset(before=(a.add_headphones,)),
    'tube': Preset(before=(a.add_tube,)),
    'ct-mask': replace(_CT, before=(a.add_mask,)),
    'ct-cushions': replace(_CT, before=(a.add_cushions,)),
    'many': Preset(
        noise=0.05, before=(a.add_cushions, a.add_headphones, a.add_tube, a.dim_front, a.ghost)
    ),
    # field of view
    'cut-forehead': _above(45.0),
    'cut-eyes': _above(0.0),
    'cut-nose': _above(-34.0),
    'cut-lips': _above(-65.0),
    'cut-front': Preset(after=(partial(a.crop, high=(_ALL, 22.0, _ALL)),)),
    'cut-vertex': Preset(after=(partial(a.crop, high=(_ALL, _ALL, 70.0)),)),
    'small-in-large-field': Preset(
        spacing=1.37,
        pose=Pose(rotation=(6.0, 2.0, -4.0), shift=(35.0, -25.0, 20.0)),
        field_of_view=(350.0, 350.0, 350.0),
    ),
    # the head
    'shoulders': Preset(
        shoulders=True, field_of_view=(300.0, 250.0, 340.0), centre=(0.0, -68.0, -45.0)
    ),
    'child': Preset(scale=0.75),
    'tilt-x25': _tilted(25.0, 0.0, 0.0),
    'tilt-x-25': _tilted(-25.0, 0.0, 0.0),
    'tilt-y25': _tilted(0.0, 25.0, 0.0),
    'tilt-z25': _tilted(0.0, 0.0, 25.0),
    'tilt-mixed': _tilted(15.0, -15.0, 20.0),
    # storage
    'stored-lpi': Preset(after=(partial(a.store, flips=(0, 1, 2)),)),
    'stored-sagittal': Preset(after=(partial(a.store, order=(1, 2, 0), flips=(0, 2)),)),
    'oblique': Preset(after=(partial(a.turn_grid, motion=_OBLIQUE),)),
    # without a face of their own
    'defaced': Preset(after=(a.deface,)),
    'refaced': Preset(before=(_refaced,)),
    'skull-stripped': Preset(after=(a.strip_skull,)),
}


def scan_preset(
    name: str, identity: Identity, *, seed: Sequence[int], spacing: float | None = None
) -> Scan:
    """Scan somebody with a named preset.

    Parameters
    ----------
    name
        A key of `PRESETS`.
    seed
        For the pose (unless the preset has one), the coil and the noise.
    spacing
        Voxel edge other than the preset's, mm: coarse ones are fast.

    Returns
    -------
    A scan of int16; :meth:`Scan.skin_distance` says how far points are from the true skin.
    """
    how = PRESETS[name]
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    drawn = draw_pose(rng)
    scan = expose(
        identity,
        modality=how.modality,
        spacing=how.spacing if spacing is None else spacing,
        pose=drawn if how.pose is None else how.pose,
        field_of_view=how.field_of_view,
        centre=how.centre,
        scale=how.scale,
        shoulders=how.shoulders,
    )
    scan = replace(scan, data=scan.data * coil(scan.data.shape, how.bias, rng))
    for step in how.before:
        scan = step(scan)
    scan = replace(
        scan, data=add_noise(np.asarray(scan.data, np.float32), how.noise, scan.contrast, rng)
    )
    for step in how.after:
        scan = step(scan)
    return scan
