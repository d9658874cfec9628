"""Count what fewer views find: ``python -m benchmarks.views [--crowd FOLDER ...] [--out ...]``.

Nine lights of one camera give nine renders of one scan, and each costs a face's time. Searches are
done with the renders of some lights only, the soft renders always among them:

- ``--crowd FOLDER``: a crowd of `benchmarks.attacks.crowd`; where its detector found faces is not
  known, so that ``seen`` and ``every`` renders are the same;
- ``--out OUT_DIR PHOTOS``: templates that the participant level left, one gallery for each
  condition and modality with the first scan of each participant, and photographs of them. Scans of
  two sets (condition, modality, session) are linked with each other, too.

Prints one TSV row per gallery, extractor, decision and choice of lights: how many renders a scan
has with soft ones, how many photographs have the right person first, their rate with Wilson's 95%
interval, how many are found more and fewer than with all lights, with the p-value of the exact
McNemar test; and the same of people, whose photographs are taken together. ``fused`` are the
scores of both extractors; ``fewer`` says which of them has fewer views.

``--distances`` prints instead how far features are apart, as lengths between vectors of length 1
(means, and the 5% and 95% quantiles): of two lights of a camera, of a render and the nearest that
a choice keeps, of two cameras, of two photographs of a person, of a photograph and its mirror
image, of people. ``--seconds`` prints what the renders of a scan cost: processor time of the
features of as many pictures of noise, the median of five rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations, product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from benchmarks.attacks.crowd import EXTRACTORS
from benchmarks.attacks.steps import Found, compared
from benchmarks.attacks.variants import read_crowd
from bids_reid.faces.extractors import load_extractor
from bids_reid.match.decisions import DECISIONS, FUSED, learn, score
from bids_reid.match.fusion import fused_scores
from bids_reid.match.link_scores import LINK_DECISIONS, linkage_scores
from bids_reid.match.probes import Renders, VectorProbes
from bids_reid.match.training import Training
from bids_reid.records import Template
from bids_reid.risk.intervals import wilson
from bids_reid.views.cameras import CAMERA_YAWS, N_CAMERAS, N_LIGHTS, N_STANDARD, all_views

Array = np.ndarray
ALL = 'all 9 lights'
LIGHTS: dict[str, tuple[tuple[int, ...], ...]] = {
    ALL: (tuple(range(N_LIGHTS)),),
    '5: corners and middle': ((0, 2, 4, 6, 8),),
    '5: cross': ((1, 3, 4, 5, 7),),
    '5 or 4: every other view (facenet)': ((0, 2, 4, 6, 8), (1, 3, 5, 7)),
    '4: corners': ((0, 2, 6, 8),),
    '4: edges': ((1, 3, 5, 7),),
    '3: azimuths at 30': ((3, 4, 5),),
    '3: elevations ahead': ((1, 4, 7),),
    '3: orthogonal': ((0, 4, 8), (1, 5, 6), (2, 3, 7)),
    '1: ahead at 30': ((4,),),
    '1: orthogonal': ((0,), (5,), (7,), (4,), (6,), (2,), (8,), (1,), (3,)),
}
"""Numbers of the lights of a camera: three azimuths at 0, then at 30, then at 60 degrees of
elevation. Where there are two or three sets they take turns along rows and columns of cameras;
nine sets are those of each camera. ``orthogonal``: any two (``1``) or three (``3``) of the angles
of camera and light come together equally often."""
COLUMNS = (
    *('gallery', 'extractor', 'fewer', 'decision', 'lights', 'renders'),
    *('found', 'photographs', 'rate', 'ci_low', 'ci_high', 'more', 'fewer_found', 'p'),
    *('people_found', 'people', 'people_more', 'people_fewer', 'people_p'),
)
ROUNDS = 5
LEAST_GALLERY = 2


@dataclass(frozen=True)
class Searched:
    """Templates of n people by one extractor, one each, and p photographs of them."""

    name: str
    templates: Sequence[Template]
    probes: VectorProbes
    owners: Array


class Scored(NamedTuple):
    """Scores (p, n) of a decision, whom the photographs show, and which one is used."""

    scores: Array
    owners: Array
    decision: str


Known = dict[tuple[str, ...], Found]
Galleries = Mapping[str, Searched]
"""The same gallery by extractor."""


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--crowd', type=Path, action='append', default=[], metavar='FOLDER')
    parser.add_argument(
        '--out', type=Path, action='append', nargs=2, default=[], metavar=('OUT_DIR', 'PHOTOS')
    )
    parser.add_argument(
        '--name', default='', metavar='NAME', help='put this before the names of galleries'
    )
    parser.add_argument('--distances', action='store_true')
    parser.add_argument('--seconds', action='store_true')
    options = parser.parse_args()
    if options.seconds:
        print_seconds()
        return
    print(*(DISTANCE_COLUMNS if options.distances else COLUMNS), sep='\t', flush=True)
    for galleries in read(options.crowd, options.out):
        for line in distances(galleries) if options.distances else counted(galleries):
            print(options.name + line[0], *line[1:], sep='\t', flush=True)
    for out, _ in () if options.distances else options.out:
        for line in linked(out):
            print(options.name + line[0], *line[1:], sep='\t', flush=True)


def read(crowds: Sequence[Path], outputs: Sequence[tuple[Path, Path]]) -> Iterator[Galleries]:
    """Read all galleries."""
    for folder in crowds:
        yield {name: crowd_gallery(folder, name) for name in read_crowd(folder)}
    for out, photos in outputs:
        with TemporaryDirectory() as temporary:
            yield from output_galleries(out, photos, Path(temporary))


def crowd_gallery(folder: Path, extractor: str) -> Searched:
    """Read a crowd as one extractor has it."""
    crowd = read_crowd(folder)[extractor]
    views = np.arange(len(all_views()), dtype=np.int32)
    both = np.concatenate([crowd.renders['every'], crowd.renders['soft']], axis=1)
    templates = [Template(rows, views, np.ones(len(views), np.bool_)) for rows in both]
    return Searched(folder.name, templates, crowd.probes(), crowd.owners)


def output_galleries(out: Path, photos: Path, temporary: Path) -> Iterator[Galleries]:
    """Read the templates of an output folder, and encode photographs."""
    from bids_reid.bids.photos import find_photos
    from bids_reid.group.encoding import encode_photographs, read_encoded
    from bids_reid.participant.library import read_scans

    scans = read_scans(out)
    shown = [photo for photo in find_photos(photos) if photo.participant]
    encoded = {}
    for name in EXTRACTORS:
        encode_photographs(shown, name, temporary / f'{name}.npz')
        encoded[name] = read_encoded(
            [temporary / f'{name}.npz'], [photo.name for photo in shown], name
        )
    for kind in sorted({(scan.line.condition, scan.line.modality) for scan in scans}):
        some = [scan for scan in scans if (scan.line.condition, scan.line.modality) == kind]
        first = {scan.line.participant: scan for scan in reversed(some)}
        people = sorted(first)
        taken = [photo for photo in shown if photo.participant in first]
        galleries = {}
        for name in EXTRACTORS:
            acquired = set(encoded[name].acquired([photo.name for photo in taken]))
            mine = [photo for photo in taken if photo.name in acquired]
            galleries[name] = Searched(
                ' '.join(kind),
                [read_whole(first[person].files, name) for person in people],
                _vectors(encoded[name].probes([photo.name for photo in mine])),
                np.array([people.index(str(photo.participant)) for photo in mine]),
            )
        yield galleries


def _vectors(probes: Any) -> VectorProbes:
    assert isinstance(probes, VectorProbes)
    return probes


def read_whole(files: Any, extractor: str) -> Template:
    """Read all views of a template; none of a scan that failed."""
    from bids_reid.bids.template_files import read_template

    template = read_template(files, extractor, found_only=False)
    if isinstance(template, Template):
        return template
    d = load_extractor(extractor).dimension
    return Template(np.empty((0, d), np.float32), np.empty(0, np.int32), np.empty(0, np.bool_))


def kept(lights: str) -> Array:
    """Numbers of the views of a choice, soft ones among them."""
    sets, plain = LIGHTS[lights], []
    for camera in range(N_CAMERAS):
        turn = camera if len(sets) == N_CAMERAS else sum(divmod(camera, len(CAMERA_YAWS)))
        plain += [camera * N_LIGHTS + light for light in sets[turn % len(sets)]]
    return np.array([*plain, *range(N_STANDARD, len(all_views()))])


def with_views(template: Template, views: Array) -> Template:
    """Leave the other views out."""
    part = np.isin(template.views, views)
    found = np.ones(len(part), np.bool_) if template.found is None else template.found
    return Template(template.features[part], template.views[part], found[part])


def as_renders(template: Template) -> Renders[Array]:
    """Take a template as a search does."""
    plain, found = template.views < N_STANDARD, template.found
    assert found is not None
    features = template.features
    return Renders(features[plain & found], features[plain], features[~plain])


def counted(galleries: Galleries) -> Iterator[tuple[Any, ...]]:
    """Search with every choice of lights; yields the cells of each row."""
    known: Known = {}
    scores: dict[tuple[str, str], Scored] = {}
    for lights in LIGHTS:
        for extractor, one in galleries.items():
            for decision, found in search(one, kept(lights)).items():
                scored = Scored(found, one.owners, decision)
                yield row(known, (one.name, extractor, extractor), lights, scored)
                if decision == FUSED:
                    scores[extractor, lights] = scored
        yield from fusions(known, scores, galleries, lights)


def search(one: Searched, views: Array) -> dict[str, Array]:
    """Search some views under all decisions that there are: (p, n), -inf without a template."""
    gallery = [as_renders(with_views(template, views)) for template in one.templates]
    people = [f'{number:04}' for number in range(len(gallery))]
    learned = learn(Training(gallery, people, one.probes))
    found = score(one.probes, gallery, people, learned)
    return {
        name: np.where(np.isnan(some.scores), -np.inf, some.scores)
        for name, some in found.items()
        if some.enrolled.any()
    }


def fusions(
    known: Known,
    scores: Mapping[tuple[str, str], Scored],
    galleries: Galleries,
    lights: str,
) -> Iterator[tuple[Any, ...]]:
    """Fuse both extractors: one with all lights, or none."""
    first, second = EXTRACTORS
    name = next(iter(galleries.values())).name
    for fewer in (first, second, 'both'):
        parts = [
            scores.get((extractor, lights if fewer in (extractor, 'both') else ALL))
            for extractor in EXTRACTORS
        ]
        if None in parts or not _same_photographs(parts):
            continue
        matrices = [np.where(np.isinf(one.scores), np.nan, one.scores) for one in parts if one]
        fused = fused_scores([matrix.astype(np.float32) for matrix in matrices])
        scored = Scored(np.where(np.isnan(fused), -np.inf, fused), parts[0].owners, FUSED)
        yield row(known, (name, 'fused', fewer), lights, scored)


def _same_photographs(parts: Sequence[Any]) -> bool:
    return all(np.array_equal(parts[0].owners, one.owners) for one in parts)


def row(known: Known, whose: tuple[str, str, str], lights: str, scored: Scored) -> tuple[Any, ...]:
    """Return the cells of a row; compares with what all lights find, which comes first."""
    found = found_by(scored)
    known[*whose, scored.decision, lights] = found
    return cells(known, (*whose, scored.decision), lights)


def found_by(scored: Scored) -> Found:
    """Find who comes first: for each photograph, and for all photographs of each person."""
    pool = np.max if DECISIONS[scored.decision].photo_pooling == 'max' else np.mean
    people = np.unique(scored.owners)
    pooled = np.array([pool(scored.scores[scored.owners == one], axis=0) for one in people])
    return Found(first_is(scored.scores, scored.owners), first_is(pooled, people))


def first_is(scores: Array, owners: Array) -> Array:
    """Whether each row (p, n) is highest where its owner is, and only there."""
    own = scores[np.arange(len(owners)), owners]
    others = scores.copy()
    others[np.arange(len(owners)), owners] = -np.inf
    return np.isfinite(own) & (own > others.max(axis=1))


def cells(known: Known, attack: tuple[str, ...], lights: str) -> tuple[Any, ...]:
    """Return the cells of a row of `COLUMNS`."""
    found, reference = known[*attack, lights], known[*attack, ALL]
    n, rate = len(found.photographs), float(found.photographs.mean())
    low, high = wilson(rate, n)
    return (
        *(*attack, lights, len(kept(lights)), int(found.photographs.sum()), n),
        *(f'{float(x):.3f}' for x in (rate, low, high)),
        *compared(found.photographs, reference.photographs),
        *(int(found.people.sum()), len(found.people)),
        *compared(found.people, reference.people),
    )


def linked(out: Path) -> Iterator[tuple[Any, ...]]:
    """Link all sets of scans with each other; scans stand for photographs."""
    from bids_reid.participant.library import read_scans

    sets: dict[tuple[str, str, str], dict[str, Any]] = {}
    for scan in read_scans(out):
        line = scan.line
        group = sets.setdefault((line.condition, line.modality, str(line.session)), {})
        group[line.participant] = scan.files
    known: Known = {}
    for extractor in EXTRACTORS:
        templates = {
            key: {person: read_whole(files, extractor) for person, files in some.items()}
            for key, some in sets.items()
        }
        for lights, decision in product(LIGHTS, LINK_DECISIONS):
            attack = ('linked', extractor, extractor, decision)
            known[*attack, lights] = link_all(templates, lights, decision)
            if not len(known[*attack, lights].photographs):
                return
            yield cells(known, attack, lights)


def link_all(
    sets: Mapping[tuple[str, str, str], Mapping[str, Template]], lights: str, decision: str
) -> Found:
    """Link each set with each other: each scan of somebody who is in both is a search."""
    views = kept(lights)
    views = views[views < N_STANDARD]
    first, owners = [np.empty(0, np.bool_)], [np.empty(0, 'U8')]
    for one, other in permutations(sets.values(), 2):
        both = [person for person in one if person in other]
        if len(other) < LEAST_GALLERY or not both:
            continue
        scores = linkage_scores(
            [with_views(one[person], views) for person in both],
            [with_views(template, views) for template in other.values()],
            decision,
        )
        columns = np.array([list(other).index(person) for person in both])
        first.append(first_is(np.where(np.isnan(scores), -np.inf, scores), columns))
        owners.append(np.array(both))
    found, whose = np.concatenate(first), np.concatenate(owners)
    # a person counts as found if most links are
    most = np.array([found[whose == one].mean() > 0.5 for one in np.unique(whose)])
    return Found(found, most)


DISTANCE_COLUMNS = ('gallery', 'extractor', 'between', 'mean', 'low', 'high')


def distances(galleries: Galleries) -> Iterator[tuple[Any, ...]]:
    """Yield how far features of one gallery are apart."""
    for extractor, one in galleries.items():
        for between, lengths in apart(one):
            low, high = np.quantile(lengths, [0.05, 0.95])
            numbers = (f'{float(x):.3f}' for x in (np.mean(lengths), low, high))
            yield (one.name, extractor, between, *numbers)


def apart(one: Searched) -> Iterator[tuple[str, Array]]:
    """Yield distances (k,) by name; of whole templates only."""
    whole = [template for template in one.templates if len(template.views) == len(all_views())]
    renders = _unit(np.array([template.features[:N_STANDARD] for template in whole]))
    renders = renders.reshape(len(whole), -1, N_LIGHTS, renders.shape[-1])
    yield 'two lights of a camera', _pairs(renders)
    yield 'two cameras under one light', _pairs(renders.swapaxes(1, 2))
    for lights in LIGHTS:
        if lights != ALL:
            yield f'a render and the nearest of its camera in {lights}', _nearest(renders, lights)
    photographs = _unit(one.probes.features)
    if one.probes.mirrored is not None:
        mirrored = _unit(one.probes.mirrored)
        yield (
            'a photograph and its mirror image',
            np.linalg.norm(photographs - mirrored, axis=-1),
        )
    same = one.owners[:, None] == one.owners
    between = np.linalg.norm(photographs[:, None] - photographs, axis=-1)
    upper = np.triu(np.ones_like(same), 1).astype(bool)
    if (same & upper).any():
        yield 'two photographs of a person', between[same & upper]
    yield 'photographs of two people', between[~same & upper]
    yield (
        'renders of two people, one camera and light',
        _pairs(renders[:40].reshape(len(renders[:40]), -1, renders.shape[-1]).swapaxes(0, 1)),
    )


def _unit(rows: Array) -> Array:
    exact = rows.astype(np.float64)
    return exact / np.linalg.norm(exact, axis=-1, keepdims=True)


def _pairs(rows: Array) -> Array:
    """Distances of all pairs along the last axis but one."""
    numbers = combinations(range(rows.shape[-2]), 2)
    return np.concatenate(
        [np.linalg.norm(rows[..., a, :] - rows[..., b, :], axis=-1).ravel() for a, b in numbers]
    )


def _nearest(renders: Array, lights: str) -> Array:
    """Distance of each render that is left out to the nearest of its camera that is kept."""
    views, found = kept(lights), []
    for camera in range(renders.shape[1]):
        mine = [view % N_LIGHTS for view in views if view // N_LIGHTS == camera]
        others = [light for light in range(N_LIGHTS) if light not in mine]
        seen = renders[:, camera]
        away = seen[:, others, None] - seen[:, None, mine]
        found.append(np.linalg.norm(away, axis=-1).min(axis=-1).ravel())
    return np.concatenate(found)


def print_seconds() -> None:
    """Time the features of as many pictures as a scan has with each number of lights."""
    from bids_reid.faces.detect import Box

    rng = np.random.default_rng(1)
    pictures = list(rng.integers(0, 255, (len(all_views()), 480, 480), np.uint8))
    boxes = [Box(170, 310, 310, 170)] * len(pictures)
    print('extractor', 'renders', 'seconds', sep='\t')
    for name in EXTRACTORS:
        model = load_extractor(name)
        model.features(pictures[:1], boxes[:1])
        for n in sorted({len(kept(lights)) for lights in LIGHTS}):
            rounds = [seconds(model, pictures[:n], boxes[:n]) for _ in range(ROUNDS)]
            print(name, n, f'{median(rounds):.3f}', sep='\t', flush=True)


def seconds(model: Any, pictures: Sequence[Array], boxes: Sequence[Any]) -> float:
    """Time an extractor."""
    start = time.process_time()
    model.features(pictures, boxes)
    return time.process_time() - start


if __name__ == '__main__':
    main()
