"""Runs that meet, and runs that are stopped: nothing is lost, and nobody waits."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bids_reid.bids.tables import read_table
from bids_reid.demo.phantom_dataset import write_phantom_dataset
from bids_reid.errors import Exit

pytestmark = pytest.mark.slow

Call = Callable[..., 'subprocess.CompletedProcess[str]']
Start = Callable[..., 'subprocess.Popen[str]']

LONGEST_STOP_S = 5.0
RESUME = 'results so far are kept: run the same command again to continue\n'


@pytest.fixture(scope='module')
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('people')
    write_phantom_dataset(
        root, people=2, photos_per_person=1, distractors=1, spacing=3, n_procs=1, seed=4
    )
    return root


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A folder for temporary files in place of the system's."""
    folder = Path('/tmp') / f'system-{os.getpid()}-{time.monotonic_ns()}'
    folder.mkdir()
    return folder


@pytest.fixture
def start(people: Path, tmp_path: Path, system: Path) -> Iterator[Start]:
    """Start the program on the people, in a session of its own, as schedulers do."""
    running: list[subprocess.Popen[str]] = []

    def run(*options: object) -> subprocess.Popen[str]:
        program = Path(sys.executable).with_name('bids-reid')
        command = [program, people / 'bids', tmp_path / 'out', *options]
        process = subprocess.Popen(
            [*map(str, command), '--nprocs', '2', '--extractors', 'orb'],
            env=os.environ | {'TMPDIR': str(system)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # what is started in the background ignores Ctrl-C
            preexec_fn=lambda: signal.signal(  # noqa: PLW1509
                signal.SIGINT, signal.default_int_handler
            ),
        )
        running.append(process)
        return process

    yield run
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    shutil.rmtree(system)


def said(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code of a process and what it said on standard error."""
    _, errors = process.communicate(timeout=300)
    return process.returncode, errors


def wait_for(found: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_who_comes_second_is_refused_and_the_first_ends_well(
    start: Start, tmp_path: Path, people: Path
) -> None:
    """A finished scan became a failure and lost its files; two group runs left no tables."""
    out = tmp_path / 'out'
    first = start('participant')
    wait_for((out / '.locks').exists)
    for options in (('participant',), ('participant', '--participant-label', '01'), ('group',)):
        code, errors = said(start(*options))
        assert code == Exit.MACHINE
        assert f'out is being written by another run (process {first.pid}' in errors
        assert errors.count('\n') == 1
    assert first.poll() is None
    # who only asks disturbs nobody
    assert said(start('participant', '--dry-run'))[0] == Exit.OK
    assert said(first) == (Exit.OK, '')
    searched = [start('group', '--photos', people / 'photos') for _ in range(2)]
    assert sorted(said(one)[0] for one in searched) in ([0, 0], [0, Exit.MACHINE])
    assert {row['status'] for row in read_table(out / 'group_images.tsv')} == {'ok'}
    assert (out / 'group_identification.tsv').exists()


def test_tasks_of_a_job_array_go_on_side_by_side(start: Start, tmp_path: Path) -> None:
    """Each has its participant, and all have one output."""
    tasks = [start('participant', '--participant-label', label) for label in ('01', '02')]
    assert [said(task) for task in tasks] == [(Exit.OK, '')] * 2
    out = tmp_path / 'out'
    assert len(list(out.glob('sub-*/anat/*_desc-skin_T1w.json'))) == 2
    assert not (out / 'work').exists()
    assert said(start('group')) == (Exit.OK, '')


def importing(_: Path) -> bool:
    time.sleep(1)
    return True


def beginning(out: Path) -> bool:
    return (out / '.locks').exists()


def at_work(out: Path) -> bool:
    return bool(list(out.glob('work/*/run-*/*_wf/*/render')))


def at_the_group(out: Path) -> bool:
    return bool(list(out.glob('work/*/run-*/group_wf')))


@pytest.mark.parametrize(
    ('moment', 'number', 'everybody'),
    [
        (importing, signal.SIGTERM, False),
        (beginning, signal.SIGINT, True),
        (at_work, signal.SIGTERM, False),
        (at_work, signal.SIGINT, True),
        (at_work, signal.SIGHUP, False),
        (at_the_group, signal.SIGTERM, True),
    ],
)
def test_a_signal_ends_it_within_seconds_and_it_is_taken_up(
    start: Start,
    tmp_path: Path,
    people: Path,
    system: Path,
    moment: Callable[[Path], bool],
    number: signal.Signals,
    everybody: bool,
) -> None:
    """Schedulers and containers send SIGTERM, and kill some seconds later."""
    out = tmp_path / 'out'
    command = ('participant', 'group', '--photos', people / 'photos')
    process = start(*command)
    wait_for(lambda: moment(out))
    sent = time.monotonic()
    (os.killpg if everybody else os.kill)(process.pid, number)
    code, errors = said(process)
    assert time.monotonic() - sent < LONGEST_STOP_S
    name = 'Ctrl-C' if number == signal.SIGINT else number.name
    assert (code, errors) == (128 + number, f'bids-reid: stopped ({name}); {RESUME}')
    # no process of its session is left, and nothing of it in the system's folder
    wait_for(lambda: not living(process.pid), LONGEST_STOP_S)
    assert not list(system.iterdir())
    assert said(start(*command)) == (Exit.OK, '')
    assert not (out / 'work').exists()
    assert not list((out / 'logs').glob('crash-*'))


def living(session: int) -> list[str]:
    """Processes of a session that have not ended."""
    found = []
    for status in Path('/proc').glob('[0-9]*/stat'):
        try:
            state, _, _, number = status.read_text().rpartition(')')[2].split()[:4]
        except OSError:
            continue
        if int(number) == session and state not in 'ZX':
            found.append(status.parent.name)
    return found


def test_what_a_killed_run_left_is_swept_by_the_next(
    start: Start, tmp_path: Path, system: Path
) -> None:
    """Renders and surfaces would stay in the system's folder, in memory and in work/ for good."""
    out = tmp_path / 'out'
    process = start('participant')
    wait_for(lambda: at_work(out))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    left = [path.name for path in system.iterdir()]
    assert left, 'a run has a folder for temporary files'
    assert said(start('participant')) == (Exit.OK, '')
    assert not list(system.iterdir())
    assert not [path for name in left for path in Path('/dev/shm').glob(f'*{name}*')]
    assert not (out / 'work').exists()


def test_a_second_signal_ends_it_at_once(start: Start, tmp_path: Path) -> None:
    process = start('participant')
    wait_for(lambda: at_work(tmp_path / 'out'))
    for _ in range(2):
        os.kill(process.pid, signal.SIGTERM)
    sent = time.monotonic()
    assert said(process)[0] == 128 + signal.SIGTERM
    assert time.monotonic() - sent < LONGEST_STOP_S


_FULL_DISK = """
set -u
mount -t tmpfs -o size=200m tmpfs "$OUT" || exit 99
run() { "$PROGRAM" "$BIDS" "$OUT/out" participant --nprocs 1 --extractors "$@"; }
kept() { (cd "$OUT/out" && find sub-* -type f | sort | xargs sha256sum); }
run orb || exit 98
kept > "$LOGS/before"
for free in 0 1 4 16; do
    room=$(df --output=avail -k "$OUT" | tail -1)
    head -c $(((room - free * 1024) * 1024)) /dev/zero > "$OUT/filler"
    run orb sift > "$LOGS/said-$free" 2> "$LOGS/errors-$free"
    echo $? > "$LOGS/code-$free"
    kept > "$LOGS/after-$free"
    rm "$OUT/filler"
done
run orb sift
"""


def test_a_disk_that_is_full_at_any_moment_costs_nothing_that_is_done(
    people: Path, tmp_path: Path
) -> None:
    """An extractor that was added on a full disk cost skin, views and the template of before."""
    out, logs = tmp_path / 'disk', tmp_path / 'logs'
    for folder in (out, logs):
        folder.mkdir()
    names = {
        'PROGRAM': Path(sys.executable).with_name('bids-reid'),
        'BIDS': people / 'bids',
        'OUT': out,
        'LOGS': logs,
    }
    done = subprocess.run(
        ['unshare', '--map-root-user', '--mount', 'sh', '-c', _FULL_DISK],
        env=os.environ | {name: str(path) for name, path in names.items()},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode in (1, 99):
        pytest.skip('the system lets no user mount a small disk')
    assert done.returncode == Exit.OK, done.stderr
    codes = [int((logs / f'code-{free}').read_text()) for free in (0, 1, 4, 16)]
    assert codes[0] == Exit.MACHINE
    before = (logs / 'before').read_text()
    for code, free in zip(codes, (0, 1, 4, 16), strict=True):
        assert code in (Exit.MACHINE, Exit.OK)
        errors = (logs / f'errors-{free}').read_text()
        if code == Exit.MACHINE:
            assert errors.count('\n') == 1, errors
            assert 'No space left on device' in errors or 'no room is left for' in errors
        after = (logs / f'after-{free}').read_text()
        # what was added to the second is no change of the first
        assert [
            line for line in before.splitlines() if 'orb_T1w.npz' in line and line not in after
        ] == []
        assert 'FAILED' not in (logs / f'said-{free}').read_text()
