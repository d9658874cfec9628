"""Fit the model of what is left of a face: ``python -m benchmarks.defacers.fit MEASURES TARGET``.

MEASURES is what `benchmarks.defacers.measure` wrote of phantoms and other synthetic heads; real
ones are never fitted to. Every probability that is reported, and that limits are chosen by, is of
a person whom the model was not fitted to. Tools and fields of view are left out in turn, too.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from benchmarks.defacers.labels import NONE_SHARE, WHOLE_SHARE
from bids_reid.json_fields import from_object
from bids_reid.records import IDENTIFYING, PART_NAMES, PartTrace, ScanMeasures
from bids_reid.risk.intervals import wilson
from bids_reid.risk.part_model import Regression, image_inputs, kind_of, part_inputs
from bids_reid.surface.parts import MIN_IN_VIEW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

UNCLEAR = {'noise', 'facemask-noise'}
"""Tools that fill the place of a face with noise, the outside of which may have a face's form:
nothing is fitted to what they leave."""
FOLDS = 5
STRENGTH = 0.3
"""Inverse of the regularisation."""
MISSES = 0.01
"""So many images with a part that is left may come out as removed, among people left out."""
MIN_SEEN = 0.5
"""With less of a part in the image, that it is left does not make an image one with a face."""
BINS = 10
PROBABLY = 0.5
"""A part is left from this probability on."""
GRID = (0.2, 0.25, 0.3, 0.4, 0.49)
"""Limits that are tried for a part: below the one from which on it is left."""
CLEAR = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
"""And for an image."""
OTHERS = 0.25
"""The limit of parts that do not identify."""
ABOUT = (
    'Logistic regressions of what is left of a face, made by benchmarks/defacers/fit.py from '
    'phantoms and other synthetic heads; benchmarks/results/defacers_fit.tsv says how well '
    'people, tools and fields of view left out are judged.'
)
NEEDED = tuple(part for name in IDENTIFYING for part in PART_NAMES[name])
KINDS = tuple(dict.fromkeys(map(kind_of, NEEDED)))
ALL_KINDS = tuple(dict.fromkeys(kind_of(part) for parts in PART_NAMES.values() for part in parts))


class Example(NamedTuple):
    """A part, or an image: its inputs, whether it is left, and what it is left out with.

    ``left`` is ``None`` if neither is true: it is judged, but nothing is fitted to it. ``judged``
    is false for an image of which it is not known where the face should be, or of which a part
    that identifies is in view, but too little of it.
    """

    kind: str
    name: str
    inputs: dict[str, float]
    left: bool | None
    person: str
    tool: str
    view: str
    file: str
    judged: bool = True


class Limits(NamedTuple):
    """Up to which probability a part of each kind is removed, and an image is clear."""

    removed: dict[str, float]
    clear: float


class Judged(NamedTuple):
    """An image, and the probability that a part of a face is left on it."""

    example: Example
    probability: float
    most: dict[str, float]
    """The largest probability of the parts of each kind that identify."""
    brow_alone: bool = False
    """Whether no other part that identifies is left."""

    def cleared(self, limits: Limits) -> bool:
        """Whether it has no findings under these limits."""
        low = all(value <= limits.removed[kind] for kind, value in self.most.items())
        return low and self.probability <= limits.clear and self.example.judged


Case = tuple[dict[str, Any], ScanMeasures]


def measured(path: Path) -> Iterator[Case]:
    """Read cases that were measured and are no brain, but for real ones."""
    for line in path.read_text().splitlines():
        case = json.loads(line)
        if case['source'] == 'real' or 'measures' not in case:
            continue
        measures = ScanMeasures.from_json(case['measures'])
        if not measures.skull_stripped:
            yield case, measures


def part_examples(case: dict[str, Any], measures: ScanMeasures) -> Iterator[Example]:
    """Parts of a case that were measured, then those measured where they are not.

    The latter have no name: models are fitted to them, and nothing is judged by them.
    """
    places = [(trace.name, trace) for trace in measures.face_parts]
    for traces in case.get('displaced', ()):
        places += [('', from_object(PartTrace, one)) for one in traces]
    for name, trace in places:
        share = case['parts'][trace.name]
        if share is None or trace.follows is None:
            continue
        left = part_left(share, case['tool'])
        inputs = part_inputs(trace, measures.half_faces)
        yield _example(case, kind_of(trace.name), name, inputs, left=left)


def _brow_alone(case: dict[str, Any]) -> bool:
    shares = {part: case['parts'][part] or 0.0 for part in NEEDED}
    left = [part for part, share in shares.items() if share > NONE_SHARE]
    return left == ['brow']


def _is_judged(measures: ScanMeasures) -> bool:
    """Whether all parts that identify are measured or out of view, in a place that is known."""
    unclear = any(
        trace.name in NEEDED and trace.follows is None and trace.in_view >= MIN_IN_VIEW
        for trace in measures.face_parts
    )
    return measures.face_frame.off_mm is not None and not unclear


def part_left(share: float, tool: str) -> bool | None:
    """Whether a part is left, by the share of its skin that is; ``None`` if that is not clear."""
    if tool in UNCLEAR or NONE_SHARE < share < WHOLE_SHARE:
        return None
    return share >= WHOLE_SHARE


def _example(
    case: dict[str, Any], kind: str, name: str, inputs: dict[str, float], *, left: bool | None
) -> Example:
    person = f'{case["source"]}-{case["person"]}'
    return Example(kind, name, inputs, left, person, case['tool'], case['view'], case['file'])


def image_left(case: dict[str, Any]) -> bool | None:
    """Whether a part that identifies is left in an image; ``None`` if that is not clear."""
    found = []
    for part in NEEDED:
        share = case['parts'][part]
        if share is not None:
            left = part_left(share, case['tool'])
            # of a strip at the edge of the image nobody can say what it shows
            found.append(None if left and case.get('seen', {}).get(part, 1.0) < MIN_SEEN else left)
    if any(found):
        return True
    return None if None in found else False


def fitted(examples: Sequence[Example]) -> Regression:
    """Fit a logistic regression; its weights are of inputs as they are."""
    examples = [one for one in examples if one.left is not None]
    names = list(examples[0].inputs)
    table = _table(examples)
    scaler = StandardScaler().fit(table)
    model = LogisticRegression(C=STRENGTH, max_iter=2000)
    model.fit(scaler.transform(table), _left(examples))
    weights = model.coef_[0] / scaler.scale_
    intercept = float(model.intercept_[0] - (weights * scaler.mean_).sum())
    rounded = dict(zip(names, weights.round(4).tolist(), strict=True))
    return Regression(round(intercept, 4), rounded)


def _table(examples: Sequence[Example]) -> Numbers:
    return np.array([list(one.inputs.values()) for one in examples], float)


def _left(examples: Sequence[Example]) -> NDArray[np.bool_]:
    return np.array([one.left for one in examples], dtype=bool)


def left_out(examples: Sequence[Example], group: Callable[[Example], str]) -> Numbers:
    """Probability of each example by a model that was fitted without its group."""
    names = [group(one) for one in examples]
    found = np.full(len(examples), np.nan)
    folds = min(FOLDS, len(set(names)))
    for learnt, asked in GroupKFold(folds).split(np.zeros(len(names)), groups=names):
        model = fitted([examples[i] for i in learnt])
        found[asked] = [model.probability(examples[i].inputs) for i in asked]
    return found


def by_kind(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """Sort parts by their kind."""
    kinds: dict[str, list[Example]] = {}
    for one in examples:
        kinds.setdefault(one.kind, []).append(one)
    return kinds


def image_examples(
    cases: Sequence[Case],
    probability: dict[tuple[str, str], float],
) -> list[Example]:
    """Images, from the probabilities of their parts: by (file, part)."""
    examples = []
    for case, measures in cases:
        found = [
            probability[case['file'], trace.name]
            for trace in measures.face_parts
            if trace.name in NEEDED and (case['file'], trace.name) in probability
        ]
        left = image_left(case)
        if found:
            inputs = image_inputs(found, measures.half_faces)
            one = _example(case, 'image', 'image', inputs, left=left)
            examples.append(one._replace(judged=_is_judged(measures)))
    return examples


def fit(cases: Sequence[Case]) -> tuple[dict[str, Any], list[Judged]]:
    """Fit everything.

    Returns
    -------
    The content of ``data/part_model.json``, and the images as people left out are judged.
    """
    kinds = by_kind([one for case, measures in cases for one in part_examples(case, measures)])
    parts = {kind: fitted(examples) for kind, examples in sorted(kinds.items())}
    judged = judge(cases, kinds, lambda one: one.person)
    chosen = limits(judged)
    content = {
        'about': ABOUT,
        'people': len({one.example.person for one in judged}),
        'images': len(judged),
        'parts': {kind: _object(one) for kind, one in parts.items()},
        'image': _object(fitted([one.example for one in judged])),
        'left': PROBABLY,
        'removed': chosen.removed,
        'clear': chosen.clear,
    }
    return content, judged


def judge(
    cases: Sequence[Case], kinds: dict[str, list[Example]], group: Callable[[Example], str]
) -> list[Judged]:
    """Judge all images by models that were fitted without their group."""
    asked = {
        (one.file, one.name): float(probability)
        for examples in kinds.values()
        for one, probability in zip(examples, left_out(examples, group), strict=True)
        if one.name
    }
    images = image_examples(cases, asked)
    found = left_out(images, group)
    most: dict[str, dict[str, float]] = {one.file: {} for one in images}
    for (file, part), probability in asked.items():
        if part in NEEDED:
            kind = kind_of(part)
            most[file][kind] = max(most[file].get(kind, 0.0), probability)
    brows = {case['file'] for case, _ in cases if _brow_alone(case)}
    return [
        Judged(one, float(score), most[one.file], one.file in brows)
        for one, score in zip(images, found, strict=True)
    ]


def limits(judged: Sequence[Judged]) -> Limits:
    """Choose up to which probability a part of each kind is removed, and an image is clear.

    As many images whose parts were removed as can be are cleared while no more than `MISSES` of
    those with a part left are. Of limits that do equally well the smallest count. Images on which
    the brow alone is left do not count: it is a band narrower than its place is known, and most
    tools leave some of it.
    """
    known = [one for one in judged if one.example.left is not None and not one.brow_alone]
    left = np.array([bool(one.example.left) for one in known])
    usable = np.array([one.example.judged for one in known])
    most = {kind: np.array([one.most.get(kind, 0.0) for one in known]) for kind in KINDS}
    passing = {kind: [most[kind] <= limit for limit in GRID] for kind in KINDS}
    image = np.array([one.probability for one in known])
    best: tuple[float, float, tuple[float, ...]] = (-1.0, 0.0, ())
    for clear in CLEAR:
        low = usable & (image <= clear)
        for choice in product(range(len(GRID)), repeat=len(KINDS)):
            those = low.copy()
            for kind, number in zip(KINDS, choice, strict=True):
                those &= passing[kind][number]
            if those[left].mean() <= MISSES:
                values = tuple(GRID[number] for number in choice)
                share = float(those[~left].mean())
                best = max(best, (share, -clear, tuple(-value for value in values)))
    if not best[2]:
        raise SystemExit(
            f'no limits let no more than {MISSES:.1%} of images with a part left pass'
        )
    removed = dict.fromkeys(ALL_KINDS, OTHERS) | {
        kind: -value for kind, value in zip(KINDS, best[2], strict=True)
    }
    return Limits(removed, -best[1])


def reliability(judged: Sequence[Judged]) -> Iterator[tuple[str, int, float, float]]:
    """Yield bins of the probability of an image: from, N, mean probability, share left."""
    known = [one for one in judged if one.example.left is not None]
    for number in range(BINS):
        low, high = number / BINS, (number + 1) / BINS
        inside = [one for one in known if low <= one.probability < high]
        if inside:
            mean = float(np.mean([one.probability for one in inside]))
            share = float(np.mean([bool(one.example.left) for one in inside]))
            yield f'{low:.1f}-{high:.1f}', len(inside), mean, share


def brier(judged: Sequence[Judged]) -> float:
    """Mean squared difference between the probability and whether a part is left."""
    known = [one for one in judged if one.example.left is not None]
    return float(np.mean([(one.probability - bool(one.example.left)) ** 2 for one in known]))


def rows(
    content: dict[str, Any], judged: Sequence[Judged], out: str, group: Callable[[Example], str]
) -> Iterator[tuple[object, ...]]:
    """Yield, per group and in all, the images cleared of those with a part left and without."""
    limits_ = Limits(content['removed'], content['clear'])
    names = ['all', *sorted({group(one.example) for one in judged})]
    for name in names if out != 'person' else names[:1]:
        those = [one for one in judged if name in ('all', group(one.example))]
        kinds = {
            'left': [one for one in those if one.example.left and not one.brow_alone],
            'brow alone': [one for one in those if one.example.left and one.brow_alone],
            'removed': [one for one in those if one.example.left is False],
        }
        for label, asked in kinds.items():
            if asked:
                n = sum(one.cleared(limits_) for one in asked)
                low, high = wilson(n / len(asked), len(asked))
                yield (out, name, label, len(asked), n, *_round(float(low), float(high)))


def _round(*numbers: float) -> tuple[float, ...]:
    return tuple(round(number, 4) for number in numbers)


def _object(model: Regression) -> dict[str, Any]:
    return {'intercept': model.intercept, 'weights': dict(model.weights)}


def main() -> None:
    """Fit the model, write it, and print how well people, tools and views left out are judged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('measures', type=Path, nargs='+', help='what measure.py wrote')
    parser.add_argument('target', type=Path, help='bids_reid/data/part_model.json')
    arguments = parser.parse_args()
    cases = [case for path in arguments.measures for case in measured(path)]
    content, judged = fit(cases)
    content['brier'] = round(brier(judged), 4)
    arguments.target.write_text(json.dumps(content, indent=2) + '\n')
    kinds = by_kind([one for case, measures in cases for one in part_examples(case, measures)])
    print('left_out', 'group', 'parts', 'n', 'no_findings', 'ci_low', 'ci_high', sep='\t')
    groups: dict[str, Callable[[Example], str]] = {
        'person': lambda one: one.person,
        'tool': lambda one: one.tool,
        'view': lambda one: one.view,
        'source': lambda one: one.person.split('-')[0],
    }
    for name, group in groups.items():
        found = judged if name == 'person' else judge(cases, kinds, group)
        for row in rows(content, found, name, group):
            print(*row, sep='\t')
    print('probability', 'n', 'mean', 'left', sep='\t')
    for bin_ in reliability(judged):
        print(*bin_[:2], *_round(*bin_[2:]), sep='\t')
    print('brier', content['brier'], sep='\t')


if __name__ == '__main__':
    main()
