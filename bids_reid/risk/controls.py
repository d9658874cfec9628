"""Controls of every run: an attack that must fail, and one that must succeed.

Negative control: the same scores, counted as before, but with the photographs' participants
exchanged for random people of the gallery. What is found then is found by chance. A rate above
chance means that the counting leaks who is who.

Positive control: photographs against other photographs of the same people. If these do not
find each other, a low rate of scans says something about the photographs or the extractor, and
nothing about the scans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bids_reid.records import AttackKey
from bids_reid.risk.identification import Probe, Searches, mated_ranks, probes, rate_intervals

Control = Literal['negative', 'positive']
Outcome = Literal['ok', 'not_ok']
N_PERMUTATIONS = 2_000
N_CHECKS = 3
# a true control should not be doubted in one run of twenty
SURENESS = 0.999
USEFUL = 0.5
"""Rate of photographs that find their person: below it they fail, if there are enough of them."""
FAILED = 'Controls failed, so do not trust the rates (see group_controls.tsv).'
UNSURE = (
    'Too few people have two photographs, so the positive control cannot tell whether photographs '
    'of the same person match (see group_controls.tsv).'
)


@dataclass(frozen=True, slots=True)
class ControlRow:
    """A row of ``group_controls.tsv``; fields are its columns, ``None`` is ``n/a``.

    Condition, modality and decision are ``None`` for the positive control, in which there are no
    scans.
    """

    condition: str | None
    modality: str | None
    extractor: str
    decision: str | None
    control: Control
    n_probes: int
    n_people: int
    n_gallery: int
    rate: float | None
    ci_low: float | None
    ci_high: float | None
    chance: float | None
    n_permutations: int | None
    seed: int | None
    verdict: Outcome | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Controls:
    """The controls, by how they turned out.

    ``failed`` put all rates in doubt. ``unsure`` are positive controls with too few people to
    tell, where no other extractor's tells: low rates may be worth nothing. ``blind`` are positive
    controls of extractors that do not even recognise these people between photographs, while
    another one does: their own rates say nothing.
    """

    ok: tuple[ControlRow, ...]
    failed: tuple[ControlRow, ...]
    blind: tuple[ControlRow, ...]
    not_done: tuple[ControlRow, ...]
    unsure: tuple[ControlRow, ...] = ()


def negative_control(
    searches: Searches,
    attack: AttackKey,
    *,
    seed: int = 0,
    n_permutations: int = N_PERMUTATIONS,
) -> ControlRow:
    """Rank-1 rate (unit ``participant``) with permuted labels, which must be that of guessing.

    Parameters
    ----------
    searches
        Photographs and scans of one group.
    attack
        What the row is about.
    seed
        Of the permutations.
    n_permutations
        In each, all photographed people who can be found get different people of the gallery.

    Returns
    -------
    ``rate`` is the mean over the permutations; its interval (99.9%) is Poisson's of the number of
    hits, whose variance is their mean (the problem of matching).
    ``chance`` is what it must be: among all permutations, each search that has one best candidate
    finds its label in 1 / n_gallery. Verdict ``not_ok`` if chance is outside the interval, or if
    in a permutation the counting of the real table does not give the number found here.
    """
    tops: list[int] = []
    columns: list[int] = []
    n_probes = 0
    for probe in probes(searches, 'participant'):
        n_probes += 1
        if probe.status == 'ok':
            columns.append(probe.column)
            tops.append(_only_best(probe))
    n_gallery = len(searches.gallery)
    row = _empty_row(asdict(attack), 'negative', n_probes, n_probes, n_gallery)
    if not columns:
        return replace(row, reason='no person could be searched for')
    if n_gallery == 1:
        return replace(row, reason='the gallery has only one person, so labels cannot be permuted')
    top = np.array(tops)
    rng = np.random.default_rng(seed)
    labels = _draw_labels(rng, n_gallery, len(columns), n_permutations)
    hits = (labels == top).sum(axis=1)
    chance = int((top >= 0).sum()) / n_gallery / n_probes
    rate = float(hits.mean()) / n_probes
    low, high = (end / n_permutations / n_probes for end in poisson_interval(int(hits.sum())))
    same = all(
        _recount(searches, columns, label) == hit
        for label, hit in zip(labels[:N_CHECKS], hits[:N_CHECKS], strict=True)
    )
    at_chance = low <= chance <= high
    return replace(
        row,
        rate=rate,
        ci_low=low,
        ci_high=min(high, 1.0),
        chance=chance,
        n_permutations=n_permutations,
        seed=seed,
        verdict='ok' if same and at_chance else 'not_ok',
        reason=_explained(same, rate, chance, at_chance),
    )


def _explained(same: bool, rate: float, chance: float, at_chance: bool) -> str | None:
    if not same:
        return 'the permutation count disagrees with the scores'
    if not at_chance:
        return (
            f'permuted labels are found {"more" if rate > chance else "less"} often than '
            'expected by chance'
        )
    return None


def _only_best(probe: Probe) -> int:
    """Place in the gallery of the one best candidate of a search; -1 if several are."""
    scores = np.insert(probe.nonmated, probe.column, np.float32(probe.mated))
    best = np.flatnonzero(scores == scores.max())
    return int(best[0]) if len(best) == 1 else -1


def _draw_labels(
    rng: np.random.Generator, n_gallery: int, n_labels: int, n_permutations: int
) -> NDArray[np.intp]:
    """Draw different people of the gallery for each label, (n_permutations, n_labels)."""
    return np.stack(
        [rng.choice(n_gallery, n_labels, replace=False) for _ in range(n_permutations)]
    )


def _recount(searches: Searches, columns: Sequence[int], label: NDArray[np.intp]) -> int:
    """How many are found at rank 1 by the counting of the real table, with exchanged labels."""
    gallery = searches.gallery
    exchanged = {gallery[old]: gallery[new] for old, new in zip(columns, label, strict=True)}
    people = tuple(exchanged.get(person, person) for person in searches.photo_participants)
    permuted = replace(searches, photo_participants=people)
    return sum(result.rank == 1 for result in mated_ranks(permuted, 'participant'))


def poisson_interval(count: int) -> tuple[float, float]:
    """Exact 99.9% interval of the mean of a Poisson law (Garwood, Biometrika 28:437, 1936)."""
    from scipy import special

    edge = (1 - SURENESS) / 2
    low = float(special.gammaincinv(count, edge)) if count else 0.0
    return low, float(special.gammaincinv(count + 1, 1 - edge))


def positive_control(
    scores: NDArray[np.float32],
    people: Sequence[str | None],
    extractor: str,
    *,
    seed: int = 0,
) -> ControlRow:
    """Rank-1 rate of photographs searched among all other photographs.

    Parameters
    ----------
    scores
        Photograph by photograph, (n, n), higher is more alike; the diagonal is not read. Only
        photographs with a face.
    people
        Who is on each, (n,); ``None`` for a distractor, which is searched among but not with.
    extractor
        What made the scores.
    seed
        Of the bootstrap over people.

    Returns
    -------
    Of the photographs whose person has another one, how many have it at rank 1, a tie counting
    against it. ``chance`` is what guessing would give. Verdict ``ok`` if the interval is above
    chance; ``not_ok`` if it is not, and also below `USEFUL`; ``None``, with a reason, if neither
    can be told of so few people, or where nobody has two photographs or nobody else has one.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    n = len(people)
    if scores.shape != (n, n):
        raise ValueError(f'scores has shape {scores.shape}, expected {(n, n)}')
    known = [person for person in people if person is not None]
    owners = np.array([known.index(p) if p is not None else -1 for p in people], dtype=np.intp)
    correct, chances, searched = [], [], []
    for number in np.flatnonzero(owners >= 0):
        same = owners == owners[number]
        others = ~same
        same[number] = False
        if same.any() and others.any():
            row = scores[number]
            correct.append(row[same].max() > row[others].max())
            chances.append(same.sum() / (n - 1))
            searched.append(known[owners[number]])
    anonymous = {'condition': None, 'modality': None, 'extractor': extractor, 'decision': None}
    row = _empty_row(anonymous, 'positive', len(correct), len(set(searched)), n)
    if not correct:
        return replace(
            row,
            reason='the test needs one person with two photographs that show a face, and another '
            'person with one',
        )
    hits = np.array(correct)[:, None]
    low, high = (float(end[0]) for end in rate_intervals(hits, searched, seed))
    chance = float(np.mean(chances))
    rate = float(hits.mean())
    return replace(
        row,
        rate=rate,
        ci_low=low,
        ci_high=high,
        chance=chance,
        seed=seed,
        **_told_of_photographs(low, high, chance),  # type: ignore[arg-type]
    )


