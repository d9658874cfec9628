"""The wheel and the sdist: what people get who have no checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from bids_reid import __version__

PICTURES_AND_SCANS = re.compile(
    r'\.(nii|nii\.gz|mgz|dcm|gii|jpe?g|png|tiff?|webp|heic|gif)$', re.IGNORECASE
)


@pytest.fixture(scope='module')
def dist(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build both; returns their folder."""
    folder = tmp_path_factory.mktemp('dist')
    command = [sys.executable, '-m', 'hatchling', 'build', '-d', folder]
    subprocess.run(command, cwd=tools.parent, check=True, capture_output=True)
    return folder


def one(folder: Path, pattern: str) -> Path:
    """Return the only file of a kind."""
    (path,) = folder.glob(pattern)
    return path


def tracked(root: Path, folder: str) -> set[str]:
    """Files under version control, or all in a copy without it, as an sdist is."""
    listed = subprocess.run(
        ['git', 'ls-files', folder], cwd=root, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0 and listed.stdout:
        return set(listed.stdout.splitlines())
    return {
        path.relative_to(root).as_posix()
        for path in (root / folder).rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    }


def test_the_wheel_holds_the_package_and_nothing_else(dist: Path, tools: Path) -> None:
    """A template that is left out breaks the program; a test that is put in may be a scan."""
    with zipfile.ZipFile(one(dist, '*.whl')) as wheel:
        names = set(wheel.namelist())
    info = {name for name in names if '.dist-info/' in name}
    assert names - info >= tracked(tools.parent, 'bids_reid')
    assert {name.split('/')[0] for name in names - info} == {'bids_reid'}
    assert any(name.endswith('/licenses/LICENSE') for name in info)
    assert not [name for name in names if PICTURES_AND_SCANS.search(name)]
    assert {'bids_reid/data/captions.json', 'bids_reid/data/templates/group.html.j2'} <= names


def test_the_wheel_asks_for_nothing_that_compiles(dist: Path) -> None:
    """face_recognition asks for dlib, which compiles for minutes where it compiles at all."""
    with zipfile.ZipFile(one(dist, '*.whl')) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith('.dist-info/METADATA'))
        metadata = Parser().parsestr(wheel.read(name).decode('utf-8'))
    asked = [line for line in metadata.get_all('Requires-Dist') or [] if 'extra ==' not in line]
    names = {re.split(r'[^A-Za-z0-9-]', line)[0] for line in asked}
    assert 'dlib-bin' in names
    absent = {'dlib', 'face-recognition', 'deepface', 'facenet-opencv', 'opencv-python'}
    assert not names & absent
    assert metadata['License-Expression'] == 'Apache-2.0'


def test_the_sdist_is_a_checkout_without_scans(dist: Path, tools: Path) -> None:
    """Whoever packages it for a distribution builds and tests from this."""
    archive = one(dist, '*.tar.gz')
    with tarfile.open(archive) as sdist:
        names = {name.partition('/')[2] for name in sdist.getnames()}
    for folder in ('bids_reid', 'tests', 'tools', 'benchmarks'):
        assert names >= tracked(tools.parent, folder)
    assert names >= {'LICENSE', 'README.md', 'CHANGELOG.md', 'requirements.lock', 'pyproject.toml'}
    assert names >= {'Dockerfile', 'Singularity.def', 'boutiques.json', '.ci/run', 'mkdocs.yml'}
    pictures = {name for name in names if PICTURES_AND_SCANS.search(name)}
    assert pictures == {'docs/images/demo-group.png'}, 'a page about synthetic people, no face'
    assert archive.stat().st_size < 5_000_000


@pytest.mark.slow
def test_the_wheel_works_in_an_empty_environment(dist: Path, tools: Path, tmp_path: Path) -> None:
    """``pip install`` of the wheel, and of what it asks for, gives a demo that runs.

    It runs on a machine that is shut off, both levels and their workers.
    """
    venv.create(tmp_path / 'empty', with_pip=True)
    binaries = tmp_path / 'empty' / 'bin'
    # the versions that were tested, so that this test means the same next year
    constraints = tmp_path / 'constraints.txt'
    text = (tools.parent / 'requirements.lock').read_text('utf-8')
    constraints.write_text('\n'.join(re.findall(r'^[A-Za-z0-9].*?(?= \\$)', text, re.MULTILINE)))
    install = [binaries / 'pip', 'install', '-q', '-c', constraints, one(dist, '*.whl')]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    # from another folder, as nobody's checkout may be found; libraries behave where they see a CI
    left_out = ('PYTHONPATH', 'CI')
    environment = {name: value for name, value in os.environ.items() if name not in left_out}

    def run(*command: object) -> str:
        words = [str(word) for word in command]
        done = subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert run(binaries / 'bids-reid', '--version') == f'bids-reid {__version__}\n'
    demo = (binaries / 'bids-reid-demo', 'demo', '--people', 2, '--distractors', 0, '--nprocs', 2)
    assert 'report: ' in run(sys.executable, tools / 'cut-network', '--if-possible', *demo)
    assert (tmp_path / 'demo' / 'derivatives' / 'bids_reid' / 'group.html').is_file()
    listed = run(binaries / 'pip', 'list', '--format=freeze').splitlines()
    cv2 = [line for line in listed if line.startswith('opencv')]
    assert len(cv2) == 1, 'two packages that own cv2/'
    assert not [line for line in listed if line.startswith('dlib==')]
