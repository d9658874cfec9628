"""Processed scans as plain values, for tables and pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bids_reid.records import View
from bids_reid.risk.presence import Verdict


@dataclass(frozen=True, slots=True)
class Model:
    """A file of weights that an extractor used; ``sha256`` is ``None`` if it has no such file.

    ``package`` is the name and version of the package that it comes with, ``None`` for this one's.
    ``uses_network`` says if it sent images to a network.
    """

    extractor: str
    name: str
    sha256: str | None
    package: str | None = None
    uses_network: bool = False


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a page came about.

    ``software`` is pairs of name and version. There is no date: the same input makes the same
    page, byte for byte.
    """

    version: str
    command: str
    software: tuple[tuple[str, str], ...] = ()
    models: tuple[Model, ...] = ()
    renderer: str | None = None

    @property
    def networked(self) -> tuple[str, ...]:
        """Extractors that sent images to a network, sorted."""
        return tuple(sorted({model.extractor for model in self.models if model.uses_network}))


@dataclass(frozen=True, slots=True)
class ScanLine:
    """One scan that was processed.

    ``status`` is ok, no_face or failed. ``face_present`` (yes, no or unsure), ``face_score``,
    ``verdict``, ``parts_left``, ``brain_loss`` and ``reason`` are those of
    `bids_reid.risk.presence.Presence`.
    ``deidentification`` is claimed if the scan's sidecar says that its face was removed or
    replaced, otherwise none. ``face_completed`` is yes if a part of the face comes from an average
    head, no if nothing had to be completed, and ``None`` if cut faces were to be left cut.
    ``parts`` are the answers about each part of the face.
    """

    participant: str
    session: str | None
    modality: str
    condition: str
    source: str
    status: str
    face_present: str | None = None
    face_score: float | None = None
    n_views_with_face: int | None = None
    verdict: Verdict = 'could not assess'
    brain_loss: str | None = None
    reason: str = ''
    deidentification: str = 'none'
    face_completed: str | None = None
    parts_left: str | None = None
    parts: Mapping[str, str] = field(default_factory=dict, hash=False)
    parts_unclear: str | None = None


@dataclass(frozen=True, slots=True)
class ViewLine:
    """A view and whether a face was found in its render."""

    view: View
    face_found: bool


@dataclass(frozen=True, slots=True)
class TemplateLine:
    """The template of a scan, counted.

    Attributes
    ----------
    extractor : str
        Its name.
    n_dimensions : int
        Numbers of each feature, or bytes of each keypoint.
    n_views, n_soft : int
        Views of the study, and views in soft light, that the template has features of.
    n_found : int
        Those of ``n_views`` in which the detector found the face.
    n_keypoints : int or None
        Keypoints of all views; ``None`` if each view has one feature.
    """

    extractor: str
    n_dimensions: int
    n_views: int
    n_soft: int = 0
    n_found: int = 0
    n_keypoints: int | None = None


@dataclass(frozen=True, slots=True)
class FacePicture:
    """A render of a face, as a PNG file's bytes, and what to say below it."""

    png: bytes
    caption: str

    def __post_init__(self) -> None:
        if not self.png.startswith(b'\x89PNG\r\n\x1a\n'):
            raise ValueError(f'{self.caption!r} is not a PNG: it begins with {self.png[:8]!r}')


@dataclass(frozen=True, slots=True)
class ScanReport:
    """One scan on the participant page.

    ``surface`` is pairs of what was measured and its value with its unit. ``faces`` are shown only
    if given. ``face_map`` is that of its measures, ``None`` if there is none to be shown.
    ``sha256`` is that of the bytes that were measured.
    """

    line: ScanLine
    surface: tuple[tuple[str, str], ...] = ()
    views: tuple[ViewLine, ...] = ()
    templates: tuple[TemplateLine, ...] = ()
    warnings: tuple[str, ...] = ()
    faces: tuple[FacePicture, ...] = ()
    face_map: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class ParticipantReport:
    """The input of a participant page."""

    dataset: str
    participant: str
    scans: tuple[ScanReport, ...]
    provenance: Provenance
