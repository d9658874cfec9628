"""Linkage of the scans of a run with each other, and with those of an earlier output."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_reid.bids.shape_files import read_shape
from bids_reid.bids.template_files import made_with, read_template
from bids_reid.errors import ScanError
from bids_reid.faces.extractors import load_extractor
from bids_reid.group.galleries import GalleryScan
from bids_reid.group.merging import merged, write_result
from bids_reid.match.link_scores import (
    LINK_DECISIONS,
    found_under_other_light,
    linkage_scores,
)
from bids_reid.participant.measures import face_frame
from bids_reid.records import PlacedFrame, Template
from bids_reid.risk import linkage
from bids_reid.risk.linkage import THIS, Comparison, LinkageRow, Member, ScanSet
from bids_reid.views.cameras import style_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bids_reid.bids.layout import ScanFiles
    from bids_reid.participant.library import EnrolledScan

MAX_SIGNATURES = 4096
"""Shapes of heads kept in memory, 14 kB each."""
SURFACE = 'surface'
"""Not an extractor: the skin itself is compared."""


@dataclass(frozen=True, slots=True)
class LinkedScan:
    """A scan, which set of a linkage it belongs to, and its face frame.

    ``frame`` is ``None`` for a scan that failed or shows a brain: its surface is not compared.
    """

    scan: GalleryScan
    scan_set: ScanSet
    frame: PlacedFrame | None

    def __deepcopy__(self, memo: object) -> LinkedScan:
        # as of scans of a gallery
        return self

    @property
    def participant(self) -> str:
        """Label without prefix."""
        return self.scan.participant


def linked_scans(
    scans: Iterable[EnrolledScan], others: Iterable[EnrolledScan] = (), other_name: str = ''
) -> list[LinkedScan]:
    """Sort scans into sets, those of an earlier output (``--against``) into sets of their own.

    ``other_name`` is the name of its folder, which may be that of the run's own sets.
    """
    name = f'against-{other_name}' if other_name in ('', THIS) else other_name
    return [
        *(_linked(scan, THIS) for scan in scans),
        *(_linked(scan, name) for scan in others),
    ]


def _linked(scan: EnrolledScan, dataset: str) -> LinkedScan:
    line = scan.line
    scan_set = ScanSet(dataset, line.condition, line.session, line.modality)
    frame = None if scan.record.skull_stripped else scan.record.face_frame
    return LinkedScan(GalleryScan.of(scan), scan_set, frame)


def all_ways(extractors: Sequence[str]) -> tuple[str, ...]:
    """Return the ways of linking scans: extractors whose features are vectors, and the skin."""
    return (*extractors, SURFACE)


def planned(scans: Sequence[LinkedScan], audited: str | None) -> list[Comparison]:
    """Return the comparisons of sets that share participants, in the order of the table."""
    return linkage.plan([Member(scan.scan_set, scan.participant) for scan in scans], audited)


def link_scans(
    scans: Sequence[LinkedScan], way: str, audited: str | None, seed: int, target: Path
) -> None:
    """Link all sets of scans in one way.

    Templates are read one pair of sets at a time. A template made with another version of its
    model than is installed can be compared with its like only: its scan counts as failed. Where
    nothing at all of one side can be compared there is no row, since 0% would look safe. Of large
    sets a part is compared (`bids_reid.risk.linkage.compared_participants`).

    Parameters
    ----------
    scans : sequence of LinkedScan
        From `linked_scans`.
    way : str
        Name of an extractor whose features are vectors, or ``surface``.
    audited : str or None
        The condition that would be shared.
    seed : int
        Of the negative controls.
    target : Path
        Gets the rows of each comparison in this way, by both.
    """
    write_result(target, dict(_links(scans, way, audited, seed)))


def _links(
    scans: Sequence[LinkedScan], way: str, audited: str | None, seed: int
) -> Iterator[tuple[tuple[Comparison, str], tuple[LinkageRow, ...]]]:
    members: dict[ScanSet, list[LinkedScan]] = defaultdict(list)
    for scan in scans:
        members[scan.scan_set].append(scan)
    for comparison in planned(scans, audited):
        probes, gallery = _compared(members[comparison.probe], members[comparison.gallery])
        yield (comparison, way), tuple(_linked_by(comparison, probes, gallery, way, seed))


def linkage_rows(
    links: Iterable[Mapping[tuple[Comparison, str], tuple[LinkageRow, ...]]],
    scans: Sequence[LinkedScan],
    ways: Sequence[str],
    audited: str | None,
) -> tuple[LinkageRow, ...]:
    """Put the rows of all ways together: comparison by comparison.

    Raises
    ------
    MergeError
        A comparison in one of the ways is missing or comes twice.
    """
    keys = [(comparison, way) for comparison in planned(scans, audited) for way in ways]
    pairs = (pair for one in links for pair in one.items())
    return tuple(row for rows in merged(pairs, keys, 'linkage').values() for row in rows)


def _compared(
    probes: Sequence[LinkedScan], gallery: Sequence[LinkedScan]
) -> tuple[list[LinkedScan], list[LinkedScan]]:
    """Leave out the scans of whom large sets have too many."""
    first, second = linkage.compared_participants(
        (scan.participant for scan in probes), (scan.participant for scan in gallery)
    )
    return (
        [scan for scan in probes if scan.participant in first],
        [scan for scan in gallery if scan.participant in second],
    )


def _linked_by(
    comparison: Comparison,
    probes: Sequence[LinkedScan],
    gallery: Sequence[LinkedScan],
    way: str,
    seed: int,
) -> Iterator[LinkageRow]:
    """Link two sets under every decision that there is for an extractor, or for the skin."""
    read, decisions, score = _means(way)
    (here, probe_enrolled), (there, gallery_enrolled) = read(probes), read(gallery)
    if not (probe_enrolled.any() and gallery_enrolled.any()):
        return
    owners = [scan.participant for scan in gallery]
    for decision in decisions:
        self_rate = None
        if way != SURFACE:
            self_rate = found_under_other_light(there, owners, decision)
        yield linkage.link(
            comparison,
            score(here, there, decision),
            probe_participants=[scan.participant for scan in probes],
            gallery_participants=owners,
            probe_enrolled=probe_enrolled,
            gallery_enrolled=gallery_enrolled,
            extractor=way,
            decision=decision,
            self_rate=self_rate,
            seed=seed,
        )


def _means(way: str) -> tuple[Callable[..., Any], Sequence[str], Callable[..., Any]]:
    """Return the reader of a set of scans, the decisions, and the function that scores by one."""
    if way != SURFACE:
        return partial(_templates, way), LINK_DECISIONS, linkage_scores
    from bids_reid.surface.signature import REGIONS, signature_scores

    return _signatures, REGIONS, signature_scores


def _templates(
    extractor: str, scans: Sequence[LinkedScan]
) -> tuple[list[Template | None], NDArray[np.bool_]]:
    """Read the templates of scans, and tell which have one."""
    templates = [_template(scan.scan.files, extractor) for scan in scans]
    return templates, np.array([one is not None for one in templates], np.bool_)


def _signatures(scans: Sequence[LinkedScan]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Read the shapes of heads (n, m), and tell which there are."""
    from bids_reid.surface.signature import directions

    nothing = np.full(len(directions()), np.nan, np.float32)
    read = (scan.frame and _signature(scan.scan.files, scan.frame) for scan in scans)
    shapes = np.array([nothing if shape is None else shape for shape in read])
    return shapes, np.isfinite(shapes).any(axis=1)


def _template(files: ScanFiles, extractor: str) -> Template | None:
    """Return the template of a scan; ``None`` if it has none that can be compared."""
    model = load_extractor(extractor)
    try:
        # whoever links de-faced scans knows where their faces were
        template = read_template(files, extractor, found_only=False, dimension=model.dimension)
    except ScanError:
        return None
    same = made_with(files, extractor, model.identity())
    return _standard_views(template) if same and isinstance(template, Template) else None


def _standard_views(template: Template) -> Template | None:
    """Return a template's part of the study's views; ``None`` if it has no features of them."""
    plain = template.of_views(style_numbers('plain'))
    return plain if len(plain.views) else None


@lru_cache(maxsize=MAX_SIGNATURES)
def _signature(files: ScanFiles, frame: PlacedFrame) -> NDArray[np.float32] | None:
    """Return the shape of a scan's head; ``None`` if its surface is damaged, or gone.

    Reading a surface takes longer than all else, and every set is compared with many.
    """
    from bids_reid.surface.gifti import read_points
    from bids_reid.surface.signature import head_signature

    if not files.skin.exists():
        return read_shape(files)
    try:
        points = read_points(files.skin)
    except (OSError, ScanError):
        return None
    return head_signature(points, face_frame(frame))
