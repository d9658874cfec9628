"""Count what each step of the attacks finds: ``python -m benchmarks.attacks.steps FOLDER``.

FOLDER holds a crowd of `benchmarks.attacks.crowd`. Prints one TSV row per step: the crowd, the
extractor, the step, and which of which extractor it is compared with; how many photographs have
the right person first, of how many, their rate with Wilson's 95% interval, how many are found more
and fewer than by the other step, with the p-value of the exact McNemar test; and the same of
people, whose photographs are taken together. Three photographs of one person are not independent,
so that the intervals and p-values of photographs promise too much: where it matters, look at the
people. Steps that the program does not have follow those that it has.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from benchmarks.attacks import variants
from benchmarks.attacks.crops import CROPS
from benchmarks.attacks.variants import Material, adapted, read_crowd
from bids_reid.match.probes import VectorProbes
from bids_reid.risk.intervals import wilson

Array = np.ndarray
COLUMNS = (
    *('crowd', 'extractor', 'step', 'than_extractor', 'than'),
    *('found', 'photographs', 'rate', 'ci_low', 'ci_high'),
    *('more', 'fewer', 'p', 'people_found', 'people', 'people_more', 'people_fewer', 'people_p'),
)
BEFORE = 'plain renders, photographs alone (0.1.0.dev7)'
MIRROR, SHIPPED, PAINTED = '+ mirror images', '+ soft renders (ships)', '+ open eyes painted'
EQUAL, BY_MARGIN = 'equal weights', 'margin^3 (ships)'
MARGIN_PAINTED = 'margin^3, with open eyes painted'
ONE_BEFORE, ONE = 'one photograph each: 0.1.0.dev7', 'one photograph each: ships'
FUSED, DLIB = 'fused', 'face_recognition'
NEIGHBOURS = ((1, 0.5), (2, 0.5), (2, 0.6), (2, 0.7))
"""How many, and above which cosine."""


class Step(NamedTuple):
    """Scores (p, n), and whom the photographs show.

    ``than`` names an earlier step of the same extractor, unless ``than_of`` has another.
    ``weights`` (p,) are those of photographs of one person when they are taken together.
    """

    extractor: str
    name: str
    than: str
    scores: Array
    owners: Array
    weights: Array | None = None
    than_of: str = ''


class Found(NamedTuple):
    """Whether each photograph (p,) and each person (n,) is found."""

    photographs: Array
    people: Array


def main() -> None:
    """Search in every way, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('folder', type=Path, metavar='FOLDER')
    parser.add_argument(
        '--other', type=Path, metavar='FOLDER', help='another crowd, to learn whitening on'
    )
    parser.add_argument(
        '--scores', type=Path, metavar='FOLDER', help='keep the scores of the main steps here'
    )
    options = parser.parse_args()
    crowd = read_crowd(options.folder)
    other = read_crowd(options.other) if options.other else {}
    print(*COLUMNS, sep='\t', flush=True)
    known: dict[tuple[str, str], Found] = {}
    for step in steps(crowd, other):
        known[step.extractor, step.name] = found = found_by(step)
        reference = known.get((step.than_of or step.extractor, step.than))
        print(options.folder.name, *row(step, found, reference), sep='\t', flush=True)
        if options.scores:
            keep(options.scores, step)


def found_by(step: Step) -> Found:
    """Count who comes first: for each photograph, and by the mean of each person's."""
    weights = np.ones(len(step.owners)) if step.weights is None else step.weights
    people = np.unique(step.owners)
    means = [
        np.average(step.scores[step.owners == person], axis=0, weights=weights[rows])
        for person, rows in ((person, step.owners == person) for person in people)
    ]
    return Found(step.scores.argmax(axis=1) == step.owners, np.argmax(means, axis=1) == people)


