"""The one program that may use a network, with a server on this machine in place of DeepFace's."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bids_reid.errors import Exit
from bids_reid.faces.weights import LOCK, file_sha256, manifest, why_not
from bids_reid.models import main

WriteWeights = Callable[..., Path]
Say = Callable[..., tuple[int, str]]
ARCFACE = manifest()['ArcFace']


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serve a folder, where DeepFace's constants say that ArcFace and SFace are."""
    folder = tmp_path / 'served'
    folder.mkdir()
    with ThreadingHTTPServer(('127.0.0.1', 0), partial(Quiet, directory=folder)) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        address = f'http://127.0.0.1:{running.server_port}'
        from deepface.models.facial_recognition.onnx import ArcFace, SFace

        # DeepFace has a second source where the first fails
        sources = [f'{address}/gone/x.onnx', f'{address}/{ARCFACE.file}']
        monkeypatch.setattr(ArcFace, 'WEIGHTS_URL', sources)
        monkeypatch.setattr(SFace, 'WEIGHTS_URL', f'{address}/{manifest()["SFace"].file}')
        monkeypatch.setenv('NO_PROXY', '127.0.0.1')
        monkeypatch.setenv('HOME', str(tmp_path / 'home'))
        yield folder
        running.shutdown()


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Say:
    """Call the program on one folder; return its exit code and all that it said."""

    def call(*arguments: str) -> tuple[int, str]:
        code = main([*arguments, '--models-dir', str(tmp_path / 'models')])
        said = capsys.readouterr()
        return code, said.out + said.err

    return call


def test_what_was_fetched_can_run(
    server: Path, say: Say, tmp_path: Path, write_weights: WriteWeights
) -> None:
    """From nothing to weights that a run takes, and no trace elsewhere."""
    write_weights(ARCFACE, server)
    models = tmp_path / 'models'
    assert say('fetch', 'ArcFace')[0] == Exit.OK
    assert sorted(path.name for path in models.iterdir()) == [ARCFACE.file, LOCK]
    assert (models / ARCFACE.file).read_bytes() == (server / ARCFACE.file).read_bytes()
    noted = json.loads((models / LOCK).read_text())[ARCFACE.file]
    assert noted['sha256'] == file_sha256(server / ARCFACE.file)
    assert noted['fetched_by'] == 'deepface 0.0.103'
    assert why_not(ARCFACE, models) is None
    assert not (tmp_path / 'home').exists()
    # once more: nothing is asked of the server
    (server / ARCFACE.file).unlink()
    code, said = say('fetch', 'deepface-ArcFace')
    assert code == Exit.OK
    assert 'already here' in said


def test_what_cannot_be_fetched_leaves_nothing(server: Path, say: Say, tmp_path: Path) -> None:
    """Half a file, or a page that says "not found", must not pass for weights."""
    code, said = say('fetch', 'SFace')
    assert code == Exit.SOME_FAILED
    assert 'SFace cannot be downloaded' in said
    assert '404' in said
    assert list((tmp_path / 'models').iterdir()) == []


def test_verify_finds_what_was_altered_or_lost(
    say: Say, tmp_path: Path, write_weights: WriteWeights
) -> None:
    """Weights of unknown origin make rates that nobody can reproduce."""
    models = tmp_path / 'models'
    paths = [write_weights(manifest()[name], models) for name in ('ArcFace', 'DeepID')]
    code, said = say('verify')
    assert code == Exit.OK
    assert said.count('unchanged') == 3
    # never fetched is not lost
    assert 'SFace' not in said
    paths[0].write_bytes(paths[0].read_bytes() + b'x')
    paths[1].unlink()
    code, said = say('verify')
    assert code == Exit.SOME_FAILED
    assert 'deepface-ArcFace: its weights differ' in said
    assert 'deepface-DeepID: the weights are missing' in said
    code, said = say('fetch', 'ArcFace')
    assert code == Exit.NO_INPUT
    assert 'delete them' in said


