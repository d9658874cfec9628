"""What all attacks together say: of each participant, and of the dataset.

An attack is an extractor with a decision. An attacker may try them all, so the dataset is as
exposed as the strongest makes it. But the strongest was picked after its result was seen: the
best of many is partly lucky, and its own interval is too narrow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bids_reid.records import Score
from bids_reid.risk.comparisons import Outcomes
from bids_reid.risk.identification import Series, found_at
from bids_reid.risk.intervals import CONFIDENCE, normal_quantile, resample, wilson
from bids_reid.risk.strength import counted, strongest_first

Level = Literal['high', 'raised', 'low', 'unknown']


@dataclass(frozen=True, slots=True)
class ParticipantRow:
    """A row of ``group_participants.tsv``; fields are its columns, ``None`` is ``n/a``."""

    participant_id: str
    condition: str
    modality: str
    n_photos: int
    n_gallery: int
    n_attacks: int
    n_searched: int
    n_identified: int
    best_rank: int | None
    level: Level


@dataclass(frozen=True, slots=True)
class StrongestRow:
    """A row of ``group_strongest.tsv``; fields are its columns, ``None`` is ``n/a``."""

    condition: str
    modality: str
    extractor: str
    decision: str
    n_attacks: int
    n_people: int
    n_failed_acquire: int
    n_failed_enrol: int
    n_correct: int
    rate: float
    ci_low: float
    ci_high: float
    ci_low_corrected: float
    ci_high_corrected: float
    quantile: float
    seed: int | None
    note: str


def by_group(outcomes: Outcomes) -> dict[tuple[str, str], dict[Series, Sequence[Score]]]:
    """Sort series by condition and modality, in the order in which these first come."""
    groups: dict[tuple[str, str], dict[Series, Sequence[Score]]] = {}
    for series, results in outcomes.items():
        groups.setdefault((series.condition, series.modality), {})[series] = results
    return groups


def participant_rows(
    outcomes: Outcomes,
    n_photos: Mapping[str, int],
    n_gallery: Mapping[Series, int],
) -> list[ParticipantRow]:
    """Say for each photographed participant how exposed they are.

    Parameters
    ----------
    outcomes
        Results of `mated_ranks`, unit ``participant``, per series.
    n_photos
        Participant to number of photographs with a face.
    n_gallery
        Number of people with a usable template in each series.

    Returns
    -------
    Rows by condition and modality, then participant. Attacks on too small a gallery
    (`bids_reid.risk.strength`) are left out. The level is ``high`` if half of the attacks
    that could search or more put the participant first, ``raised`` if any did, ``low`` if none,
    and ``unknown`` if none could search. One first place among a few attacks in a small
    gallery may be chance; that is why a single one is not ``high`` where several searched.
    """
    rows = []
    for (condition, modality), attacks in by_group(outcomes).items():
        galleries = [n_gallery[series] for series in attacks]
        ranks: dict[str, list[int | None]] = {}
        for results, counts in zip(attacks.values(), counted(galleries), strict=True):
            for result in results:
                ranks.setdefault(result.participant, []).extend([result.rank] if counts else [])
        for participant in sorted(ranks):
            searched = [rank for rank in ranks[participant] if rank is not None]
            rows.append(
                ParticipantRow(
                    participant_id=f'sub-{participant}',
                    condition=condition,
                    modality=modality,
                    n_photos=n_photos.get(participant, 0),
                    n_gallery=max(galleries),
                    n_attacks=len(ranks[participant]),
                    n_searched=len(searched),
                    n_identified=searched.count(1),
                    best_rank=min(searched, default=None),
                    level=_level(searched),
                )
            )
    return rows


def _level(ranks: Sequence[int]) -> Level:
    if not ranks:
        return 'unknown'
    first = ranks.count(1)
    if 2 * first >= len(ranks):
        return 'high'
    return 'raised' if first else 'low'


def strongest_attacks(
    outcomes: Outcomes, n_gallery: Mapping[Series, int], *, seed: int = 0
) -> list[StrongestRow]:
    """Pick, per condition and modality, the attack that identifies most participants.

    The rate of the strongest attack is the largest of several observed ones. With intervals that
    hold all the rates at once, the largest true rate lies between the largest lower and the
    largest upper end; these are the corrected ends. The intervals are Wilson's with a wider
    quantile: that of the largest deviation over all attacks in resamples of people (max-T;
    Westfall & Young, Resampling-Based Multiple Testing, 1993), never wider than Bonferroni's.

    Parameters
    ----------
    outcomes
        Results of `mated_ranks`, unit ``participant``, per series. Those of one group hold the
        same people.
    n_gallery
        Number of people with a usable template in each series.
    seed
        Of the bootstrap over people, which is needed where several attacks were tried.

    Returns
    -------
    One row per condition and modality in which anybody was photographed. Which attack is the
    strongest, and which are not counted, `bids_reid.risk.strength` says.
    """
    rows = []
    for attacks in by_group(outcomes).values():
        tried = _counted_attacks(attacks, n_gallery)
        if not tried:
            continue
        found = _same_people(tried)
        rates = found.mean(axis=0)
        best = strongest_first(rates.tolist(), [n_gallery[series] for series in tried])[0]
        series, results = list(tried.items())[best]
        statuses = [result.status for result in results]
        own = wilson(rates[best], len(found))
        quantile = simultaneous_quantile(found, seed)
        together = wilson(rates, len(found), quantile)
        several = len(tried) > 1
        rows.append(
            StrongestRow(
                **asdict(series),
                n_attacks=len(tried),
                n_people=len(found),
                n_failed_acquire=statuses.count('no_face'),
                n_failed_enrol=statuses.count('no_template'),
                n_correct=int(found[:, best].sum()),
                rate=float(rates[best]),
                ci_low=float(own[0]),
                ci_high=float(own[1]),
                ci_low_corrected=float(together[0].max()),
                ci_high_corrected=float(together[1].max()),
                quantile=quantile,
                seed=seed if several else None,
                note=f'strongest of {len(tried)} attacks, picked after their results were known'
                if several
                else 'the only attack tried',
            )
        )
    return rows


def _counted_attacks(
    attacks: Outcomes, n_gallery: Mapping[Series, int]
) -> dict[Series, Sequence[Score]]:
    """Those of a group that count; if none does, all in which anybody was photographed."""
    tried = {series: results for series, results in attacks.items() if results}
    counts = counted([n_gallery[series] for series in tried])
    kept = [series for series, one in zip(tried, counts, strict=True) if one]
    return {series: tried[series] for series in kept or tried}


def _same_people(attacks: Outcomes) -> NDArray[np.float64]:
    """Whether each person was first under each attack, (n_people, n_attacks).

    Raises
    ------
    ValueError
        If the attacks were not tried on the same people.
    """
    tables = list(attacks.values())
    people = sorted(result.participant for result in tables[0])
    columns = []
    for results in tables:
        ordered = sorted(results, key=lambda result: result.participant)
        if [result.participant for result in ordered] != people:
            raise ValueError('attacks on the same scans were tried on different people')
        columns.append(found_at(ordered, [1])[:, 0])
    return np.stack(columns, axis=1).astype(np.float64)


def simultaneous_quantile(found: NDArray[np.float64], seed: int) -> float:
    """How many standard errors hold all rates at once with 95%.

    Parameters
    ----------
    found
        Shape (n_people, n_rates), 0 or 1.
    seed
        Of the bootstrap over people.

    Returns
    -------
    Between the quantile of one rate, 1.96, and Bonferroni's.
    """
    from scipy import special

    n_people, n_rates = found.shape
    single, bonferroni = normal_quantile(), normal_quantile(1 - (1 - CONFIDENCE) / n_rates)
    rates = found.mean(axis=0)
    varies = (rates > 0) & (rates < 1)
    if n_rates == 1 or not varies.any():
        return bonferroni
    weights = resample(n_people, seed)
    deviations = np.abs(weights @ found[:, varies] / n_people - rates[varies])
    errors = np.sqrt(rates[varies] * (1 - rates[varies]) / n_people)
    largest = np.sort((deviations / errors).max(axis=1))
    # a rate of 0 or 1 shows no correlation with the others: the worst case is added for each
    beyond = 1 - np.arange(1, len(largest) + 1) / len(largest)
    beyond += (~varies).sum() * 2 * special.ndtr(-largest)
    enough = largest[beyond <= 1 - CONFIDENCE]
    return float(np.clip(enough.min(initial=bonferroni), single, bonferroni))
