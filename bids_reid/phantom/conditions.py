"""Messy head scans by name: what real collections hold, with the true skin known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.phantom import artefacts as a
from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.volume import (
    CENTRE,
    FIELD_OF_VIEW,
    Pose,
    Scan,
    add_noise,
    coil,
    draw_pose,
    expose,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bids_reid.phantom.identity import Identity
    from bids_reid.phantom.shapes import Vector

    Step = Callable[[Scan], Scan]

_ALL = np.inf


@dataclass(frozen=True, slots=True)
class Condition:
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


def _above(z: float) -> Condition:
    """Field of view that ends below at a height."""
    return Condition(after=(partial(a.crop, low=(-_ALL, -_ALL, z)),))


def _tilted(x: float, y: float, z: float) -> Condition:
    return Condition(pose=Pose(rotation=(x, y, z)), field_of_view=None)


def _refaced(scan: Scan) -> Scan:
    return a.reface(scan, draw_people(1, seed=[20, 7])[0])


_CT = Condition('CT', noise=0.015, bias=0.0)
_OBLIQUE = Pose(rotation=(18.0, -7.0, 12.0), shift=(12.0, -30.0, 25.0)).to_world()

CONDITIONS: dict[str, Condition] = {
    # contrasts
    't1w': Condition(),
    't1w-noise8': Condition(noise=0.08),
    't1w-noise15': Condition(noise=0.15),
    'mp2rage': Condition(noise=0.02, before=(a.randomise_air,)),
    'flair': Condition('FLAIR'),
    't2w': Condition('T2w'),
    'pdw': Condition('PDw'),
    't2starw': Condition('T2starw'),
    'flair-fatsat': Condition('FLAIRfs'),
    't2w-fatsat': Condition('T2wfs'),
    'angio': Condition('angio', noise=0.08),
    'angio-slab': Condition(
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
    'pet': Condition('PET', spacing=2.0, noise=0.08, bias=0.0, after=(a.blur,)),
    # voxels
    'flair-thick': Condition('FLAIR', spacing=(0.9, 0.9, 4.0)),
    't2w-thick-sagittal': Condition('T2w', spacing=(5.0, 0.8, 0.8)),
    'voxel-0.5': Condition(spacing=0.5),
    'voxel-2': Condition(spacing=2.0),
    'voxel-3': Condition(spacing=3.0),
    # signal
    'coil-third': Condition(before=(a.dim_front,)),
    'coil-sixth': Condition(before=(partial(a.dim_front, share=1 / 6),)),
    'ghosting': Condition(before=(a.ghost,)),
    'ringing': Condition(before=(a.ring,)),
    'metal': Condition(before=(a.add_metal,)),
    'background-zeroed': Condition(after=(a.zero_background,)),
    'background-threshold': Condition(after=(a.threshold_background,)),
    'zero-padded': Condition(after=(a.pad_zeros,)),
    'rotated-brick': Condition(
        pose=Pose(rotation=(15.0, -15.0, 20.0)),
        field_of_view=None,
        after=(partial(a.keep_brick, low=(-92.0, -185.0, -110.0), high=(92.0, 50.0, 125.0)),),
    ),
    'rim': Condition(after=(a.bright_rim,)),
    'wrap': Condition(before=(partial(a.fold, high=(_ALL, 20.0, _ALL)),)),
    'wrap-back': Condition(before=(partial(a.fold, low=(-_ALL, -145.0, -_ALL)),)),
    # things beside the head
    'markers': Condition(before=(a.add_markers,)),
    'cushions': Condition(before=(a.add_cushions,)),
    'cushions-bright': Condition(before=(partial(a.add_cushions, strength=3.0),)),
    'headphones': Condition(before=(a.add_headphones,)),
    'tube': Condition(before=(a.add_tube,)),
    'ct-mask': replace(_CT, before=(a.add_mask,)),
    'ct-cushions': replace(_CT, before=(a.add_cushions,)),
    'many': Condition(
        noise=0.05, before=(a.add_cushions, a.add_headphones, a.add_tube, a.dim_front, a.ghost)
    ),
    # field of view
    'cut-forehead': _above(45.0),
    'cut-eyes': _above(0.0),
    'cut-nose': _above(-34.0),
    'cut-lips': _above(-65.0),
    'cut-front': Condition(after=(partial(a.crop, high=(_ALL, 22.0, _ALL)),)),
    'cut-vertex': Condition(after=(partial(a.crop, high=(_ALL, _ALL, 70.0)),)),
    'small-in-large-field': Condition(
        spacing=1.37,
        pose=Pose(rotation=(6.0, 2.0, -4.0), shift=(35.0, -25.0, 20.0)),
        field_of_view=(350.0, 350.0, 350.0),
    ),
    # the head
    'shoulders': Condition(
        shoulders=True, field_of_view=(300.0, 250.0, 340.0), centre=(0.0, -68.0, -45.0)
    ),
    'child': Condition(scale=0.75),
    'tilt-x25': _tilted(25.0, 0.0, 0.0),
    'tilt-x-25': _tilted(-25.0, 0.0, 0.0),
    'tilt-y25': _tilted(0.0, 25.0, 0.0),
    'tilt-z25': _tilted(0.0, 0.0, 25.0),
    'tilt-mixed': _tilted(15.0, -15.0, 20.0),
    # storage
    'stored-lpi': Condition(after=(partial(a.store, flips=(0, 1, 2)),)),
    'stored-sagittal': Condition(after=(partial(a.store, order=(1, 2, 0), flips=(0, 2)),)),
    'oblique': Condition(after=(partial(a.turn_grid, motion=_OBLIQUE),)),
    # without a face of their own
    'defaced': Condition(after=(a.deface,)),
    'refaced': Condition(before=(_refaced,)),
    'skull-stripped': Condition(after=(a.strip_skull,)),
}


def scan_condition(
    name: str, identity: Identity, *, seed: Sequence[int], spacing: float | None = None
) -> Scan:
    """Scan somebody under a named condition.

    Parameters
    ----------
    name
        A key of `CONDITIONS`.
    seed
        For the pose (unless the condition has one), the coil and the noise.
    spacing
        Voxel edge other than the condition's, mm: coarse ones are fast.

    Returns
    -------
    A scan of int16; :meth:`Scan.skin_distance` says how far points are from the true skin.
    """
    how = CONDITIONS[name]
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
