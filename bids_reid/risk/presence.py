"""Is there a face on a scan, and what should its curator do about it?

What is measured (geometry, detectors, landmarks; :mod:`bids_reid.surface.relief`,
:mod:`bids_reid.faces.evidence`) is judged here, so that limits may change without measuring again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from bids_reid.faces.evidence import FaceEvidence
    from bids_reid.surface.brain import BrainCut
    from bids_reid.surface.relief import FaceRelief


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of a scan."""

    failed: bool = False
    failure: str | None = None
    skull_stripped: bool = False
    framed: bool = True
    covered: float | None = None
    behind_mm: float | None = None
    head_loss: float | None = None
    core_in_view: float | None = None
    noise: float | None = None
    edge_mm: float | None = None
    relief: FaceRelief | None = None
    evidence: FaceEvidence | None = None
    brain: BrainCut | None = None
