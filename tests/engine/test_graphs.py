"""Graphs only wire: every scan has its own branch, every extractor its own template."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from nipype.pipeline import engine as pe

from bids_reid.engine import group_graph as group
from bids_reid.engine.group_graph import init_group_wf
from bids_reid.engine.participant_graph import init_participant_wf, scan_node_name
from bids_reid.group import galleries
from bids_reid.group.account import Survey
from bids_reid.group.selection import Choice, Extractors, Selection
from bids_reid.group.summaries import Rules
from bids_reid.participant.library import EnrolledScan
from bids_reid.records import Photo, Scan
from tests.support.scan_records import enrolled

EXTRACTORS = ('face_recognition', 'deepface-VGG-Face')


def edges(workflow: pe.Workflow) -> set[tuple[str, str, str, str]]:
    """Source node, its output, target node, its input; without the workflow's name."""
    graph = workflow._create_flat_graph()

    def name(node: Any) -> str:
        return str(node.fullname).partition('.')[2]

    return {
        (name(source), out, name(target), into)
        for source, target, data in graph.edges(data=True)
        for out, into in data['connect']
    }


@pytest.fixture
def scans(tmp_path: Path) -> tuple[Scan, ...]:
    names = ('sub-01', 'sub-01_ses-b_run-2')
    for name in names:
        (tmp_path / f'{name}_T1w.nii').touch()
    return (
        Scan('01', None, 'T1w', names[0], tmp_path / f'{names[0]}_T1w.nii'),
        Scan('01', 'b', 'T1w', names[1], tmp_path / f'{names[1]}_T1w.nii'),
    )


def build(
    scans: tuple[Scan, ...], tmp_path: Path, came_from: dict[Scan, str | None] | None = None
) -> pe.Workflow:
    return init_participant_wf(
        scans=scans,
        came_from=came_from,
        datasets={'raw': tmp_path, 'defaced': tmp_path / 'd'},
        output_dir=tmp_path / 'out',
        extractors=EXTRACTORS,
        keep_renders=True,
    )


def test_a_version_is_told_to_be_of_its_own_dataset(
    scans: tuple[Scan, ...], tmp_path: Path
) -> None:
    """Otherwise its Sources lead to a raw file that does not exist, or saving fails."""
    version = replace(scans[0], condition='defaced')
    workflow = build((*scans, version), tmp_path, {version: 'raw', scans[0]: None})
    told = {
        node.inputs.scan: (node.inputs.dataset_dir, node.inputs.came_from)
        for node in workflow._get_all_nodes()
        if node.name == 'save'
    }
    # and of the condition before, or before and after are told backwards
    assert told == {
        scans[0]: (str(tmp_path), None),
        scans[1]: (str(tmp_path), None),
        version: (f'{tmp_path}/d', 'raw'),
    }


def test_each_scan_runs_from_its_file_to_its_results(
    scans: tuple[Scan, ...], tmp_path: Path
) -> None:
    """A wire to the wrong branch gives one person the face of another."""
    expected = set()
    for scan in scans:
        branch = scan_node_name(scan)
        for source, out, target, into in [
            ('skin', 'surface', 'render', 'surface'),
            ('skin', 'measures', 'render', 'measures'),
            ('skin', 'measures', 'faces', 'measures'),
            ('skin', 'surface', 'faces', 'surface'),
            ('render', 'renders', 'faces', 'renders'),
            ('render', 'renders', 'face_recognition', 'renders'),
            ('faces', 'faces', 'face_recognition', 'faces'),
            ('render', 'renders', 'deepface_VGG_Face', 'renders'),
            ('faces', 'faces', 'deepface_VGG_Face', 'faces'),
            ('face_recognition', 'template', 'templates', 'in1'),
            ('deepface_VGG_Face', 'template', 'templates', 'in2'),
            ('skin', 'surface', 'save', 'surface'),
            ('skin', 'source_sha256', 'save', 'source_sha256'),
            ('render', 'renders', 'save', 'renders'),
            ('render', 'renderer', 'save', 'renderer'),
            ('faces', 'faces', 'save', 'faces'),
            ('faces', 'measures', 'save', 'measures'),
            ('templates', 'out', 'save', 'templates'),
        ]:
            expected.add((f'{branch}.{source}', out, f'{branch}.{target}', into))
    assert edges(build(scans, tmp_path)) == expected


