"""The recipes of docs/audit.md that stop an upload: what people copy is what runs here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.support.audits import FIRST, SECOND, change, write_audit, write_release, write_volume

Recipe = Callable[[str], str]
Done = subprocess.CompletedProcess[str]
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Place:
    """A folder with a release, an output and a home, and a shell in it."""

    folder: Path

    @property
    def release(self) -> Path:
        return self.folder / 'my_dataset'

    @property
    def out(self) -> Path:
        return self.folder / 'my_dataset_reid'

    def adapted(self, text: str) -> str:
        """Put these folders into a recipe."""
        assert '/data/my_dataset' in text
        return text.replace('/data/', f'{self.folder}/')

    def sh(
        self, command: str, cwd: Path | None = None, *, path: Path = BIN, shell: str = 'sh'
    ) -> Done:
        """Run a command in the release, with our programs before all others."""
        own = {
            'PATH': f'{path}{os.pathsep}{os.environ["PATH"]}',
            'HOME': str(self.folder),
            'GIT_CONFIG_GLOBAL': str(self.folder / '.gitconfig'),
            'GIT_CONFIG_NOSYSTEM': '1',
            'TMPDIR': str(self.folder / 'tmp'),
        }
        return subprocess.run(
            [shell, '-c', command],
            cwd=cwd or self.release,
            env=os.environ | own,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def must(self, command: str, cwd: Path | None = None) -> str:
        """Run a command that has to end well."""
        done = self.sh(f'set -e; {command}', cwd)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Make an audited release."""
    here = Place(tmp_path)
    (tmp_path / 'tmp').mkdir()
    write_release(here.release)
    write_audit(here.out, here.release)
    (tmp_path / '.gitconfig').write_text(
        '[user]\nname = A Steward\nemail = steward@example.org\n[init]\ndefaultBranch = main\n'
    )
    return here


@pytest.fixture
def repository(place: Place, recipe: Recipe) -> Place:
    """Make the release a git repository with a bare remote and the hook of docs/audit.md."""
    place.must(
        f'git init -q --bare {place.folder}/remote.git; git init -q; '
        # as git-annex has it on its branch
        'git commit -q --allow-empty -m start; '
        f'git add -A; git commit -qm audited; git remote add origin {place.folder}/remote.git'
    )
    install_hook(place, recipe)
    return place


def install_hook(place: Place, recipe: Recipe) -> None:
    """Put the hook of docs/audit.md where git looks for it."""
    hook = place.release / '.git' / 'hooks' / 'pre-push'
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(place.adapted(recipe('check pre-push')) + '\n')
    hook.chmod(0o755)


def pushed(place: Place) -> str:
    """Commit that the remote has, or nothing."""
    return place.sh('git ls-remote origin refs/heads/main | cut -f1').stdout.strip()


def commit(place: Place, message: str = 'next') -> str:
    """Commit all there is."""
    return place.must(f'git add -A; git commit -qm {message}; git rev-parse HEAD')


@pytest.mark.parametrize('below', ['.', 'sub-01/anat'])
def test_the_hook_lets_through_what_was_audited(repository: Place, below: str) -> None:
    """Also from a folder below, and later what changes no image."""
    done = repository.sh('git push -q origin main', repository.release / below)
    assert done.returncode == 0, done.stderr
    assert pushed(repository)
    (repository.release / 'README').write_text('Another text.\n')
    last = commit(repository)
    assert repository.sh('git push -q', repository.release / below).returncode != 0  # no upstream
    assert repository.sh('git push -q origin main', repository.release / below).returncode == 0
    assert pushed(repository) == last
    # a branch is deleted: nothing is sent
    repository.must('git push -q origin main:other; git push -q origin :other')


def add(release: Path) -> str:
    write_volume(release / 'sub-01/anat/notes.txt', 3)
    return 'sub-01/anat/notes.txt: new: not audited'


def alter(release: Path) -> str:
    change(release / FIRST)
    return f'{FIRST}: changed: '


def hide(release: Path) -> str:
    # git archive would leave it out, git push does not
    (release / '.gitattributes').write_text('* export-ignore\n')
    return add(release)


@pytest.mark.parametrize('below', ['.', 'sub-01/anat'])
@pytest.mark.parametrize('touch', [add, alter, hide])
def test_the_hook_refuses_what_was_not(
    repository: Place, touch: Callable[[Path], str], below: str
) -> None:
    """A byte changed, an image added: nothing arrives on the other side."""
    repository.must('git push -q origin main')
    before = pushed(repository)
    expected = touch(repository.release)
    bad = commit(repository)
    done = repository.sh('git push -q origin main', repository.release / below)
    assert done.returncode != 0
    assert expected in done.stderr
    assert f'not pushed, because of commit {bad}' in done.stderr
    assert pushed(repository) == before


