"""A real Slurm on this machine, a dataset for it, and what a local run makes of that dataset."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bids_reid.demo.phantom_dataset import write_phantom_dataset
from tests.test_conditions_run import cut_face

Call = Callable[..., 'subprocess.CompletedProcess[str]']

N_PEOPLE = 24
DEFACED = ('01', '02', '03')
NEEDS = ('sbatch', 'slurmctld', 'slurmd', 'munged')


@dataclass(frozen=True)
class Slurm:
    """What a user of the cluster has: commands, and patience."""

    environment: dict[str, str]

    def run(self, *command: object) -> str:
        """Run a command of Slurm; return what it prints."""
        words = [str(word) for word in command]
        done = subprocess.run(
            words, env=self.environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def submit(self, script: Path, *options: str) -> str:
        """Submit a job script from its folder; return the number of the job."""
        return self.run('sbatch', '--parsable', f'--chdir={script.parent}', *options, script)

    def jobs(self, *options: str) -> list[str]:
        """Names of the jobs that wait or run."""
        return self.run('squeue', '--noheader', '--array', '--format=%j', *options).splitlines()

    def wait(self, reached: Callable[[], bool], seconds: float = 600) -> None:
        """Wait until something is so; fail if it does not become so."""
        end = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < end, self.run('squeue')
            time.sleep(0.2)


@pytest.fixture(scope='session')
def slurm(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Slurm]:
    """Start a Slurm of one node, on which 24 tasks run at once."""
    missing = [command for command in NEEDS if shutil.which(command) is None]
    if missing or os.getuid() != 0:
        pytest.skip(f'needs root and slurm-wlm and munge; missing: {missing or "root"}')
    # a socket's path may have 107 characters, which pytest's folders come close to
    folder = Path('/tmp') / f'bids_reid-slurm-{os.getpid()}'
    script = pytestconfig.rootpath / 'tools' / 'slurm-one-node'
    environment = os.environ | {'SLOTS': str(-(-N_PEOPLE // (os.cpu_count() or 1)))}
    try:
        started = subprocess.run(
            [script, 'start', folder], env=environment, capture_output=True, text=True, check=False
        )
        assert started.returncode == 0, started.stderr
        name, _, value = started.stdout.strip().partition('=')
        yield Slurm(environment | {name: value, 'OMP_NUM_THREADS': '1'})
    finally:
        subprocess.run([script, 'stop', folder], check=False)
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Local:
    """A dataset and the results of a run without a cluster."""

    bids: Path
    defaced: Path
    photos: Path
    out: Path


@pytest.fixture(scope='session')
def local(slurm: Slurm, call: Call, tmp_path_factory: pytest.TempPathFactory) -> Local:
    """24 people at 3.5 mm, three of them de-faced, the participant level run on this machine."""
    root = tmp_path_factory.mktemp('cluster')
    bids, photos = write_phantom_dataset(
        root, people=N_PEOPLE, photos_per_person=1, distractors=1, spacing=3.5, n_procs=2, seed=4
    )
    out, defaced = root / 'local', root / 'defaced'
    for label in DEFACED:
        source = bids / f'sub-{label}' / 'anat' / f'sub-{label}_T1w.nii.gz'
        cut_face(source, defaced / f'sub-{label}' / f'sub-{label}_T1w_defaced.nii.gz')
    done = call('bids-reid', bids, out, 'participant', '-d', f'defaced={defaced}', '--nprocs', 2)
    assert done.returncode == 0, done.stdout + done.stderr
    return Local(bids, defaced, photos, out)


@pytest.fixture(scope='session')
def contents() -> Callable[[Path], dict[str, str]]:
    """Return a function: the hash of every file below a folder.

    Files that only save time, and logs, which are named by time and process, are left out.
    """

    def hashed(folder: Path) -> dict[str, str]:
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob('*'))
            if path.is_file() and not {'.cache', 'logs'} & set(path.parts)
        }

    return hashed
