"""What else could be done with the same features: ``python -m benchmarks.adapted OUT_DIR PHOTOS``.

Takes the face_recognition templates that the participant level left in OUT_DIR (81 renders of each
scan, one modality) and photographs of the same people, and counts how many photographs have the
right person first under the program's ``adapted`` and under other decisions that use no label of a
photograph either. Prints one TSV row per decision: found, searched, rate, and how many photographs
are found more and less than by centring alone, with the p-value of the exact McNemar test. Choose
parameters by it on synthetic people only.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import stats

from bids_reid.bids.photos import find_photos
from bids_reid.bids.template_files import read_template
from bids_reid.faces.extractors import load_extractor
from bids_reid.faces.photographs import loose_crop, read_photograph
from bids_reid.match.decisions import PRIOR_PROBES, learn, score
from bids_reid.match.probes import Renders, VectorProbes
from bids_reid.match.training import Training
from bids_reid.participant.library import read_scans
from bids_reid.views.cameras import style_numbers

EXTRACTOR, VIEWS, FRONT = 'face_recognition', 81, slice(36, 45)
Array = np.ndarray


def main() -> None:
    """Read, search in every way, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('out', type=Path, metavar='OUT_DIR')
    parser.add_argument('photos', type=Path, metavar='PHOTOS')
    parser.add_argument('--modality', default='FLAIR')
    options = parser.parse_args()
    people, renders = read_renders(options.out, options.modality)
    owners, probes = read_probes(options.photos, people)
    reference = None
    print('decision', 'found', 'searched', 'rate', 'more', 'fewer', 'p', sep='\t')
    for name, scores in decisions(probes, renders, people):
        first = scores.argmax(axis=1) == owners
        # the first of all
        reference = first if reference is None else reference
        more, fewer = int((first & ~reference).sum()), int((reference & ~first).sum())
        p = stats.binomtest(more, more + fewer).pvalue if more + fewer else 1.0
        cells = (int(first.sum()), len(first), f'{first.mean():.3f}', more, fewer, f'{p:.4f}')
        print(name, *cells, sep='\t')


def read_renders(out: Path, modality: str) -> tuple[list[str], Array]:
    """Participants with a scan of the modality, and features of its renders, (n, 81, d)."""
    people: list[str] = []
    rows: list[Array] = []
    for scan in read_scans(out, modalities=[modality], conditions=['raw']):
        template = read_template(scan.files, EXTRACTOR, found_only=False)
        plain = None if template is None else template.of_views(style_numbers('plain'))
        whole = plain is not None and len(plain.views) == VIEWS
        if whole and scan.line.participant not in people:
            people.append(scan.line.participant)
            rows.append(plain.features)
    return people, np.array(rows, np.float32)


def read_probes(photos: Path, people: list[str]) -> tuple[Array, Array]:
    """Whose the photographs with a face are, (p,), and their features, (p, d)."""
    model, owners, features = load_extractor(EXTRACTOR), [], []
    for photo in find_photos(photos):
        if photo.participant in people:
            cropped = loose_crop(read_photograph(photo.path))
            if cropped is not None:
                owners.append(people.index(photo.participant))
                features.append(model.features([cropped[0]], [cropped[1]])['features'][0])
    return np.array(owners), np.array(features, np.float32)


def unit(rows: Array) -> Array:
    """Scale the last axis to length 1."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def whitener(scatter: Array, shrinkage: float) -> Array:
    """Matrix (d, d) that divides directions by the square root of their shrunk variance."""
    variances, axes = np.linalg.eigh(scatter)
    return axes / np.sqrt(variances.clip(0) + shrinkage * variances.mean())


def local(cosines: Array, k: int) -> Array:
    """Cross-domain similarity local scaling with k photographs, as far as it changes a ranking."""
    return 2 * cosines - np.sort(cosines, axis=0)[-k:].mean(axis=0)


def decisions(probes: Array, renders: Array, people: list[str]) -> Iterator[tuple[str, Array]]:
    """Scores (p, n) by one decision after the other."""
    x, r = probes.astype(float), renders.astype(float)
    means = r.mean(axis=1)
    middle = means.mean(axis=0)
    part = len(x) / (len(x) + PRIOR_PROBES)
    x = x - (part * x.mean(axis=0) + (1 - part) * middle)

    def cosines(matrix: Array, rows: Array = means) -> Array:
        return unit(x @ matrix) @ unit((rows - rows.mean(axis=0)) @ matrix).T

    same = np.eye(x.shape[1])
    plain = cosines(same)
    yield 'centred', plain
    compared = VectorProbes(probes, 'euclidean')
    gallery = [Renders.plain(features) for features in renders]
    learned = {'adapted': learn(Training(gallery, people, compared))['adapted']}
    yield (
        'adapted, plain renders, no mirror images',
        score(compared, gallery, people, learned)['adapted'].scores,
    )
    within = (r - means[:, None]).reshape(-1, r.shape[2])
    within = within.T @ within / len(within)
    for shrinkage in (0.1, 0.3, 0.5, 1, 2, 4):
        yield f'within-class whitening {shrinkage}', cosines(whitener(within, shrinkage))
    between = np.cov((means - middle).T)
    for shrinkage in (0.5, 1, 3):
        yield f'whitening by people {shrinkage}', cosines(whitener(between, shrinkage))
    white = whitener(within, 1)
    for kept in (20, 40):
        axes = np.linalg.eigh(white.T @ between @ white)[1][:, -kept:]
        yield f'discriminant analysis, {kept} directions', cosines(white @ axes)
    yield 'frontal camera only', cosines(same, r[:, FRONT].mean(axis=1))
    by_view = np.einsum('pd,nvd->pnv', unit(x), unit(r - r.mean(axis=0)))
    yield 'each view centred, mean', by_view.mean(axis=2)
    for sharpness in (10, 20, 50):
        weighted = np.log(np.exp(sharpness * by_view).mean(axis=2))
        yield f'each view centred, weighted by likeness {sharpness}', weighted
    for k in (1, 3, 5, 10):
        yield f'local scaling {k}', local(plain, k)
    for k in (1, 3, 5, 10):
        yield f'within-class whitening 1, local scaling {k}', local(cosines(white), k)
    for name, scores in (('centred', plain), ('within-class whitening 1', cosines(white))):
        by_scan = (scores - scores.mean(axis=0)) / scores.std(axis=0)
        by_photo = (scores - scores.mean(axis=1, keepdims=True)) / scores.std(axis=1)[:, None]
        yield f'{name}, t-norm', by_scan
        yield f'{name}, s-norm', by_scan + by_photo


if __name__ == '__main__':
    main()
