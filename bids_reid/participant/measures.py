"""Measures of a scan: its skin, the frame of its face, and how much of a face there is.

Each function imports what it needs when it runs, since workers start often.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.records import (
    BrainCut,
    CompletedPart,
    FaceEvidence,
    FaceFit,
    PlacedFrame,
    ScanMeasures,
    SurfaceQuality,
)
from bids_reid.views.cameras import standard_views

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bids_reid.records import PartTrace
    from bids_reid.surface.complete import Completion
    from bids_reid.surface.frame import FaceFrame, FieldOfView, FoundFrame
    from bids_reid.surface.skin import Skin
    from bids_reid.surface.volume import Volume

TOOL = 0.25
"""Share of a part of the face next to emptied air from which on a tool cut it."""
BEYOND_MM = 500.0
"""Margin around a surface that no field of view cuts; everything within it counts as in view."""


def measured_skin(
    volume: Volume, *, complete: bool = False, as_stored: bool = True
) -> tuple[Skin, FaceFrame, ScanMeasures]:
    """Return the skin of a volume, its face frame, and what was measured.

    Numbers that are not ``as_stored``, such as a texture, do not tell where a tool emptied them.

    Everything that is measured is measured on what was scanned. Of a completed face that is not
    what is returned and rendered, so detectors and landmarks are asked here.
    """
    from bids_reid.surface.complete import complete_face
    from bids_reid.surface.frame import FieldOfView, find_frame
    from bids_reid.surface.skin import find_skin

    field = find_skin(volume)
    scanned = field.cut()
    placed = find_frame(scanned.points, FieldOfView(volume.affine, volume.data.shape))
    completed = complete_face(field, scanned.points, placed) if complete else None
    shown = completed[0].cut() if completed else scanned
    # a volume that is not needed any more
    del field
    view = FieldOfView(volume.affine, volume.data.shape)
    measures = _measures(
        scanned,
        placed,
        view,
        volume=volume,
        n_points=len(shown.points),
        complete=complete,
        completion=completed[1] if completed else None,
        as_stored=as_stored,
    )
    return shown, placed.frame, measures


def measured_shape(
    skin: Skin,
    *,
    cut: tuple[tuple[bool, bool], ...] = ((False, False),) * 3,
    notes: tuple[str, ...] = (),
    voxel_size: tuple[float, ...] = (),
) -> ScanMeasures:
    """Measure a surface below which there is no brain to be cut.

    Detectors and landmarks are asked, unless it is taken for a brain.

    Parameters
    ----------
    cut : three pairs of bool
        Whether a field of view ends at the low and the high side of each axis.
    """
    from bids_reid.surface.frame import FieldOfView, find_frame

    lows, highs = np.array(cut).T
    low = skin.points.min(axis=0) - np.where(lows, 0.0, BEYOND_MM)
    high = skin.points.max(axis=0) + np.where(highs, 0.0, BEYOND_MM)
    affine = np.eye(4)
    affine[:3, 3] = low + 0.5
    view = FieldOfView(affine, tuple(int(side) for side in np.ceil(high - low)))
    placed = find_frame(skin.points, view)
    measures = _measures(
        skin, placed, view, volume=None, n_points=len(skin.points), complete=False, completion=None
    )
    measures = replace(measures, notes=notes, voxel_size=voxel_size)
    return with_evidence(measures, skin, placed.frame)


def with_evidence(measures: ScanMeasures, skin: Skin, frame: FaceFrame) -> ScanMeasures:
    """Add what detectors and landmarks say; nothing is asked about a brain."""
    evidence = FaceEvidence() if measures.skull_stripped else skin_evidence(skin, frame)
    return replace(measures, face_evidence=evidence)


def _measures(
    skin: Skin,
    placed: FoundFrame,
    view: FieldOfView,
    *,
    volume: Volume | None,
    n_points: int,
    complete: bool,
    completion: Completion | None,
    as_stored: bool = False,
) -> ScanMeasures:
    """Measure the skin that was scanned; ``n_points`` has the surface that is written."""
    from bids_reid.faces.half_faces import half_faces
    from bids_reid.surface.brain import brain_cut
    from bids_reid.surface.islands import islands, joined
    from bids_reid.surface.mesh import Mesh, vertex_normals
    from bids_reid.surface.relief import face_depths, face_relief
    from bids_reid.surface.simple_shapes import simple_shape
    from bids_reid.surface.traces import emptied_air, face_traces, hypotheses
    from bids_reid.surface.vault import is_brain

    face, mesh = placed.face, Mesh(skin.points, skin.triangles)
    roughness = _vault_roughness(skin)
    # skin that follows a face on a rough vault is a face, also where it does so not quite
    brain = roughness is not None and is_brain(roughness) and face.departs
    asked = completion is not None and not brain
    depths = face_depths(mesh.points, mesh.triangles, placed.frame, view)
    normals = vertex_normals(mesh)
    alone = None if volume is None or brain else islands(volume, mesh, normals, placed.frame)
    points, shown, all_normals = mesh.points, depths, normals
    if alone is not None:
        whole = joined(mesh, alone)
        points, all_normals = whole.points, np.concatenate([normals, vertex_normals(alone)])
        shown = face_depths(*whole, placed.frame, view)
    emptied = emptied_air(volume) if volume is not None and as_stored else None
    notes = () if volume is None else tuple(volume.notes)
    if volume is not None and not brain:
        shape = simple_shape(skin.points, skin.triangles, view)
        notes = notes if shape is None else (*notes, shape)
    traces = None
    if not brain:
        traces = face_traces(points, all_normals, hypotheses(placed), view, emptied)
    cut = BrainCut(0.0, 0.0)
    if volume is not None:
        cut = brain_cut(volume, mesh, normals, placed.frame, view)
    return ScanMeasures(
        voxel_size=() if volume is None else tuple(volume.voxel_size),
        notes=notes,
        points=n_points,
        volume_litres=skin.volume_litres,
        vault_roughness=roughness,
        skull_stripped=brain,
        surface_quality=SurfaceQuality(
            relative_noise=skin.noise,
            edge_blur_mm=skin.edge_mm,
            face_in_view=face.in_view,
            face_core_in_view=face.core_in_view,
            face_fit_mm=face.fit_mm,
        ),
        face_frame=_placed_frame(placed, () if traces is None else traces.parts),
        face=FaceFit(face.covered, face.behind_mm, face.head_loss),
        face_relief=face_relief(depths),
        brain_cut=cut,
        face_parts=() if traces is None else traces.parts,
        face_map=None if traces is None else traces.map,
        half_faces=None if brain else half_faces(shown),
        complete_face=complete,
        face_completed=None if completion is None else CompletedPart(*completion),
        face_evidence=skin_evidence(skin, placed.frame) if asked else None,
    )


def _vault_roughness(skin: Skin) -> float | None:
    """Roughness in degrees; ``None`` for what is too large for a brain."""
    from bids_reid.surface.vault import BRAIN_LITRES, vault_roughness

    if skin.volume_litres >= BRAIN_LITRES:
        return None
    return vault_roughness(skin.points, skin.triangles)


def skin_evidence(skin: Skin, frame: FaceFrame) -> FaceEvidence:
    """Ask detectors and landmarks about a skin, of which only the renders needed are made."""
    from bids_reid.faces.evidence import asked_views, face_evidence
    from bids_reid.views.render import render_views

    views = standard_views()
    asked = [views[number] for number in asked_views(views)]
    renders, _ = render_views(skin.points, skin.triangles, frame, asked)
    return face_evidence(renders, asked, skin.points, frame)


def _placed_frame(placed: FoundFrame, parts: Sequence[PartTrace]) -> PlacedFrame:
    axes = (placed.frame.origin, placed.frame.forward, placed.frame.up)
    origin, forward, up = (tuple(axis.tolist()) for axis in axes)
    off = (placed.face_off_mm or 0.0) if placed.trusted else None
    if placed.earless and max((part.emptied or 0.0 for part in parts), default=0.0) < TOOL:
        # neither ears nor the trace of a tool: cushions or a cap may hide a whole head
        off = None
    return PlacedFrame(origin, forward, up, placed.frame.scale, placed.source, off)


def face_frame(placed: PlacedFrame) -> FaceFrame:
    """Return the frame that cameras and lights are placed in."""
    from bids_reid.surface.frame import FaceFrame

    origin, forward, up = map(np.array, (placed.origin, placed.forward, placed.up))
    return FaceFrame(origin, forward, up, placed.scale)