def row(step: Step, found: Found, reference: Found | None) -> Iterator[Any]:
    """Yield the cells after the crowd's."""
    yield step.extractor
    yield step.name
    yield (step.than_of or step.extractor) if step.than else 'n/a'
    yield step.than or 'n/a'
    n, rate = len(found.photographs), float(found.photographs.mean())
    low, high = wilson(rate, n)
    yield from (int(found.photographs.sum()), n, *(f'{float(x):.3f}' for x in (rate, low, high)))
    yield from compared(found.photographs, reference and reference.photographs)
    yield from (int(found.people.sum()), len(found.people))
    yield from compared(found.people, reference and reference.people)


def compared(found: Array, reference: Array | None) -> tuple[Any, Any, str]:
    """More, fewer, and the p-value of the exact McNemar test."""
    if reference is None:
        return 'n/a', 'n/a', 'n/a'
    more, fewer = int((found & ~reference).sum()), int((reference & ~found).sum())
    p = stats.binomtest(more, more + fewer).pvalue if more + fewer else 1.0
    return more, fewer, f'{p:.2g}'


def steps(crowd: Mapping[str, Material], other: Mapping[str, Material]) -> Iterator[Step]:
    """All steps; those that are compared with come before."""
    scores: dict[tuple[str, str], Array] = {}
    for name, features in crowd.items():
        for step in main_steps(name, features):
            scores[name, step.name] = step.scores
            yield step
    if len(crowd) > 1:
        yield from fusions(crowd, scores)
    tried: list[Step] = []
    for name, features in crowd.items():
        for step in tried_steps(name, features, scores[name, SHIPPED], other.get(name)):
            scores[name, step.name] = step.scores
            tried += [step] if name == DLIB else []
            yield step
    if len(crowd) > 1:
        yield from fused_again(tried, list(crowd), scores)


def main_steps(name: str, crowd: Material) -> Iterator[Step]:
    """From the attack of 0.1.0.dev7 to that of today."""
    alone = VectorProbes(crowd.photographs['photographs'], crowd.similarity)
    both, owners = crowd.probes(), crowd.owners
    yield Step(name, BEFORE, '', adapted(crowd.gallery(['every']), alone), owners)
    yield Step(name, MIRROR, BEFORE, adapted(crowd.gallery(['every']), both), owners)
    yield Step(name, SHIPPED, MIRROR, adapted(crowd.gallery(), both), owners)
    painted = variants.in_styles(crowd, ['every', 'soft', 'painted'])
    yield Step(name, PAINTED, SHIPPED, painted, owners)
    yield from one_each(name, crowd)


def one_each(name: str, crowd: Material) -> Iterator[Step]:
    """Search with the first photograph of each person alone, as it was and as it is."""
    first = crowd.only(crowd.shots == 0)
    alone = VectorProbes(first.photographs['photographs'], crowd.similarity)
    owners = first.owners
    yield Step(name, ONE_BEFORE, '', adapted(crowd.gallery(['every']), alone), owners)
    yield Step(name, ONE, ONE_BEFORE, adapted(crowd.gallery(), first.probes()), owners)


def fusions(
    crowd: Mapping[str, Material], scores: Mapping[tuple[str, str], Array]
) -> Iterator[Step]:
    """Put the scores of two extractors together."""
    owners = crowd[DLIB].owners

    def of(step: str) -> list[Array]:
        return [scores[name, step] for name in crowd]

    shipped = of(SHIPPED)
    yield Step(FUSED, EQUAL, SHIPPED, variants.fused(shipped, [1, 1]), owners, than_of=DLIB)
    before = EQUAL
    for power in (1, 2):
        name = f'margin^{power}'
        yield Step(FUSED, name, before, variants.by_margin(shipped, power), owners)
        before = name
    best = variants.by_margin(shipped, 'program')
    for than, extractor in ((before, ''), (SHIPPED, DLIB), (BEFORE, DLIB)):
        yield Step(FUSED, BY_MARGIN, than, best, owners, than_of=extractor)
    painted = variants.by_margin(of(PAINTED), 'program')
    yield Step(FUSED, MARGIN_PAINTED, BY_MARGIN, painted, owners)
    for weight in (0.2, 0.3, 0.4, 0.5):
        some = variants.fused(shipped, [1 - weight, weight])
        yield Step(FUSED, f'weight of facenet {weight}', BY_MARGIN, some, owners)
    first = crowd[DLIB].only(crowd[DLIB].shots == 0)
    one = variants.by_margin(of(ONE), 'program')
    yield Step(FUSED, ONE, ONE_BEFORE, one, first.owners, than_of=DLIB)


