"""The group level on made-up templates: however it is cut, the same files come out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bids_reid.group.group_steps import Choice
from bids_reid.group.statistics_steps import STATISTICS_TABLES
from bids_reid.match.scores import probe_scores
from numpy.typing import NDArray
from PIL import Image

from bids_reid.bids.derivatives import save_failure, save_scan
from bids_reid.bids.files import read_json
from bids_reid.bids.tables import read_table
from bids_reid.engine import group_graph as group
from bids_reid.engine.execution import configure, run_graph
from bids_reid.errors import NoInputError, ScanError
from bids_reid.faces import photographs
from bids_reid.faces.detect import Box
from bids_reid.faces.extractors import EXTRACTORS, Availability
from bids_reid.group import group_steps, search_steps
from bids_reid.participant.library import read_scans
from bids_reid.records import Photo, Scan, Template
from bids_reid.risk.identification import Searches, mated_ranks

PEOPLE = tuple(f'{number:02}' for number in range(12))
D = 24
Run = Callable[..., dict[str, str]]


class Pixels:
    """An extractor whose features are the picture's first pixels."""

    kind = 'vector'
    dimension = D
    similarity = 'euclidean'

    def features(
        self, images: list[NDArray[np.uint8]], boxes: list[Box]
    ) -> dict[str, NDArray[np.float32]]:
        assert len(images) == len(boxes)
        rows = [image[0, :D] for image in images]
        return {'features': np.array(rows, np.float32).reshape(-1, D) / 255}

    def memory_gb(self) -> float:
        return 0.1

    def available(self) -> Availability:
        return Availability(why_by_name='a stand-in')

    def identity(self) -> dict[str, str]:
        return {'Model': 'pixels'}


def crop(picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Box] | None:
    return (picture, Box(0, 0, 9, 9)) if picture.any() else None


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[Photo]]:
    """Scans of twelve people, some twice and some failed, and their photographs."""
    monkeypatch.setitem(EXTRACTORS, 'pixels', Pixels)
    monkeypatch.setattr(photographs, 'loose_crop', crop)
    rng = np.random.default_rng(4)
    # all differ from one face by 10 in some places: many scores are the same but for rounding
    faces = rng.integers(60, 200, size=D) + 10 * (rng.random((len(PEOPLE), D)) < 0.15)
    out, bids = tmp_path / 'first', tmp_path / 'bids'
    surface = tmp_path / 'surface'
    surface.touch()
    for modality, session in (('T1w', 'a'), ('T1w', 'b'), ('FLAIR', 'a')):
        for number, label in enumerate(PEOPLE[: 12 if session == 'a' else 5]):
            name = f'sub-{label}_ses-{session}'
            scan = Scan(label, session, modality, name, bids / f'{name}_{modality}.nii')
            if number == 3:
                save_failure(scan, bids, out, 'broken')
                continue
            n_views = 0 if number == 7 else int(rng.integers(1, 6))
            shown = faces[number] + 10 * (rng.random((n_views, D)) < 0.1)
            template = Template(
                (shown / 255).astype(np.float32), np.arange(n_views, dtype=np.int32)
            )
            status = {'Status': 'ok' if n_views else 'no_face', 'Reason': ''}
            save_scan(
                scan,
                bids,
                out,
                surface=surface,
                measured={**status, 'ViewsWithFace': n_views},
                boxes=[None] * 81,
                templates=[({'Extractor': 'pixels', 'Model': 'pixels'}, template)],
                renders=None,
            )
    photos = []
    for number, label in enumerate((*PEOPLE, *PEOPLE[:6], None)):
        path = tmp_path / f'{number:02}.png'
        picture = np.zeros((50, 50), np.uint8)
        if number != 5:
            picture[0, :D] = faces[number % 12] - 10 * (rng.random(D) < 0.2)
        Image.fromarray(picture).save(path)
        photos.append(Photo(path.name, label, path))
    (tmp_path / '09.png').write_text('no picture')
    return out, photos


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the group level in this process, with parts of the sizes given."""
    plugin = tmp_path / 'plugin.yml'
    plugin.write_text('plugin: Linear')

    def run_group(
        out: Path, photos: list[Photo], shard: int = 4000, part: int = 32, **choice: Any
    ) -> dict[str, str]:
        monkeypatch.setattr(search_steps, 'SHARD_SCANS', shard)
        monkeypatch.setattr(group, 'PHOTOS_PER_NODE', part)
        logs = tmp_path / 'logs'
        configure(logs, stop_on_first_crash=True, verbosity=0)
        workflow = group.init_group_wf(
            output_dir=out,
            dataset='made up',
            command='bids-reid',
            choice=Choice(PEOPLE, PEOPLE, **choice),
            scans=read_scans(out),
            photos=photos,
            extractors=['pixels'],
        )
        return run_graph(
            workflow,
            base_dir=tmp_path / f'work-{out.name}',
            crash_dir=logs,
            n_procs=1,
            memory_gb=None,
            plugin_file=plugin,
        )

    return run_group


STATISTICS = [table.removeprefix('group_') for table in STATISTICS_TABLES]


def group_files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob('group*')}


@pytest.mark.parametrize(('shard', 'part'), [(1, 1), (5, 7)])
def test_the_size_of_the_parts_changes_no_byte(
    study: tuple[Path, list[Photo]], run: Run, tmp_path: Path, shard: int, part: int
) -> None:
    """Otherwise a dataset's result depends on how a cluster shares the work."""
    out, photos = study
    other = tmp_path / 'other'
    shutil.copytree(out, other)
    assert run(out, photos) == {}
    assert run(other, photos, shard, part) == {}
    tables = ('scans', 'linkage', 'identification', 'ranks', *STATISTICS)
    files = {f'group_{name}.{ending}' for name in tables for ending in ('tsv', 'json')}
    assert set(group_files(out)) == files | {'group.html', 'group_summary.json'}
    assert group_files(other) == group_files(out)