def test_branches_share_nothing(scans: tuple[Scan, ...], tmp_path: Path) -> None:
    """Inputs of one scan that reach another would be saved under its name."""
    workflow = build(scans, tmp_path)
    for scan in scans:
        branch = workflow.get_node(scan_node_name(scan))
        assert branch.get_node('skin').inputs.in_file == str(scan.path)
        save = branch.get_node('save').inputs
        assert save.scan == scan
        assert save.output_dir == str(tmp_path / 'out')
        assert save.keep_renders is True
        assert branch.get_node('face_recognition').inputs.extractor == 'face_recognition'
        assert branch.get_node('deepface_VGG_Face').inputs.extractor == 'deepface-VGG-Face'
    nodes = workflow._create_flat_graph().nodes
    assert len({id(node.interface) for node in nodes}) == len(nodes) == 14


def test_a_scan_that_is_not_there_does_not_stop_the_others(
    scans: tuple[Scan, ...], tmp_path: Path
) -> None:
    """A link that datalad left must fail alone, when it is read."""
    scans[0].path.unlink()
    scans[0].path.symlink_to('/nowhere')
    assert len(edges(build(scans, tmp_path))) == 36


def test_names_of_branches_are_different_and_allowed(tmp_path: Path) -> None:
    """Nipype stops at a name twice; the run finds the failed scan by it."""
    path = Path('x')
    scans = [
        Scan('01', None, 'T1w', 'sub-01', path),
        Scan('01', None, 'FLAIR', 'sub-01', path),
        Scan('01', None, 'T1w', 'sub-01', path, condition='defaced'),
        Scan('01', 'a', 'T1w', 'sub-01_ses-a', path),
        Scan('01', 'a', 'T1w', 'sub-01_ses-a_run-1', path),
        Scan('0+1', None, 'T1w', 'sub-0+1', path),
    ]
    names = [scan_node_name(scan) for scan in scans]
    assert len(set(names)) == len(scans)
    assert all(name.isidentifier() for name in names)


def came_of(scan: EnrolledScan, condition: str, before: str) -> EnrolledScan:
    origin = replace(scan.record.origin, condition=condition, before=before)
    return replace(scan, record=replace(scan.record, origin=origin))


@pytest.fixture
def selection(tmp_path: Path) -> Selection:
    """Three photographs; three raw T1w scans, one of FLAIR, and one that was de-faced."""
    owners = {'a.jpg': '01', 'distractor 1': None, 'c.jpg': '03'}
    photos = [Photo(name, owner, tmp_path / name) for name, owner in owners.items()]
    scans = [('01', 'T1w'), ('02', 'T1w'), ('03', 'FLAIR'), ('03', 'T1w')]
    return Selection(
        Choice(
            dataset=('01', '02', '03'),
            participants=('01', '03'),
            conditions=('raw', 'defaced'),
            audited='defaced',
            variables={'sex': {'01': 'F'}},
            seed=5,
        ),
        (
            *(enrolled(who, modality=kind, folder=tmp_path) for who, kind in scans),
            came_of(enrolled('01', condition='defaced', folder=tmp_path), 'defaced', 'raw'),
        ),
        survey=Survey(tmp_path, 'defaced', (), {}),
        photos=tuple(photos),
        others=(enrolled('01', folder=tmp_path / 'earlier'),),
        other_name='earlier',
    )


@pytest.fixture
def group_wf(selection: Selection, monkeypatch: pytest.MonkeyPatch) -> pe.Workflow:
    """Photographs in two nodes, raw T1w scans in two shards."""
    monkeypatch.setattr(group, 'PHOTOS_PER_NODE', 2)
    monkeypatch.setattr(galleries, 'SHARD_SCANS', 2)
    extractors = Extractors(EXTRACTORS, ('face_recognition',), {})
    return init_group_wf(selection=selection, extractors=extractors)


NODES = ('face_recognition', 'deepface_VGG_Face')
TEAM = '_'.join(NODES)
SHARDS = {
    'FLAIR': ('raw_FLAIR_1',),
    'T1w': ('defaced_T1w_1', 'raw_T1w_1', 'raw_T1w_2'),
}


