"""The words that all parts share, as immutable records (DESIGN: ISO/IEC 19795-1 vocabulary)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from bids_reid.json_fields import Digits, as_field, from_object, to_object

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


SKIN_SURFACE = 'Skin surface of the head, scanner RAS millimetres'
FAILED_SCAN = 'A scan that could not be processed'
SKIN, TEMPLATES = 'skin', 'templates'
"""What a record may say was not kept."""
RAW = 'raw'
"""The condition of the scans in ``bids_dir``, as they were given."""
PART_NAMES: Mapping[str, tuple[str, ...]] = {
    'brow': ('brow',),
    'eyes': ('left eye', 'right eye'),
    'nose': ('nose',),
    'mouth': ('mouth',),
    'chin': ('chin',),
    'cheeks': ('left cheek', 'right cheek'),
    'ears': ('left ear', 'right ear'),
}
"""The parts of a face that each name stands for; left and right are the participant's."""
IDENTIFYING = ('brow', 'eyes', 'nose', 'mouth', 'chin')
"""Names of the parts that have to be removed, unless others are chosen."""
TOGETHER = '+'
"""Between the names of extractors whose scores are fused."""
STRANGER = ''
"""In place of the label of a photograph that shows nobody of the dataset."""


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


ImageKind = Literal[
    'head volume', 'other volume', 'surface', 'photograph', 'document', 'archive', 'unreadable'
]
"""``document``: a page or drawing with pictures in it; ``archive``: a file that holds files."""


@dataclass(frozen=True, slots=True, order=True)
class Image:
    """A file of a folder that can show a head, as a walk through the folder finds it.

    Attributes
    ----------
    path : str
        Below the folder, with ``/``. A DICOM series has that of its first file, a pair of header
        and data (Analyze, NIfTI, NRRD, AFNI) that of the header.
    format : str
        Of `bids_reid.bids.formats.FORMATS`, by content.
    bytes : int or None
        Size, of all its files together; ``None`` if it is not known.
    sha256 : str or None
        Of its content; of several files that of the lines ``<sha256>  <name>``, sorted by name.
        ``None`` if the content is not here, unless a key of git-annex or Git LFS holds it.
    annex_key : str or None
        Key of git-annex, if its content is kept by that.
    members : tuple of str
        Paths of all its files if it has several.
    absent : str or None
        Why its content cannot be read; ``None`` if it can.
    """

    path: str
    format: str
    bytes: int | None
    sha256: str | None
    annex_key: str | None = None
    members: tuple[str, ...] = ()
    absent: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Photo:
    """One photograph; ``name`` is for tables.

    ``participant`` is ``None`` for a distractor without a label. Once it is known who is in the
    dataset, it is `STRANGER` for any other distractor.
    """

    name: str
    participant: str | None
    path: Path


Style = Literal['plain', 'soft']
"""How a view is shown: as in the study, or more like a photograph."""


@dataclass(frozen=True, slots=True)
class View:
    """One camera with one light, all angles in degrees in the face frame.

    Yaw and azimuth are positive towards the participant's left, pitch and elevation upwards. A
    soft view has no light of its own: all lights of its camera shine together.
    """

    index: int
    camera_yaw: float
    camera_pitch: float
    light_azimuth: float | None
    light_elevation: float | None
    style: Style = 'plain'

    @property
    def camera(self) -> tuple[float, float]:
        """Yaw and pitch of the camera."""
        return self.camera_yaw, self.camera_pitch

    @property
    def light(self) -> tuple[float, float]:
        """Azimuth and elevation of the light.

        Raises
        ------
        ValueError
            It is a soft view.
        """
        if self.light_azimuth is None or self.light_elevation is None:
            raise ValueError(f'view {self.index} has no light of its own')
        return self.light_azimuth, self.light_elevation


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

    def of_views(self, numbers: range) -> Template:
        """Return the part of some views that follow each other."""
        part = (self.views >= numbers.start) & (self.views < numbers.stop)
        found = None if self.found is None else self.found[part]
        return Template(self.features[part], self.views[part], found)

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
        """Return the arrays that a file holds of them."""
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
    """Measures of a map of depths where the face should be; ``None`` where nothing is in view.

    `bids_reid.surface.relief` takes them, and says what near, small and one plane are.

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
class PartTrace:
    """Traces of one part of a face; ``None`` where too little of it is in the image.

    `bids_reid.surface.traces` takes them, and says what following and near are.

    Attributes
    ----------
    name : str
        Of `bids_reid.surface.parts.PARTS`.
    in_view : float
        Share of the part inside the field of view.
    follows, around : float or None
        Share of the part, and of the skin around it, that the surface follows once the average's
        has been moved onto it.
    alone : float or None
        Share that follows, times ``bend``, if the part is moved without the skin around it.
    bend : float or None
        Correlation of how the surface's normals turn with how the average's do, -1 to 1.
    spread_mm : float or None
        Spread of the surface about the part that was moved onto it, mm: 1.4826 times the median
        absolute distance.
    off_mm : float or None
        Median distance of the surface from where this head's own face would go on, negative
        behind it; mm.
    near : float or None
        Share of the part with a surface near to there.
    emptied : float or None
        Share of the surface next to which a tool wrote one value, over that beside the face;
        ``None`` also if nothing tells.
    """

    name: str
    in_view: float
    follows: float | None = None
    around: float | None = None
    alone: float | None = None
    bend: float | None = None
    spread_mm: float | None = None
    off_mm: float | None = None
    near: float | None = None
    emptied: float | None = None


@dataclass(frozen=True, slots=True)
class FaceEvidence:
    """Answers of detectors and landmarks about the renders of a few cameras.

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
class HalfFaces:
    """Answers of detectors about faces made of one half and its mirror image.

    Beyond the field of view the average's face continues them, so that detectors, which know
    whole faces only, can be asked about a part (`bids_reid.faces.half_faces`).

    Attributes
    ----------
    hog : float or None
        Score of the HOG detector for the better half; ``None`` if far below its limit.
    cnn : float or None
        Confidence of the network for that half; ``None`` if it found nothing, or the HOG detector
        did not.
    """

    hog: float | None = None
    cnn: float | None = None


