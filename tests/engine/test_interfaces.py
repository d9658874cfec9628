"""An interface hands its inputs to one step and its files on, in its own folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bids_reid.engine import group_interfaces
from bids_reid.engine.group_interfaces import (
    ControlPhotographs,
    EncodePhotographs,
    FitGallery,
    LinkScans,
    SearchShard,
    Summarise,
)
from bids_reid.engine.participant_interfaces import (
    ExtractFeatures,
    ExtractSkin,
    FindFaces,
    RenderViews,
    SaveScan,
)
from bids_reid.errors import ScanError
from bids_reid.group.galleries import GalleryScan, ScanGallery
from bids_reid.group.searching import Plan
from bids_reid.group.summaries import Rules
from bids_reid.participant import steps
from bids_reid.records import Photo, Scan

PHOTO = Photo('a.jpg', '01', Path('a.jpg'))
PLAN = Plan((PHOTO, Photo('distractor 1', None, Path('b.jpg'))))
SCAN = GalleryScan('01', '/out/sub-01/anat', 'sub-01', 'T1w', 'raw', 'ok')
GALLERY = ScanGallery('raw', 'T1w', (SCAN,))


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
    assert call.given == (there / 'a', Path(outputs.surface), Path(outputs.measures))
    assert {Path(outputs.surface).parent, Path(outputs.measures).parent} == {there / 'node'}


def test_a_scan_that_is_not_there_says_so_when_it_is_read(there: Path) -> None:
    with pytest.raises(ScanError, match=r'gone\.nii'):
        ExtractSkin(in_file=str(there / 'gone.nii')).run()


def test_render_views(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = step(monkeypatch, steps, 'renders', 'llvmpipe')
    outputs = RenderViews(surface=str(there / 'a'), measures=str(there / 'b')).run().outputs
    assert call.given == (there / 'a', there / 'b', Path(outputs.renders))
    assert Path(outputs.renders).parent == there / 'node'
    assert outputs.renderer == 'llvmpipe'


def test_find_faces(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = step(monkeypatch, steps, 'faces')
    asked = step(monkeypatch, steps, 'evidence')
    node = FindFaces(renders=str(there / 'a'), measures=str(there / 'b'), surface=str(there / 'c'))
    outputs = node.run().outputs
    assert call.given == (there / 'a', there / 'b', Path(outputs.faces))
    assert asked.given == (there / 'c', there / 'b', there / 'a', Path(outputs.measures))


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
        measures=str(there / 'b'),
        renders=str(there / 'c'),
        renderer='llvmpipe',
        faces=str(there / 'd'),
        templates=[str(there / 'e'), str(there / 'f')],
    )
    assert node.run().outputs.out_file == str(there / 'e')
    assert call.given == (scan, Path('/bids'), Path('/out'))
    assert call.named == {
        'surface': there / 'a',
        'measures': there / 'b',
        'renders_file': there / 'c',
        'renderer': 'llvmpipe',
        'faces_file': there / 'd',
        'templates': [there / 'e', there / 'f'],
        'keep_renders': False,
    }


def test_encode_photographs(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = step(monkeypatch, group_interfaces, 'encode_photographs')
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


def test_a_photograph_that_is_a_link_without_content_is_told_later(there: Path) -> None:
    """Otherwise one that datalad left ends the run with a traceback that has a name in it."""
    node = EncodePhotographs(photos=[PHOTO], files=[str(there / 'annexed')], extractor='orb')
    assert node.inputs.get_hashval(hash_method='content')[1]


def encoded(there: Path) -> dict[str, Any]:
    """Give a node the files of all photographs."""
    return {'plan': PLAN, 'encoded': [str(there / 'a'), str(there / 'b')], 'extractor': 'orb'}


def test_control_photographs(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = step(monkeypatch, group_interfaces, 'control_photographs')
    outputs = ControlPhotographs(seed=5, **encoded(there)).run().outputs
    assert call.given == (PLAN, [there / 'a', there / 'b'], 'orb', 5, Path(outputs.result))
    assert Path(outputs.result).parent == there / 'node'


def test_fit_gallery(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = step(monkeypatch, group_interfaces, 'fit_gallery')
    outputs = FitGallery(scans=[SCAN], **encoded(there)).run().outputs
    files = [there / 'a', there / 'b']
    assert call.given == ([SCAN], PLAN, files, 'orb', Path(outputs.fitted))
    assert Path(outputs.fitted).parent == there / 'node'


def test_search_shard(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = step(monkeypatch, group_interfaces, 'search_shard')
    node = SearchShard(shard=GALLERY, probes=['a.jpg'], fitted=str(there / 'c'), **encoded(there))
    target = Path(node.run().outputs.scores)
    files = [there / 'a', there / 'b']
    assert call.given == (GALLERY, ['a.jpg'], PLAN, files, 'orb', there / 'c', target)
    assert target.parent == there / 'node'


def test_summarise(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = step(monkeypatch, group_interfaces, 'summarise')
    rules = Rules(5, {'sex': {'01': 'F'}}, 'defaced')
    searched = [there / 'c', there / 'd']
    node = Summarise(
        galleries=(GALLERY,), searched=list(map(str, searched)), rules=rules, **encoded(there)
    )
    target = Path(node.run().outputs.result)
    files = [there / 'a', there / 'b']
    assert call.given == ((GALLERY,), PLAN, files, 'orb', searched, rules, target)
    assert target.parent == there / 'node'


def test_link_scans(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = step(monkeypatch, group_interfaces, 'link_scans')
    node = LinkScans(scans=[SCAN], way='surface', audited='defaced', seed=5)
    outputs = node.run().outputs
    assert call.given == ([SCAN], 'surface', 'defaced', 5, Path(outputs.result))
    assert Path(outputs.result).parent == there / 'node'


@pytest.mark.parametrize('interface', [SaveScan, FitGallery, SearchShard, LinkScans])
def test_what_reads_or_writes_results_elsewhere_always_runs(interface: type) -> None:
    """Otherwise templates or results that somebody changed are answered from the cache."""
    assert interface._always_run is True