def test_what_was_put_there_by_hand_is_noted(
    say: Say, tmp_path: Path, write_weights: WriteWeights
) -> None:
    """A machine without a network gets its weights on a stick."""
    models = tmp_path / 'models'
    write_weights(ARCFACE, models)
    (models / LOCK).unlink()
    assert 'no recorded SHA-256' in say('verify', 'ArcFace')[1]
    assert say('fetch', 'ArcFace')[0] == Exit.OK
    assert json.loads((models / LOCK).read_text())[ARCFACE.file]['fetched_by'] == 'hand'
    assert say('verify', 'ArcFace')[0] == Exit.OK


def test_the_list_tells_what_can_run(
    say: Say, tmp_path: Path, write_weights: WriteWeights
) -> None:
    write_weights(ARCFACE, tmp_path / 'models')
    code, said = say('list')
    assert code == Exit.OK
    header, *rows = (re.split(r'  +', line) for line in said.splitlines()[1:13])
    assert header == ['name', 'size', 'licence', 'source', 'state']
    states = {row[0]: row[-1] for row in rows}
    assert states['deepface-ArcFace'] == 'verified'
    assert states['deepface-Dlib'] == 'installed'
    assert states['deepface-Facenet512'] == 'missing'
    assert next(row for row in rows if row[0] == 'deepface-Dlib')[1:3] == [
        '22.5 MB',
        'public domain',
    ]
    assert str(tmp_path / 'models') in said
    assert 'bids-reid-models fetch NAME' in said


def test_the_list_tells_what_was_altered_or_not_recorded(
    say: Say, tmp_path: Path, write_weights: WriteWeights
) -> None:
    """A table that calls other weights verified would vouch for a model nobody knows."""
    path = write_weights(ARCFACE, tmp_path / 'models')
    path.write_bytes(path.read_bytes() + b'x')
    code, said = say('list', 'ArcFace', '--json')
    assert code == Exit.OK
    (model,) = json.loads(said)
    assert (model['name'], model['state']) == ('deepface-ArcFace', 'altered')
    assert model['bytes'] == path.stat().st_size
    assert model['licence'] == 'MIT'
    assert 'differ' in model['reason']
    assert 'deepface-ArcFace: its weights differ' in say('list')[1]
    assert json.loads(say('verify', '--json')[1])[0]['state'] == 'altered'
    (tmp_path / 'models' / LOCK).unlink()
    assert json.loads(say('list', 'ArcFace', '--json')[1])[0]['state'] == 'installed'


def test_every_model_names_its_source() -> None:
    """Whoever must ask for permission has to know whom."""
    assert all(entry.source and '://' not in entry.source for entry in manifest().values())


def test_one_line_for_what_the_user_can_mend(say: Say, tmp_path: Path) -> None:
    code, said = say('fetch', 'Arcface')
    assert code == Exit.USAGE
    assert 'did you mean ArcFace?' in said
    assert 'there are: VGG-Face' in said
    assert 'come with the package face_recognition_models' in say('fetch', 'Dlib')[1]
    code, said = say('fetch', 'Buffalo_L')
    assert code == Exit.NO_INPUT
    assert 'insightface' in said
    (tmp_path / 'models').rmdir()
    (tmp_path / 'models').write_text('a file')
    code, said = say('fetch', 'ArcFace')
    assert code == Exit.MACHINE
    assert len(said.splitlines()) == 1


def test_without_deepface_nothing_can_be_downloaded(
    say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an extra, so many people do not have it."""
    import sys

    monkeypatch.setitem(sys.modules, 'deepface.commons', None)
    monkeypatch.setitem(sys.modules, 'deepface', None)
    code, said = say('fetch', 'ArcFace')
    assert code == Exit.NO_INPUT
    assert 'without the package deepface' in said
    assert 'its extra "deepface"' in said