@dataclass(frozen=True, slots=True)
class BrainCut:
    """How much of the surface is cut brain.

    ``cut_cm2`` is the area of the surface below which there is brain. ``deep_cm2`` is the area
    that lies deeper in the average head than skin can, above the brain's base, whatever is below.
    `bids_reid.surface.brain` measures both.
    """

    cut_cm2: float
    deep_cm2: float


@dataclass(frozen=True, slots=True)
class SurfaceQuality:
    """How good the skin is, and how much of the face was scanned.

    Attributes
    ----------
    relative_noise : float
        Noise of a voxel over the brightness of skin.
    edge_blur_mm : float
        Blur of the skin's edge.
    face_in_view, face_core_in_view : float
        Share of the average face, and of its eyes, nose and mouth, in the field of view.
    face_fit_mm : float or None
        Spread of the skin about the average face; ``None`` if there is none in its place.
    """

    relative_noise: Annotated[float, Digits(5)]
    edge_blur_mm: float
    face_in_view: float
    face_core_in_view: float
    face_fit_mm: Annotated[float | None, Digits(2)]


@dataclass(frozen=True, slots=True)
class PlacedFrame:
    """The face frame, RAS millimetres; ``source`` tells whether a fit or the box placed it.

    `bids_reid.surface.frame.FaceFrame` says what its numbers are. ``off_mm`` is the predicted
    standard deviation of the place of the face, 0 where a face is there, and ``None`` if the frame
    is not to be trusted.
    """

    origin: tuple[float, ...]
    forward: Annotated[tuple[float, ...], Digits(None)]
    up: Annotated[tuple[float, ...], Digits(None)]
    scale: Annotated[float, Digits(4)]
    source: Literal['face', 'shape']
    off_mm: float | None = None


@dataclass(frozen=True, slots=True)
class FaceFit:
    """How the skin compares with the average's face where the fit puts it.

    `bids_reid.surface.frame.FaceMeasures` says what is measured.
    """

    face_covered: float
    face_behind_mm: Annotated[float | None, Digits(2)]
    head_loss: float