def test_the_group_level_searches_with_each_extractors_features(group_wf: pe.Workflow) -> None:
    """Otherwise one extractor's templates are searched with another's features."""
    expected = {
        ('link_face_recognition', 'result', 'links', 'in1'),
        ('link_surface', 'result', 'links', 'in2'),
    }
    n_summaries = 0
    for number, extractor in enumerate(NODES, start=1):
        photographs, control = f'{extractor}_photographs', f'control_{extractor}'
        for part in (1, 2):
            expected.add((f'{extractor}_{part}', 'encoded', photographs, f'in{part}'))
        expected.add((photographs, 'out', control, 'encoded'))
        expected.add((control, 'result', 'controls', f'in{number}'))
        for modality, shards in SHARDS.items():
            n_summaries += 1
            summary = f'summarise_{extractor}_{modality}'
            scores = f'searched_{extractor}_{modality}'
            expected.add((photographs, 'out', summary, 'encoded'))
            expected.add((scores, 'out', summary, 'searched'))
            expected.add((summary, 'result', 'summaries', f'in{n_summaries}'))
            for place, shard in enumerate(shards, start=1):
                search, fit = f'search_{extractor}_{shard}', f'fit_{extractor}_{shard[:-2]}'
                expected.add((photographs, 'out', search, 'encoded'))
                expected.add((photographs, 'out', fit, 'encoded'))
                expected.add((fit, 'fitted', search, 'fitted'))
                expected.add((search, 'scores', scores, f'in{place}'))
    # and both together, from the same searches
    for output, noun in (('photographs', ''), *(('searched', f'_{one}') for one in SHARDS)):
        joined = f'{TEAM}_photographs_all' if not noun else f'searched_{TEAM}{noun}_all'
        for number, extractor in enumerate(NODES, start=1):
            alone = f'searched_{extractor}{noun}' if noun else f'{extractor}_{output}'
            expected.add((alone, 'out', joined, f'in{number}'))
    encoded = f'{TEAM}_photographs_all'
    expected.add((encoded, 'out', f'control_{TEAM}', 'encoded'))
    expected.add((f'control_{TEAM}', 'result', 'controls', f'in{len(NODES) + 1}'))
    for modality in SHARDS:
        n_summaries += 1
        summary = f'summarise_{TEAM}_{modality}'
        expected.add((encoded, 'out', summary, 'encoded'))
        expected.add((f'searched_{TEAM}_{modality}_all', 'out', summary, 'searched'))
        expected.add((summary, 'result', 'summaries', f'in{n_summaries}'))
    assert edges(group_wf) == expected
    assert {name for name in group.RESULTS if group_wf.get_node(name)} == set(group.RESULTS)


