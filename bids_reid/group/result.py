"""The result of the group level, from which tables, page and terminal lines are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bids_reid.participant.content import Provenance, ScanLine
from bids_reid.records import IDENTIFYING, RAW, AttackKey, ImageKind, Score
from bids_reid.risk.attacks import ParticipantRow, StrongestRow
from bids_reid.risk.breakdown import BreakdownRow
from bids_reid.risk.changes import ChangeRow
from bids_reid.risk.comparisons import ComparisonRow
from bids_reid.risk.controls import ControlRow
from bids_reid.risk.distributions import DistributionRow
from bids_reid.risk.gate import Gate
from bids_reid.risk.growth import GrowthRow
from bids_reid.risk.identification import IdentificationRow
from bids_reid.risk.linkage import LinkageRow
from bids_reid.risk.openset import OpenSetRow
from bids_reid.risk.pairing import ReductionRow
from bids_reid.risk.presence import Verdict
from bids_reid.risk.verification import DetRow, VerificationRow

if TYPE_CHECKING:
    from bids_reid.group.given_photographs import GivenPhotographs


@dataclass(frozen=True, slots=True)
class Uncounted:
    """A result that counts for nothing, and why: its scan as the tables name it."""

    condition: str
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImageLine:
    """One image of the release, or one scan of a condition: the columns of ``group_images.tsv``.

    ``path`` is below the release, of a scan that is not in it below its condition's dataset.
    ``status`` is that of the scan's or image's record, or ``not_looked_at``; the answers are those
    of `bids_reid.risk.presence.Presence`; ``None`` is n/a.
    ``program_verdict`` is the verdict before a person rated the image, ``None`` if nobody did.
    """

    path: str
    in_release: bool
    bytes: int | None
    sha256: str | None
    annex_key: str | None
    format: str
    kind: ImageKind
    participant: str | None
    session: str | None
    modality: str | None
    condition: str
    status: str
    verdict: Verdict
    program_verdict: Verdict | None = None
    face_present: str | None = None
    face_score: float | None = None
    parts_left: str | None = None
    parts_unclear: str | None = None
    brain_loss: str | None = None
    n_views_with_face: int | None = None
    deidentification: str | None = None
    face_completed: str | None = None
    reviewed_by: str | None = None
    reason: str = ''


@dataclass(frozen=True, slots=True)
class FacesLeft:
    """Sums over the scans of a condition and modality: what is left of their faces, and where.

    Attributes
    ----------
    n_scans : int
        Scans with a face map.
    n_without : int
        Those without: they failed, are taken for a brain, or are results of an older version.
    n_left, n_in_view : tuple of int
        Per point of `bids_reid.surface.parts.face_parts`: face maps with skin in its place, and
        those of images that it lies in.
    answers : mapping
        Per part of a face and answer (`bids_reid.risk.presence.PartAnswer`), scans; a part that no
        answer is known about is not in it.
    """

    condition: str
    modality: str
    n_scans: int
    n_without: int
    n_left: tuple[int, ...]
    n_in_view: tuple[int, ...]
    answers: Mapping[str, Mapping[str, int]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class PhotoLine:
    """One photograph given, with its label or ``None``; of distractors as in `Photo`.

    ``status`` is ok, no_face or unreadable. An unreadable file is no photograph: it is in no
    count. One without a face is a probe that failed to acquire, and stays in the denominator.
    ``searched`` says if the participant it shows has a processed scan at this group call.
    ``n_faces``, ``n_alike`` and ``turned`` are those of `bids_reid.faces.photographs.Head`.
    """

    name: str
    participant: str | None
    searched: bool
    status: str
    reason: str = ''
    n_faces: int = 0
    n_alike: int = 0
    turned: int = 0

    @property
    def mated(self) -> bool:
        """Whether it shows somebody whose processed scans are searched: it is in the rates."""
        return self.labelled and self.searched

    @property
    def unprocessed(self) -> bool:
        """Whether it shows somebody of the dataset without a processed scan: it is in no rate."""
        return self.labelled and not self.searched

    @property
    def labelled(self) -> bool:
        """Whether it shows somebody of the dataset; any other photograph is a distractor."""
        return bool(self.participant)


@dataclass(frozen=True, slots=True)
class Curve:
    """The CMC of an attack (participant unit): ``rates[0]`` is the rate at rank 1."""

    attack: AttackKey
    rates: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Statistics:
    """The results beside the identification rates: the rows of a table each.

    The name of a field is that of its table after ``group_``.
    """

    strongest: tuple[StrongestRow, ...] = ()
    participants: tuple[ParticipantRow, ...] = ()
    comparisons: tuple[ComparisonRow, ...] = ()
    controls: tuple[ControlRow, ...] = ()
    growth: tuple[GrowthRow, ...] = ()
    verification: tuple[VerificationRow, ...] = ()
    det: tuple[DetRow, ...] = ()
    distributions: tuple[DistributionRow, ...] = ()
    changes: tuple[ChangeRow, ...] = ()
    openset: tuple[OpenSetRow, ...] = ()
    breakdown: tuple[BreakdownRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a result was made, and of which folder; only with ``--stamp``.

    Attributes
    ----------
    made : str
        Date and time (UTC), ``2026-03-01 12:00 UTC``.
    folder : str
        Path of the release.
    """

    made: str
    folder: str


