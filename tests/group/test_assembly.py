"""The group level as a whole: parts become one result, each found by its key."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bids_reid.bids.tables import read_table
from bids_reid.engine import group_graph
from bids_reid.engine.execution import configure
from bids_reid.engine.group_run import search
from bids_reid.errors import CannotWriteError, ReidError
from bids_reid.faces.extractors import EXTRACTORS as EXTRACTORS_OF_ALL
from bids_reid.faces.plugged import PluggedVectors
from bids_reid.faces.registrations import Registration
from bids_reid.group import galleries
from bids_reid.group.account import Survey, image_lines
from bids_reid.group.assembly import Parts, group_result
from bids_reid.group.merging import MergeError
from bids_reid.group.result import GroupResult
from bids_reid.group.selection import Choice, Extractors, Selection
from bids_reid.participant.library import read_scans
from bids_reid.records import RAW, STRANGER, Photo
from bids_reid.report.tables import ALL, write_results
from bids_reid.settings import Settings
from tests.support.study import PEOPLE, Pixels, Study

EXTRACTORS = Extractors(('pixels', 'points'), ('pixels',), {})
VECTORS = Extractors(('pixels',), ('pixels',), {})


def selection_of(study: Study, photos: tuple[Photo, ...] | None, **choice: object) -> Selection:
    """Choose all scans; one has no version, and the release holds no other image."""
    scans = tuple(read_scans(study.out))
    of = Choice(PEOPLE, PEOPLE, **choice)  # type: ignore[arg-type]
    folder = study.out.parent / ('bids' if of.audited == RAW else of.audited)
    folders = {RAW: study.out.parent / 'bids', of.audited: folder}
    missing = () if of.audited == RAW else ('sub-11_ses-a_T1w.nii',)
    survey = Survey(folder, of.audited, (), folders, missing=missing)
    return Selection(of, scans, photos, survey=survey)


def parts_of(
    selection: Selection, folder: Path, out: Path, extractors: Extractors = EXTRACTORS
) -> Parts:
    """Run the graph in this process."""
    folder.mkdir()
    plugin = folder / 'plugin.yml'
    plugin.write_text('plugin: Linear')
    settings = Settings(
        bids_dir=folder,
        output_dir=out,
        levels=('group',),
        plugin_file=plugin,
        work_dir=folder / 'work',
    )
    configure(stop_on_first_crash=True, verbosity=0)
    try:
        return search(settings, selection, extractors)
    finally:
        assert not list(folder.rglob('*.npz')), 'faces stay in the work folder'


def result_of(
    selection: Selection, parts: Parts, extractors: Extractors = EXTRACTORS
) -> GroupResult:
    images = image_lines(selection.survey, selection.scans, Path(), selection.survey.folders[RAW])
    return group_result(
        *(selection, extractors, parts), images=images, dataset='made up', command='bids-reid'
    )


def table_files(result: GroupResult, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    write_results(folder, result, '')
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@dataclass(frozen=True)
class Whole:
    """A run with everything, in parts of one size."""

    study: Study
    selection: Selection
    parts: Parts
    files: dict[str, bytes]


@pytest.fixture(scope='module')
def whole(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp('whole')
    selection = selection_of(study, study.photos, max_risk=0.5)
    parts = parts_of(selection, folder / 'run', study.out)
    return Whole(study, selection, parts, table_files(result_of(selection, parts), folder / 'a'))


@pytest.mark.parametrize(('shard', 'part'), [(5, 7), pytest.param(1, 1, marks=pytest.mark.slow)])
def test_the_size_of_the_parts_changes_no_byte(
    whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shard: int, part: int
) -> None:
    """Otherwise a dataset's result depends on how a cluster shares the work."""
    monkeypatch.setattr(galleries, 'SHARD_SCANS', shard)
    monkeypatch.setattr(group_graph, 'PHOTOS_PER_NODE', part)
    parts = parts_of(whole.selection, tmp_path / 'run', whole.study.out)
    files = table_files(result_of(whole.selection, parts), tmp_path / 'tables')
    of_pairs = ('group_reduction', 'group_changes')
    tables = [name for name in ALL if name not in of_pairs]
    expected = {f'{name}.{ending}' for name in tables for ending in ('tsv', 'json')}
    assert set(files) == expected | {'group_summary.json', 'group.html'}
    assert files == whole.files


