"""Which attack on a group of scans is the strongest: one rule for tables, sentences and the gate.

An attack that can search among nobody finds nobody, and one that can search among a few finds
them by elimination: neither says what the scans give away. So attacks are put in order only
where they searched among about the same people.
"""

from __future__ import annotations

from collections.abc import Sequence

MIN_GALLERY = 2
"""With fewer people there is nobody to confuse a person with."""
MIN_SHARE = 0.5
"""Share of the largest gallery of the attacks on the same scans."""


def counted(n_gallery: Sequence[int]) -> list[bool]:
    """Say which of the attacks on one group of scans count.

    Parameters
    ----------
    n_gallery
        Number of people with a usable template under each attack.

    Returns
    -------
    Whether each has two people or more, and half of those of the largest gallery or more.
    """
    least = max(MIN_GALLERY, MIN_SHARE * max(n_gallery, default=0))
    return [n >= least for n in n_gallery]


def strongest_first(rates: Sequence[float], n_gallery: Sequence[int]) -> list[int]:
    """Return the places of the attacks on one group of scans, the strongest first.

    Parameters
    ----------
    rates
        What share each attack identified.
    n_gallery
        As in `counted`; of equal rates that in the larger gallery is the stronger.

    Returns
    -------
    Those that do not count come last; equals keep their order.
    """
    keys = list(zip(counted(n_gallery), rates, n_gallery, strict=True))
    return sorted(range(len(keys)), key=keys.__getitem__, reverse=True)
