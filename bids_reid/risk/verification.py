"""Verification: is this photograph of this participant? Error rates at a threshold.

Each photograph is compared with each participant of the gallery (the best of their scans). FMR is
the proportion of non-mated comparisons at or above a threshold, FNMR that of mated ones below it
(ISO/IEC 19795-1). Only the counts of non-mated scores at or above each mated score are needed: a
mated comparison is accepted at some threshold whose FMR is x or less if and only if the FMR at its
own score is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bids_reid.records import AttackKey
from bids_reid.risk.identification import Searches, probes
from bids_reid.risk.intervals import effective_interval, people_groups, resample

FALSE_MATCH_RATES = (0.1, 0.01, 0.001)
RULE_OF_30 = 30
CELLS_AT_ONCE = 1_000_000
"""Comparisons counted together: 8 MB."""
Measure = Literal['fnmr_at_fmr', 'eer']


@dataclass(frozen=True, slots=True)
class VerificationRow:
    """A row of ``group_verification.tsv``; fields are its columns, ``None`` is ``n/a``."""

    condition: str
    modality: str
    extractor: str
    decision: str
    measure: Measure
    fmr: float | None
    n_mated: int
    n_nonmated: int
    n_people: int
    n_failed_acquire: int
    n_failed_enrol: int
    rate: float | None
    ci_low: float | None
    ci_high: float | None
    gfrr: float | None
    seed: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class DetRow:
    """A row of ``group_det.tsv``; fields are its columns.

    A point of the curve of detection error trade-off: what is wrongly accepted and wrongly
    rejected at one threshold.
    """

    condition: str
    modality: str
    extractor: str
    decision: str
    fmr: float
    fnmr: float


@dataclass(frozen=True, slots=True)
class Verification:
    """Counts that all error rates follow from.

    Attributes
    ----------
    mated
        Mated scores, ascending, (n_mated,).
    mated_groups
        Group of people (`people_groups`) of each, (n_mated,).
    by_probe, by_candidate
        Non-mated scores at or above each mated one, by the group of the person on the photograph
        and of the person compared with, (n_groups, n_mated).
    n_by_probe, n_by_candidate
        All non-mated comparisons of each group, (n_groups,).
    n_people
        Different people on the photographs that were compared.
    n_failed_acquire, n_failed_enrol
        Photographs that could not be compared with their participant.
    """

    mated: NDArray[np.float32]
    mated_groups: NDArray[np.intp]
    by_probe: NDArray[np.int64]
    by_candidate: NDArray[np.int64]
    n_by_probe: NDArray[np.int64]
    n_by_candidate: NDArray[np.int64]
    n_people: int
    n_failed_acquire: int
    n_failed_enrol: int

    @property
    def n_nonmated(self) -> int:
        """Number of non-mated comparisons."""
        return int(self.n_by_probe.sum())

    def det(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """FMR and FNMR at each mated score as threshold, both (n_mated,), ascending thresholds.

        Between two mated scores FNMR does not change, so that these points hold the whole curve.
        NaN where nothing non-mated was compared.
        """
        fmr = self.by_probe.sum(axis=0) / max(self.n_nonmated, 1)
        first = np.searchsorted(self.mated, self.mated, side='left')
        missed = first / max(len(self.mated), 1)
        return np.where(self.n_nonmated > 0, fmr, np.nan), missed

    def resampled(self, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """FMR at each mated score, and the mated scores' weights, in resamples of people.

        A person is drawn with all photographs and scans. The two ways in which the FMR varies, by
        photograph and by candidate, are multiplied, so that no table of all pairs is needed.

        Returns
        -------
        Both (n_resamples, n_mated).
        """
        weights = resample(len(self.by_probe), seed)
        with np.errstate(divide='ignore', invalid='ignore'):
            rows = weights @ self.by_probe / (weights @ self.n_by_probe)[:, None]
            columns = weights @ self.by_candidate / (weights @ self.n_by_candidate)[:, None]
            fmr = rows * columns / (self.by_probe.sum(axis=0) / self.n_nonmated)
        return np.clip(np.nan_to_num(fmr), 0, 1), weights[:, self.mated_groups]


def count_comparisons(searches: Searches, seed: int = 0) -> Verification:
    """Compare photographs with participants, row after row.

    Parameters
    ----------
    searches
        Photographs and scans of one group.
    seed
        Puts more than 500 people into groups; see `people_groups`.
    """
    people = sorted({*searches.gallery, *searches.photo_participants})
    places = {person: place for place, person in enumerate(people)}
    groups = people_groups(len(people), seed)
    candidates = groups[[places[person] for person in searches.gallery]]
    compared, statuses = [], []
    for probe in probes(searches):
        statuses.append(probe.status)
        if probe.status == 'ok':
            compared.append((np.float32(probe.mated), places[probe.participant]))
    scores = np.array([score for score, _ in compared], np.float32)
    order = np.argsort(scores, kind='stable')
    owners = np.array([place for _, place in compared], dtype=np.intp)
    mated, n_bins, n_groups = scores[order], len(scores) + 1, int(groups.max(initial=-1)) + 1
    by_probe = np.zeros((n_groups, n_bins), np.int64)
    by_candidate = np.zeros(n_groups * n_bins, np.int64)
    cells: list[NDArray[np.intp]] = []
    for probe in probes(searches):
        if probe.status != 'ok':
            continue
        # how many mated scores each non-mated one reaches
        reached = np.searchsorted(mated, probe.nonmated, side='right')
        by_probe[groups[places[probe.participant]]] += np.bincount(reached, minlength=n_bins)
        cells.append(np.delete(candidates, probe.column) * n_bins + reached)
        # to add up the whole table for each probe takes longer than all else
        if len(cells) * len(reached) >= CELLS_AT_ONCE:
            _count(cells, by_candidate)
    _count(cells, by_candidate)
    tables = (by_probe, by_candidate.reshape(n_groups, n_bins))
    at_least = [table[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:] for table in tables]
    return Verification(
        mated=mated,
        mated_groups=groups[owners[order]],
        by_probe=at_least[0],
        by_candidate=at_least[1],
        n_by_probe=tables[0].sum(axis=1),
        n_by_candidate=tables[1].sum(axis=1),
        n_people=len(set(owners.tolist())),
        n_failed_acquire=statuses.count('no_face'),
        n_failed_enrol=statuses.count('no_template'),
    )


def _count(cells: list[NDArray[np.intp]], table: NDArray[np.int64]) -> None:
    """Add to each cell of a table how often it occurs; the list is empty afterwards."""
    if cells:
        table += np.bincount(np.concatenate(cells), minlength=len(table))
        cells.clear()


def det_rows(counts: Verification, attack: AttackKey) -> list[DetRow]:
    """Corners of the DET curve (ISO/IEC 19795-1), thresholds ascending.

    Between two of them FNMR stays as it is at the second and FMR falls from the first's to the
    second's. No row without comparisons of both kinds.
    """
    if not counts.n_nonmated:
        return []
    points = dict.fromkeys(zip(*(values.tolist() for values in counts.det()), strict=True))
    return [DetRow(**asdict(attack), fmr=fmr, fnmr=fnmr) for fmr, fnmr in points]


def verification_rows(
    counts: Verification,
    attack: AttackKey,
    *,
    seed: int = 0,
    rates: Sequence[float] = FALSE_MATCH_RATES,
) -> list[VerificationRow]:
    """FNMR at fixed FMRs, and the equal error rate, with 95% intervals.

    Parameters
    ----------
    counts
        From :func:`count_comparisons`.
    attack
        What the rows are about.
    seed
        Of the bootstrap over people.
    rates
        The FMRs. One is left out (rate ``None``, with a reason) where fewer than 30 false matches
        are expected among all non-mated comparisons (Doddington's rule of 30, ISO/IEC 19795-1).

    Returns
    -------
    One row per FMR, then the EER. ``gfrr`` is the generalised false reject rate (ISO/IEC 19795-1):
    photographs that could not be compared count as rejected.
    """
    n_mated = len(counts.mated)
    possible = n_mated > 0 and counts.n_nonmated > 0
    drawn, weights = counts.resampled(seed) if possible else (np.empty((0, 0)), np.empty((0, 0)))
    n_failed = counts.n_failed_acquire + counts.n_failed_enrol
    measures: list[tuple[Measure, float | None]] = [('fnmr_at_fmr', rate) for rate in rates]
    rows = []
    for measure, target in [*measures, ('eer', None)]:
        reason = _unsupported(counts, target)
        rate, low, high = None, None, None
        if reason is None:
            rate, low, high = _rated(counts, target, drawn, weights)
        rejected = None if rate is None else rate * n_mated + n_failed
        rows.append(
            VerificationRow(
                **asdict(attack),
                measure=measure,
                fmr=target,
                n_mated=n_mated,
                n_nonmated=counts.n_nonmated,
                n_people=counts.n_people,
                n_failed_acquire=counts.n_failed_acquire,
                n_failed_enrol=counts.n_failed_enrol,
                rate=rate,
                ci_low=low,
                ci_high=high,
                gfrr=None
                if rejected is None or target is None
                else rejected / (n_mated + n_failed),
                seed=None if rate is None else seed,
                reason=reason,
            )
        )
    return rows


def equal_error_interval(
    counts: Verification, seed: int = 0
) -> tuple[float, float, float] | tuple[None, None, None]:
    """Equal error rate with its 95% interval; ``None`` without comparisons of either kind.

    Parameters
    ----------
    counts
        From :func:`count_comparisons`.
    seed
        Of the bootstrap over people.
    """
    if _unsupported(counts, None) is not None:
        return None, None, None
    return _rated(counts, None, *counts.resampled(seed))


def _rated(
    counts: Verification,
    target: float | None,
    drawn: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> tuple[float, float, float]:
    """FNMR at the FMR ``target``, or the EER if it is ``None``, with the ends of its interval."""
    fmr, missed = counts.det()
    if target is None:
        rate = equal_error_rate(fmr, missed)
        replicates = _resampled_eer(counts.mated, drawn, weights)
    else:
        rate = float((fmr > target).mean())
        # of many people few may be photographed, and of these none be drawn
        with np.errstate(invalid='ignore'):
            replicates = ((drawn > target) * weights).sum(axis=1) / weights.sum(axis=1)
    low, high = effective_interval(rate, replicates, len(fmr), counts.n_people)
    return rate, float(low), float(high)


def _unsupported(counts: Verification, target: float | None) -> str | None:
    """Why an error rate cannot be told, if so."""
    if not len(counts.mated):
        return 'no photograph could be compared with its participant'
    if not counts.n_nonmated:
        return 'there is nobody else to compare with'
    if target is not None and counts.n_nonmated * target < RULE_OF_30 * (1 - 1e-9):
        needed = round(RULE_OF_30 / target)
        return f'fewer than {needed} non-mated comparisons'
    return None


def equal_error_rate(fmr: NDArray[np.float64], missed: NDArray[np.float64]) -> float:
    """Where the staircases of FMR (falling) and FNMR (rising with the threshold) cross.

    Parameters
    ----------
    fmr, missed
        FMR and FNMR at each mated score as threshold, ascending, (n_mated,).
    """
    crossed = int(np.searchsorted(missed - fmr, 0, side='left'))
    above = missed[crossed] if crossed < len(missed) else 1.0
    # below the least mated score nothing is missed and everything may match
    return float(min(above, fmr[crossed - 1] if crossed else 1.0))


def _resampled_eer(
    mated: NDArray[np.float32], drawn: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Equal error rate of each resample, (n_resamples,)."""
    before = np.concatenate([np.zeros((len(weights), 1)), weights.cumsum(axis=1)], axis=1)
    first = np.searchsorted(mated, mated, side='left')
    with np.errstate(invalid='ignore'):
        missed = before[:, first] / before[:, -1:]
    return np.array(
        [
            equal_error_rate(fmr, row) if np.isfinite(row).all() else np.nan
            for fmr, row in zip(np.minimum.accumulate(drawn, axis=1), missed, strict=True)
        ]
    )