def test_a_summary_never_stands_beside_other_tables(
    whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass of the run before would be taken for one of the tables beside it."""
    result = result_of(whole.selection, whole.parts)
    former = replace(result, rows=result.rows[:1], dataset='before')
    folder, rename = tmp_path / 'tables', Path.replace
    n_files = len(table_files(former, folder))
    for number in (*range(0, n_files - 1, 18), n_files - 1):
        write_results(folder, former, '')
        left = [number]

        def fail_later(path: Path, target: Path, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(5, 'Input/output error')
            rename(path, target)

        with monkeypatch.context() as one:
            one.setattr(Path, 'replace', fail_later)
            with pytest.raises(CannotWriteError):
                write_results(folder, result, 'page')
        names = {path.name for path in folder.iterdir() if path.is_file()}
        assert len(names) == n_files - 1
        assert 'group_summary.json' not in names
    write_results(folder, result, '')
    assert {path.name: path.read_bytes() for path in folder.glob('group*')} == whole.files


def test_parts_come_in_any_order(whole: Whole, tmp_path: Path) -> None:
    """Otherwise tables depend on which step ended first."""
    parts = (whole.parts.summaries, whole.parts.controls, whole.parts.links)
    turned = Parts(*(tuple(reversed(list(part))) for part in parts))
    result = result_of(whole.selection, turned)
    assert table_files(result, tmp_path / 'tables') == whole.files
    groups = [(key.extractor, key.condition, key.modality) for key, _ in result.searches]
    assert list(dict.fromkeys(groups)) == [
        (extractor, 'raw', modality)
        for extractor in ('pixels', 'points')
        for modality in ('FLAIR', 'T1w')
    ]


@pytest.mark.parametrize('name', ['summaries', 'controls', 'links'])
def test_a_part_that_is_missing_or_comes_twice_stops_the_run(whole: Whole, name: str) -> None:
    """Otherwise what was never counted passes for what is safe."""
    given = list(getattr(whole.parts, name))
    assert given
    for number in range(len(given)):
        for part in ([*given[:number], *given[number + 1 :]], [*given, given[number]]):
            with pytest.raises(MergeError):
                result_of(whole.selection, replace(whole.parts, **{name: part}))


def test_everybody_is_in_the_ranks(whole: Whole, tmp_path: Path) -> None:
    """A photograph that is in no row lowers no rate, and is not missed."""
    result = result_of(whole.selection, whole.parts)
    assert result.photos is not None
    mated = {photo.name for photo in result.photos if photo.mated}
    unreadable = {photo.name for photo in result.photos if photo.status == 'unreadable'}
    assert (len(mated), unreadable) == (18, {'09.png'})
    attacks = dict(result.searches)
    assert len(attacks) == 2 * (4 + 3)
    for scores in attacks.values():
        assert {score.photo for score in scores} == mated - unreadable
        assert {score.status for score in scores} == {'ok', 'no_face', 'no_template'}
    assert {row.n_probes for row in result.rows if row.unit == 'photo'} == {17}
    # with what was found on it
    first = replace(result.photos[0], n_faces=3, n_alike=2, turned=90)
    write_results(tmp_path, replace(result, photos=(first, *result.photos[1:])), '')
    for row in read_table(tmp_path / 'group_ranks.tsv'):
        found = tuple(row[name] for name in ('n_faces', 'n_faces_as_large', 'turned'))
        shown = '0' if row['status'] == 'no_face' else '1'
        assert found == (('3', '2', '90') if row['photo'] == first.name else (shown, shown, '0'))
    # who was left out by a filter, or has no result, is told
    some = replace(whole.selection.choice, participants=(*PEOPLE, '99'))
    result = result_of(replace(whole.selection, choice=some), whole.parts)
    assert result.unprocessed == ('99',)


def test_no_name_of_a_distractor_reaches_the_result(study: Study, tmp_path: Path) -> None:
    """The result goes into tables, pages and terminal: a stranger must be in none of them."""
    folder = tmp_path / 'Jane_Doe_wedding'
    folder.mkdir()
    Image.open(study.photos[8].path).save(folder / 'Jane_Doe.png')
    (folder / 'Jane_Doe.jpg').write_text('no picture')
    (folder / 'Jane_Doe.gif').symlink_to(folder / 'Jane')
    strangers = tuple(
        Photo(f'distractor {number}', label, folder / name)
        for number, (name, label) in enumerate(
            [('Jane_Doe.png', STRANGER), ('Jane_Doe.jpg', None), ('Jane_Doe.gif', None)], start=1
        )
    )
    selection = selection_of(study, (*study.photos[:12], *strangers))
    parts = parts_of(selection, tmp_path / 'run', study.out, VECTORS)
    result = result_of(selection, parts, VECTORS)
    assert 'Jane' not in repr(asdict(result))
    lines = [photo for photo in result.photos or () if not photo.labelled]
    assert [photo.status for photo in lines] == ['ok', 'unreadable', 'unreadable']
    assert [photo.participant for photo in lines] == [STRANGER, None, None]
    assert not any(photo.mated or photo.unprocessed for photo in lines)
    files = table_files(result, tmp_path / 'tables')
    assert not [name for name, content in files.items() if b'Jane' in content]


def test_no_photograph_of_those_searched_is_left(study: Study, tmp_path: Path) -> None:
    """Otherwise a choice of participants nobody photographed ends in a traceback."""
    selection = selection_of(study, ())
    parts = parts_of(selection, tmp_path / 'run', study.out)
    result = result_of(selection, parts)
    assert {row.extractor for row in result.rows} == {'pixels', 'points'}
    assert {(row.n_probes, row.rate) for row in result.rows} == {(0, None)}
    # enrolled by whoever takes all views, or only those with a face
    assert {row.n_gallery for row in result.rows} == {9, 10}
    write_results(tmp_path, result, '')
    rows = read_table(tmp_path / 'group_identification.tsv')
    assert {(row['n_probes'], row['rate']) for row in rows} == {('0', 'n/a')}


def test_the_audited_condition_is_judged(defaced: Study, tmp_path: Path) -> None:
    """From photographs or from shapes alone, and never with a part that was not looked at."""
    selection = selection_of(defaced, defaced.photos, audited='defaced', max_risk=0.6)
    parts = parts_of(selection, tmp_path / 'run', defaced.out, VECTORS)
    result = result_of(selection, parts, VECTORS)
    gate = result.gate
    assert gate is not None
    assert gate.risk is not None
    assert (gate.condition, gate.risk.n, gate.risk.modality) == ('defaced', 5, 'T1w')
    # within the limit, but a scan has no such version, and the release is empty
    assert gate.outcome == 'look first'
    sentences = ' '.join(reason.sentence for reason in gate.reasons)
    assert '1 raw scan has no defaced version' in sentences
    assert 'There is no defaced image' in sentences
    assert gate.risk.within
    assert [row.condition for row in result.reductions] == ['defaced'] * 4
    # whole galleries of either condition are no fair comparison of the two
    factors = {row.factor for row in result.statistics.comparisons}
    assert 'decision' in factors
    assert 'condition' not in factors
    # without photographs there is nothing to compare, but a gate
    selection = replace(selection, photos=None)
    nobody = replace(VECTORS, searching=())
    result = result_of(selection, replace(parts, summaries=(), controls=()), nobody)
    assert (result.photos, result.rows, result.reductions) == (None, (), ())
    assert result.gate is not None
    assert result.gate.risk is None
    assert 'The risk was not measured' in ' '.join(r.sentence for r in result.gate.reasons)
    write_results(tmp_path, result, '')
    assert {path.stem for path in tmp_path.glob('*.tsv')} == {'group_images', 'group_linkage'}


def test_a_photograph_that_one_extractor_did_not_take(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays in the denominator of that one, and counts for the others as it does."""
    selection = selection_of(study, study.photos)
    plain = Pixels.features

    def features(self: Pixels, images: Any, boxes: Any) -> dict[str, Any]:
        # the first rows of a part are photographs 00 and 01, of the first two people
        rows = plain(self, images, boxes)['features']
        rows[:2] = np.nan
        return {'features': rows}

    monkeypatch.setattr(Pixels, 'features', features)
    result = result_of(selection, parts_of(selection, tmp_path / 'run', study.out))
    photos = [photo for photo in result.photos or () if photo.name in ('00.png', '01.png')]
    assert [photo.status for photo in photos] == ['ok', 'ok']
    for attack, scores in result.searches:
        of = {score.photo: score.status for score in scores}
        rejected = 'no_face' if attack.extractor == 'pixels' else 'ok'
        assert (of['00.png'], of['01.png']) == (rejected, rejected)
    failed = {
        row.extractor: (row.n_probes, row.n_failed_acquire)
        for row in result.rows
        if (row.unit, row.k, row.modality) == ('photo', 1, 'T1w')
    }
    # one photograph shows no face to anybody
    assert failed == {'pixels': (17, 3), 'points': (17, 1)}
    assert result.remarks == ('pixels could not use 2 photographs, which count as not recognised',)


def test_an_extractor_that_gives_something_else_is_a_line(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has to ask the vendor needs what was wrong, and of which package and version."""

    class Doubles(Pixels):
        def features(self, images: Any, boxes: Any) -> dict[str, Any]:
            return {'features': super().features(images, boxes)['features'].astype(float)}

    registration = Registration('pixels', 'x:y', 'acme-matcher', '1.0')
    monkeypatch.setitem(
        EXTRACTORS_OF_ALL, 'pixels', partial(PluggedVectors, registration, Doubles())
    )
    selection = selection_of(study, study.photos)
    with pytest.raises(ReidError) as refusal:
        parts_of(selection, tmp_path / 'run', study.out, VECTORS)
    assert str(refusal.value) == (
        'pixels of acme-matcher 1.0: features(): features are float64, not an array of float32 '
        '(--extractors runs those that it names, and no others)'
    )
