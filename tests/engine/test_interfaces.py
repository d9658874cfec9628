"""An interface hands its inputs to one step and its files on, in its own folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bids_reid.engine.group_interfaces import (
    EncodePhotographs,
    FitGallery,
    SearchShard,
    WriteGroup,
)
from bids_reid.engine.participant_interfaces import (
    ExtractFeatures,
    ExtractSkin,
    FindFaces,
    RenderViews,
    SaveScan,
)
from bids_reid.errors import ScanError
from bids_reid.group import group_steps, search_steps
from bids_reid.participant import steps
from bids_reid.records import Photo, Scan

CHOICE = group_steps.Choice(dataset=('01', '02'), participants=('01',))


class Call:
    """Stands for a step: remembers what it was called with and makes its files."""

    def __init__(self, answer: object = None) -> None:
        self.answer = answer
        self.given: tuple[Any, ...] = ()
        self.named: dict[str, Any] = {}

    def __call__(self, *given: Any, **named: Any) -> object:
        assert not self.given, 'called twice'
        self.given, self.named = given, named
        for path in given:
            if isinstance(path, Path) and not path.exists():
                path.touch()
        return self.answer


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for the node, and input files beside it."""
    for name in 'abcdef':
        (tmp_path / name).touch()
    (tmp_path / 'node').mkdir()
    monkeypatch.chdir(tmp_path / 'node')
    return tmp_path


def step(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, answer: object = None) -> Call:
    call = Call(answer)
    monkeypatch.setattr(module, name, call)
    return call


