"""An interface hands its inputs to one step and its files on, in its own folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bids_reid.bids.image_records import image_record_path, read_image_record
from bids_reid.bids.release import walk_release
from bids_reid.bids.series import image_sha256
from bids_reid.engine import group_interfaces, image_interfaces
from bids_reid.engine.group_interfaces import (
    ControlPhotographs,
    EncodePhotographs,
    FitGallery,
    LinkScans,
    SearchShard,
    Summarise,
)
from bids_reid.engine.image_interfaces import LookAtImage
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
from bids_reid.group.selection import Team
from bids_reid.group.summaries import Rules
from bids_reid.participant import steps
from bids_reid.participant.looks import record_of
from bids_reid.records import Photo, Scan

PHOTO = Photo('a.jpg', '01', Path('a.jpg'))
PLAN = Plan((PHOTO, Photo('distractor 1', None, Path('b.jpg'))))
SCAN = GalleryScan('01', '/out/sub-01/anat', 'sub-01', 'T1w', 'raw', 'ok')
GALLERY = ScanGallery('raw', 'T1w', (SCAN,))
FILES = 'abcdef'


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
    for name in FILES:
        (tmp_path / name).touch()
    (tmp_path / 'node').mkdir()
    monkeypatch.chdir(tmp_path / 'node')
    return tmp_path


def step(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, answer: object = None) -> Call:
    call = Call(answer)
    monkeypatch.setattr(module, name, call)
    return call


ENCODED = {'plan': PLAN, 'encoded': ['a', 'b'], 'extractor': 'orb'}
TOGETHER = {'plan': PLAN, 'encoded': ['a', 'b'], 'team': Team(('orb', 'sift'))}
RULES = Rules(5, {'sex': {'01': 'F'}}, {'defaced': 'raw'})
STEPS: dict[type, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    ExtractSkin: ('skin', {'in_file': 'a'}, ('surface', 'measures')),
    RenderViews: ('renders', {'surface': 'a', 'measures': 'b'}, ('renders',)),
    ExtractFeatures: ('features', {'renders': 'a', 'faces': 'b', 'extractor': 'x'}, ('template',)),
    EncodePhotographs: ('encode_photographs', {'photos': [PHOTO], 'extractor': 'x'}, ('encoded',)),
    ControlPhotographs: ('control_photographs', TOGETHER | {'seed': 5}, ('result',)),
    FitGallery: ('fit_gallery', {'scans': [SCAN], **ENCODED}, ('fitted',)),
    SearchShard: (
        'search_shard',
        {'shard': GALLERY, 'probes': ['x.jpg'], **ENCODED, 'fitted': 'c'},
        ('scores',),
    ),
    Summarise: (
        'summarise',
        {'galleries': (GALLERY,), **TOGETHER, 'searched': ['c', 'd'], 'rules': RULES},
        ('result',),
    ),
    LinkScans: (
        'link_scans',
        {'scans': [SCAN], 'way': 'surface', 'audited': 'defaced', 'seed': 5},
        ('result',),
    ),
}
"""The step that an interface calls, its inputs in the order of the step, letters for files; and
its own files."""


def placed(value: Any, folder: Path, kind: type) -> Any:
    """Put the files that letters stand for into a folder."""
    if isinstance(value, list):
        return [placed(one, folder, kind) for one in value]
    return kind(folder / value) if isinstance(value, str) and value in FILES else value


@pytest.mark.parametrize('interface', STEPS)
def test_inputs_reach_the_step_and_files_lie_in_the_node(
    there: Path, monkeypatch: pytest.MonkeyPatch, interface: type
) -> None:
    """Files mixed up give a plausible wrong result; outside its folder they overwrite others."""
    name, inputs, files = STEPS[interface]
    call = step(monkeypatch, steps if hasattr(steps, name) else group_interfaces, name, 'llvmpipe')
    node = interface(**{key: placed(value, there, str) for key, value in inputs.items()})
    if interface is EncodePhotographs:
        # only to be hashed
        node.inputs.files = [str(there / 'a')]
    outputs = node.run().outputs
    targets = [Path(getattr(outputs, file)) for file in files]
    assert [*call.given] == [*(placed(one, there, Path) for one in inputs.values()), *targets]
    assert {target.parent for target in targets} == {there / 'node'}
    assert getattr(outputs, 'renderer', 'llvmpipe') == 'llvmpipe'


def test_find_faces(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = step(monkeypatch, steps, 'faces')
    asked = step(monkeypatch, steps, 'evidence')
    node = FindFaces(renders=str(there / 'a'), measures=str(there / 'b'), surface=str(there / 'c'))
    outputs = node.run().outputs
    assert call.given == (there / 'a', there / 'b', Path(outputs.faces))
    assert asked.given == (there / 'c', there / 'b', there / 'a', Path(outputs.measures))


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
        source_sha256='abc',
        came_from='raw',
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
        'keep_skin': True,
        'source_sha256': 'abc',
        'came_from': 'raw',
    }


def test_a_scan_that_is_not_there_says_so_when_it_is_read(there: Path) -> None:
    with pytest.raises(ScanError, match=r'gone\.nii'):
        ExtractSkin(in_file=str(there / 'gone.nii')).run()


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


@pytest.mark.parametrize('interface', [SaveScan, FitGallery, SearchShard, LinkScans])
def test_what_reads_or_writes_results_elsewhere_always_runs(interface: type) -> None:
    """Otherwise templates or results that somebody changed are answered from the cache."""
    assert interface._always_run is True


def test_a_look_is_of_the_bytes_that_were_hashed(tmp_path: Path) -> None:
    """Hours pass between both: what was put in its place would lend it its verdict."""
    for name in ('a.hdr', 'a.img'):
        (tmp_path / name).write_bytes(b'\0' * 400)
    (tmp_path / 'a.hdr').write_bytes((348).to_bytes(4, 'little') + bytes(36) + b'\3\0' * 154)
    (image,) = walk_release(tmp_path)
    assert len(image.members) == 2
    out = tmp_path / 'out'

    def node() -> LookAtImage:
        return LookAtImage(root=str(tmp_path), image=image, output_dir=str(out))

    assert image_sha256(tmp_path, image) == image.sha256
    seen = record_of(image, 'other volume', 'not_needed', 'too small')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_interfaces, 'look', lambda *_: seen)
        node().run()
        assert read_image_record(out, image.sha256 or '') == seen
        image_record_path(out, image.sha256 or '').unlink()
        (tmp_path / 'a.img').write_bytes(b'\1' * 400)
        with pytest.raises(ScanError, match='changed'):
            node().run()
    assert read_image_record(out, image.sha256 or '') is None
