"""Graphs only wire: every scan has its own branch, every extractor its own template."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bids_reid.records import Photo, Scan
from bids_reid.workflows.group import init_group_wf
from bids_reid.workflows.group_steps import Choice
from bids_reid.workflows.participant import init_participant_wf, scan_node_name

if TYPE_CHECKING:
    from nipype.pipeline import engine as pe

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


def build(scans: tuple[Scan, ...], tmp_path: Path) -> pe.Workflow:
    return init_participant_wf(
        scans=scans,
        bids_dir=tmp_path,
        output_dir=tmp_path / 'out',
        extractors=EXTRACTORS,
        keep_renders=True,
    )


def test_each_scan_runs_from_its_file_to_its_results(
    scans: tuple[Scan, ...], tmp_path: Path
) -> None:
    """A wire to the wrong branch gives one person the face of another."""
    expected = set()
    for scan in scans:
        branch = scan_node_name(scan)
        for source, out, target, into in [
            ('skin', 'surface', 'render', 'surface'),
            ('skin', 'record', 'render', 'record'),
            ('skin', 'record', 'faces', 'record'),
            ('render', 'renders', 'faces', 'renders'),
            ('render', 'renders', 'face_recognition', 'renders'),
            ('faces', 'faces', 'face_recognition', 'faces'),
            ('render', 'renders', 'deepface_VGG_Face', 'renders'),
            ('faces', 'faces', 'deepface_VGG_Face', 'faces'),
            ('face_recognition', 'template', 'templates', 'in1'),
            ('deepface_VGG_Face', 'template', 'templates', 'in2'),
            ('skin', 'surface', 'save', 'surface'),
            ('skin', 'record', 'save', 'record'),
            ('render', 'renders', 'save', 'renders'),
            ('render', 'renderer', 'save', 'renderer'),
            ('faces', 'faces', 'save', 'faces'),
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
    assert len(edges(build(scans, tmp_path))) == 32


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


def test_the_group_level_encodes_the_photographs_with_each_extractor(tmp_path: Path) -> None:
    """Otherwise one extractor's templates are searched with another's features."""
    photos = [Photo('a.jpg', '01', tmp_path / 'a.jpg'), Photo('b.jpg', None, tmp_path / 'b.jpg')]
    for photo in photos:
        photo.path.touch()
    workflow = init_group_wf(
        output_dir=tmp_path,
        dataset='x',
        command='c',
        choice=Choice(dataset=('01', '02'), participants=('01',)),
        photos=photos,
        extractors=EXTRACTORS,
    )
    assert edges(workflow) == {
        ('face_recognition', 'encoded', 'encoded', 'in1'),
        ('deepface_VGG_Face', 'encoded', 'encoded', 'in2'),
        ('encoded', 'out', 'write', 'encoded'),
    }
    inputs = workflow.get_node('write').inputs
    assert inputs.extractors == list(EXTRACTORS)
    assert inputs.photos == photos
    assert inputs.choice.participants == ('01',)
    for node, extractor in (('face_recognition', 'face_recognition'), ('deepface_VGG_Face', 'deepface-VGG-Face')):  # fmt: skip  # noqa: E501
        assert workflow.get_node(node).inputs.extractor == extractor
        assert workflow.get_node(node).inputs.photos == photos


def test_without_photographs_the_scans_are_still_reported(tmp_path: Path) -> None:
    workflow = init_group_wf(
        output_dir=tmp_path,
        dataset='x',
        command='c',
        choice=Choice(dataset=('01',), participants=('01',)),
        photos=None,
        extractors=EXTRACTORS,
    )
    assert [node.name for node in workflow._create_flat_graph().nodes] == ['write']
