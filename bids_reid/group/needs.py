"""What the group level needs of scans, and an earlier run may not have kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bids_reid.errors import NoInputError
from bids_reid.group.scan_links import linked_scans, planned
from bids_reid.messages import count
from bids_reid.records import SKIN, TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bids_reid.group.selection import Selection
    from bids_reid.participant.library import EnrolledScan

AGAIN = 'run the participant level again'


def check_kept(selection: Selection) -> None:
    """Find out, before any work, whether everything is there that the group level reads.

    Without photographs, and without scans that can be linked, it reads records only.

    Raises
    ------
    NoInputError
        Templates or skins were not kept, and are needed.
    """
    here, there = selection.scans, selection.others
    if selection.photos is not None or _has_links(selection):
        gone = _without(here, TEMPLATES)
        if gone:
            raise NoInputError(
                f'the templates of {count(gone, "scan")} were not kept (--keep nothing): {AGAIN} '
                'together with the group level (participant group)'
            )
        gone = _without(there, TEMPLATES)
        if gone:
            raise NoInputError(
                f'the templates of {count(gone, "scan")} of --against were not kept '
                f'(--keep nothing): {AGAIN} there, without it'
            )
    gone = _without(selection.counted, SKIN) if selection.choice.refaced else 0
    if gone:
        raise NoInputError(
            f'--refaced compares skins, which were not kept of {count(gone, "scan")} '
            f'(--keep nothing): {AGAIN} with --keep templates'
        )


def _has_links(selection: Selection) -> bool:
    scans = linked_scans(selection.scans, selection.others, selection.other_name)
    return bool(planned(scans, selection.choice.audited))


def _without(scans: Sequence[EnrolledScan], result: str) -> int:
    return sum(result in scan.record.not_kept for scan in scans)
