"""The images, built from Dockerfile and Singularity.def and run as docs/clusters.md says."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bids_reid import __version__
from bids_reid.bids.tables import read_table
from bids_reid.demo.phantom_dataset import write_phantom_dataset

pytestmark = [pytest.mark.slow, pytest.mark.container]

NEEDS = ('podman', 'buildah', 'runc', 'mmdebstrap')
NOBODY = 12345
"""A user that no image knows."""
N_PEOPLE = 2


@dataclass(frozen=True)
class Containers:
    """The script that builds and runs, and where it keeps what it built."""

    script: Path
    store: Path

    def run(self, command: str, *arguments: object) -> str:
        """Run a command of the script; return what it prints."""
        words = [self.script, command, self.store, *map(str, arguments)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=3000)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def shell(self, text: str) -> subprocess.CompletedProcess[str]:
        """Run a recipe: ``docker`` is podman with this store, and the user is nobody known."""
        replaced = (
            f'docker() {{ "{self.script}" podman "{self.store}" "$@"; }}\n'
            f'apptainer() {{ "{self.script}" apptainer "{self.store}" "$@"; }}\n'
            f'id() {{ echo {NOBODY}; }}\n{text}'
        )
        return subprocess.run(
            ['bash', '-euc', replaced], capture_output=True, text=True, check=False, timeout=3000
        )


@pytest.fixture(scope='session')
def containers(pytestconfig: pytest.Config) -> Iterator[Containers]:
    """Return where images are built; a folder named in the environment is kept."""
    missing = [command for command in NEEDS if shutil.which(command) is None]
    if missing or os.getuid() != 0:
        pytest.skip(f'needs root, podman, buildah, runc, mmdebstrap; missing: {missing or "root"}')
    kept = os.environ.get('BIDS_REID_CONTAINERS')
    store = Path(kept or f'/var/tmp/bids_reid-containers-{os.getpid()}')
    found = Containers(pytestconfig.rootpath / 'tools' / 'containers', store)
    yield found
    if not kept:
        found.run('remove')


@pytest.fixture(scope='session')
def image(containers: Containers) -> Containers:
    """Build the image from Dockerfile; what it checks itself while it is built has passed then."""
    print(containers.run('image'))
    return containers


@dataclass(frozen=True)
class Data:
    """A dataset that is nobody's to write, photographs, and a folder for results."""

    bids: Path
    photos: Path
    out: Path

    def in_(self, recipe: str) -> str:
        """Put these folders into a recipe of docs/clusters.md."""
        for old, new in {
            '/data/my_dataset_reid': self.out,
            '/data/my_dataset': self.bids,
            '/data/photographs': self.photos,
        }.items():
            assert old in recipe
            recipe = recipe.replace(old, str(new))
        return recipe

    def hashes(self) -> dict[str, str]:
        """Hash of every input."""
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.bids.parent.rglob('*'))
            if path.is_file()
        }


@pytest.fixture(scope='session')
def people(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two people at 3.5 mm, readable by all."""
    root = tmp_path_factory.mktemp('people')
    bids, photos = write_phantom_dataset(
        root, people=N_PEOPLE, photos_per_person=1, distractors=1, spacing=3.5, n_procs=2, seed=4
    )
    _open(root, 0o755)
    return bids, photos


@pytest.fixture
def data(people: tuple[Path, Path], tmp_path: Path) -> Data:
    """These people, and an empty folder that belongs to nobody known."""
    out = tmp_path / 'out'
    out.mkdir()
    _open(tmp_path, 0o755)
    os.chown(out, NOBODY, NOBODY)
    return Data(*people, out)


def _open(folder: Path, mode: int) -> None:
    """Let others through: pytest's own folders are the test's user's alone."""
    for path in (folder, *folder.parents[:2]):
        path.chmod(mode)


def check_results(data: Data, owner: int) -> None:
    """Both levels ran, and all that was written belongs to who ran them."""
    written = [path for path in data.out.rglob('*') if path.is_file()]
    assert {path.stat().st_uid for path in written} == {owner}
    assert len(list(data.out.rglob('*_desc-facerecognition_T1w.npz'))) == N_PEOPLE
    rows = read_table(data.out / 'group_identification.tsv')
    assert {row['n_gallery'] for row in rows} == {str(N_PEOPLE)}
    assert (data.out / 'group.html').is_file()


def test_as_the_readme_says(image: Containers, data: Data, recipe: Callable[[str], str]) -> None:
    """No network, read-only root and input, a user without a name or a home: as it is deployed."""
    text = data.in_(recipe('docker')).replace(' bids-reid /data', ' localhost/bids-reid /data')
    assert 'localhost/bids-reid' in text
    # Docker mounts nothing writable by itself, podman does
    text = text.replace('--read-only ', '--read-only --read-only-tmpfs=false --cap-drop all ')
    before = data.hashes()
    done = image.shell(text)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == '', 'libraries complain: they would in every run of every user'
    check_results(data, NOBODY)
    assert data.hashes() == before


def test_it_says_what_it_is(image: Containers) -> None:
    """Platforms read the label; people ask the program."""
    label = '{{index .Config.Labels "version"}}'
    image_name = 'localhost/bids-reid'
    assert image.run('podman', 'image', 'inspect', image_name, '--format', label).strip() == (
        __version__
    )
    run = ('podman', 'run', '--rm', '--network', 'none')
    assert image.run(*run, image_name, '--version') == f'bids-reid {__version__}\n'


def test_deepface_can_be_loaded(image: Containers, data: Data) -> None:
    """DeepFace makes folders when it is imported, which nobody may do in here."""
    text = (
        'docker run --rm --network none --read-only --read-only-tmpfs=false --tmpfs /tmp '
        '--user 12345:12345 --entrypoint python3 localhost/bids-reid '
        "-c 'from deepface import DeepFace; print(DeepFace.__name__)'"
    )
    done = image.shell(text)
    assert done.returncode == 0, done.stderr
    assert 'DeepFace' in done.stdout


def test_with_apptainer(
    containers: Containers, people: tuple[Path, Path], recipe: Callable[[str], str]
) -> None:
    """Clusters have no Docker: the same packages, the same results."""
    if os.environ.get('BIDS_REID_APPTAINER') != '1':
        pytest.skip('takes some ten minutes: set BIDS_REID_APPTAINER=1')
    print(containers.run('sif'))
    # the tree that Apptainer runs in sees nothing else
    job = containers.store / 'job'
    for name in ('bids', 'photos', 'out'):
        shutil.rmtree(job / name, ignore_errors=True)
    data = Data(job / 'bids', job / 'photos', job / 'out')
    shutil.copytree(people[0], data.bids)
    shutil.copytree(people[1], data.photos)
    data.out.mkdir()
    os.chown(data.out, 1500, 1500)
    done = containers.shell(data.in_(recipe('apptainer')).replace(str(job), '/work'))
    assert done.returncode == 0, done.stdout + done.stderr
    check_results(data, 1500)