def test_conditions_are_compared_on_the_same_people(
    study: tuple[Path, list[Photo]], run: Run, tmp_path: Path
) -> None:
    """Otherwise de-facing looks good, or bad, only because fewer people were de-faced."""
    out, photos = study
    blank = Template(np.full((1, D), 0.5, np.float32), np.zeros(1, np.int32))
    for label in PEOPLE[:5]:
        name = f'sub-{label}_ses-a'
        scan = Scan(label, 'a', 'T1w', name, tmp_path / 'd' / f'{name}.nii', 'defaced')
        save_scan(
            scan,
            tmp_path / 'd',
            out,
            surface=tmp_path / 'surface',
            measured={
                'Status': 'ok',
                'Reason': '',
                'ViewsWithFace': 1,
                'Face': {'FacePresent': 'yes'},
            },
            boxes=[None] * 81,
            templates=[({'Extractor': 'pixels', 'Model': 'pixels'}, blank)],
            renders=None,
        )
    assert run(out, photos, audited='defaced', max_risk=0.6) == {}
    (row,) = (r for r in read_table(out / 'group_reduction.tsv') if r['decision'] == 'best')
    assert (row['condition'], row['modality'], row['n_people']) == ('defaced', 'T1w', '5')
    # the raw scan of one of the five failed
    assert (row['n_gallery_before'], row['n_gallery_after']) == ('4', '5')
    rates = read_table(out / 'group_identification.tsv')
    assert all(int(r['n_gallery']) >= 10 for r in rates if r['condition'] == 'raw')
    # all versions are alike, and ties count against the right person
    assert (row['n_after'], row['still_identified']) == ('0', 'n/a')
    assert int(row['n_before']) > 1
    verdict = read_json(out / 'group_summary.json')['Verdict']
    assert (verdict['condition'], verdict['kind'], verdict['n']) == ('defaced', 'risk', 5)
    # within the limit, but most scans have no such version
    assert verdict['ci_high'] < 0.6
    assert verdict['passed'] is False
    assert 'raw scans have no defaced version' in verdict['sentence']
    # whole galleries of either condition are no fair comparison of the two
    factors = {r['factor'] for r in read_table(out / 'group_comparisons.tsv')}
    assert 'condition' not in factors
    assert 'decision' in factors
    # a dataset that is de-faced itself, the originals beside it
    assert run(out, photos, audited='raw', max_risk=0.6) == {}
    (turned,) = (r for r in read_table(out / 'group_reduction.tsv') if r['decision'] == 'best')
    assert (turned['baseline'], turned['condition']) == ('defaced', 'raw')
    assert (turned['n_before'], turned['n_after']) == (row['n_after'], row['n_before'])
    assert turned['reduction'] == f'-{row["reduction"]}'
    # without photographs there is nothing to compare, but a verdict
    assert run(out, None, audited='defaced', max_risk=0.5) == {}
    assert not (out / 'group_reduction.tsv').exists()
    verdict = read_json(out / 'group_summary.json')['Verdict']
    assert (verdict['kind'], verdict['n'], verdict['passed']) == ('presence', 5, False)


