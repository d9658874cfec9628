"""Closed-set identification: how many participants are found, and at which rank.

Words and measures follow ISO/IEC 19795-1: a probe is searched among all enrolled participants of
one group of scans (same condition and modality), the candidates are sorted by score, and the
rank of the mated one is noted. The rank-k identification rate is the proportion of probes whose
mated candidate is at rank k or better. Probes that failed to acquire and participants who failed
to enrol stay in the denominator as not identified.

Only mated photographs come here, so nothing written from these results can put a name to a
distractor; and of the non-mated candidates only the best score is kept, never whose it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bids_reid.records import AttackKey, Score
from bids_reid.risk.intervals import effective_interval, resample, wilson

Unit = Literal['photo', 'participant']
Pooling = Literal['max', 'mean']
Interval = Literal['wilson', 'people']
RANKS = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class Searches:
    """The mated photographs of one group of scans, and how alike each is to each scan.

    Attributes
    ----------
    scores
        Shape (n_photos, n_scans), higher is more alike. Entries of photographs that were not
        acquired or scans that were not enrolled are not read.
    photos
        What tables call each photograph, (n_photos,).
    photo_participants
        Who is on each photograph, (n_photos,). Each has a scan in the group.
    acquired
        Whether a face was found in each photograph, (n_photos,) bool.
    scan_participants
        Whose each scan is, (n_scans,). Scans that failed belong here too.
    enrolled
        Whether each scan has a usable template, (n_scans,) bool.
    distractors
        Scores of the distractors' photographs with a face, (n_distractors, n_scans); nothing
        here tells whose they are. ``None`` if they were not searched.
    pooling
        How the scores of several photographs of a participant become one: their highest, or their
        mean.
    gallery
        Participants with a usable template, sorted.
    """

    scores: NDArray[np.float32]
    photos: tuple[str, ...]
    photo_participants: tuple[str, ...]
    acquired: NDArray[np.bool_]
    scan_participants: tuple[str, ...]
    enrolled: NDArray[np.bool_]
    distractors: NDArray[np.float32] | None = None
    pooling: Pooling = 'max'
    gallery: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        n_photos, n_scans = len(self.photos), len(self.scan_participants)
        shapes = {
            'scores': (self.scores.shape, (n_photos, n_scans)),
            'photo_participants': ((len(self.photo_participants),), (n_photos,)),
            'acquired': (self.acquired.shape, (n_photos,)),
            'enrolled': (self.enrolled.shape, (n_scans,)),
        }
        for name, (found, expected) in shapes.items():
            if found != expected:
                raise ValueError(f'{name} has shape {found}, expected {expected}')
        # Such a photograph is not mated here. Dropping it would hide a scan that was forgotten
        # because it failed, and that scan's participant must stay in the denominator.
        strangers = sorted(set(self.photo_participants) - set(self.scan_participants))
        if strangers:
            raise ValueError(f'photographs of {", ".join(strangers)}, who have no scan here')

        # row after row: a copy of all scores may not fit into memory
        for row in np.flatnonzero(self.acquired):
            missing = np.isnan(self.scores[row]) & self.enrolled
            if missing.any():
                photo, scan = self.photos[row], np.flatnonzero(missing)[0]
                raise ValueError(f'no score for photograph {photo!r} and scan number {scan}')
        pairs = zip(self.scan_participants, self.enrolled, strict=True)
        gallery = sorted({participant for participant, enrolled in pairs if enrolled})
        object.__setattr__(self, 'gallery', tuple(gallery))


@dataclass(frozen=True, slots=True)
class IdentificationRow:
    """A row of ``group_identification.tsv``; fields are its columns, ``None`` is ``n/a``."""

    condition: str
    modality: str
    extractor: str
    decision: str
    unit: Unit
    k: int
    n_probes: int
    n_gallery: int
    n_failed_acquire: int
    n_failed_enrol: int
    n_correct: int
    rate: float | None
    ci_low: float | None
    ci_high: float | None
    chance: float | None
    n_people: int | None = None
    interval: Interval | None = None
    seed: int | None = None

    @property
    def attack(self) -> AttackKey:
        """The columns that this row shares with the others of its attack."""
        return AttackKey(self.condition, self.modality, self.extractor, self.decision)


def participant_scores(searches: Searches) -> NDArray[np.float32]:
    """Score each photograph against each participant of the gallery.

    A participant with several scans in the group is as recognisable as the best of them.

    Returns
    -------
    Shape (n_photos, n_gallery), columns as in ``searches.gallery``; rows of photographs that
    were not acquired are NaN.
    """
    scores = np.full((len(searches.photos), len(searches.gallery)), np.nan, dtype=np.float32)
    pooled = _row_pooling(searches)
    for photo in np.flatnonzero(searches.acquired):
        scores[photo] = pooled(searches.scores[photo])
    return scores


def _row_pooling(searches: Searches) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Make the function that turns scores of all scans into those of the gallery's people."""
    gallery = searches.gallery
    if not gallery:
        return lambda _: np.empty(0, np.float32)
    scans = np.flatnonzero(searches.enrolled)
    columns = np.searchsorted(gallery, [searches.scan_participants[scan] for scan in scans])
    order = np.argsort(columns, kind='stable')
    scans, columns = scans[order], columns[order]
    # everybody's first scan, then the second of those who have one, and so on
    turn = np.arange(len(scans)) - np.searchsorted(columns, columns)
    turns = [turn == number for number in range(turn.max() + 1)]
    first, *further = [(scans[taken], columns[taken]) for taken in turns]

    def pooled(scores: NDArray[np.float32]) -> NDArray[np.float32]:
        row = scores[first[0]]
        for some, places in further:
            row[places] = np.maximum(row[places], scores[some])
        return row

    return pooled