def _told_of_photographs(low: float, high: float, chance: float) -> dict[str, str | None]:
    """Return verdict and reason of a positive control, by its interval."""
    if low > chance:
        return {'verdict': 'ok', 'reason': None}
    if high >= max(USEFUL, chance):
        reason = 'too few people have two photographs: the interval fits guessing and recognition'
        return {'verdict': None, 'reason': reason}
    reason = 'photographs of the same person are not matched more often than expected by chance'
    return {'verdict': 'not_ok', 'reason': reason}


def sort_controls(rows: Sequence[ControlRow]) -> Controls:
    """Sort the controls by how they turned out."""
    wrong = [row for row in rows if row.verdict not in ('ok', None)]
    sighted = any(row.control == 'positive' and row.verdict == 'ok' for row in rows)
    blind = tuple(row for row in wrong if sighted and row.control == 'positive')
    no_verdict = [row for row in rows if row.verdict is None]
    unsure = [row for row in no_verdict if row.rate is not None and not sighted]
    return Controls(
        ok=tuple(row for row in rows if row.verdict == 'ok'),
        failed=tuple(row for row in wrong if row not in blind),
        blind=blind,
        not_done=tuple(row for row in no_verdict if row not in unsure),
        unsure=tuple(unsure),
    )


def _empty_row(
    attack: Mapping[str, str | None],
    control: Control,
    n_probes: int,
    n_people: int,
    n_gallery: int,
) -> ControlRow:
    """Make a row without a result."""
    return ControlRow(
        **attack,  # type: ignore[arg-type]
        control=control,
        n_probes=n_probes,
        n_people=n_people,
        n_gallery=n_gallery,
        rate=None,
        ci_low=None,
        ci_high=None,
        chance=None,
        n_permutations=None,
        seed=None,
        verdict=None,
        reason=None,
    )
