"""Which scores a result depends on, so that only these are computed exactly.

Ranks, rates and the scores in the tables come out as if every score had been computed exactly:
what is written are mated and best non-mated scores, which are made exact, and a rank is a count
of non-mated scores on one side of a mated one, of which those too close to tell are made exact.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bids_reid.risk.identification import Searches

Radius = Callable[[int], NDArray[np.float32]]
"""Number of a photograph to how far each of its scores may be from the exact one, (n_scans,)."""
Rescore = Callable[[int, NDArray[np.intp]], NDArray[np.float32]]
"""Number of a scan and those of photographs (m,) to the exact scores, (m,)."""


def refine(searches: Searches, radius: Radius, rescore: Rescore) -> int:
    """Put exact scores, in place, wherever a result of identification depends on them.

    Parameters
    ----------
    searches
        Its scores are off by ``radius`` at most, which includes that the exact ones, as
        ``rescore`` gives them, and sums with it are rounded to float32.
    radius, rescore
        Asked only for acquired photographs and enrolled scans.

    Returns
    -------
    Number of scores that were computed.
    """
    numbers = {name: number for number, name in enumerate(set(searches.scan_participants))}
    owners = np.array([numbers[name] for name in searches.scan_participants], dtype=int)
    owners[~searches.enrolled] = -1
    people = np.array([numbers[name] for name in searches.photo_participants], dtype=int)
    # a photograph of somebody who is not enrolled is not searched
    searched = np.flatnonzero(searches.acquired & np.isin(people, owners)).tolist()
    mated = [(photo, np.flatnonzero(owners == people[photo])) for photo in searched]
    count = _replace(searches.scores, mated, rescore)

    own = {photo: searches.scores[photo, scans].max() for photo, scans in mated}
    pooled: dict[int, np.float32] = {}
    for photo, score in own.items():
        pooled[people[photo]] = max(score, pooled.get(people[photo], score))
    close = []
    for photo in searched:
        scores, doubt = searches.scores[photo], radius(photo)
        others = searches.enrolled & (owners != people[photo])
        # what may be the best of them
        decisive = scores + doubt >= (scores - doubt).max(where=others, initial=-np.inf)
        # what is compared with the mated score of the unit 'photo', and of 'participant'
        for threshold in {own[photo], pooled[people[photo]]}:
            decisive |= np.abs(scores - threshold) <= doubt
        close.append((photo, np.flatnonzero(decisive & others)))
    return count + _replace(searches.scores, close, rescore)


def refine_best(
    scores: NDArray[np.float32],
    enrolled: NDArray[np.bool_],
    radius: Radius,
    rescore: Rescore,
) -> int:
    """Put exact scores, in place, wherever a probe's highest one may be: of nobody else's use.

    Parameters
    ----------
    scores
        Of probes who have no scan here, (n_probes, n_scans), off by ``radius`` at most.
    enrolled
        Whether each scan has a usable template, (n_scans,).
    radius, rescore
        As for `refine`.

    Returns
    -------
    Number of scores that were computed.
    """
    close = []
    for probe, values in enumerate(scores):
        doubt = radius(probe)
        highest = (values - doubt).max(where=enrolled, initial=-np.inf)
        close.append((probe, np.flatnonzero((values + doubt >= highest) & enrolled)))
    return _replace(scores, close, rescore)


def _replace(
    scores: NDArray[np.float32], entries: list[tuple[int, NDArray[np.intp]]], rescore: Rescore
) -> int:
    """Compute the scores of photographs against some scans each, scan after scan."""
    if not entries:
        return 0
    photos = np.concatenate([np.full(len(scans), photo) for photo, scans in entries])
    scans = np.concatenate([scans for _, scans in entries])
    order = np.argsort(scans, kind='stable')
    photos, scans = photos[order], scans[order]
    for scan, first in zip(*np.unique(scans, return_index=True), strict=True):
        rows = photos[first : np.searchsorted(scans, scan, side='right')]
        scores[rows, scan] = rescore(int(scan), rows)
    return len(scans)
