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

Radius = Callable[[int], NDArray[np.float64]]
"""Number of a photograph to how far each of its scores may be from the exact one, (n_scans,)."""
Rescore = Callable[[int, NDArray[np.intp]], NDArray[np.float32]]
"""Number of a scan and those of photographs (m,) to the exact scores, (m,)."""


def refine(searches: Searches, radius: Radius, rescore: Rescore) -> int:
    """Put exact scores, in place, wherever a result of identification depends on them.

    Parameters
    ----------
    searches
        Its scores are off by ``radius`` at most, which includes how far the exact ones, as
        ``rescore`` gives them, are rounded.
    radius, rescore
        Asked only for acquired photographs and enrolled scans.

    Returns
    -------
    Number of scores that were computed.
    """
    numbers = {name: number for number, name in enumerate(set(searches.scan_participants))}
    scans = np.flatnonzero(searches.enrolled)
    owners = np.array([numbers[searches.scan_participants[scan]] for scan in scans], dtype=int)
    people = np.array([numbers[name] for name in searches.photo_participants], dtype=int)
    # a photograph of somebody who is not enrolled is not searched
    searched = np.flatnonzero(searches.acquired & np.isin(people, owners)).tolist()
    mated = [(photo, scans[owners == people[photo]]) for photo in searched]
    count = _replace(searches, mated, rescore)

    own = {photo: searches.scores[photo, columns].max() for photo, columns in mated}
    pooled: dict[int, np.float32] = {}
    for photo, score in own.items():
        pooled[people[photo]] = max(score, pooled.get(people[photo], score))
    close = []
    for photo in searched:
        others = scans[owners != people[photo]]
        scores = searches.scores[photo, others].astype(np.float64)
        doubt = radius(photo)[others]
        # what the units 'photo' and 'participant' compare the others with
        decisive = np.abs(scores - own[photo]) <= doubt
        decisive |= np.abs(scores - pooled[people[photo]]) <= doubt
        # what may be the best of them
        decisive |= scores + doubt >= (scores - doubt).max(initial=-np.inf)
        close.append((photo, others[decisive]))
    return count + _replace(searches, close, rescore)


def _replace(
    searches: Searches, entries: list[tuple[int, NDArray[np.intp]]], rescore: Rescore
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
        searches.scores[rows, scan] = rescore(int(scan), rows)
    return len(scans)
