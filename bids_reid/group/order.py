"""Which condition was made from which, as the records of the scans have it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bids_reid.records import RAW

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bids_reid.participant.library import EnrolledScan


def order_of(
    scans: Iterable[EnrolledScan], conditions: Sequence[str] = (), audited: str | None = None
) -> Mapping[str, str]:
    """Say which condition each was made from.

    Parameters
    ----------
    scans : iterable of EnrolledScan
        Their records say what the command line of the participant level had. Where records of
        several runs contradict each other, more of them are right.
    conditions : sequence of str
        Those named on the command line of the group level, raw among them.
    audited : str, optional
        The condition that would be shared. If others are named and it is raw, the raw scans came
        of the first of these, whatever the records say.

    Returns
    -------
    mapping
        Condition to the one before; originals are in it as values only. It has no circles.
    """
    others = [name for name in conditions if name != RAW]
    if others and audited == RAW:
        return {RAW: others[0]}
    counts = Counter(
        (scan.record.origin.condition, scan.record.origin.before)
        for scan in scans
        if scan.record.origin.before is not None
    )
    order: dict[str, str] = {}
    for condition, before in sorted(counts, key=lambda pair: (-counts[pair], pair)):
        if before is not None and condition not in order and condition not in _line(before, order):
            order[condition] = before
    return order


def came_first(one: str, other: str, order: Mapping[str, str]) -> bool:
    """Whether a condition came before another, by how many there are before each.

    Of two that nothing is known of, the raw one came first.
    """
    before = len(_line(one, order)), len(_line(other, order))
    return before[0] < before[1] or (before[0] == before[1] and one == RAW)


def _line(condition: str, order: Mapping[str, str]) -> list[str]:
    """Return a condition and those before it, the nearest first."""
    line = [condition]
    while line[-1] in order:
        line.append(order[line[-1]])
    return line
