"""Searches in one way or another, by the program's own decision as far as it has the way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.attacks.crops import CROPS
from benchmarks.attacks.crowd import EXTRACTORS
from bids_reid.demo.phantom_dataset import YAWS
from bids_reid.faces.extractors import load_extractor
from bids_reid.match.decisions import (
    ADAPTED_SIDES,
    HUB_PROBES,
    Adapted,
    AdaptedSide,
    score,
    side_parameters,
)
from bids_reid.match.fusion import fused_scores
from bids_reid.match.probes import (
    Renders,
    Similarity,
    VectorProbes,
    mean_render,
    unit_length,
)
from bids_reid.match.training import Training, gallery_means
from bids_reid.match.whitening import Whitening, whitening
from bids_reid.views.cameras import all_views

Array = np.ndarray
CAMERA_OF_YAW = {YAWS[0]: 0.0, YAWS[1]: 20.0, YAWS[2]: -20.0}
"""Yaw of the cameras that see a head from where a photograph was taken."""


@dataclass(frozen=True)
class Material:
    """Features of a crowd by one extractor.

    Attributes
    ----------
    renders
        Of each style, (n people, views, d).
    photographs
        Of the p photographs with a face, cut and mirrored in several ways, (p, d).
    owners, shots, quality
        Whom each shows, which of the person's photographs it is, how sure the detector is, (p,).
    """

    similarity: Similarity
    renders: Mapping[str, Array]
    photographs: Mapping[str, Array]
    owners: Array
    shots: Array
    quality: Array

    def probes(self) -> VectorProbes:
        """Photographs with their mirror images, as the program takes them."""
        taken = self.photographs
        return VectorProbes(taken['photographs'], self.similarity, taken['mirrored'])

    def only(self, rows: Array) -> Material:
        """Leave photographs out."""
        return replace(
            self,
            photographs={name: features[rows] for name, features in self.photographs.items()},
            owners=self.owners[rows],
            shots=self.shots[rows],
            quality=self.quality[rows],
        )

    def gallery(self, styles: Sequence[str] = ADAPTED_SIDES) -> list[Renders[Array]]:
        """Templates of all people that have these styles of the program."""
        none = self.renders['every'][0][:0]
        return [
            Renders(none, *(rows[person] if side in styles else none for side, rows in self._own))
            for person in range(len(self.renders['every']))
        ]

    @property
    def _own(self) -> list[tuple[str, Array]]:
        return [(side, self.renders[side]) for side in ADAPTED_SIDES]


def read_crowd(folder: Path) -> dict[str, Material]:
    """Read what `benchmarks.attacks.crowd` kept, by extractor: those that everybody has."""
    files = sorted((folder / 'features').glob('*.npz'))
    note = folder / 'crowd.json'
    if not note.is_file() or len(files) != json.loads(note.read_text())['people']:
        raise SystemExit(f'no whole crowd in {folder}: run benchmarks.attacks.crowd')
    people = [dict(np.load(file)) for file in files]
    shown = {
        'owners': np.repeat(np.arange(len(people)), [len(one['shots']) for one in people]),
        'shots': np.concatenate([one['shots'] for one in people]),
        'quality': np.concatenate([one['quality'] for one in people]),
    }
    found = {}
    for name in EXTRACTORS:
        model = load_extractor(name)
        if model.kind != 'vector' or not all(f'{name}.every' in one for one in people):
            continue
        mine = [_starting(one, f'{name}.') for one in people]
        styles = [key for key in mine[0] if not key.endswith(('photographs', 'mirrored'))]
        found[name] = Material(
            model.similarity,
            {key: np.array([one[key] for one in mine]) for key in styles},
            {
                key: np.concatenate([one[key] for one in mine])
                for key in mine[0]
                if key not in styles
            },
            **shown,
        )
    return found


def _starting(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}


def adapted(
    gallery: Sequence[Renders[Array]],
    probes: VectorProbes,
    whitenings: Mapping[str, Whitening] | None = None,
) -> Array:
    """Search by the program's decision, maybe with another whitening of each side: (p, n)."""
    people = [f'{number:04}' for number in range(len(gallery))]
    learned = dict(Adapted().learn(Training(gallery, people, probes)))
    for side, white in (whitenings or {}).items():
        learned |= {f'{side}.{name}': array for name, array in white.arrays().items()}
        centred = probes.both_ways() - learned[f'{side}.probe_mean']
        # of so few photographs all are the reference
        learned[f'{side}.reference'] = unit_length(white(centred))
    return score(probes, gallery, people, {Adapted.name: learned})[Adapted.name].scores


def in_styles(crowd: Material, styles: Sequence[str]) -> Array:
    """Search by the program's decision as if these styles were its own: (p, n)."""
    probes = crowd.probes()
    people = [f'{number:04}' for number in range(len(crowd.renders['every']))]
    cosines = []
    for style in styles:
        # each in the place of the study's
        gallery = [Renders.plain(rows) for rows in crowd.renders[style]]
        learned = Adapted().learn(Training(gallery, people, probes))
        side = AdaptedSide(side_parameters(learned, 'every'), probes)
        means = np.array([mean_render(rows, crowd.similarity) for rows in crowd.renders[style]])
        cosines.append(side.cosines(means)[:, : len(probes)])
    mean = np.mean(cosines, axis=0).T
    hubs = np.sort(mean, axis=0)[-HUB_PROBES:].mean(axis=0)
    return np.asarray(mean - hubs / 2, np.float32)


