"""Decisions for keypoints: how the scores of a scan's renders become one.

``best`` is the highest of them; ``pooled`` the mean of the few highest, since a render in another
light has no keypoints in common with a photograph and says nothing. Keypoints are no vectors that
a mean could be taken from: there is no ``adapted``. For ``svm`` they are counted as words
(`bids_reid.match.words`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from bids_reid.match.keypoints import keypoint_scores, searchable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.match.keypoints import Distance
    from bids_reid.records import Keypoints

POOLED_RENDERS = 5
"""Renders whose mean counts: of one camera, which a photograph is nearest to, about a half."""


def best(scores: NDArray[np.float32]) -> float:
    """Return the highest score of the renders (n,), n > 0."""
    return float(scores.max())


def pooled(scores: NDArray[np.float32]) -> float:
    """Return the mean of the highest scores of the renders (n,), n > 0."""
    highest = np.sort(scores)[-POOLED_RENDERS:]
    return float(highest.mean(dtype=np.float64))


KEYPOINT_DECISIONS: dict[str, Callable[[NDArray[np.float32]], float]] = {
    'best': best,
    'pooled': pooled,
}


class KeypointGallery(Protocol):
    """The templates of a group of scans, each read when it is asked for."""

    def __len__(self) -> int:
        """Return the number of scans."""
        ...

    def __getitem__(self, scan: int, /) -> Keypoints | None:
        """Return the keypoints of a scan's renders; ``None`` if there is no template."""
        ...


def search_keypoints(
    probes: Sequence[Keypoints], gallery: KeypointGallery, *, distance: Distance
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float32]]:
    """Score every probe against every scan under every decision, each template read once.

    Parameters
    ----------
    probes
        Keypoints of one photograph each; there may be none on it.
    gallery
        Templates of the scans.
    distance
        Of the extractor.

    Returns
    -------
    scores
        Decision to scores (p, n_scans); the column of a scan without renders is NaN.
    slack
        How far scores are from the exact ones, (n_scans,): 0, and NaN for a scan without renders.
    """
    shape = (len(probes), len(gallery))
    scores = {name: np.full(shape, np.nan, np.float32) for name in KEYPOINT_DECISIONS}
    slack = np.full(len(gallery), np.nan, np.float32)
    for scan in range(len(gallery)):
        template = gallery[scan]
        if template is None or not len(template):
            continue
        slack[scan] = 0
        laid_out = searchable(template, distance)
        for row, probe in enumerate(probes):
            renders = keypoint_scores(probe, laid_out)
            for name, decide in KEYPOINT_DECISIONS.items():
                scores[name][row, scan] = decide(renders)
    return scores, slack


def keypoint_photo_scores(
    probes: Sequence[Keypoints], *, distance: Distance
) -> NDArray[np.float32]:
    """Score photographs against each other: the positive control, whatever the decision.

    Returns
    -------
    Shape (n, n): each photograph (row) searched among the others, each of which takes the part of
    a scan with one render; the diagonal is NaN.
    """
    scores = np.empty((len(probes), len(probes)), np.float32)
    for column, photograph in enumerate(probes):
        laid_out = searchable(photograph, distance)
        scores[:, column] = [keypoint_scores(probe, laid_out)[0] for probe in probes]
    np.fill_diagonal(scores, np.nan)
    return scores