def test_extract_skin(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = step(monkeypatch, steps, 'skin')
    outputs = ExtractSkin(in_file=str(there / 'a')).run().outputs
    assert call.given == (there / 'a', Path(outputs.surface), Path(outputs.record))
    assert {Path(outputs.surface).parent, Path(outputs.record).parent} == {there / 'node'}


def test_a_scan_that_is_not_there_says_so_when_it_is_read(there: Path) -> None:
    with pytest.raises(ScanError, match=r'gone\.nii'):
        ExtractSkin(in_file=str(there / 'gone.nii')).run()


def test_render_views(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = step(monkeypatch, steps, 'renders', 'llvmpipe')
    outputs = RenderViews(surface=str(there / 'a'), record=str(there / 'b')).run().outputs
    assert call.given == (there / 'a', there / 'b', Path(outputs.renders))
    assert Path(outputs.renders).parent == there / 'node'
    assert outputs.renderer == 'llvmpipe'


def test_find_faces(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = step(monkeypatch, steps, 'faces')
    asked = step(monkeypatch, steps, 'evidence')
    node = FindFaces(renders=str(there / 'a'), record=str(there / 'b'), surface=str(there / 'c'))
    outputs = node.run().outputs
    assert call.given == (there / 'a', there / 'b', Path(outputs.faces))
    assert asked.given == (there / 'c', there / 'b', there / 'a', Path(outputs.evidence))


def test_extract_features(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = step(monkeypatch, steps, 'features')
    node = ExtractFeatures(renders=str(there / 'a'), faces=str(there / 'b'), extractor='orb')
    outputs = node.run().outputs
    assert call.given == (there / 'a', there / 'b', 'orb', Path(outputs.template))


def test_save_scan(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = step(monkeypatch, steps, 'save', there / 'e')
    scan = Scan('01', None, 'T1w', 'sub-01', there / 'a')
    node = SaveScan(
        scan=scan,
        dataset_dir='/bids',
        output_dir='/out',
        surface=str(there / 'a'),
        record=str(there / 'b'),
        renders=str(there / 'c'),
        renderer='llvmpipe',
        faces=str(there / 'd'),
        evidence=str(there / 'a'),
        templates=[str(there / 'e'), str(there / 'f')],
    )
    assert node.run().outputs.out_file == str(there / 'e')
    assert call.given == (scan, Path('/bids'), Path('/out'))
    assert call.named == {
        'surface': there / 'a',
        'record': there / 'b',
        'renders_file': there / 'c',
        'renderer': 'llvmpipe',
        'faces_file': there / 'd',
        'evidence': there / 'a',
        'templates': [there / 'e', there / 'f'],
        'keep_renders': False,
    }


def test_encode_photographs(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = step(monkeypatch, group_steps, 'encode_photographs')
    photos = [Photo('a', '01', there / 'a')]
    node = EncodePhotographs(photos=photos, files=[str(there / 'a')], extractor='orb')
    outputs = node.run().outputs
    assert call.given == (photos, 'orb', Path(outputs.encoded))


def test_encoding_follows_a_changed_photograph(there: Path) -> None:
    """The same name with another face must not be answered from the cache."""

    def value() -> str:
        photos = [Photo('a', '01', there / 'a')]
        node = EncodePhotographs(photos=photos, files=[str(there / 'a')], extractor='orb')
        return str(node.inputs.get_hashval(hash_method='content')[1])

    before = value()
    assert value() == before
    (there / 'a').write_text('another face')
    assert value() != before


def test_fit_gallery(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = step(monkeypatch, search_steps, 'fit_gallery')
    sources = [(str(there), 'sub-01', 'T1w', 'ok')]
    node = FitGallery(
        sources=sources,
        cohort=[0, 2],
        encoded=[str(there / 'a'), str(there / 'b')],
        extractor='orb',
    )
    outputs = node.run().outputs
    encoded = [there / 'a', there / 'b']
    assert call.given == (sources, [0, 2], encoded, 'orb', Path(outputs.fitted))
    assert Path(outputs.fitted).parent == there / 'node'


def test_search_shard(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = step(monkeypatch, search_steps, 'search_shard')
    sources = [(str(there), 'sub-01', 'T1w', 'ok')]
    node = SearchShard(
        sources=sources,
        probes=[0, 2],
        distractors=[1],
        encoded=[str(there / 'a'), str(there / 'b')],
        extractor='orb',
        fitted=str(there / 'c'),
    )
    outputs = node.run().outputs
    encoded = [there / 'a', there / 'b']
    assert call.given == (sources, [0, 2], [1], encoded, 'orb', there / 'c', Path(outputs.scores))
    assert Path(outputs.scores).parent == there / 'node'


@pytest.mark.parametrize('photos', [None, [Photo('a', '01', Path('a'))]])
def test_write_group(
    there: Path, monkeypatch: pytest.MonkeyPatch, photos: list[Photo] | None
) -> None:
    call = step(monkeypatch, group_steps, 'write_group', there / 'group.html')
    node = WriteGroup(
        output_dir='/out',
        dataset='d',
        command='c',
        photos=photos,
        extractors=['orb', 'sift'],
        choice=CHOICE,
    )
    if photos is not None:
        node.inputs.encoded = [str(there / name) for name in 'abcd']
        node.inputs.searched = [str(there / name) for name in 'ef']
    node.run()
    assert call.given == (Path('/out'),)
    encoded = {'orb': [there / 'a', there / 'b'], 'sift': [there / 'c', there / 'd']}
    assert call.named == {
        'dataset': 'd',
        'command': 'c',
        'photos': photos,
        'encoded': encoded if photos else {},
        'searched': [there / 'e', there / 'f'] if photos else [],
        'choice': CHOICE,
    }


@pytest.mark.parametrize('interface', [SaveScan, SearchShard, WriteGroup])
def test_what_writes_results_always_runs(interface: type) -> None:
    """Otherwise results that somebody removed are not written again while the cache is there."""
    assert interface._always_run is True


def test_no_face_is_looked_for_in_a_brain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Detectors see faces in folds; a skull-stripped scan would get a template of nobody."""
    from bids_reid.faces import detect

    camera = {(0.0, 0.0): detect.Box(1, 2, 3, 4)}
    monkeypatch.setattr(detect, 'find_faces_by_camera', lambda *_: camera)
    np.save(tmp_path / 'renders.npy', np.zeros((81, 4, 4), np.uint8))
    record, target = tmp_path / 'record.json', tmp_path / 'faces.json'
    for stripped, expected in ((True, 0), (False, 9)):
        record.write_text(json.dumps({'SkullStripped': stripped}))
        steps.faces(tmp_path / 'renders.npy', record, target)
        faces = json.loads(target.read_text())
        assert len(faces['boxes']) == len(faces['found']) == 81
        found = [n for n, seen in enumerate(faces['found']) if seen]
        assert found == list(range(36, 36 + expected))
        # where none was found an adaptive attacker looks all the same, but not on a brain
        assert sum(box is not None for box in faces['boxes']) == (0 if stripped else 81)
        assert stripped or faces['boxes'][40] == [1, 2, 3, 4]


def test_features_keep_the_numbers_of_their_views(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A template says which view each row is of; shifted, no result can be explained."""
    from bids_reid.faces import extractors

    class Mean:
        kind = 'vector'

        def features(self, images: list[np.ndarray], boxes: list[Any]) -> dict[str, np.ndarray]:
            rows = [[image.mean(), box.left] for image, box in zip(images, boxes, strict=True)]
            return {'features': np.array(rows, np.float32).reshape(-1, 2)}

        def provenance(self) -> dict[str, str]:
            return {'Model': 'mean'}

    monkeypatch.setattr(extractors, 'load_extractor', lambda _: Mean())
    images = np.arange(81, dtype=np.uint8)[:, None, None] * np.ones((1, 3, 3), np.uint8)
    np.save(tmp_path / 'r.npy', images)
    for seen in ([], [3, 80]):
        boxes = [[n, 0, 1, 1] if n in seen else None for n in range(81)]
        faces = {'boxes': boxes, 'found': [n == 80 and n in seen for n in range(81)]}
        (tmp_path / 'f.json').write_text(json.dumps(faces))
        steps.features(tmp_path / 'r.npy', tmp_path / 'f.json', 'x-y', tmp_path / 't.npz')
        provenance, template = steps._read_features(tmp_path / 't.npz')
        assert provenance == {'Extractor': 'x-y', 'Model': 'mean'}
        assert template.views.tolist() == seen
        assert template.features.tolist() == [[n, n] for n in seen]
        assert template.where_found().views.tolist() == seen[1:]
