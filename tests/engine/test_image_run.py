"""Every image that was to be looked at has a record, whatever became of the process."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture

from bids_reid.bids.files import file_sha256
from bids_reid.bids.image_records import (
    has_current_look,
    read_image_record,
    save_image_record,
)
from bids_reid.engine import image_run
from bids_reid.engine.execution import GraphRun, configure
from bids_reid.engine.image_run import look_at_images
from bids_reid.engine.plugins import KILLED
from bids_reid.engine.workers import Workers
from bids_reid.errors import MachineError
from bids_reid.messages import show_messages
from bids_reid.participant import looks
from bids_reid.participant.looks import record_of
from bids_reid.records import Image
from bids_reid.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    given = Settings(bids_dir=tmp_path, output_dir=tmp_path / 'out', levels=('participant',))
    configure(stop_on_first_crash=False, verbosity=0)
    return given


def picture(folder: Path, name: str) -> tuple[Path, Image]:
    """Each with its own grey, as results belong to bytes."""
    Picture.fromarray(np.full((30, 30), ord(name[0]), np.uint8)).save(folder / name)
    return folder, Image(name, 'png', 1, file_sha256(folder / name))


def test_each_image_leaves_a_record(tmp_path: Path, settings: Settings) -> None:
    """An image without one would have to be called not looked at."""
    one = picture(tmp_path, 'a.png')
    (tmp_path / 'b.zip').write_bytes(b'PK\x03\x04')
    other = tmp_path, Image('b.zip', 'archive', 4, file_sha256(tmp_path / 'b.zip'))
    unknown = tmp_path, Image('c.png', 'png', None, None)
    # the same bytes twice are one image
    assert look_at_images([one, one, other, unknown], settings) == 1
    found = {path.name for path in (settings.output_dir / 'images').iterdir()}
    assert found == {f'{one[1].sha256}.json', f'{other[1].sha256}.json'}
    assert has_current_look(settings.output_dir, one[1])
    record = read_image_record(settings.output_dir, other[1].sha256 or '')
    assert record is not None
    assert (record.status, record.kind) == ('failed', 'archive')
    assert not settings.work.exists(), 'intermediate files may show faces'
    assert look_at_images([], settings) == 0


def test_a_killed_look_is_tried_again_alone_and_then_told(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that ran out must not let an image pass as if there were none."""
    tried: list[tuple[list[str], int]] = []

    def killed(workflow: Any, settings: Settings, *_: Any, **__: Any) -> GraphRun:
        names = workflow.list_node_names()
        tried.append((names, settings.n_procs))
        return GraphRun({f'{workflow.name}.{name}': KILLED for name in names[:1]})

    monkeypatch.setattr(image_run, 'run_for_user', killed)
    images = [picture(tmp_path, name) for name in ('a.png', 'b.png')]
    assert look_at_images(images, settings) == 2
    assert [len(names) for names, _ in tried] == [2, 1]
    reasons = {}
    for _, image in images:
        record = read_image_record(settings.output_dir, image.sha256 or '')
        assert record is not None
        assert record.status == 'failed'
        reasons[image.path] = record.reason
    assert sorted(reasons.values(), key=str) == sorted([KILLED, image_run.NO_RESULT])


def test_what_the_machine_refuses_leaves_no_record(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is nothing about the image: the next run has to look again."""

    def full(*_: Any, **__: Any) -> GraphRun:
        raise MachineError('No space left on device')

    monkeypatch.setattr(image_run, 'run_for_user', full)
    with pytest.raises(MachineError):
        look_at_images([picture(tmp_path, 'a.png')], settings)
    assert not (settings.output_dir / 'images').exists()


@pytest.mark.parametrize('number', [errno.ENOSPC, errno.ENOMEM, errno.EMFILE])
def test_a_look_that_the_machine_refuses_says_nothing_about_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """It unpacks files in the temporary folder, which may be full."""

    def refused(*_: Any) -> None:
        raise OSError(number, 'refused')

    monkeypatch.setattr(looks, '_looked', refused)
    folder, image = picture(tmp_path, 'a.png')
    with pytest.raises(OSError, match='refused'):
        looks.look(folder, image)


def test_many_images_are_looked_at_in_several_graphs(
    tmp_path: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In one graph, Nipype would take hours for a large dataset beside the looks."""
    show_messages()
    graphs: list[int] = []

    def looked(workflow: Any, settings: Settings, on_status: Any, **_: Any) -> GraphRun:
        graphs.append(len(workflow.list_node_names()))
        for name in workflow.list_node_names():
            node = workflow.get_node(name)
            image = node.inputs.image
            save_image_record(settings.output_dir, record_of(image, 'photograph', 'failed', 'x'))
            on_status(node, 'end')
        return GraphRun({})

    monkeypatch.setattr(image_run, 'run_for_user', looked)
    monkeypatch.setattr(image_run, 'PER_GRAPH', 2)
    finished: list[int] = []
    monkeypatch.setattr(Workers, 'finish', lambda _: finished.append(len(graphs)))
    images = [picture(tmp_path, f'{name}.png') for name in 'abcde']
    assert look_at_images(images, settings, Workers(1)) == 5
    assert graphs == [2, 2, 1]
    # workers that are kept would grow without end
    assert finished == [1, 2]
    assert '[5/5] e.png: ' in capsys.readouterr().out