def test_each_node_has_its_own_part(
    group_wf: pe.Workflow, selection: Selection, tmp_path: Path
) -> None:
    """A photograph or a scan that is in no part, or in two, makes every rate wrong."""
    for node, extractor in zip(NODES, EXTRACTORS, strict=True):
        parts = [group_wf.get_node(f'{node}_{part}').inputs for part in (1, 2)]
        names = [[photo.name for photo in part.photos] for part in parts]
        assert names == [['a.jpg', 'distractor 1'], ['c.jpg']]
        # the files are there to be hashed; one that is a link without content is there, too
        assert [len(part.files) for part in parts] == [2, 1]
        assert {part.extractor for part in parts} == {extractor}
        shards = {
            'raw_FLAIR_1': (['03'], ['c.jpg']),
            'defaced_T1w_1': (['01'], ['a.jpg']),
            'raw_T1w_1': (['01', '02'], ['a.jpg', 'c.jpg']),
            'raw_T1w_2': (['03'], ['a.jpg', 'c.jpg']),
        }
        for shard, (people, probes) in shards.items():
            inputs = group_wf.get_node(f'search_{node}_{shard}').inputs
            assert [(scan.folder, scan.stem) for scan in inputs.shard.scans] == [
                (str(tmp_path / f'sub-{label}' / 'anat'), f'sub-{label}') for label in people
            ]
            # a distractor is nobody's probe
            assert inputs.probes == probes
            assert inputs.plan.distractors == ['distractor 1']
            assert inputs.extractor == extractor
        for gallery, people in {'raw_FLAIR': ['03'], 'raw_T1w': ['01', '02', '03']}.items():
            inputs = group_wf.get_node(f'fit_{node}_{gallery}').inputs
            assert [scan.participant for scan in inputs.scans] == people
            # the photographs of the dataset, whoever they show
            assert inputs.plan.cohort == ['a.jpg', 'c.jpg']
            assert inputs.extractor == extractor
        for modality, conditions in {'FLAIR': ['raw'], 'T1w': ['defaced', 'raw']}.items():
            inputs = group_wf.get_node(f'summarise_{node}_{modality}').inputs
            # conditions can be compared only where one node has them all
            assert [gallery.condition for gallery in inputs.galleries] == conditions
            assert {gallery.modality for gallery in inputs.galleries} == {modality}
            assert inputs.rules == Rules(5, {'sex': {'01': 'F'}}, {'defaced': 'raw'})
            assert inputs.team.members == (extractor,)
        control = group_wf.get_node(f'control_{node}').inputs
        assert (control.team.members, control.seed) == ((extractor,), 5)
    assert group_wf.get_node(f'control_{TEAM}').inputs.team.members == tuple(EXTRACTORS)
    for way in ('face_recognition', 'surface'):
        inputs = group_wf.get_node(f'link_{way}').inputs
        assert [scan.scan_set.dataset for scan in inputs.scans] == ['this'] * 5 + ['earlier']
        assert (inputs.way, inputs.audited, inputs.seed) == (way, 'defaced', 5)


def test_participants_tsv_goes_only_where_rates_are_broken_down(group_wf: pe.Workflow) -> None:
    """What is said of participants is nobody else's business, and in no other crash file."""
    with_rules = {
        node.name for node in group_wf._create_flat_graph().nodes if hasattr(node.inputs, 'rules')
    }
    assert with_rules == {
        f'summarise_{node}_{modality}' for node in (*NODES, TEAM) for modality in SHARDS
    }


def test_a_large_search_asks_for_its_memory(selection: Selection) -> None:
    """Otherwise a cluster ends jobs that hold 400 MB of scores for each decision."""
    photos = tuple(Photo(f'{number}.jpg', '01', Path('x')) for number in range(1000))
    scan = selection.scans[0]
    many = replace(selection, scans=(scan,) * 30_000, photos=photos, others=())
    workflow = init_group_wf(
        selection=many, extractors=Extractors(('face_recognition',), ('face_recognition',), {})
    )
    # 1,000 x 30,000 scores of 4 bytes, and once more
    assert workflow.get_node('summarise_face_recognition_T1w').mem_gb > 0.5 + 0.22
    assert workflow.get_node('search_face_recognition_raw_T1w_1').mem_gb > 0.5 + 4 * 0.014
    assert len(workflow.get_node('search_face_recognition_raw_T1w_8').inputs.shard.scans) == 2000


def test_without_photographs_the_scans_are_still_linked(selection: Selection) -> None:
    workflow = init_group_wf(
        selection=replace(selection, photos=None),
        extractors=Extractors((), ('face_recognition',), {}),
    )
    names = {node.name for node in workflow._create_flat_graph().nodes}
    assert names == {'link_face_recognition', 'link_surface', 'links'}


def test_labels_with_a_plus_have_branches_of_their_own(tmp_path: Path) -> None:
    """Nipype allows no + in a name; two scans in one folder would overwrite each other."""
    people = ('sub-a+b', 'sub-a-b', 'sub-a_b', 'sub-a+acq-b', 'sub-a_acq-b', 'sub-a_acq+b')
    names = {
        scan_node_name(Scan('a', None, 'T1w', name, tmp_path / f'{name}_T1w.nii'))
        for name in people
    }
    assert len(names) == len(people)
    assert all(name.replace('_', '').isalnum() for name in names)
    assert scan_node_name(Scan('a', None, 'T1w', 'sub-a_acq-b', tmp_path)) == 'raw_sub_a_acq_b_T1w'