def tried_steps(
    name: str, crowd: Material, shipped: Array, other: Material | None
) -> Iterator[Step]:
    """All that the program does not have."""
    yield from other_pictures(name, crowd)
    yield from neighbours(name, crowd)
    yield from weighted(name, crowd, shipped)
    if other is not None:
        yield from whitenings(name, crowd, other)


def fused_again(
    tried: Sequence[Step], extractors: Sequence[str], scores: Mapping[tuple[str, str], Array]
) -> Iterator[Step]:
    """Put the scores of all extractors together for each of these steps, as the program would."""
    for step in tried:
        matrices = [scores[n, step.name] for n in extractors if (n, step.name) in scores]
        if len(matrices) == len(extractors):
            than = ONE if step.than == ONE else BY_MARGIN
            fused = variants.by_margin(matrices, 'program')
            yield step._replace(extractor=FUSED, than=than, scores=fused)


def other_pictures(name: str, crowd: Material) -> Iterator[Step]:
    """Try other crops, other renders, other cameras."""
    owners, gallery = crowd.owners, crowd.gallery()
    for crop in CROPS:
        scores = adapted(gallery, variants.one_crop(crowd, crop))
        yield Step(name, f'photographs cut {crop}', SHIPPED, scores, owners)
    scores = adapted(gallery, variants.averaged_crops(crowd))
    yield Step(name, 'three crops of a photograph averaged', SHIPPED, scores, owners)
    yield Step(name, 'cameras of the pose only', SHIPPED, variants.of_pose(crowd), owners)
    made_up = variants.in_styles(crowd, ['every', 'soft', 'made_up'])
    yield Step(name, 'open eyes, brows and lips painted', SHIPPED, made_up, owners)


def neighbours(name: str, crowd: Material) -> Iterator[Step]:
    """Take photographs together with those that are like them."""
    first = crowd.only(crowd.shots == 0)
    for those, than, prefix in ((crowd, SHIPPED, ''), (first, ONE, 'one photograph each: ')):
        for k, limit in NEIGHBOURS:
            scores = adapted(crowd.gallery(), variants.with_neighbours(those, k, limit))
            step = f'{prefix}with up to {k} of the nearest photographs, cosine above {limit}'
            yield Step(name, step, than, scores, those.owners)


def weighted(name: str, crowd: Material, shipped: Array) -> Iterator[Step]:
    """Let better photographs of a person count more; for one photograph nothing changes."""
    ways = {
        "the detector's score": np.maximum(crowd.quality, 0) + 1e-9,
        'the length of whitened features': variants.whitened_lengths(crowd),
    }
    for way, weights in ways.items():
        for power in (1, 2, 4):
            step = f'photographs weighted by {way}{f"^{power}" if power > 1 else ""}'
            yield Step(name, step, SHIPPED, shipped, crowd.owners, weights**power)


def whitenings(name: str, crowd: Material, other: Material) -> Iterator[Step]:
    """Learn the whitening on another crowd, and on both."""
    for step, learned_on in (('the other crowd', [other]), ('both crowds', [crowd, other])):
        white = variants.side_whitenings(*learned_on)
        scores = adapted(crowd.gallery(), crowd.probes(), white)
        yield Step(name, f'whitening learned on {step}', SHIPPED, scores, crowd.owners)


def keep(folder: Path, step: Step) -> None:
    """Keep the scores of a main step as ``NAME.npz``, with ``owners``."""
    names = {
        (DLIB, BEFORE): 'before',
        (FUSED, BY_MARGIN): FUSED,
        (step.extractor, SHIPPED): step.extractor,
    }
    name = names.get((step.extractor, step.name))
    if name:
        folder.mkdir(parents=True, exist_ok=True)
        scores = step.scores.astype(np.float32)
        np.savez(folder / f'{name}.npz', scores=scores, owners=step.owners)


if __name__ == '__main__':
    main()
