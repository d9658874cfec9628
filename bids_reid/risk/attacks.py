"""All attacks together: how exposed each participant is, and the dataset.

An attack is an extractor with a decision. An attacker may try them all, so the dataset is as
exposed as the strongest makes it. But the strongest was picked after its result was seen: the
best of many is partly lucky, and its own interval is too narrow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import compress
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_reid.records import AttackKey, Score
from bids_reid.risk.comparisons import Outcomes
from bids_reid.risk.identification import found_at
from bids_reid.risk.intervals import CONFIDENCE, exact_high, exact_low, wilson
from bids_reid.risk.strength import counted, strongest_first

Level = Literal['high', 'raised', 'low', 'unknown']
BEYOND_LUCK = 20
"""A participant is exposed if this many times as many attacks put them first as guessing gives on
average. By chance, that happens in at most 1 of 20 cases."""


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
    """A row of ``group_strongest.tsv``; fields are its columns, ``None`` is ``n/a``.

    The corrected interval is the one that page and gate quote.
    """

    condition: str
    modality: str
    extractor: str
    decision: str
    n_attacks: int
    n_people: int
    n_gallery: int
    n_failed_acquire: int
    n_failed_enrol: int
    n_assessed: int
    n_correct: int
    rate: float
    ci_low: float
    ci_high: float
    ci_low_corrected: float | None
    ci_high_corrected: float | None
    note: str


def by_group(outcomes: Outcomes) -> dict[tuple[str, str], dict[AttackKey, Sequence[Score]]]:
    """Sort attacks by condition and modality, in the order in which these first come."""
    groups: dict[tuple[str, str], dict[AttackKey, Sequence[Score]]] = {}
    for attack, results in outcomes.items():
        groups.setdefault((attack.condition, attack.modality), {})[attack] = results
    return groups


def participant_rows(
    outcomes: Outcomes,
    n_photos: Mapping[str, int],
    n_gallery: Mapping[AttackKey, int],
) -> list[ParticipantRow]:
    """Say for each photographed participant how exposed they are.

    Parameters
    ----------
    outcomes
        Results of `mated_ranks`, unit ``participant``, per attack.
    n_photos
        Participant to number of photographs with a face.
    n_gallery
        Number of people with a usable template in each attack.

    Returns
    -------
    Rows by condition and modality, then participant. Attacks on too small a gallery
    (`bids_reid.risk.strength`) are left out. `exposure` says what the levels are.
    """
    rows = []
    for (condition, modality), attacks in by_group(outcomes).items():
        galleries = [n_gallery[attack] for attack in attacks]
        counts_here = counted(galleries)
        smallest = min(compress(galleries, counts_here), default=0)
        first_under_strongest = _found_by_strongest(compress(attacks.values(), counts_here))
        ranks: dict[str, list[int | None]] = {}
        for results, counts in zip(attacks.values(), counts_here, strict=True):
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
                    level=exposure(
                        searched.count(1),
                        len(searched),
                        smallest,
                        first_under_strongest=participant in first_under_strongest,
                    ),
                )
            )
    return rows


def _found_by_strongest(attacks: Iterable[Sequence[Score]]) -> set[str]:
    """Name those at rank 1 under the strongest attack, or one that finds as many."""
    found = [{result.participant for result in results if result.rank == 1} for results in attacks]
    most = max(map(len, found), default=0)
    return set().union(*(some for some in found if len(some) == most))


def exposure(
    n_first: int, n_searched: int, n_gallery: int, *, first_under_strongest: bool
) -> Level:
    """Say how exposed somebody is whom some of the attacks put first.

    Of many attacks some puts a person first by luck: ten that guess among 24 people do so with
    34% of them. They look at the same pictures and so are lucky together, which makes the
    binomial law too narrow: 3 of 20 first places among 24 people have a probability of 5% if
    attacks are independent, and of 11% if their scores correlate by 0.5. So the share of the
    attacks counts. Guessing puts a person first under half of the attacks or more, or under a
    third and at least two, in 5% of cases or in a little more among 24 people, however much the
    scores agree (simulated with 4 to 20 attacks), and more rarely in larger galleries. In large
    ones fewer will do: of ``n_searched`` attacks, ``n_searched / n_gallery`` put somebody first
    by guessing on average, and 20 times as many do so with a probability of 5% at most, whatever
    they have in common (Markov's inequality).

    Parameters
    ----------
    n_first
        Attacks that put the person at rank 1.
    n_searched
        Attacks that could search for the person.
    n_gallery
        People among whom was searched, in the smallest gallery.
    first_under_strongest
        Whether the strongest attack of all, or one as strong, put the person first. That is never
        ``low``, although of attacks that guess the strongest are lucky, too: ten, among 24
        people, with 17% of them if they are independent, with 10% if they correlate by 0.9.

    Returns
    -------
    - ``high``: first under half of the attacks or more.
    - ``raised``: first under the strongest attack, under a third of the attacks or more, or under
      20 times as many as by guessing.
    - ``low``: neither.
    - ``unknown``: no attack could search.

    A single first place makes nobody ``high``, nor is it a third, unless it is 20 times as many
    as by guessing. Among fewer than 20 people any first place may be luck.
    """
    if not n_searched:
        return 'unknown'
    beyond_luck = n_first > 0 and n_first * n_gallery >= BEYOND_LUCK * n_searched
    repeated = n_first > 1 or beyond_luck
    if repeated and 2 * n_first >= n_searched:
        return 'high'
    raised = first_under_strongest or beyond_luck or (repeated and 3 * n_first >= n_searched)
    return 'raised' if raised else 'low'


def strongest_attacks(
    outcomes: Outcomes,
    n_gallery: Mapping[AttackKey, int],
    not_assessed: Mapping[tuple[str, str], int] | None = None,
) -> list[StrongestRow]:
    """Pick, per condition and modality, the attack that identifies most participants.

    It is picked after its result is known, so the corrected interval, `headline_interval`, allows
    for all attacks that count. Participants in whose photographs no attack found a face, and
    those whose scans could not be processed, tell nothing about safety: the lower end counts them
    as not recognised, and the upper end, which a gate asks for, leaves them out. People whose
    processed scans gave no template are in both.

    Parameters
    ----------
    outcomes
        Results of `mated_ranks`, unit ``participant``, per attack. Those on one group of scans
        hold the same people.
    n_gallery
        Number of people with a usable template under each attack.
    not_assessed
        Condition and modality to the number of photographed participants whose scans all failed.

    Returns
    -------
    One row per condition and modality in which anybody was photographed. Which attack is the
    strongest, and which are not counted, `bids_reid.risk.strength` says. Without anybody assessed
    there is no corrected interval.

    Raises
    ------
    ValueError
        Attacks on the same scans were tried on different people.
    """
    rows = []
    for group, attacks in by_group(outcomes).items():
        tried = _counted_attacks(attacks, n_gallery)
        if tried:
            rows.append(_strongest(tried, n_gallery, (not_assessed or {}).get(group, 0)))
    return rows


def headline_interval(
    n_correct: ArrayLike, n_people: ArrayLike, n_assessed: ArrayLike, n_attacks: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95% interval of the rate of the strongest attack, which was picked after its result.

    It holds both what may be asked for: the true rate of the attack that was picked, and the
    largest true rate of all attacks, which is how many people they could recognise.

    Picking the best makes a rate too high, never too low, so the two ends differ. The lower end
    allows for all attacks after Bonferroni: it is above either truth only if the lower limit of
    some attack is above its own true rate, which each is with a probability of 2.5% over their
    number. The upper end need not allow for any: the strongest attack recognised as many as the
    truly strongest one or more, and so has its upper limit or a higher one. Both hold however
    attacks agree. Each limit is exact (Clopper & Pearson, Biometrika 26:404-413, 1934), since
    Wilson's approximation fails far out where few are recognised: of ten attacks that guess,
    with 60 people, it would call the strongest better than guessing in 15% of runs.

    A lower end from how much attacks agree (bootstrap samples of people, the largest deviation
    of all attacks) would be up to a few points higher where they agree, but is above the truth in
    up to 5% of runs, with exact limits, or 9%, with Wilson's, where few are recognised. With
    Bonferroni's it is in 2.4% of runs at most: `benchmarks/strongest.py` measures all.

    Parameters
    ----------
    n_correct
        People whom the strongest attack recognised, any shape.
    n_people
        All who were searched for, above 0, failures included.
    n_assessed
        Those of whom the upper end is, ``n_correct`` or more and above 0; the same people for
        all attacks.
    n_attacks
        Attacks of which it is the strongest.

    Returns
    -------
    Lower and upper ends, shape of ``n_correct``.
    """
    tail = (1 - CONFIDENCE) / 2
    low = exact_low(n_correct, n_people, tail / n_attacks)
    return low, exact_high(n_correct, n_assessed, tail)


def _strongest(
    tried: Outcomes, n_gallery: Mapping[AttackKey, int], not_assessed: int
) -> StrongestRow:
    """Make the row of one group of scans."""
    identified = _identified(tried)
    rates = identified.mean(axis=0)
    best = strongest_first(rates.tolist(), [n_gallery[attack] for attack in tried])[0]
    attack, results = list(tried.items())[best]
    n_people, n_correct = len(results), int(identified[:, best].sum())
    n_failed_acquire = _no_face(tried)
    n_assessed = max(n_people - n_failed_acquire - not_assessed, n_correct)
    low, high = wilson(rates[best], n_people)
    corrected: tuple[float | None, float | None] = (None, None)
    if n_assessed:
        ends = headline_interval(n_correct, n_people, n_assessed, len(tried))
        corrected = float(ends[0]), float(ends[1])
    return StrongestRow(
        **asdict(attack),
        n_attacks=len(tried),
        n_people=n_people,
        n_gallery=n_gallery[attack],
        n_failed_acquire=n_failed_acquire,
        n_failed_enrol=sum(result.status == 'no_template' for result in results),
        n_assessed=n_assessed,
        n_correct=n_correct,
        rate=float(rates[best]),
        ci_low=float(low),
        ci_high=float(high),
        ci_low_corrected=corrected[0],
        ci_high_corrected=corrected[1],
        note=f'strongest of {len(tried)} attacks, selected after the results were known'
        if len(tried) > 1
        else 'the only attack tried',
    )


def _no_face(tried: Outcomes) -> int:
    """Count the people in whose photographs no attack found a face.

    An extractor may reject faces that others take. Whom it rejects it does not recognise; only
    who is rejected by all was not assessed. So all attacks are judged on the same people.
    """
    rejected = [
        {result.participant for result in results if result.status == 'no_face'}
        for results in tried.values()
    ]
    return len(set.intersection(*rejected))


def _counted_attacks(
    attacks: Outcomes, n_gallery: Mapping[AttackKey, int]
) -> dict[AttackKey, Sequence[Score]]:
    """Those of a group that count; if none does, all in which anybody was photographed."""
    tried = {attack: results for attack, results in attacks.items() if results}
    counts = counted([n_gallery[attack] for attack in tried])
    kept = [attack for attack, one in zip(tried, counts, strict=True) if one]
    return {attack: tried[attack] for attack in kept or tried}


def _identified(attacks: Outcomes) -> NDArray[np.float64]:
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