def test_the_hook_looks_at_the_history(repository: Place) -> None:
    """A face that was committed and deleted again is sent with all that follows."""
    add(repository.release)
    bad = commit(repository)
    repository.must('git rm -q sub-01/anat/notes.txt')
    commit(repository)
    done = repository.sh('git push -q origin main')
    assert done.returncode != 0
    assert f'because of commit {bad}' in done.stderr
    assert pushed(repository) == ''
    # under another name, or as a tag, it is the same
    assert repository.sh('git push -q origin main:other').returncode != 0
    repository.must('git tag -m v1 v1')
    assert repository.sh('git push -q origin v1').returncode != 0
    # what came before it may go
    repository.must('git push -q origin main~2:refs/heads/main')


def test_the_hook_looks_at_what_is_pushed(repository: Place) -> None:
    """Whatever lies in the folder: what is not committed is not sent, what is, is."""
    add(repository.release)
    change(repository.release / SECOND)
    repository.must('git push -q origin main')
    repository.must(
        'git checkout -q -b other; git add -A; git commit -qm bad; git checkout -q main'
    )
    assert repository.sh('git push -q origin other').returncode != 0


def test_the_hook_refuses_where_it_cannot_look(repository: Place) -> None:
    """The program is not installed, or the audit is gone: that is no pass."""
    done = repository.sh('PATH=/usr/bin:/bin; git push -q origin main')
    assert done.returncode != 0
    assert 'bids-reid-check' in done.stderr
    repository.out.rename(repository.folder / 'elsewhere')
    done = repository.sh('git push -q origin main')
    assert done.returncode != 0
    assert 'cannot read' in done.stderr
    assert pushed(repository) == ''
    assert not list((repository.folder / 'tmp').iterdir())


def test_before_an_upload_to_openneuro(place: Place, recipe: Recipe) -> None:
    """OpenNeuro's program is a stand-in that writes down what it was called with."""
    programs = place.folder / 'bin'
    programs.mkdir()
    (programs / 'bids-reid-check').symlink_to(BIN / 'bids-reid-check')
    fake = programs / 'openneuro'
    fake.write_text(f'#!/bin/sh\necho "$@" > {place.folder}/uploaded\n')
    fake.chmod(0o755)
    command = place.adapted(recipe('check openneuro'))
    write_volume(place.release / '.heudiconv/01/x.nii')
    assert place.sh(command, path=programs).returncode == 3
    assert not (place.folder / 'uploaded').exists()
    (place.release / '.heudiconv/01/x.nii').unlink()
    assert place.sh(command, path=programs).returncode == 0
    assert (place.folder / 'uploaded').read_text() == f'upload --affirmDefaced {place.release}\n'


def test_as_a_step_on_github(place: Place, recipe: Recipe) -> None:
    """The YAML is read as GitHub reads it, and the check is run by the shell that it uses.

    Checking out and installing are not run: there is no GitHub here.
    """
    steps = yaml.safe_load(recipe('check action'))
    folders = [step['with']['path'] for step in steps if 'uses' in step]
    *_, step = steps
    assert folders == ['dataset', 'audit']
    work = place.folder / 'work'
    work.mkdir()
    place.release.rename(work / 'dataset')
    place.out.rename(work / 'audit')
    script = f'set -eo pipefail; {step["run"]}'
    done = place.sh(script, work, shell='bash')
    assert (done.returncode, done.stderr) == (0, '')
    change(work / 'dataset' / FIRST)
    done = place.sh(script, work, shell='bash')
    assert done.returncode == 3
    assert f'{FIRST}: changed' in done.stdout


@pytest.fixture
def datalad(place: Place) -> Place:
    """Make the release a DataLad dataset with a sibling; skip where there is no DataLad."""
    if not (shutil.which('datalad') and shutil.which('git-annex')):
        pytest.skip('needs datalad and git-annex')
    place.must(
        'datalad -f disabled create --force -c text2git; datalad -f disabled save -m all; '
        f'datalad -f disabled create-sibling-ria -s origin --new-store-ok --alias data '
        f'ria+file://{place.folder}/store'
    )
    # the audit has to know the keys
    write_audit(place.out, place.release)
    return place