@pytest.mark.parametrize('exact_scores', [0, 10**6])
def test_ranks_are_those_of_exact_scores(
    study: tuple[Path, list[Photo]],
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    exact_scores: int,
) -> None:
    """Otherwise a large gallery is searched less exactly than a small one."""
    monkeypatch.setattr(search_steps, 'EXACT_SCORES', exact_scores)
    out, photos = study
    assert run(out, photos, shard=4) == {}
    rows = read_table(out / 'group_ranks.tsv')
    assert {row['decision'] for row in rows} == {'best', 'pooled', 'svm', 'adapted'}
    rows = [row for row in rows if row['decision'] == 'best']
    found = {(row['modality'], row['photo']): row for row in rows}
    usable = [photo for photo in photos if photo.participant and photo.name not in ('09.png',)]
    pictures = [np.asarray(Image.open(photo.path)) for photo in usable]
    features = np.array([picture[0, :D] for picture in pictures], np.float32) / 255
    for gallery in search_steps.galleries(read_scans(out)):
        templates = search_steps.StoredGallery(gallery.sources, 'pixels')
        scores = probe_scores(features, templates, similarity='euclidean')
        exact = Searches(
            scores=scores,
            photos=tuple(photo.name for photo in usable),
            photo_participants=tuple(photo.participant or '' for photo in usable),
            acquired=np.array([picture.any() for picture in pictures]),
            scan_participants=gallery.participants,
            enrolled=~np.isnan(scores).all(axis=0),
        )
        results = mated_ranks(exact)
        assert {result.status for result in results} == {'ok', 'no_face', 'no_template'}
        for result in results:
            row = found.pop((gallery.modality, result.photo))
            assert row['status'] == result.status
            if result.status == 'ok':
                assert row['rank'] == str(result.rank)
                assert row['score'] == f'{result.score:.6g}'
                assert row['best_nonmated_score'] == f'{result.best_nonmated_score:.6g}'
    assert found == {}


def test_a_shard_that_is_missing_stops_the_run(tmp_path: Path) -> None:
    """Otherwise its scans pass for failures to enrol, and everybody in them looks safe."""
    shard = tmp_path / 'scores.npz'
    np.savez(shard, slack=np.zeros(2, np.float32))
    assert len(search_steps._joined([shard], 'slack', 2)) == 2
    with pytest.raises(ValueError, match='2 scans, not of 3'):
        search_steps._joined([shard], 'slack', 3)


def test_no_photograph_of_those_searched_is_left(
    study: tuple[Path, list[Photo]], run: Run
) -> None:
    """Otherwise a choice of participants nobody photographed ends in a traceback."""
    out, _ = study
    assert run(out, []) == {}
    rows = read_table(out / 'group_identification.tsv')
    assert {(row['n_probes'], row['rate']) for row in rows} == {('0', 'n/a')}
    assert {row['n_gallery'] for row in rows} == {'10'}


def test_a_missing_template_stops_the_search_and_is_named(
    study: tuple[Path, list[Photo]], run: Run
) -> None:
    """Otherwise an extractor that never ran looks like scans without a face."""
    out, photos = study
    path = out / 'sub-02' / 'ses-a' / 'anat' / 'sub-02_ses-a_desc-pixels_FLAIR.npz'
    path.unlink()
    reasons = run(out, photos)
    assert reasons == {
        'group_wf.fit_pixels_raw_FLAIR': f'{path} is missing: '
        'run the participant level with --extractors pixels'
    }
    assert not (out / 'group_ranks.tsv').exists()


