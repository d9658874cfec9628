"""The search of keypoints by the steps of the graph, on made-up templates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bids_reid.bids.derivatives import save_failure, save_scan
from bids_reid.group import search_steps
from bids_reid.group.result import PhotoLine
from bids_reid.participant.library import read_scans
from bids_reid.records import Keypoints, KeypointTemplate, Scan
from bids_reid.risk.identification import Searches

PEOPLE = ('01', '02', '03', '04', '05')
VIEWS = 6


class Points:
    """What is asked of an extractor of keypoints when a gallery is searched."""

    kind = 'keypoints'
    distance = 'hamming'

    def identity(self) -> dict[str, str]:
        return {'Model': 'points'}


def keypoints(rng: np.random.Generator, images: list[NDArray[np.uint8]]) -> Keypoints:
    descriptors = np.concatenate(images)
    places = rng.random((len(descriptors), 2)).astype(np.float32)
    return Keypoints(descriptors, places, np.cumsum([0, *map(len, images)]).astype(np.int64))


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Templates of five people, and ``encoded.npz`` with a photograph of each.

    In those of 02 a detector found no face, and 04 failed. The photograph of 05 has no keypoints.
    """
    monkeypatch.setattr(search_steps, 'load_extractor', lambda _: Points())
    rng = np.random.default_rng(9)
    faces = rng.integers(0, 256, (len(PEOPLE), 12, 16), dtype=np.uint8)
    surface = tmp_path / 'surface'
    surface.touch()
    for label, face in zip(PEOPLE, faces, strict=True):
        scan = Scan(label, None, 'T1w', f'sub-{label}', tmp_path / f'sub-{label}_T1w.nii')
        if label == '04':
            save_failure(scan, tmp_path, tmp_path, 'broken')
            continue
        seen = keypoints(rng, [face[rng.permutation(12)[:9]] for _ in range(VIEWS)])
        found = np.full(VIEWS, label != '02')
        template = KeypointTemplate(seen, np.arange(VIEWS, dtype=np.int32), found)
        save_scan(
            scan,
            tmp_path,
            tmp_path,
            surface=surface,
            measured={'Status': 'ok', 'Reason': '', 'ViewsWithFace': int(found.sum())},
            boxes=[None] * 81,
            templates=[({'Extractor': 'points', 'Model': 'points'}, template)],
            renders=None,
        )
    photographs = keypoints(rng, [*(face[:8] for face in faces[:4]), faces[4][:0]])
    statuses = np.array([['ok', '']] * len(PEOPLE))
    np.savez(tmp_path / 'encoded.npz', **photographs.arrays(), statuses=statuses)
    return tmp_path


def searched(
    out: Path, labels: tuple[str, ...] = PEOPLE, scans: slice = slice(None)
) -> dict[str, Searches]:
    """Searches under every decision with photographs labelled so, against some scans."""
    gallery = search_steps.galleries(read_scans(out)[scans])[0]
    lines = [
        PhotoLine(f'{number}.png', who, in_dataset=True, searched=True, status='ok')
        for number, who in enumerate(labels)
    ]
    encoded, fitted, shard = (out / f'{name}.npz' for name in ('encoded', 'fitted', 'shard'))
    probes = gallery.probes(lines)
    search_steps.fit_gallery(gallery.sources, probes, [encoded], 'points', fitted)
    search_steps.search_shard(gallery.sources, probes, [], [encoded], 'points', fitted, shard)
    arrays, _ = search_steps.read_encoded([encoded])
    return dict(search_steps.merge_shards(gallery, lines, arrays, 'points', iter([shard])))


def test_a_machine_learns_from_all_views_and_the_others_from_those_with_a_face(out: Path) -> None:
    """Otherwise de-facing looks safe, since no detector fires and nobody looks without one."""
    found = searched(out)
    assert list(found) == ['best', 'pooled', 'svm']
    assert found['best'].enrolled.tolist() == [True, False, True, False, True]
    assert found['svm'].enrolled.tolist() == [True, True, True, False, True]
    for searches in found.values():
        np.testing.assert_array_equal(np.isnan(searches.scores).all(axis=0), ~searches.enrolled)
        assert np.isfinite(searches.scores[:, searches.enrolled]).all()
    assert np.nanargmax(found['svm'].scores[:3], axis=1).tolist() == [0, 1, 2]
    assert found['svm'].pooling == 'mean'


def test_no_label_of_a_photograph_reaches_a_score(out: Path) -> None:
    """Otherwise an attack knows whom it looks for, and every rate is too high."""
    as_is, others = searched(out), searched(out, ('02', '03', '05', '01', '04'))
    for decision, searches in as_is.items():
        assert others[decision].photo_participants != searches.photo_participants
        np.testing.assert_array_equal(others[decision].scores, searches.scores)


def test_one_person_is_told_from_nobody(out: Path) -> None:
    """Otherwise a gallery of one person stops the run, or everybody in it is recognised."""
    found = searched(out, scans=slice(1))
    assert list(found) == ['best', 'pooled']
    assert found['best'].scan_participants == ('01',)
