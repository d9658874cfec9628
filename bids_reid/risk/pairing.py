"""The same people before and after: which probes are compared, and what changed.

A rate among the 24 participants of the raw scans and one among the 8 who were de-faced are no
fair comparison: other people, another gallery. So both sides are restricted to the scans that
exist in both conditions, and every probe is compared with itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_reid.records import Score
from bids_reid.risk.identification import Searches, Series, Unit, mated_ranks, wilson_interval


@dataclass(frozen=True, slots=True)
class Pair:
    """One probe and how its search ended in either condition."""

    before: Score
    after: Score

    @property
    def participant(self) -> str:
        """Whose probe it is."""
        return self.before.participant

    def found(self, k: int) -> tuple[bool, bool]:
        """Whether the right participant was at rank k or better, before and after."""
        return _found(self.before, k), _found(self.after, k)


@dataclass(frozen=True, slots=True)
class ReductionRow:
    """A row of ``group_reduction.tsv``; fields are its columns, ``None`` is ``n/a``."""

    baseline: str
    condition: str
    modality: str
    extractor: str
    decision: str
    unit: Unit
    k: int
    n_probes: int
    n_gallery_before: int
    n_gallery_after: int
    n_before: int
    n_after: int
    n_only_before: int
    n_only_after: int
    rate_before: float | None
    rate_after: float | None
    reduction: float | None
    reduction_low: float | None
    reduction_high: float | None
    relative_reduction: float | None
    still_identified: tuple[str, ...]


def restrict(searches: Searches, scans: NDArray[np.bool_]) -> Searches:
    """Keep some scans, and of the photographs those of their participants.

    Ranks hold as they are: a score that was made exact for the whole gallery, as every one on
    which a rank depends is, stays exact in a part of it.

    Parameters
    ----------
    searches
        Photographs and scans of one group.
    scans
        Which scans to keep, (n_scans,).
    """
    owners = np.array(searches.scan_participants, dtype=object)[scans]
    kept = set(owners)
    photos = np.array([owner in kept for owner in searches.photo_participants], dtype=bool)
    rows = np.flatnonzero(photos).tolist()
    return Searches(
        scores=searches.scores[np.ix_(photos, scans)],
        photos=tuple(searches.photos[row] for row in rows),
        photo_participants=tuple(searches.photo_participants[row] for row in rows),
        acquired=searches.acquired[photos],
        scan_participants=tuple(owners),
        enrolled=searches.enrolled[scans],
        distractors=None if searches.distractors is None else searches.distractors[:, scans],
    )


def pair_searches(before: Sequence[Score], after: Sequence[Score]) -> list[Pair]:
    """Pair the results of two conditions by participant and photograph.

    The order is that of ``before``. A probe that only one of them has is left out.

    Raises
    ------
    ValueError
        If a probe comes twice on one side.
    """
    sides = []
    for results in (before, after):
        side = {(result.participant, result.photo): result for result in results}
        if len(side) != len(results):
            raise ValueError('a probe comes twice')
        sides.append(side)
    first, second = sides
    return [Pair(first[probe], second[probe]) for probe in first if probe in second]


def still_identified(pairs: Sequence[Pair], k: int = 1) -> tuple[str, ...]:
    """Participants of whom a probe is identified after, at rank k or better; sorted."""
    return tuple(sorted({pair.participant for pair in pairs if pair.found(k)[1]}))


def reduction_rows(
    before: Searches,
    after: Searches,
    series: Series,
    *,
    baseline: str,
    ranks: Sequence[int] = (1,),
    units: Sequence[Unit] = ('photo', 'participant'),
) -> list[ReductionRow]:
    """Compare the identification rates of the same probes in two conditions.

    Parameters
    ----------
    before, after
        Searches of the same photographs among the same people's scans in the conditions
        ``baseline`` and ``series.condition``, as :func:`restrict` makes them.
    series
        What was searched after, and how.
    baseline
        Name of the condition before.
    ranks, units
        The values of k, and what counts as a probe.
    """
    galleries = len(before.gallery), len(after.gallery)
    return [
        _row(
            pair_searches(mated_ranks(before, unit), mated_ranks(after, unit)),
            series,
            baseline,
            unit,
            k,
            galleries,
        )
        for unit in units
        for k in ranks
    ]


def _row(
    pairs: Sequence[Pair],
    series: Series,
    baseline: str,
    unit: Unit,
    k: int,
    galleries: tuple[int, int],
) -> ReductionRow:
    both, first, second, _ = counts = _table(pairs, k)
    n = len(pairs)
    n_before, n_after = both + first, both + second
    low, high = paired_interval(*counts) if n else (None, None)
    return ReductionRow(
        baseline=baseline,
        condition=series.condition,
        modality=series.modality,
        extractor=series.extractor,
        decision=series.decision,
        unit=unit,
        k=k,
        n_probes=n,
        n_gallery_before=galleries[0],
        n_gallery_after=galleries[1],
        n_before=n_before,
        n_after=n_after,
        n_only_before=first,
        n_only_after=second,
        rate_before=n_before / n if n else None,
        rate_after=n_after / n if n else None,
        reduction=(first - second) / n if n else None,
        reduction_low=low,
        reduction_high=high,
        relative_reduction=1 - n_after / n_before if n_before else None,
        still_identified=still_identified(pairs, k),
    )


def _found(result: Score, k: int) -> bool:
    return result.rank is not None and result.rank <= k


def _table(pairs: Sequence[Pair], k: int) -> tuple[int, int, int, int]:
    """Probes found in both conditions, only before, only after, in neither."""
    found = [pair.found(k) for pair in pairs]
    kinds = ((True, True), (True, False), (False, True), (False, False))
    both, first, second, neither = (found.count(kind) for kind in kinds)
    return both, first, second, neither


def paired_interval(both: int, first: int, second: int, neither: int) -> tuple[float, float]:
    """95% interval of the difference of two proportions of the same probes.

    Method 10 of R. G. Newcombe, Statistics in Medicine 17:2635-2650 (1998): Wilson's intervals of
    both, joined with their correlation, which is corrected for continuity.

    Parameters
    ----------
    both, first, second, neither
        Number of probes found in both conditions, only in the first, only in the second, in
        none; not all 0.

    Returns
    -------
    Bounds of (first - second) / n.
    """
    n = both + first + second + neither
    p, q = (both + first) / n, (both + second) / n
    (p_low, p_high), (q_low, q_high) = (
        wilson_interval(both + first, n),
        wilson_interval(both + second, n),
    )
    excess: float = both * neither - first * second
    if excess > 0:
        excess = max(excess - n / 2, 0)
    spread = (both + first) * (second + neither) * (both + second) * (first + neither)
    phi = excess / spread**0.5 if spread else 0.0

    def reach(one: float, other: float) -> float:
        return float(max(one**2 - 2 * phi * one * other + other**2, 0) ** 0.5)

    return (
        max(p - q - reach(p - p_low, q_high - q), -1.0),
        min(p - q + reach(p_high - p, q - q_low), 1.0),
    )