def test_templates_of_another_model_are_refused(study: tuple[Path, list[Photo]]) -> None:
    """Otherwise features that cannot be compared give a plausible wrong rate."""
    out, _ = study
    (gallery, _) = search_steps.galleries(read_scans(out))
    stored = search_steps.StoredGallery(gallery.sources, 'pixels')
    assert [len(stored[number]) for number in (3, 7)] == [0, 0]
    scan = gallery.scans[0]
    scan.files.template('pixels').with_suffix('.json').write_text('{"Model": "older"}')
    with pytest.raises(ScanError, match='another version of pixels'):
        stored[0]
    scan.files.template('pixels').unlink()
    with pytest.raises(NoInputError, match='is missing: run the participant level'):
        stored[0]


def searched(out: Path, photos: list[Photo], folder: Path) -> dict[str, Searches]:
    """Searches of all T1w scans under every decision, by the steps of the graph."""
    folder.mkdir()
    names = ('encoded.npz', 'fitted.npz', 'shard.npz')
    encoded, fitted, shard = (folder / name for name in names)
    group_steps.encode_photographs(photos, 'pixels', encoded)
    (gallery,) = (g for g in search_steps.galleries(read_scans(out)) if g.modality == 'T1w')
    strangers = [n for n, photo in enumerate(photos) if photo.participant not in PEOPLE]
    cohort = [n for n in range(len(photos)) if n not in strangers]
    search_steps.fit_gallery(gallery.sources, cohort, [encoded], 'pixels', fitted)
    search_steps.search_shard(
        gallery.sources, gallery.probes(photos), strangers, [encoded], 'pixels', fitted, shard
    )
    arrays, statuses = search_steps.read_encoded([encoded])
    lines = list(group_steps._photo_lines(photos, statuses, set(PEOPLE), set(PEOPLE)))
    merged = search_steps.merge_shards(gallery, lines, arrays, 'pixels', iter([shard]))
    return dict(merged)


def test_no_label_of_a_photograph_reaches_a_score(
    study: tuple[Path, list[Photo]], tmp_path: Path
) -> None:
    """Otherwise an attack knows whom it looks for, and every rate is too high."""
    out, photos = study
    labelled = [photo for photo in photos if photo.participant]
    turned = [photo.participant for photo in labelled[5:] + labelled[:5]]
    renamed = [
        replace(photo, participant=who) for photo, who in zip(labelled, turned, strict=True)
    ]
    strangers = [photo for photo in photos if not photo.participant]
    as_is = searched(out, photos, tmp_path / 'a')
    others = searched(out, renamed + strangers, tmp_path / 'b')
    assert set(as_is) == {'best', 'pooled', 'svm', 'adapted'}
    for decision, searches in as_is.items():
        other = others[decision]
        assert other.photo_participants != searches.photo_participants
        # of the fast scores under `best` those are made exact that results depend on
        tolerance = 1e-6 if decision == 'best' else 0
        np.testing.assert_allclose(other.scores, searches.scores, rtol=0, atol=tolerance)


def test_distractors_are_searched_without_their_names(
    study: tuple[Path, list[Photo]], tmp_path: Path
) -> None:
    """Otherwise nothing is known of false alarms, or a stranger is named."""
    out, photos = study
    picture = Image.open(photos[8].path)
    picture.save(tmp_path / 'jane-doe.png')
    photos.append(Photo('jane-doe.png', None, tmp_path / 'jane-doe.png'))
    found = searched(out, photos, tmp_path / 'a')
    owner = [photo.name for photo in photos if photo.name != '09.png'].index('08.png')
    for decision, searches in found.items():
        assert searches.distractors is not None
        assert searches.distractors.shape == (2, len(searches.scan_participants))
        assert not [name for name in searches.photos if 'jane' in name]
        highest = np.nanmax(searches.distractors[1])
        assert highest == np.nanmax(searches.scores[owner]), decision
    files = [path for path in (tmp_path / 'a').iterdir() if path.name != 'encoded.npz']
    assert not [path for path in files if b'jane' in path.read_bytes()]
