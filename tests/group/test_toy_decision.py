"""A new decision, one line in the registry, goes through the steps of the group level."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bids_reid.bids.derivatives import save_failure, save_scan
from bids_reid.faces.extractors import EXTRACTORS
from bids_reid.group.encoding import read_encoded
from bids_reid.group.galleries import ScanGallery, galleries
from bids_reid.group.merging import MergeError
from bids_reid.group.searching import (
    Plan,
    SearchedGallery,
    fit_gallery,
    merge_shards,
    search_shard,
)
from bids_reid.match import decisions
from bids_reid.match.decisions import DECISIONS
from bids_reid.match.training import Training
from bids_reid.participant.library import read_scans
from bids_reid.records import Photo, Scan, Template
from bids_reid.risk.identification import Searches, mated_ranks
from tests.support.scan_records import WHOLE_FACE, boxes

D = 6
PEOPLE = ('01', '02', '03', '04')


class Vectors:
    """The part of an extractor that a search asks for."""

    kind = 'vector'
    similarity = 'euclidean'
    dimension = D

    def identity(self) -> dict[str, str]:
        return {'Model': 'vectors'}


class Centred:
    """A toy: mean renders less the middle of the gallery against photographs less theirs."""

    name = 'centred'
    applies_to = ('vector',)
    needs_all_views = True
    photo_pooling = 'mean'

    def learn(self, training: Training) -> dict[str, NDArray[Any]]:
        renders = (training.gallery[scan] for scan in range(len(training.gallery)))
        means = [rows.mean(axis=0) for rows in renders if len(rows)]
        photographs: Any = training.photographs
        return {'gallery': np.mean(means, axis=0), 'photos': photographs.features.mean(axis=0)}

    def scorer(self, learned: Any, probes: Any) -> Any:
        def scores(comparison: Any, person: str) -> NDArray[np.float32]:
            mean = comparison.renders.mean(axis=0) - learned['gallery']
            away = probes.features - learned['photos'] - mean
            return -np.linalg.norm(away, axis=1).astype(np.float32)

        return scores


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[ScanGallery, Plan, Path]:
    """Scans of four people, of whom 03 failed, and shifted photographs; one shows nobody of them.

    Of 02 no detector found a face.
    """
    monkeypatch.setitem(EXTRACTORS, 'vectors', Vectors)
    monkeypatch.setitem(DECISIONS, Centred.name, Centred())
    # loading what learns an SVM takes longer than all else
    monkeypatch.setattr(decisions, 'SVM_SCANS', 0)
    rng = np.random.default_rng(2)
    faces = rng.normal(size=(len(PEOPLE), D))
    (tmp_path / 'surface').touch()
    for label, face in zip(PEOPLE, faces, strict=True):
        scan = Scan(label, None, 'T1w', f'sub-{label}', tmp_path / f'sub-{label}_T1w.nii')
        if label == '03':
            save_failure(scan, tmp_path, tmp_path, 'broken')
            continue
        renders = (face + 0.1 * rng.normal(size=(5, D))).astype(np.float32)
        template = Template(renders, np.arange(5, dtype=np.int32), np.full(5, label != '02'))
        save_scan(
            scan,
            tmp_path,
            tmp_path,
            surface=tmp_path / 'surface',
            measures=WHOLE_FACE,
            faces=boxes(*range(0 if label == '02' else 5)),
            reason=None,
            renderer='llvmpipe',
            templates=[({'Extractor': 'vectors', 'Model': 'vectors'}, template)],
            renders=None,
        )
    shown = (*PEOPLE, None)
    photos = tuple(
        Photo(f'{number}.png', who, tmp_path / f'{number}.png') for number, who in enumerate(shown)
    )
    features = np.concatenate([faces, faces[:1]]) + 4 + 0.1 * rng.normal(size=(len(shown), D))
    encoded = tmp_path / 'encoded.npz'
    np.savez(
        encoded,
        features=features.astype(np.float32),
        photographs=[photo.name for photo in photos],
        statuses=[['ok', '']] * len(photos),
    )
    (gallery,) = galleries(read_scans(tmp_path))
    return gallery, Plan(photos), encoded


def searched(study: tuple[ScanGallery, Plan, Path], size: int) -> dict[str, Searches]:
    """Searches under every decision, in shards of a size that are merged in another order."""
    gallery, plan, encoded = study
    fitted = encoded.with_name('fitted.npz')
    fit_gallery(gallery.scans, plan, [encoded], 'vectors', fitted)
    files = []
    for first in range(0, len(gallery.scans), size):
        shard = replace(gallery, scans=gallery.scans[first : first + size])
        files.append(encoded.with_name(f'{size}-{first}.npz'))
        mated = list(plan.mated(gallery))
        search_shard(shard, mated, plan, [encoded], 'vectors', fitted, files[-1])
    merged = merge(study, files[::-1])
    return {decision: merged.searches(decision) for decision in merged.decisions}


def merge(
    study: tuple[ScanGallery, Plan, Path], files: list[Path], gallery: ScanGallery | None = None
) -> SearchedGallery:
    """Merge the files of shards."""
    whole, plan, encoded = study
    photographs = read_encoded([encoded], plan.names, 'vectors')
    (merged,) = merge_shards([gallery or whole], plan, photographs, files)
    return merged


def test_a_decision_of_ones_own_is_searched_and_counted(
    study: tuple[ScanGallery, Plan, Path],
) -> None:
    """Otherwise whoever adds an attack has to change the group level as well."""
    whole = searched(study, 4)
    assert list(whole) == ['best', 'pooled', 'adapted', 'centred']
    searches = whole['centred']
    assert searches.pooling == 'mean'
    assert searches.enrolled.tolist() == [True, True, False, True]
    assert whole['best'].enrolled.tolist() == [True, False, False, True]
    ranks = {result.participant: result.rank for result in mated_ranks(searches)}
    assert ranks == {'01': 1, '02': 1, '03': None, '04': 1}
    assert searches.distractors is not None
    assert np.nanargmax(searches.distractors[0]) == 0
    for size in (1, 3):
        for name, part in searched(study, size).items():
            np.testing.assert_array_equal(part.scores, whole[name].scores, err_msg=name)
            np.testing.assert_array_equal(part.distractors, whole[name].distractors)
            np.testing.assert_array_equal(part.enrolled, whole[name].enrolled)


def test_a_shard_that_is_missing_or_comes_twice_stops_the_merge(
    study: tuple[ScanGallery, Plan, Path],
) -> None:
    """Otherwise its scans pass for failures to enrol, and everybody in them looks safe."""
    gallery, _, encoded = study
    searched(study, 2)
    first, second = (encoded.with_name(f'2-{first}.npz') for first in (0, 2))
    with pytest.raises(MergeError, match=r'no result for scan .*sub-03'):
        merge(study, [first])
    again = Path(shutil.copy(first, first.with_name('again.npz')))
    with pytest.raises(MergeError, match=r'two results for scan .*sub-01'):
        merge(study, [first, second, again])
    kept = gallery.scans[:3]
    renamed = (*kept, replace(gallery.scans[3], stem='other'))
    for scans, message in (
        (kept, 'sub-04, which was not asked for'),
        (renamed, 'no result for scan .*other'),
    ):
        with pytest.raises(MergeError, match=message):
            merge(study, [first, second], replace(gallery, scans=scans))