@pytest.mark.slow
def test_datalad_publishes_what_was_audited(datalad: Place, recipe: Recipe) -> None:
    """With a record in the history; where something changed, nothing is recorded or sent."""
    command = datalad.adapted(recipe('check datalad'))
    assert (datalad.release / FIRST).is_symlink()
    done = datalad.sh(command)
    assert done.returncode == 0, done.stderr
    record = json.loads((datalad.release / 'code' / 'bids_reid_check.json').read_text())
    assert record['ok']
    assert record['n_images'] == 2
    clone = datalad.folder / 'clone'
    datalad.must(
        f'datalad -f disabled clone ria+file://{datalad.folder}/store#~data {clone}',
        datalad.folder,
    )
    head = datalad.must('git rev-parse HEAD')
    assert datalad.must('git rev-parse HEAD', clone) == head
    # a clone has no content, but keys
    assert not (clone / FIRST).exists()
    checked = datalad.sh(f'bids-reid-check {datalad.out} {clone}')
    assert checked.stdout == '2 images, all audited, none changed\n'
    write_volume(datalad.release / 'sub-03_T1w.nii.gz', 8)
    datalad.must('datalad -f disabled save -m bad')
    done = datalad.sh(command)
    assert done.returncode != 0
    assert 'sub-03_T1w.nii.gz: new: not audited' in done.stdout + done.stderr
    datalad.must('datalad -f disabled update', clone)
    assert datalad.must('git rev-parse origin/HEAD', clone) == head


@pytest.mark.slow
def test_the_hook_stops_the_history_of_datalad(datalad: Place, recipe: Recipe) -> None:
    """Its branch git-annex has no images, and older commits hold links to content not sent."""
    before = (datalad.release / SECOND).read_bytes()
    datalad.must(f'datalad -f disabled unlock {SECOND}')
    write_volume(datalad.release / SECOND, 55)
    datalad.must('datalad -f disabled save -m other')
    datalad.must(f'datalad -f disabled unlock {SECOND}')
    (datalad.release / SECOND).write_bytes(before)
    datalad.must('datalad -f disabled save -m restored')
    install_hook(datalad, recipe)
    datalad.must('datalad -f disabled push --to origin')
    head = datalad.must('git rev-parse HEAD')
    assert head in datalad.must('git ls-remote origin')
    write_volume(datalad.release / 'sub-03_T1w.nii.gz', 8)
    datalad.must('datalad -f disabled save -m bad')
    done = datalad.sh('datalad push --to origin')
    assert done.returncode != 0
    assert 'sub-03_T1w.nii.gz: new: not audited' in done.stderr
    assert datalad.must('git rev-parse HEAD') not in datalad.must('git ls-remote origin')


@pytest.mark.slow
@pytest.mark.parametrize('backend', ['MD5E', 'SHA256E'])
def test_datalad_clones_are_checked_by_their_keys(datalad: Place, backend: str) -> None:
    """Of both kinds: one key is a hash of the bytes that the table has, the other is not."""
    release = datalad.release
    if backend == 'SHA256E':
        datalad.must(
            f'git annex migrate --quiet --backend={backend} .; datalad save -m {backend}; '
            # what no branch has any more would be a part of the folder
            'git annex unused --quiet; git annex dropunused --quiet --force all'
        )
    assert f'{backend}-s' in str((release / FIRST).readlink())
    write_audit(datalad.out, release)
    clone = datalad.folder / 'clone'
    datalad.must(f'datalad -f disabled clone {release} {clone}', datalad.folder)
    assert not (clone / FIRST).exists()
    command = f'bids-reid-check {datalad.out} {clone}'
    assert datalad.must(command) == '2 images, all audited, none changed'
    datalad.must('datalad -f disabled get .', clone)
    assert datalad.must(command) == '2 images, all audited, none changed'
    datalad.must(f'git annex unlock --quiet {FIRST}', clone)
    assert datalad.must(command) == '2 images, all audited, none changed'
    datalad.must(f'git annex drop --quiet --force {FIRST}', clone)
    assert datalad.must(command) == '2 images, all audited, none changed'
    # other content of the same name
    datalad.must(f'datalad -f disabled unlock {SECOND}')
    write_volume(release / SECOND, 77)
    datalad.must('datalad -f disabled save -m other')
    datalad.must('datalad -f disabled update --how merge', clone)
    done = datalad.sh(command)
    assert done.returncode == 3
    assert done.stdout.startswith(f'{SECOND}: ')
    assert len(done.stdout.splitlines()) == 2