@dataclass(frozen=True, slots=True)
class Probe:
    """One mated search: how it ended, and the scores of everybody in the gallery.

    Attributes
    ----------
    participant, photo
        Who is searched, and with which photograph (empty for the unit ``participant``).
    status
        ``ok``, ``no_face`` or ``no_template``.
    mated
        Score of the right participant; NaN unless ``ok``.
    nonmated
        Scores of all others, in the order of the gallery, (n_gallery - 1,); empty unless ``ok``.
    column
        Place of the right participant in the gallery; -1 unless ``ok``.
    """

    participant: str
    photo: str
    status: str
    mated: float = np.nan
    nonmated: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    column: int = -1


def probes(searches: Searches, unit: Unit = 'photo') -> Iterator[Probe]:
    """Go through the mated searches one by one, so that no copy of all scores is made.

    Parameters
    ----------
    searches
        Photographs and scans of one group.
    unit
        As in :func:`mated_ranks`, whose order this has.

    Raises
    ------
    ValueError
        If the unit is unknown.
    """
    columns = {participant: column for column, participant in enumerate(searches.gallery)}
    pooled = _row_pooling(searches)
    for photo, participant, members in _members(searches, unit):
        usable = members[searches.acquired[members]]
        column = columns.get(participant)
        if not len(usable):
            yield Probe(participant, photo, 'no_face')
        elif column is None:
            yield Probe(participant, photo, 'no_template')
        else:
            rows = (pooled(searches.scores[photo_row]) for photo_row in usable)
            row = _POOLINGS[searches.pooling](rows, len(usable))
            rest = np.delete(row, column)
            yield Probe(participant, photo, 'ok', float(row[column]), rest, column)


def _highest(rows: Iterator[NDArray[np.float32]], _n: int) -> NDArray[np.float32]:
    highest = next(rows)
    for row in rows:
        np.maximum(highest, row, out=highest)
    return highest


def _mean(rows: Iterator[NDArray[np.float32]], n: int) -> NDArray[np.float32]:
    total = next(rows).astype(np.float64)
    for row in rows:
        total += row
    return (total / n).astype(np.float32)


_POOLINGS: dict[Pooling, Callable[[Iterator[NDArray[np.float32]], int], NDArray[np.float32]]] = {
    'max': _highest,
    'mean': _mean,
}


def _members(searches: Searches, unit: Unit) -> Iterator[tuple[str, str, NDArray[np.intp]]]:
    """Name of the photograph, participant, and which photographs make up each probe."""
    if unit == 'photo':
        pairs = zip(searches.photos, searches.photo_participants, strict=True)
        for number, (photo, participant) in enumerate(pairs):
            yield photo, participant, np.array([number])
    elif unit == 'participant':
        if searches.photos:
            people, owners = np.unique(searches.photo_participants, return_inverse=True)
            order = np.argsort(owners, kind='stable')
            ends = np.searchsorted(owners[order], np.arange(1, len(people)))
            for participant, members in zip(people, np.split(order, ends), strict=True):
                yield '', str(participant), members
    else:
        raise ValueError(f'unknown unit {unit!r}; known: {", ".join(get_args(Unit))}')


def mated_ranks(searches: Searches, unit: Unit = 'photo') -> list[Score]:
    """Search with every mated probe and note the rank of the right participant.

    The rank is one more than the number of non-mated participants who score as high as the
    mated one or higher. Ties count against the match: where scores are coarse (ORB gives many
    photographs 0 matches with everybody) the other choice would call all of them found.

    Parameters
    ----------
    searches
        Photographs and scans of one group.
    unit
        ``photo``: each photograph is a probe. ``participant``: all acquired photographs of a
        participant are one probe, scored against a candidate by the most alike of them, or by
        the mean of their scores where ``searches.pooling`` says so.

    Returns
    -------
    One :class:`~bids_reid.records.Score` per photograph in the order given, or per photographed
    participant in sorted order (``photo`` is then empty). A probe without a face is ``no_face``
    whether or not its participant could be enrolled, so that no probe counts as two failures.

    Raises
    ------
    ValueError
        If the unit is unknown.
    """
    return [_ranked(probe) for probe in probes(searches, unit)]


