"""Linkage of the scans of a run with each other, and with those of an earlier output."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_reid.bids.derivatives import made_with, read_template
from bids_reid.bids.files import read_json
from bids_reid.bids.layout import ScanFiles
from bids_reid.errors import ScanError
from bids_reid.faces.extractors import load_extractor
from bids_reid.participant.library import read_scans
from bids_reid.participant.measures import read_frame
from bids_reid.records import Template
from bids_reid.risk import linkage
from bids_reid.risk.linkage import THIS, Comparison, LinkageRow, Member, ScanSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bids_reid.participant.library import EnrolledScan

MAX_SIGNATURES = 4096
"""Shapes of heads kept in memory, 14 kB each."""
SURFACE = 'surface'
"""Not an extractor: the skin itself is compared."""


@dataclass(frozen=True, slots=True)
class LinkedScan:
    """A scan, and which set of a linkage it belongs to."""

    scan: EnrolledScan
    scan_set: ScanSet

    @property
    def participant(self) -> str:
        """Label without prefix."""
        return self.scan.line.participant


def linked_scans(
    scans: Iterable[EnrolledScan], other: Path | None = None, modalities: Sequence[str] = ()
) -> list[LinkedScan]:
    """Sort scans into sets, those of an earlier output (``--against``) into sets of their own.

    Raises
    ------
    NoInputError
        ``other`` holds no results of the participant level.
    """
    found = [_linked(scan, THIS) for scan in scans]
    if other is not None:
        theirs, name = read_scans(other, modalities=modalities), other.resolve().name
        if name in ('', THIS):
            # a folder may be named like the run's own sets
            name = f'against-{name}'
        found += [_linked(scan, name) for scan in theirs]
    return found


def _linked(scan: EnrolledScan, dataset: str) -> LinkedScan:
    line = scan.line
    return LinkedScan(scan, ScanSet(dataset, line.condition, line.session, line.modality))


def linkage_tables(
    scans: Sequence[LinkedScan],
    extractors: Sequence[str],
    *,
    audited: str | None = None,
    seed: int = 0,
) -> list[LinkageRow]:
    """Compare all sets of scans that share participants, by templates and by the skin.

    Templates are read one pair of sets at a time. A template made with another version of its
    model than is installed can be compared with its like only: its scan counts as failed. Where
    nothing at all of one side can be compared there is no row, since 0% would look safe. Of large
    sets a part is compared (`bids_reid.risk.linkage.compared_participants`).

    Parameters
    ----------
    scans : sequence of LinkedScan
        From `linked_scans`.
    extractors : sequence of str
        Names of extractors whose features are vectors, or ``surface``.
    audited : str or None
        The condition that would be shared.
    seed : int
        Of the negative controls.
    """
    members = [Member(scan.scan_set, scan.participant) for scan in scans]
    rows: list[LinkageRow] = []
    for comparison in linkage.plan(members, audited):
        probes, gallery = _compared(
            [scan for scan in scans if scan.scan_set == comparison.probe],
            [scan for scan in scans if scan.scan_set == comparison.gallery],
        )
        for extractor in extractors:
            rows += _linked_by(comparison, probes, gallery, extractor, seed)
    return rows


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


def linkage_rows(rows: Iterable[LinkageRow]) -> Iterator[dict[str, object]]:
    """Rows for `bids_reid.bids.tables.write_table`."""
    for row in rows:
        sessions = {
            name: f'ses-{label}' if label else None
            for name, label in (
                ('probe_session', row.probe_session),
                ('gallery_session', row.gallery_session),
            )
        }
        yield {**asdict(row), **sessions}


def _linked_by(
    comparison: Comparison,
    probes: Sequence[LinkedScan],
    gallery: Sequence[LinkedScan],
    extractor: str,
    seed: int,
) -> Iterator[LinkageRow]:
    """Link two sets in every way that there is for an extractor, or for the skin."""
    read, decisions, score = _ways(extractor)
    (here, probe_enrolled), (there, gallery_enrolled) = read(probes), read(gallery)
    if not (probe_enrolled.any() and gallery_enrolled.any()):
        return
    owners = [scan.participant for scan in gallery]
    for decision in decisions:
        itself = None
        if extractor != SURFACE:
            itself = linkage.found_under_other_light(there, owners, decision)
        yield linkage.link(
            comparison,
            score(here, there, decision),
            probe_participants=[scan.participant for scan in probes],
            gallery_participants=owners,
            probe_enrolled=probe_enrolled,
            gallery_enrolled=gallery_enrolled,
            extractor=extractor,
            decision=decision,
            self_rate=itself,
            seed=seed,
        )


def _ways(extractor: str) -> tuple[Callable[..., Any], Sequence[str], Callable[..., Any]]:
    """Return what reads a set of scans, the decisions, and what scores two sets by one."""
    if extractor != SURFACE:
        return partial(_templates, extractor), linkage.DECISIONS, linkage.linkage_scores
    from bids_reid.surface.signature import REGIONS, signature_scores

    return _signatures, REGIONS, signature_scores


def _templates(
    extractor: str, scans: Sequence[LinkedScan]
) -> tuple[list[Template | None], NDArray[np.bool_]]:
    """Read the templates of scans, and say which have one."""
    found = [_template(scan, extractor) for scan in scans]
    return found, np.array([one is not None for one in found], np.bool_)


def _signatures(scans: Sequence[LinkedScan]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Read the shapes of heads (n, m), and say which there are."""
    found = np.array([_signature(scan) for scan in scans])
    return found, np.isfinite(found).any(axis=1)


def _template(scan: LinkedScan, extractor: str) -> Template | None:
    """Return the template of a scan; ``None`` if it has none that can be compared."""
    files = scan.scan.files
    try:
        # whoever links de-faced scans knows where their faces were
        template = read_template(files, extractor, found_only=False)
    except ScanError:
        return None
    if not isinstance(template, Template) or not _usable(template):
        return None
    same = made_with(files, extractor, load_extractor(extractor).identity())
    return template if same else None


def _usable(template: Template) -> bool:
    """Whether there are features, and numbers only: one NaN would spread to a set's mean."""
    features = template.features
    whole = features.ndim == 2 and len(features) == len(template.views) > 0
    return whole and bool(np.isfinite(features).all())


def _signature(scan: LinkedScan) -> NDArray[np.float32]:
    """Return the shape of a scan's head; all NaN if it has none, or is a brain."""
    from bids_reid.surface.signature import directions

    record = scan.scan.record
    if 'FaceFrame' in record and not record.get('SkullStripped'):
        signature = _read_signature(scan.scan.files)
        if signature is not None:
            return signature
    return np.full(len(directions()), np.nan, np.float32)


@lru_cache(maxsize=MAX_SIGNATURES)
def _read_signature(files: ScanFiles) -> NDArray[np.float32] | None:
    """Read a surface, which takes longer than all else: every set is compared with many."""
    from bids_reid.surface.gifti import read_surface
    from bids_reid.surface.signature import head_signature

    try:
        points, _ = read_surface(files.skin)
        frame = read_frame(read_json(files.record))
        return head_signature(points, frame) if np.isfinite(points).all() else None
    # a parser of XML, of zip, of base64 and of GIFTI each has its own
    except Exception:  # noqa: BLE001
        return None
