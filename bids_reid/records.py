"""The words that all parts share, as immutable records (DESIGN: ISO/IEC 19795-1 vocabulary)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, order=True)
class Scan:
    """One head image of one participant.

    ``participant`` and ``session`` are labels without ``sub-`` and ``ses-``; ``modality`` is the
    BIDS suffix (``T1w``, ``FLAIR``, ...); ``source_name`` is the file name up to its suffix
    (``sub-01_ses-01_run-2``); ``condition`` says which version of the scans it belongs to.
    """

    participant: str
    session: str | None
    modality: str
    source_name: str
    path: Path
    condition: str = 'raw'


@dataclass(frozen=True, slots=True, order=True)
class Photo:
    """One photograph; ``participant`` is ``None`` for a distractor, ``name`` is for tables."""

    name: str
    participant: str | None
    path: Path


@dataclass(frozen=True, slots=True)
class View:
    """One camera with one light, all angles in degrees in the face frame.

    Yaw and azimuth are positive towards the participant's left, pitch and elevation upwards.
    """

    index: int
    camera_yaw: float
    camera_pitch: float
    light_azimuth: float
    light_elevation: float


@dataclass(frozen=True, slots=True)
class Template:
    """All features of one scan: ``features`` (n, d) float32, ``views`` (n,) int32 view numbers.

    ``found`` (n,) bool says in which views a detector found the face; in the others it was taken
    to be where the face frame has it. ``None`` means all.
    """

    features: NDArray[np.float32]
    views: NDArray[np.int32]
    found: NDArray[np.bool_] | None = None

    def where_found(self) -> Template:
        """Return the part that needs no knowledge of the face frame."""
        if self.found is None:
            return self
        return Template(self.features[self.found], self.views[self.found])


@dataclass(frozen=True, slots=True)
class Score:
    """How one mated search with one photograph ended (a row of ``group_ranks.tsv``).

    ``status`` is ``ok``, ``no_face`` (failure to acquire) or ``no_template`` (failure to enrol);
    rank and scores are ``None`` unless it is ``ok``. A higher score means more alike.
    """

    participant: str
    photo: str
    status: str
    rank: int | None = None
    score: float | None = None
    best_nonmated_score: float | None = None