def _ranked(probe: Probe) -> Score:
    """Note the rank of the right participant of one search."""
    if probe.status != 'ok':
        return Score(probe.participant, probe.photo, probe.status)
    others = probe.nonmated
    return Score(
        probe.participant,
        probe.photo,
        'ok',
        rank=1 + int((others >= np.float32(probe.mated)).sum()),
        score=probe.mated,
        best_nonmated_score=float(others.max()) if others.size else None,
    )


def identification_rows(
    results: Sequence[Score],
    attack: AttackKey,
    *,
    unit: Unit,
    n_gallery: int,
    ranks: Sequence[int] = RANKS,
    seed: int = 0,
) -> list[IdentificationRow]:
    """Count the probes found at rank k or better, with a 95% interval.

    The interval is Wilson's score interval (Wilson, J. Am. Stat. Assoc. 22:209-212, 1927), which
    stays inside 0 to 1 and is not empty at 0 of n. Where people come several times it takes the
    effective number of probes from a bootstrap over people (`bids_reid.risk.intervals`), and
    ``interval`` is ``people`` instead of ``wilson``.

    Parameters
    ----------
    results
        All mated searches of the attack, failures among them, from :func:`mated_ranks`.
    attack
        What the rows are about.
    unit
        The unit that ``results`` were made with.
    n_gallery
        Number of participants with a usable template.
    ranks
        The values of k.
    seed
        Of the bootstrap; written into the rows that depend on it.

    Returns
    -------
    One row per k. Rate and interval are ``None`` without probes. Chance, min(1, k / n_gallery),
    is what guessing would give if nothing failed; ``None`` with an empty gallery.
    """
    n_probes = len(results)
    statuses = [result.status for result in results]
    n_people = len({result.participant for result in results})
    repeated = n_people < n_probes
    correct = found_at(results, ranks)
    intervals = rate_intervals(correct, [result.participant for result in results], seed)
    return [
        IdentificationRow(
            condition=attack.condition,
            modality=attack.modality,
            extractor=attack.extractor,
            decision=attack.decision,
            unit=unit,
            k=k,
            n_probes=n_probes,
            n_gallery=n_gallery,
            n_failed_acquire=statuses.count('no_face'),
            n_failed_enrol=statuses.count('no_template'),
            n_correct=int(found.sum()),
            rate=int(found.sum()) / n_probes if n_probes else None,
            ci_low=float(low) if n_probes else None,
            ci_high=float(high) if n_probes else None,
            chance=min(1.0, k / n_gallery) if n_gallery else None,
            n_people=n_people,
            interval=('people' if repeated else 'wilson') if n_probes else None,
            seed=seed if repeated else None,
        )
        for k, found, low, high in zip(ranks, correct.T, *intervals, strict=True)
    ]


def found_at(results: Sequence[Score], ranks: Sequence[int]) -> NDArray[np.bool_]:
    """Whether each probe is found at rank k or better, (n_probes, n_ranks); failures never are."""
    reached = np.array([np.inf if result.rank is None else result.rank for result in results])
    return reached[:, None] <= np.asarray(ranks)


def rate_intervals(
    correct: NDArray[np.bool_], people: Sequence[str], seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95% intervals of rates of the same probes, of which people may have several.

    Parameters
    ----------
    correct
        Shape (n_probes, n_rates).
    people
        Whose each probe is, (n_probes,).
    seed
        Of the bootstrap over people, which is needed only where somebody has several probes.

    Returns
    -------
    Lower and upper ends, (n_rates,); NaN without probes.
    """
    n_probes, n_rates = correct.shape
    if not n_probes:
        return np.full(n_rates, np.nan), np.full(n_rates, np.nan)
    rates = correct.mean(axis=0)
    names, owners = np.unique(people, return_inverse=True)
    if len(names) == n_probes:
        return wilson(rates, n_probes)
    counts = np.zeros((len(names), n_rates))
    np.add.at(counts, owners, correct)
    sizes = np.bincount(owners)
    weights = resample(len(names), seed)
    replicates = weights @ counts / (weights @ sizes)[:, None]
    return effective_interval(rates, replicates, n_probes, len(names))


def wilson_interval(n_correct: int, n_probes: int) -> tuple[float, float]:
    """95% interval of a proportion after Wilson (1927); raises ValueError if not 0 <= c <= n."""
    if not 0 <= n_correct <= n_probes or n_probes == 0:
        raise ValueError(f'{n_correct} of {n_probes} is not a proportion')
    low, high = wilson(n_correct / n_probes, n_probes)
    return float(low), float(high)


def cmc(results: Sequence[Score], n_gallery: int) -> NDArray[np.float64]:
    """Cumulative match characteristic: the identification rate at every rank.

    Parameters
    ----------
    results
        All mated searches of an attack, failures among them.
    n_gallery
        Number of participants with a usable template.

    Returns
    -------
    Shape (n_gallery,), at rank 1, 2, ... It never falls and ends at one minus the proportion of
    failures; NaN without probes.
    """
    if not results:
        return np.full(n_gallery, np.nan)
    ranks = [result.rank for result in results if result.rank is not None]
    counts = np.bincount(ranks, minlength=n_gallery + 1)[1:]
    return np.cumsum(counts, dtype=np.float64) / len(results)
