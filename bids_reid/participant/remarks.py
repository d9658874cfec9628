"""The record of a scan in words, for tables and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bids_reid.participant.content import ScanLine
from bids_reid.records import IDENTIFYING
from bids_reid.risk.deidentification import contradiction
from bids_reid.risk.presence import PRESENT, assess

if TYPE_CHECKING:
    from collections.abc import Collection

    from bids_reid.bids.layout import ScanFiles
    from bids_reid.records import ScanMeasures, ScanRecord
    from bids_reid.risk.presence import Presence

NO_FACE = 'no face was found in any of the 81 views'
THOUGH = 'no face was found in any of the 81 views, although the skin has the shape of a face'
COMPLETED = "the field of view cuts the face: {share:.0%} of it ({parts}) is an average head's"


def shortcomings(measures: ScanMeasures, n_faces: int) -> list[str]:
    """Say what a scan shows instead of a whole face.

    What looks like no face is searched all the same wherever a detector sees one: so would
    somebody who attacks, and the search of defaced scans is what tells if defacing worked.
    """
    presence = assess(measures)
    seen = bool(n_faces) or measures.skull_stripped
    whole = presence.face_present == 'yes' and presence.brain_loss != 'yes'
    reasons = [] if whole and seen else [_said(presence, seen)]
    completed = completed_sentence(measures)
    if completed:
        reasons.append(completed)
    return reasons if seen or presence.face_present == 'yes' else [NO_FACE, *reasons]


def _said(presence: Presence, seen: bool) -> str:
    """Say the reason of a judgement; a face that no detector found is not simply there."""
    return presence.reason if seen else presence.reason.replace(PRESENT, THOUGH)


def completed_parts(measures: ScanMeasures) -> str:
    """Name the parts of a face that come from an average head; nothing if none do."""
    completed = measures.face_completed
    return '' if completed is None else ', '.join(completed.parts) or 'its edge'


def completed_sentence(measures: ScanMeasures | None) -> str | None:
    """Say how much of a face comes from an average head, and which parts; ``None`` if nothing."""
    if measures is None or measures.face_completed is None:
        return None
    share = measures.face_completed.share
    return COMPLETED.format(share=share, parts=completed_parts(measures))


def scan_line(
    files: ScanFiles, record: ScanRecord, needed: Collection[str] = IDENTIFYING
) -> ScanLine:
    """Return the row of a scan, its record judged by the parts that have to be removed."""
    presence = assess(record.measures, record.reason, needed)
    claimed = record.deidentification.claimed
    # what could not be looked at contradicts nothing
    seen = None if presence.verdict == 'could not assess' else presence.face_present
    reasons = (
        _said(presence, record.status != 'no_face'),
        completed_sentence(record.measures),
        contradiction(claimed, seen),
    )
    return ScanLine(
        participant=files.entities['sub'],
        session=files.entities.get('ses'),
        modality=files.modality,
        condition=record.origin.condition,
        source=record.origin.source,
        status=record.status,
        face_present=presence.face_present,
        face_score=presence.face_score,
        n_views_with_face=record.n_views_with_face,
        verdict=presence.verdict,
        brain_loss=presence.brain_loss,
        parts_left=presence.parts_left,
        parts=presence.parts,
        parts_unclear=presence.parts_unclear,
        reason='; '.join(filter(None, reasons)),
        deidentification='claimed' if claimed else 'none',
        face_completed=_face_completed(record.measures),
    )


def _face_completed(measures: ScanMeasures | None) -> str | None:
    """Say whether a part of the face was completed; ``None`` if it was not to be, or failed."""
    if measures is None or not measures.complete_face:
        return None
    return 'no' if measures.face_completed is None else 'yes'
