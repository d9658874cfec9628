"""The number of people needed to show that scans identify nobody, and the chance that a run had.

Guessing finds people, too: of n people who are each searched among g, a blind attack puts the
right one first n / g times on average, so about once where all are searched among each other.
With ten attacks some attack finds two or three. A number of people with which only 0 of n passes
is a number with which anonymous scans almost never pass.
"""

from __future__ import annotations

import math

from bids_reid.risk.intervals import CONFIDENCE, exact_high

POWERS = (0.8, 0.95)
"""Probabilities of a pass for which the number of people is given."""
MIN_POWER = 0.5
MAX_PEOPLE = 10**9


def most_recognised(n_people: int, max_risk: float) -> int:
    """Return how many of ``n_people`` the strongest attack may recognise in a run that passes.

    Returns
    -------
    The largest count whose corrected upper end, which is that of a single attack
    (`bids_reid.risk.attacks.headline_interval`), is at most ``max_risk``; -1 if there is none.
    """
    low, high = -1, n_people
    while low < high:
        middle = (low + high + 1) // 2
        if _upper(middle, n_people) <= max_risk:
            low = middle
        else:
            high = middle - 1
    return low


def chance_of_pass(n_people: int, n_gallery: int, n_attacks: int, max_risk: float) -> float:
    """Return the least chance that a run passes whose scans give nobody away.

    Each attack then puts a person first with a chance of 1 / ``n_gallery``, and the run passes if
    the strongest attack recognises at most `most_recognised`.

    Attacks are taken as independent of each other, and this is the worst case. They look at the
    same renders and photographs, so they agree: let the score of photograph i against scan j under
    attack a be f_a(c_ij, e_aij), rising in what the attacks share (c) and in what they do not (e),
    all of them independent. Person i is recognised if the own score is the highest: that rises
    with c_ii and e_aii and falls with c_ij and e_aij, under every attack in the same directions.
    So the counts of all attacks are rising functions of the same independent variables, which
    makes them associated, and P(all counts <= c) is at least the product of P(count <= c)
    (Esary, Proschan & Walkup, Ann. Math. Stat. 38:1466-1474, 1967).

    Parameters
    ----------
    n_people
        Photographed people who are searched.
    n_gallery
        People among whom each is searched, itself among them.
    n_attacks
        Extractors times decisions.
    max_risk
        The limit, 0 to 1, of the corrected upper end.

    Raises
    ------
    ValueError
        A number is below what can be.
    """
    if n_people < 0 or n_gallery < 1:
        raise ValueError(f'not a number of people: {n_people} among {n_gallery}')
    _check(n_attacks)
    if not n_people:
        return 0.0
    most = most_recognised(n_people, max_risk)
    return _cumulative(most, n_people, n_gallery) ** n_attacks


def people_needed(
    max_risk: float, n_attacks: int, *, power: float, n_gallery: int | None = None
) -> int | None:
    """Return how many people give scans that give nobody away this chance of a pass, or a better.

    Counts are whole, so the chance falls a little between the numbers at which one more person
    may be recognised, and rises there. What is returned is the smallest number from which on it
    is never below ``power`` again.

    Between two such numbers it falls all the way: guesses are binomial with a mean that rises up
    to 1, and for a count of 1 or more the chance to stay at or below it falls with n if the mean
    is n / n_gallery, and if it stays at 1 (Anderson & Samuels, Proc. 5th Berkeley Symp. 1:1-12,
    1967), towards Poisson's. So it is enough to look at the last number before each rise.

    Parameters
    ----------
    max_risk, n_attacks
        As in `chance_of_pass`.
    power
        From `MIN_POWER` up to below 1.
    n_gallery
        People among whom each is searched, where it is more than those who are photographed;
        all who are searched belong to it. By default all are searched among each other.

    Returns
    -------
    ``None`` if no number of people is enough: a limit of 0 cannot be reached.

    Raises
    ------
    ValueError
        ``power`` is out of range, or there is no attack.
    """
    if not MIN_POWER <= power < 1:
        raise ValueError(f'not a chance from {MIN_POWER} to below 1: {power}')
    _check(n_attacks)
    # the upper end of an interval is above 0 with any number of people
    if not max_risk > 0:
        return None
    allowed = 0
    while _poisson(allowed) ** n_attacks < power:
        allowed += 1
    needed = _fewest(allowed, max_risk)
    if needed is None:
        return None
    # one fewer may be recognised below that number: is this still likely enough?
    while allowed > 0:
        last, fewer = needed - 1, allowed - 1
        if last < 1 or _cumulative(fewer, last, max(last, n_gallery or 0)) ** n_attacks < power:
            break
        allowed = fewer
        needed = _fewest(allowed, max_risk) or 1
    return needed


def _check(n_attacks: int) -> None:
    if n_attacks < 1:
        raise ValueError(f'not a number of attacks: {n_attacks}')


def _fewest(allowed: int, max_risk: float) -> int | None:
    """Fewest people of whom ``allowed`` may be recognised; ``None`` if no number is enough."""
    low, high = max(allowed, 1), max(allowed, 1)
    while not _upper(allowed, high) <= max_risk:
        low, high = high + 1, 2 * high
        if high > MAX_PEOPLE:
            return None
    while low < high:
        middle = (low + high) // 2
        if _upper(allowed, middle) <= max_risk:
            high = middle
        else:
            low = middle + 1
    return high


def _upper(n_correct: int, n_people: int) -> float:
    return float(exact_high(n_correct, n_people, (1 - CONFIDENCE) / 2))


def _cumulative(most: int, n_people: int, n_gallery: int) -> float:
    """Chance that guessing finds at most so many of ``n_people``."""
    if most < 0:
        return 0.0
    # scipy.special is what the quantile needs as well; scipy.stats takes long to import
    from scipy import special

    return float(special.bdtr(min(most, n_people), n_people, 1 / n_gallery))


def _poisson(most: int) -> float:
    """Chance of at most so many where the mean is 1: below any binomial's with a mean up to 1."""
    return math.exp(-1) * sum(1 / math.factorial(count) for count in range(most + 1))
