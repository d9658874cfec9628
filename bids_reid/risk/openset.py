"""Open set: most photographs that an attacker holds are of people who are not in the gallery.

A threshold rejects them. FPIR is the proportion of such non-mated searches, here with the
distractors' photographs, in which anybody scores at or above it; FNIR the proportion of mated
searches that do not return the right participant at rank 1 at or above it (ISO/IEC 19795-1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from bids_reid.records import AttackKey
from bids_reid.risk.identification import Searches, mated_ranks
from bids_reid.risk.intervals import N_RESAMPLES, effective_interval, resample

FALSE_POSITIVE_RATES = (0.1, 0.01)
RULE_OF_3 = 3


@dataclass(frozen=True, slots=True)
class OpenSetRow:
    """A row of ``group_openset.tsv``; fields are its columns, ``None`` is ``n/a``."""

    condition: str
    modality: str
    extractor: str
    decision: str
    fpir: float
    n_probes: int
    n_people: int
    n_failed_acquire: int
    n_failed_enrol: int
    n_gallery: int
    n_distractors: int
    threshold: float | None
    fnir: float | None
    ci_low: float | None
    ci_high: float | None
    seed: int | None
    reason: str | None


def openset_rows(
    searches: Searches,
    attack: AttackKey,
    *,
    seed: int = 0,
    rates: Sequence[float] = FALSE_POSITIVE_RATES,
) -> list[OpenSetRow]:
    """FNIR at fixed FPIRs, photographs against the gallery, with 95% intervals.

    Parameters
    ----------
    searches
        Photographs and scans of one group, and its ``distractors``.
    attack
        What the rows are about.
    seed
        Of the bootstrap, in which participants with their photographs and, apart from them,
        distractors are resampled, since the threshold depends on them.
    rates
        The FPIRs. Fewer than 3 / FPIR distractors cannot show that the FPIR is kept (the rule of
        three: none in n searches bounds a rate by 3 / n); FNIR is ``None`` then, with a reason.

    Returns
    -------
    One row per FPIR. Failures are not identified.
    """
    results = mated_ranks(searches)
    statuses = [result.status for result in results]
    hits = np.array(
        [
            result.score if result.rank == 1 and result.score is not None else -np.inf
            for result in results
        ]
    )
    names, owners = np.unique([result.participant for result in results], return_inverse=True)
    best = best_scores(searches)
    rows = []
    for rate in rates:
        reason = _unsupported(len(hits), best, rate)
        threshold = fnir = low = high = None
        if reason is None:
            threshold = threshold_at(best, rate)
            fnir = float((hits < threshold).mean())
            replicates = _resampled(hits, owners, best, rate, seed)
            ends = effective_interval(fnir, replicates, len(hits), len(names))
            low, high = (float(end) for end in ends)
        rows.append(
            OpenSetRow(
                **asdict(attack),
                fpir=rate,
                n_probes=len(hits),
                n_people=len(names),
                n_failed_acquire=statuses.count('no_face'),
                n_failed_enrol=statuses.count('no_template'),
                n_gallery=len(searches.gallery),
                n_distractors=len(best),
                threshold=threshold if searches.gallery else None,
                fnir=fnir,
                ci_low=low,
                ci_high=high,
                seed=None if fnir is None else seed,
                reason=reason,
            )
        )
    return rows


def _unsupported(n_probes: int, best: NDArray[np.float64], rate: float) -> str | None:
    if not n_probes:
        return 'there is no photograph of a participant'
    needed = round(RULE_OF_3 / rate)
    if len(best) < needed:
        return f'fewer than {needed} distractors with a face'
    return None


def best_scores(searches: Searches) -> NDArray[np.float64]:
    """Score of whoever is most like each distractor, never whose it is, (n_distractors,).

    -inf where the gallery is empty; no entry at all if distractors were not searched.
    """
    if searches.distractors is None:
        return np.empty(0)
    return np.array(
        [row.max(where=searches.enrolled, initial=-np.inf) for row in searches.distractors],
        dtype=np.float64,
    )


def threshold_at(best: NDArray[np.float64], rate: float) -> float:
    """Least threshold, just above one of the scores, that at most ``rate`` of them reach.

    A candidate at the threshold is returned.
    """
    allowed = int(np.floor(len(best) * rate + 1e-9))
    descending = np.sort(best)[::-1]
    return float(np.nextafter(np.float32(descending[allowed]), np.float32(np.inf)))


def _resampled(
    hits: NDArray[np.float64],
    owners: NDArray[np.intp],
    best: NDArray[np.float64],
    rate: float,
    seed: int,
) -> NDArray[np.float64]:
    """FNIR with resampled participants and distractors, (n_resamples,)."""
    rng = np.random.default_rng(seed)
    weights = resample(int(owners.max()) + 1, seed)[:, owners]
    replicates = np.empty(N_RESAMPLES)
    for number, weight in enumerate(weights):
        threshold = threshold_at(rng.choice(best, len(best)), rate)
        replicates[number] = weight[hits < threshold].sum() / weight.sum()
    return replicates