def side_whitenings(*crowds: Material) -> dict[str, Whitening]:
    """Learn the whitening of each side on the renders of these crowds."""
    deviations: dict[str, list[Array]] = {side: [] for side in ADAPTED_SIDES}
    for one in crowds:
        people = [f'{number:04}' for number in range(len(one.renders['every']))]
        training = Training(one.gallery(), people, one.probes())
        for side, known in gallery_means(training, ADAPTED_SIDES).items():
            deviations[side] += known.deviations
    return {side: whitening(rows, rows[0].shape[1]) for side, rows in deviations.items()}


def averaged_crops(crowd: Material) -> VectorProbes:
    """Average the features of three crops of each photograph."""
    taken = crowd.photographs
    means = [
        np.mean([taken[name], *(taken[f'{crop}.{name}'] for crop in CROPS)], axis=0)
        for name in ('photographs', 'mirrored')
    ]
    return VectorProbes(means[0], crowd.similarity, means[1])


def one_crop(crowd: Material, crop: str) -> VectorProbes:
    """Take photographs cut in another way."""
    taken = (crowd.photographs[f'{crop}.{name}'] for name in ('photographs', 'mirrored'))
    plain, mirrored = taken
    return VectorProbes(plain, crowd.similarity, mirrored)


def of_pose(crowd: Material) -> Array:
    """Search each photograph, and its mirror image, among renders of the cameras of its pose."""
    return (at_side(crowd, 'photographs', 1) + at_side(crowd, 'mirrored', -1)) / 2


def at_side(crowd: Material, name: str, sign: int) -> Array:
    """Search among renders of the cameras of one yaw: the photograph's, or that times -1."""
    yaws: dict[str, list[float]] = {side: [] for side in ADAPTED_SIDES}
    for view in all_views():
        yaws['every' if view.style == 'plain' else view.style].append(view.camera_yaw)
    probes = VectorProbes(crowd.photographs[name], crowd.similarity)
    scores = np.empty((len(crowd.owners), len(crowd.renders['every'])), np.float32)
    for shot, yaw in enumerate(YAWS):
        seen: dict[str, Array] = {
            side: crowd.renders[side][:, np.equal(yaws[side], sign * CAMERA_OF_YAW[yaw])]
            for side in ADAPTED_SIDES
        }
        rows = crowd.shots == shot
        scores[rows] = adapted(replace(crowd, renders=seen).gallery(), probes)[rows]
    return scores


def with_neighbours(crowd: Material, k: int, limit: float) -> VectorProbes:
    """Take photographs together with up to k others that are like them, each with its cosine.

    Two have to be among the k nearest of each other, at a cosine of centred features above
    ``limit``.
    """
    features = crowd.probes().both_ways()
    unit = unit_length(features - features.mean(axis=0))
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -1)
    nearest = np.zeros(cosines.shape, np.bool_)
    np.put_along_axis(nearest, np.argsort(-cosines, axis=1)[:, :k], True, axis=1)
    weights = np.where(nearest & nearest.T & (cosines > limit), cosines, 0)
    np.fill_diagonal(weights, 1)
    mean = weights @ features / weights.sum(axis=1, keepdims=True)
    return VectorProbes(mean.astype(np.float32), crowd.similarity)


def whitened_lengths(crowd: Material) -> Array:
    """How far each photograph is from the mean one, in whitened features: (p,)."""
    probes = crowd.probes()
    people = [f'{number:04}' for number in range(len(crowd.renders['every']))]
    learned = Adapted().learn(Training(crowd.gallery(), people, probes))
    lengths = []
    for side in ADAPTED_SIDES:
        white = Whitening.of(_starting(learned, f'{side}.'))
        centred = probes.both_ways() - learned[f'{side}.probe_mean']
        lengths.append(np.linalg.norm(white(centred), axis=1))
    return np.mean(lengths, axis=0)


def fused(matrices: Sequence[Array], weights: Sequence[float]) -> Array:
    """Average standardised scores with these weights."""
    return np.average([_standardised(one) for one in matrices], axis=0, weights=weights)


def by_margin(matrices: Sequence[Array], power: int | Literal['program']) -> Array:
    """Fuse with weights that are a power of the mean distance from the best to the second."""
    if power == 'program':
        return fused_scores(matrices)
    return fused(matrices, [_margin(_standardised(one)) ** power for one in matrices])


def _standardised(scores: Array) -> Array:
    exact = scores.astype(np.float64)
    return (exact - exact.mean()) / exact.std()


def _margin(scores: Array) -> float:
    ordered = np.sort(scores, axis=1)
    return float((ordered[:, -1] - ordered[:, -2]).mean())
