"""How alike scans of one set are to scans of another, by their templates.

Renders are compared with those of the same view, so that pose and light differ in nothing. Whoever
searches knows both sets, so each may be centred on its own mean: what all scans of a condition
share (a tool's cut, a contrast) tells nobody from anybody.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from bids_reid.views.cameras import N_LIGHTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bids_reid.records import Template

LinkDecision = Literal['pose', 'centred']
LINK_DECISIONS: tuple[LinkDecision, ...] = ('pose', 'centred')
"""``pose``: minus the mean distance of renders of the same view. ``centred``: the mean cosine of
them, after the mean of its set is taken from the features of each view."""
MIN_PEOPLE = 2
"""With fewer people there is nobody to confuse a person with."""


def linkage_scores(
    probes: Sequence[Template | None],
    gallery: Sequence[Template | None],
    decision: str,
) -> NDArray[np.float32]:
    """Score scans of one set against scans of another, render by render of the same view.

    Parameters
    ----------
    probes, gallery : sequence of Template or None
        ``None``, or a template without features, is a scan that failed to enrol.
    decision : str
        One of `LINK_DECISIONS`.

    Returns
    -------
    (n_probes, n_gallery) float32
        Higher is more alike. NaN where two scans have no view in common.

    Raises
    ------
    ValueError
        The decision is unknown, or features are of different lengths.
    """
    if decision not in LINK_DECISIONS:
        raise ValueError(f'unknown decision {decision!r}; known: {", ".join(LINK_DECISIONS)}')
    shape = (len(probes), len(gallery))
    total, count = np.zeros(shape), np.zeros(shape)
    ours, theirs = _by_view(probes), _by_view(gallery)
    for view in sorted(ours.keys() & theirs.keys()):
        (rows, a), (columns, b) = ours[view], theirs[view]
        if a.shape[1] != b.shape[1]:
            raise ValueError(f'features of length {a.shape[1]} and of length {b.shape[1]}')
        where = np.ix_(rows, columns)
        total[where] += _COMPARE[decision](a, b)
        count[where] += 1
    with np.errstate(invalid='ignore'):
        return np.asarray(np.where(count > 0, total / count, np.nan), np.float32)


def _by_view(
    templates: Sequence[Template | None],
) -> dict[int, tuple[list[int], NDArray[np.float64]]]:
    """View to the numbers of the scans that have it, and their features (n, d)."""
    views: dict[int, tuple[list[int], list[NDArray[np.float32]]]] = {}
    for number, template in enumerate(templates):
        if template is None:
            continue
        for view, row in zip(template.views, template.features, strict=True):
            numbers, rows = views.setdefault(int(view), ([], []))
            numbers.append(number)
            rows.append(row)
    return {view: (numbers, np.array(rows, np.float64)) for view, (numbers, rows) in views.items()}


def _minus_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minus the Euclidean distance of all pairs of rows."""
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * (a @ b.T)
    return -np.sqrt(np.maximum(squares, 0))


def _centred_cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine of all pairs of rows, each less the mean of its side."""
    sides = []
    for side in (a, b):
        away = side - side.mean(axis=0)
        sides.append(away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12))
    return np.asarray(sides[0] @ sides[1].T)


_COMPARE = {'pose': _minus_distance, 'centred': _centred_cosine}


def found_under_other_light(
    templates: Sequence[Template | None], participants: Sequence[str], decision: str
) -> float | None:
    """Return the share of scans that find themselves: the positive control of a set.

    Every other light of each camera is compared with the lights between. Features that do not
    even find the same scan say nothing about people, and their links nothing about safety.

    Parameters
    ----------
    templates : sequence of Template or None
        Those that are ``None`` are left out.
    participants : sequence of str
        Whose each is; other scans of the same person are not in the way.
    decision : str
        One of `LINK_DECISIONS`.

    Returns
    -------
    float or None
        ``None`` without two people to be told apart.
    """
    kept = [
        (one, who) for one, who in zip(templates, participants, strict=True) if one is not None
    ]
    owners = np.array([who for _, who in kept])
    if len(set(owners.tolist())) < MIN_PEOPLE:
        return None
    even, odd = ([_under_lights(template, part) for template, _ in kept] for part in (0, 1))
    scores = linkage_scores(even, odd, decision)
    scores = np.where(np.isnan(scores), -np.inf, scores)
    others = np.where(owners[:, None] == owners, -np.inf, scores).max(axis=1)
    return float((np.diag(scores) > others).mean())


def _under_lights(template: Template, part: int) -> Template:
    """Mean features of each camera (as views) under every other of its lights.

    A template may hold some lights only, so that it is their order that counts.
    """
    cameras = template.views // N_LIGHTS
    before = template.views[:, None] > template.views
    order = (before & (cameras[:, None] == cameras)).sum(axis=1)
    some = order % 2 == part
    seen = np.unique(cameras[some])
    means = [template.features[some & (cameras == camera)].mean(axis=0) for camera in seen]
    features = np.array(means, np.float32).reshape(len(seen), template.features.shape[1])
    return replace(template, features=features, views=seen.astype(np.int32))
