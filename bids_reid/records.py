"""The words that all parts share, as immutable records (DESIGN: ISO/IEC 19795-1 vocabulary)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


RAW = 'raw'
"""The condition of the scans in ``bids_dir``, as they were given."""


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
    condition: str = RAW

    @property
    def original(self) -> tuple[str, str]:
        """Which raw scan it is, or is a version of."""
        return self.source_name, self.modality

    @property
    def place(self) -> tuple[str, str, str, str]:
        """Where it stands in a list; without a session comes before any session."""
        return self.participant, self.session or '', *self.original


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

    @property
    def shape(self) -> tuple[int, int]:
        """How many vectors there are, and their length."""
        n, d = self.features.shape
        return n, d


@dataclass(frozen=True, slots=True)
class Keypoints:
    """Keypoints of n images, one image after the other.

    Attributes
    ----------
    descriptors : (k, d) uint8
        Of all images: bits (ORB) or numbers (SIFT).
    positions : (k, 2) float32
        x to the right and y down, from the middle of the face box, in sizes of it.
    offsets : (n + 1,) int64
        Those of image i are ``offsets[i]`` to ``offsets[i + 1]``.
    """

    descriptors: NDArray[np.uint8]
    positions: NDArray[np.float32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Keypoints:
        """Take them from the arrays of a file, which have the names of the attributes.

        Raises
        ------
        KeyError
            One of them is missing.
        """
        return cls(arrays['descriptors'], arrays['positions'], arrays['offsets'])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a file holds of them."""
        return {
            'descriptors': self.descriptors,
            'positions': self.positions,
            'offsets': self.offsets,
        }

    def __getitem__(self, image: int) -> Keypoints:
        """Return the keypoints of one image."""
        first, end = self.offsets[image], self.offsets[image + 1]
        offsets = self.offsets[image : image + 2] - first
        return Keypoints(self.descriptors[first:end], self.positions[first:end], offsets)

    def select(self, images: NDArray[np.bool_]) -> Keypoints:
        """Return the keypoints of some images, (n,) bool, in order."""
        counts = self.offsets[1:] - self.offsets[:-1]
        kept = images.repeat(counts)
        offsets = self.offsets[: int(images.sum()) + 1].copy()
        offsets[1:] = counts[images].cumsum()
        return Keypoints(self.descriptors[kept], self.positions[kept], offsets)


@dataclass(frozen=True, slots=True)
class KeypointTemplate:
    """All keypoints of one scan, an image per view: ``views`` (n,) int32 view numbers.

    ``found`` as for `Template`.
    """

    keypoints: Keypoints
    views: NDArray[np.int32]
    found: NDArray[np.bool_] | None = None

    def where_found(self) -> KeypointTemplate:
        """Return the part that needs no knowledge of the face frame."""
        if self.found is None:
            return self
        return KeypointTemplate(self.keypoints.select(self.found), self.views[self.found])

    @property
    def shape(self) -> tuple[int, int]:
        """How many descriptors there are, and the bytes of each."""
        k, d = self.keypoints.descriptors.shape
        return k, d


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


@dataclass(frozen=True, slots=True, order=True)
class AttackKey:
    """One attack (extractor and decision) on one group of scans (condition and modality)."""

    condition: str
    modality: str
    extractor: str
    decision: str


@dataclass(frozen=True, slots=True)
class FaceRelief:
    """What a map of depths shows where the face should be; ``None`` where nothing is in view.

    `bids_reid.surface.relief` measures it, and says what near, small and one plane are.

    Attributes
    ----------
    in_view : float
        Share of the eyes, nose and mouth in the field of view.
    eyes, nose, mouth : float or None
        Share of the part's squares in view whose skin is near to the average's.
    correlation : float or None
        Of the relief with the average's, -1 to 1, at the best of small shifts.
    gain : float or None
        Strength of the fine relief over the average's, by the ratio of standard deviations.
    symmetry : float or None
        Correlation of the relief with its own mirror image.
    flat : float or None
        Largest share of eyes, nose and mouth on one plane.
    steps : float or None
        Share of neighbouring squares with a step.
    """

    in_view: float
    eyes: float | None = None
    nose: float | None = None
    mouth: float | None = None
    correlation: float | None = None
    gain: float | None = None
    symmetry: float | None = None
    flat: float | None = None
    steps: float | None = None


@dataclass(frozen=True, slots=True)
class FaceEvidence:
    """What detectors and landmarks say of the renders of a few cameras.

    `bids_reid.faces.evidence` asks them.

    Attributes
    ----------
    n_cameras : int
        Cameras asked.
    hog : float or None
        Best score of the HOG detector: 0 is its own limit; ``None`` if far below.
    hog_cameras : int
        Cameras whose score is above 0.
    cnn : float or None
        Best confidence of the network; ``None`` if it found nothing. The cameras at the side are
        asked only where the one ahead leaves a doubt: it is slow.
    landmarks_off_mm : float or None
        Mean distance of eyes, nose and mouth, seen from the front, from where the average head
        has them, mm of the average head; ``None`` without landmarks on the surface.
    landmarks_apart_mm : float or None
        Median distance on the surface between the same landmarks of different cameras;
        ``None`` with fewer than two cameras.
    """

    n_cameras: int = 0
    hog: float | None = None
    hog_cameras: int = 0
    cnn: float | None = None
    landmarks_off_mm: float | None = None
    landmarks_apart_mm: float | None = None


@dataclass(frozen=True, slots=True)
class BrainCut:
    """How much of the surface is cut brain.

    ``cut_cm2`` is the area of the surface below which there is brain; ``deep_cm2`` that which lies
    deeper in the average head than skin can, above the brain's base, whatever is below.
    `bids_reid.surface.brain` measures both.
    """

    cut_cm2: float
    deep_cm2: float
