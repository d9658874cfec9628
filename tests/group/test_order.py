"""Before and after must not be told backwards, whatever options the group level is called with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bids_reid.bids.derivatives import renew_record, save_failure
from bids_reid.engine.group_graph import init_group_wf
from bids_reid.group.account import Survey
from bids_reid.group.merging import read_result
from bids_reid.group.order import came_first, order_of
from bids_reid.group.searching import Plan
from bids_reid.group.selection import Choice, Extractors, Selection, Team
from bids_reid.group.summaries import Rules, summarise
from bids_reid.participant.library import EnrolledScan, read_scans
from bids_reid.records import Scan
from bids_reid.risk.pairing import ReductionRow
from tests.support.scan_records import enrolled
from tests.support.study import PEOPLE, Study, search_files


def of_condition(condition: str, before: str | None, label: str = '01') -> EnrolledScan:
    scan = enrolled(label, condition=condition)
    origin = replace(scan.record.origin, condition=condition, before=before)
    return replace(scan, record=replace(scan.record, origin=origin))


def conditions(**before: str | None) -> list[EnrolledScan]:
    return [of_condition(condition, last) for condition, last in before.items()]


def test_the_order_is_that_of_the_records() -> None:
    """``group`` without -d told of a reduction of -88 points."""
    order = order_of(conditions(raw=None, defaced='raw', refaced='raw'), (), 'raw')
    assert order == {'defaced': 'raw', 'refaced': 'raw'}
    assert came_first('raw', 'defaced', order)
    # originals beside a dataset that is de-faced itself, as BIDSonym leaves them
    turned = order_of(conditions(raw='originals', originals=None, other=None), (), 'raw')
    assert turned == {'raw': 'originals'}
    assert not came_first('raw', 'originals', turned)
    assert not came_first('raw', 'other', turned)
    # also if the group level is called with other options than the participant level
    assert order_of(conditions(raw='originals'), ('raw', 'originals'), 'originals') == turned


def test_the_command_line_has_the_last_word() -> None:
    """A participant level without --audit raw knows nothing of it."""
    scans = conditions(raw=None, originals='raw', other='raw')
    order = order_of(scans, ('raw', 'originals', 'other'), 'raw')
    assert order == {'raw': 'originals'}
    assert not any(came_first('raw', name, order) for name in ('originals', 'other'))
    # of what nobody knows, raw came first
    assert came_first('raw', 'defaced', order_of(conditions(raw=None, defaced=None)))


def test_records_that_contradict_each_other_make_no_circle() -> None:
    """Runs with other options, of other participants: an endless loop, or order by chance."""
    scans = [of_condition('defaced', 'raw', label) for label in ('01', '02')]
    scans += [of_condition('raw', 'defaced', '03'), of_condition('defaced', None, '04')]
    for some in (scans, scans[::-1]):
        assert order_of(some) == {'defaced': 'raw'}
    assert order_of([of_condition('raw', 'raw')]) == {}


@pytest.fixture
def chosen(defaced: Study) -> Study:
    """Photographs of the people who were de-faced, so that the search is short."""
    return replace(
        defaced, photos=tuple(photo for photo in defaced.photos if photo.participant in PEOPLE[:5])
    )


def came_of(study: Study, **before: str | None) -> list[EnrolledScan]:
    """Write into the records what a participant level with -d and perhaps --audit raw does."""
    for scan in read_scans(study.out):
        line = scan.line
        path = study.out.parent / 'bids' / line.source.rpartition('/')[2]
        own = Scan(
            line.participant, line.session, line.modality, scan.files.stem, path, line.condition
        )
        if own.condition in before:
            renew_record(own, path.parent, study.out, before[own.condition])
    return read_scans(study.out)


def rows(
    study: Study, selection: Selection, condition: str, folder: Path
) -> Sequence[ReductionRow]:
    """Search T1w scans of both conditions with the rules of the graph; return what changed."""
    extractors = Extractors(('pixels',), (), {})
    node = init_group_wf(selection=selection, extractors=extractors).get_node(
        'summarise_pixels_T1w'
    )
    rules: Rules = node.inputs.rules
    plan, names = Plan(study.photos), (condition, 'raw')
    folder.mkdir()
    files = {
        name: search_files(study.gallery(name), plan, 'pixels', folder / name) for name in names
    }
    summarise(
        [study.gallery(name) for name in names],
        plan,
        files['raw'].encoded,
        Team(('pixels',)),
        [shard for name in names for shard in files[name].shards],
        rules,
        folder / 'result',
    )
    return [
        row
        for one in read_result(folder / 'result')
        for attack in one.attacks
        for row in attack.reductions
    ]


def chosen_scans(study: Study, asked: Choice, scans: Sequence[EnrolledScan]) -> Selection:
    survey = Survey(study.out, 'raw', (), {})
    return Selection(asked, tuple(scans), study.photos, survey=survey)


def choice(*names: str, audited: str) -> Choice:
    return Choice(PEOPLE, PEOPLE, conditions=names, audited=audited)


def test_the_group_level_needs_no_d_to_tell_before_from_after(
    chosen: Study, tmp_path: Path
) -> None:
    """The same direction and the same numbers, with -d and without."""
    scans = came_of(chosen, raw=None, defaced='raw')
    told = [
        rows(chosen, chosen_scans(chosen, asked, scans), 'defaced', tmp_path / str(number))
        for number, asked in enumerate(
            (choice('raw', 'defaced', audited='defaced'), choice(audited='raw'))
        )
    ]
    assert told[0] == told[1]
    assert {(row.baseline, row.condition) for row in told[0]} == {('raw', 'defaced')}
    assert max(row.reduction or 0 for row in told[0]) > 0


@pytest.mark.parametrize('by_records', [True, False])
def test_originals_beside_a_defaced_dataset(
    chosen: Study, tmp_path: Path, by_records: bool
) -> None:
    """As BIDSonym leaves them; whether the participant level was told or the group level is."""
    if by_records:
        scans = came_of(chosen, raw='defaced', defaced=None)
        asked = choice(audited='raw')
    else:
        scans = came_of(chosen, raw=None, defaced='raw')
        asked = choice('raw', 'defaced', audited='raw')
    selection = chosen_scans(chosen, asked, scans)
    turned = rows(chosen, selection, 'defaced', tmp_path / 'x')
    assert {(row.baseline, row.condition) for row in turned} == {('defaced', 'raw')}
    assert min(row.reduction or 0 for row in turned) < 0


def test_a_failure_knows_where_it_came_of(tmp_path: Path) -> None:
    """A condition all of whose scans failed has a place in the order, too."""
    scan = Scan('01', None, 'T1w', 'sub-01', tmp_path / 'sub-01_T1w.nii', 'defaced')
    save_failure(scan, tmp_path, tmp_path / 'out', 'broken', 'raw')
    assert order_of(read_scans(tmp_path / 'out')) == {'defaced': 'raw'}