@dataclass(frozen=True, slots=True)
class CompletedPart:
    """The part of a face that comes from an average head: its share, and names of parts."""

    share: float
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScanMeasures:
    """Measures of a scan and its skin surface.

    Attributes
    ----------
    voxel_size : tuple of float
        Of each axis, mm.
    notes : tuple of str
        What was unusual about the file.
    points : int
        Of the surface that is written.
    vault_roughness : float or None
        Degrees; ``None`` for a head that is too large for a brain.
    skull_stripped : bool
        Whether the surface is taken for a brain.
    face_parts : tuple of PartTrace
        Traces of each part of a face; none of a brain.
    face_map : str or None
        How far the skin lies from where this head's own face would go on, a letter for each point
        of the average head (`bids_reid.surface.traces`); ``None`` of a brain.
    half_faces : HalfFaces or None
        ``None`` of a brain, or if too little of a face is in the field of view.
    complete_face : bool
        Whether a face that the field of view cuts had to be completed.
    face_completed : CompletedPart or None
        What was.
    face_evidence : FaceEvidence or None
        ``None`` until detectors and landmarks are asked.
    """

    voxel_size: Annotated[tuple[float, ...], Digits(4)]
    notes: tuple[str, ...]
    points: int
    volume_litres: float
    vault_roughness: Annotated[float | None, Digits(2)]
    skull_stripped: bool
    surface_quality: SurfaceQuality
    face_frame: PlacedFrame
    face: FaceFit
    face_relief: FaceRelief
    brain_cut: BrainCut
    face_parts: tuple[PartTrace, ...] = ()
    face_map: str | None = None
    half_faces: HalfFaces | None = None
    complete_face: bool = False
    face_completed: CompletedPart | None = None
    face_evidence: FaceEvidence | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object that a file holds."""
        return to_object(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ScanMeasures:
        """Read the object that `to_json` made.

        Raises
        ------
        KeyError, TypeError
            Something is missing, or cannot be.
        """
        measures = from_object(cls, content)
        _check_frame(measures.face_frame)
        names = [part.name for part in measures.face_parts]
        known = {name for some in PART_NAMES.values() for name in some}
        if len(set(names)) < len(names) or not set(names) <= known:
            raise TypeError(f'{names} are not the parts of a face')
        return measures


def _check_frame(frame: PlacedFrame) -> None:
    """Find out whether a face frame is one; raise TypeError otherwise."""
    axes = (frame.forward, frame.up)
    lengths = [math.hypot(*axis) for axis in axes]
    if len(frame.origin) != 3 or any(len(axis) != 3 for axis in axes) or frame.scale <= 0:
        raise TypeError(f'{frame} is no frame in space')
    slant = sum(a * b for a, b in zip(*axes, strict=True))
    if not all(0.9 < length < 1.1 for length in lengths) or abs(slant) > 0.1:
        raise TypeError(f'the axes of {frame} are not upright on each other')


@dataclass(frozen=True, slots=True)
class FaceBoxes:
    """Where the face is on the render of each view.

    Attributes
    ----------
    boxes : tuple of (left, top, right, bottom) or None
        In pixels, as `bids_reid.faces.detect.Box`; ``None`` where no face is to be looked for.
    found : tuple of bool
        Whether a detector found the box; otherwise it is where the face frame has faces. A
        soft view has the box of its camera.
    """

    boxes: tuple[tuple[int, ...] | None, ...]
    found: tuple[bool, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object that a file holds."""
        return to_object(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> FaceBoxes:
        """Read the object that `to_json` made.

        Raises
        ------
        KeyError, TypeError
            Something is missing, or cannot be.
        """
        faces = from_object(cls, content)
        sides = {len(box) for box in faces.boxes if box is not None}
        if len(faces.boxes) != len(faces.found) or not sides <= {4}:
            raise TypeError('there is not one box of four sides for each view')
        return faces


@dataclass(frozen=True, slots=True)
class Claim:
    """The claim of de-identification in the sidecars of an image.

    ``claimed`` is true if a method concerns the face, false if the methods given do not, ``None``
    if none is given; ``methods`` is what is given, in words.
    """

    claimed: bool | None = None
    methods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """The source of the files of a scan, and the software that made them.

    Attributes
    ----------
    condition : str
        Of the scan.
    sources : tuple of str
        BIDS URI of the scan.
    source_sha256 : str or None
        Its hash; ``None`` if its content was not there.
    software_versions : mapping
        Name of a package to its version.
    before : str or None
        The condition that this one was made from, as the command line of the participant level
        had it; ``None`` for originals.
    """

    condition: str
    sources: tuple[str, ...]
    source_sha256: str | None
    software_versions: Mapping[str, str] = field(hash=False)
    before: str | None = None

    @property
    def source(self) -> str:
        """Path of the scan in its dataset."""
        return self.sources[0].split(':', 2)[2]

    def to_json(self) -> dict[str, Any]:
        """Return the entries that the files of a scan share."""
        return to_object(self)


@dataclass(frozen=True, slots=True)
class PictureFaces:
    """Answers of face detectors about a picture, or all pictures of a document.

    Attributes
    ----------
    n_pictures : int
        Pictures looked at.
    n_with_face : int
        Those in which a detector found a face.
    n_unreadable : int
        Those that could not be read.
    """

    n_pictures: int
    n_with_face: int
    n_unreadable: int = 0


ImageStatus = Literal['ok', 'no_face', 'failed', 'not_needed']


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """The record of an image that was checked for faces; it belongs to bytes, not to a name.

    Attributes
    ----------
    sha256 : str
        Of the image, as in `Image`.
    status : str
        ``no_face`` if nothing found a face, ``failed`` if it could not be looked at,
        ``not_needed`` if its content shows that it cannot hold a face.
    reason : str or None
        Why it failed, or is not needed.
    measures : ScanMeasures or None
        Of a volume or surface.
    faces : PictureFaces or None
        Of a photograph or document.
    """

    sha256: str
    format: str
    kind: ImageKind
    status: ImageStatus
    reason: str | None
    software_versions: Mapping[str, str] = field(hash=False)
    measures: ScanMeasures | None = None
    faces: PictureFaces | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object that a file holds."""
        return to_object(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ImageRecord:
        """Read the object that `to_json` made.

        Raises
        ------
        KeyError, TypeError
            Something is missing, or cannot be.
        """
        record = from_object(cls, content)
        if content['Measures'] is not None:
            ScanMeasures.from_json(content['Measures'])
        _check_sha256(record.sha256)
        return record


ScanStatus = Literal['ok', 'no_face', 'failed']


@dataclass(frozen=True, slots=True)
class ScanRecord:
    """The record of a scan, the file beside its skin surface. A failed scan has one, too.

    Attributes
    ----------
    status : str
        ``no_face`` if no detector found a face in any view, ``failed`` if there are no results.
    reason : str or None
        What it shows instead of a whole face, or why it failed.
    deidentification : Claim
        What its sidecars say.
    n_views_with_face : int or None
        In how many views a detector found the face; ``None`` if the scan failed.
    measures : ScanMeasures or None
        ``None`` if the scan failed, and only then.
    renderer : str or None
        What made the renders.
    extractors : tuple of str
        Of which there are templates.
    left_out : str or None
        Why the scan is in no result though its files are kept, such as a filter that leaves it
        out; ``None`` if it counts.
    not_kept : tuple of str
        Results that were removed when they were not needed any more: `SKIN`, `TEMPLATES`.
    """

    status: ScanStatus
    reason: str | None
    deidentification: Claim
    origin: Origin
    n_views_with_face: int | None = None
    measures: ScanMeasures | None = None
    renderer: str | None = None
    extractors: tuple[str, ...] = ()
    left_out: str | None = None
    not_kept: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether there are no results of the scan."""
        return self.status == 'failed'

    @property
    def face_frame(self) -> PlacedFrame | None:
        """Where its face is; ``None`` if it failed."""
        return None if self.measures is None else self.measures.face_frame

    @property
    def skull_stripped(self) -> bool:
        """Whether its surface is taken for a brain."""
        return self.measures is not None and self.measures.skull_stripped

    @property
    def complete_face(self) -> bool:
        """Whether a face that the field of view cuts had to be completed."""
        return self.measures is not None and self.measures.complete_face

    def to_json(self) -> dict[str, Any]:
        """Return the object that the record's file holds."""
        failed = self.measures is None
        return {
            'Description': FAILED_SCAN if failed else SKIN_SURFACE,
            'Status': self.status,
            'Reason': self.reason,
            'LeftOut': self.left_out,
            'ViewsWithFace': self.n_views_with_face,
            **({} if self.measures is None else self.measures.to_json()),
            **({} if failed else {'Renderer': self.renderer}),
            'Deidentification': to_object(self.deidentification),
            **({} if failed else {'Extractors': list(self.extractors)}),
            **({'NotKept': list(self.not_kept)} if self.not_kept else {}),
            **self.origin.to_json(),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ScanRecord:
        """Read the object that `to_json` made.

        Raises
        ------
        KeyError, TypeError
            Something is missing that every record of this version has, or cannot be.
        """
        status = as_field(ScanStatus, content['Status'])
        processed: dict[str, Any] = {}
        if status != 'failed':
            processed = {
                'n_views_with_face': as_field(int, content['ViewsWithFace']),
                'measures': ScanMeasures.from_json(content),
                'renderer': as_field(str, content['Renderer']),
                'extractors': as_field(tuple[str, ...], content['Extractors']),
            }
        origin = from_object(Origin, content)
        _check_origin(origin)
        return cls(
            status=status,
            reason=as_field(str | None, content['Reason']),
            left_out=as_field(str | None, content['LeftOut']),
            not_kept=as_field(tuple[str, ...], content.get('NotKept', [])),
            deidentification=from_object(Claim, content['Deidentification']),
            origin=origin,
            **processed,
        )


def _check_origin(origin: Origin) -> None:
    """Find out whether a scan is a file of its dataset; raise TypeError otherwise."""
    if not origin.sources or any(uri.count(':') < 2 for uri in origin.sources):
        raise TypeError(f'{origin.sources} are no BIDS URIs')
    if origin.source.startswith('/') or '..' in origin.source.split('/'):
        raise TypeError(f'{origin.source} is not in its dataset')
    if origin.source_sha256 is not None:
        _check_sha256(origin.source_sha256)


def _check_sha256(sha256: str) -> None:
    if len(sha256) != 64 or not set(sha256) <= set('0123456789abcdef'):
        raise TypeError(f'{sha256:.80} is no SHA-256')
