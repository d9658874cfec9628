"""What the manifest says is what DeepFace wants, and what the lock says is what is there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from bids_reid.faces.deepface import deepface_home
from bids_reid.faces.weights import (
    ALTERED,
    LOCK,
    MISSING,
    UNRECORDED,
    default_folder,
    file_sha256,
    manifest,
    read_lock,
    record,
    why_not,
)

WriteWeights = Callable[..., Path]


def test_the_manifest_has_all_models_of_deepface(tmp_path: Path) -> None:
    """A model that is left out is an attack that is not tried."""
    with deepface_home(tmp_path):
        from deepface.modules import modeling

        assert set(manifest()) == set(modeling.AVAILABLE_MODELS['facial_recognition'])


def test_deepface_says_where_each_file_is(tmp_path: Path) -> None:
    """No address stands in our files: what fetch asks for has to be there."""
    with deepface_home(tmp_path):
        for entry in manifest().values():
            if entry.address is None:
                assert entry.package or entry.needs
                continue
            module, _, constant = entry.address.partition(':')
            address = getattr(import_module(module), constant)
            first = address if isinstance(address, str) else address[0]
            assert first.endswith('/' + entry.file)


def test_no_address_in_the_manifest() -> None:
    content = Path(import_module('bids_reid').__file__ or '').parent / 'data' / 'models.json'
    assert '//' not in content.read_text()


def test_the_package_brings_the_file_that_deepface_wants() -> None:
    entry = manifest()['Dlib']
    assert entry.path(Path('/nowhere')).stat().st_size == entry.size
    assert why_not(entry, Path('/nowhere')) is None


def test_a_file_counts_only_as_it_was_recorded(
    tmp_path: Path, write_weights: WriteWeights
) -> None:
    """Embeddings of altered weights cannot be compared with anything."""
    entry = manifest()['ArcFace']
    assert why_not(entry, tmp_path) == MISSING
    path = write_weights(entry, tmp_path)
    assert why_not(entry, tmp_path) is None
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b'!')
    os.utime(path, ns=(1, 1))
    assert why_not(entry, tmp_path) == ALTERED
    (tmp_path / LOCK).unlink()
    assert why_not(entry, tmp_path) == UNRECORDED
    record(entry, tmp_path, 'hand')
    assert why_not(entry, tmp_path) is None
    path.unlink()
    assert why_not(entry, tmp_path) == MISSING


def test_a_lock_that_cannot_be_read_vouches_for_nothing(
    tmp_path: Path, write_weights: WriteWeights
) -> None:
    entry = manifest()['SFace']
    write_weights(entry, tmp_path)
    for content in ('', '[]', '{"a": ', f'{{"{entry.file}": "sha256"}}'):
        (tmp_path / LOCK).write_text(content)
        assert why_not(entry, tmp_path) == UNRECORDED


def test_what_is_recorded_stays_beside_what_is_new(
    tmp_path: Path, write_weights: WriteWeights
) -> None:
    """Fetching a second model must not make the first unusable."""
    one, other = manifest()['ArcFace'], manifest()['DeepID']
    write_weights(one, tmp_path)
    path = write_weights(other, tmp_path)
    (tmp_path / LOCK).write_text(json.dumps({one.file: read_lock(tmp_path)[one.file]}))
    said = record(other, tmp_path, 'deepface 1')
    assert said == {
        'sha256': file_sha256(path),
        'size': path.stat().st_size,
        'fetched_by': 'deepface 1',
    }
    assert set(read_lock(tmp_path)) == {one.file, other.file}
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(f'.{LOCK}')]


def test_where_models_are_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the XDG specification has it: relative paths are to be ignored."""
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.delenv('BIDS_REID_MODELS', raising=False)
    monkeypatch.setenv('XDG_DATA_HOME', 'relative')
    assert default_folder() == tmp_path / '.local/share/bids_reid/models'
    monkeypatch.setenv('XDG_DATA_HOME', '/data')
    assert default_folder() == Path('/data/bids_reid/models')
    monkeypatch.setenv('BIDS_REID_MODELS', '~/w')
    assert default_folder() == tmp_path / 'w'