@dataclass(frozen=True, slots=True)
class GroupResult:
    """The results of the group level; tables, page and terminal lines are made from it.

    Attributes
    ----------
    dataset
        Name of the dataset.
    scans
        Every scan that was processed and counts, failed ones too.
    images
        Every image of the release, and every scan of the conditions besides.
    uncounted
        Results that count for nothing, and why.
    release
        Name of the folder that is to be shared.
    provenance
        How the result came about.
    photos
        Every photograph given; ``None`` if none were asked for.
    given
        What was found out about their labels; ``None`` likewise.
    rows
        Rows of ``group_identification.tsv``.
    curves
        One CMC per attack.
    unprocessed
        Labels of the participants of the dataset without any result at this group call.
    reductions
        How rates changed from raw to each other condition, the same people searched alike.
    searches
        How each search with a photograph ended, per attack: rows of ``group_ranks.tsv``.
    gate
        Whether the release may be shared.
    not_run
        Each extractor that was not used, and why.
    statistics
        What stands beside the rates; empty without photographs.
    linkage
        Rows of ``group_linkage.tsv``.
    audited
        The condition that the page is about first.
    remarks
        Sentences to stand beside the outcome, which change nothing about it.
    faces_left
        What is left of the faces, per condition and modality.
    needed
        Names of the parts of a face that have to be removed.
    stamp
        When it was made, and of which folder; ``None`` keeps the page's bytes reproducible.
    """

    dataset: str
    scans: tuple[ScanLine, ...]
    provenance: Provenance
    images: tuple[ImageLine, ...] = ()
    uncounted: tuple[Uncounted, ...] = ()
    release: str = ''
    photos: tuple[PhotoLine, ...] | None = None
    given: GivenPhotographs | None = None
    rows: tuple[IdentificationRow, ...] = ()
    curves: tuple[Curve, ...] = ()
    unprocessed: tuple[str, ...] = ()
    reductions: tuple[ReductionRow, ...] = ()
    searches: tuple[tuple[AttackKey, tuple[Score, ...]], ...] = ()
    gate: Gate | None = None
    not_run: Mapping[str, str] = field(default_factory=dict)
    statistics: Statistics = Statistics()
    linkage: tuple[LinkageRow, ...] = ()
    audited: str = RAW
    remarks: tuple[str, ...] = ()
    faces_left: tuple[FacesLeft, ...] = ()
    needed: tuple[str, ...] = IDENTIFYING
    stamp: Stamp | None = None
