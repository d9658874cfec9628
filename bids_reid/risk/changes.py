"""Rank of each participant before and after de-facing, under one attack.

Both ranks are among the scans of the same people (`bids_reid.risk.pairing`), so that the two can
be compared: a rank among 24 people and one among 8 cannot.
"""

from __future__ import annotations

from dataclasses import dataclass

from bids_reid.records import AttackKey
from bids_reid.risk.identification import Searches, mated_ranks
from bids_reid.risk.pairing import pair_searches


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A row of ``group_changes.tsv``; fields are its columns, ``None`` is ``n/a``.

    A rank is ``None`` where the search failed.
    """

    participant_id: str
    baseline: str
    condition: str
    modality: str
    extractor: str
    decision: str
    rank_before: int | None
    rank_after: int | None
    n_gallery_before: int
    n_gallery_after: int


def change_rows(
    before: Searches, after: Searches, attack: AttackKey, *, baseline: str
) -> list[ChangeRow]:
    """Put the rank of each participant in two conditions side by side.

    Parameters
    ----------
    before, after
        Searches of the same photographs among the same people's scans in the conditions
        ``baseline`` and ``attack.condition``, as `bids_reid.risk.pairing.restrict` makes them.
    attack
        The attack after.
    baseline
        Name of the condition before.

    Returns
    -------
    A row per participant (all photographs together), by participant.
    """
    results = [mated_ranks(searches, 'participant') for searches in (before, after)]
    rows = [
        ChangeRow(
            participant_id=f'sub-{pair.participant}',
            baseline=baseline,
            condition=attack.condition,
            modality=attack.modality,
            extractor=attack.extractor,
            decision=attack.decision,
            rank_before=pair.before.rank,
            rank_after=pair.after.rank,
            n_gallery_before=len(before.gallery),
            n_gallery_after=len(after.gallery),
        )
        for pair in pair_searches(*results)
    ]
    return sorted(rows, key=lambda row: row.participant_id)
