"""A signal ends the program in order and in time, whatever that is at."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bids_reid.stopping import RESUME

_PROGRAM = """
import os, signal, sys, time
from multiprocessing import get_context
from bids_reid import stopping
from bids_reid.cli import guarded
from bids_reid.errors import Exit

stopping.LONGEST_S = 0.5


def wait(seconds=60.0):
    print('ready', flush=True)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)


def waits():
    wait()


def swallows():
    # as C code that is called back from Python may
    try:
        wait()
    except BaseException:
        pass


def goes_on():
    swallows()
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass


def raises_another():
    try:
        wait()
    except BaseException as error:
        raise ImportError('numpy failed to import') from error


def has_a_child():
    child = get_context('forkserver').Process(target=time.sleep, args=(60,))
    child.start()
    print(child.pid, flush=True)
    wait()


def waits_a_moment():
    wait(0.5)
    return Exit.OK


def ends_slowly():
    try:
        wait()
    finally:
        time.sleep(60)


if __name__ == '__main__':
    for name in sys.argv[2:]:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    sys.exit(guarded('program', globals()[sys.argv[1]]))
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / 'program.py'
    path.write_text(_PROGRAM)
    return path


def start(program: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # what is started in the background ignores Ctrl-C
        preexec_fn=lambda: signal.signal(  # noqa: PLW1509
            signal.SIGINT, signal.default_int_handler
        ),
    )


def ready(process: subprocess.Popen[str]) -> list[str]:
    """Wait until a program waits; return what it printed before."""
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        if line == 'ready\n':
            return lines
        lines.append(line.strip())
    raise AssertionError(process.communicate()[1])


@pytest.mark.parametrize('what', ['waits', 'swallows', 'goes_on', 'raises_another', 'ends_slowly'])
@pytest.mark.parametrize(
    ('number', 'name'),
    [(signal.SIGTERM, 'SIGTERM'), (signal.SIGINT, 'Ctrl-C'), (signal.SIGHUP, 'SIGHUP')],
)
def test_it_says_how_to_go_on(program: Path, what: str, number: signal.Signals, name: str) -> None:
    """What is killed after ten seconds leaves faces in places that nobody looks at."""
    process = start(program, what)
    ready(process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (
        128 + number,
        f'program: stopped ({name}); {RESUME}\n',
    )


def test_its_children_end_with_it(program: Path) -> None:
    """They would go on to write, and hold the memory that a scheduler has taken back."""
    process = start(program, 'has_a_child')
    (child,) = ready(process)
    process.terminate()
    assert process.wait(20) == 128 + signal.SIGTERM
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            state = Path('/proc', child, 'stat').read_text().rpartition(')')[2].split()[0]
        except OSError:
            break
        if state == 'Z':
            break
        time.sleep(0.02)
    else:
        pytest.fail('the child lives')
    process.communicate()


def test_a_second_signal_ends_it_at_once(program: Path) -> None:
    process = start(program, 'ends_slowly')
    ready(process)
    for _ in range(2):
        process.terminate()
        time.sleep(0.1)
    assert process.wait(20) == 128 + signal.SIGTERM
    process.communicate()


def test_what_nohup_ignores_stays_ignored(program: Path) -> None:
    """People start long runs so, and log out."""
    process = start(program, 'waits_a_moment', 'SIGHUP')
    ready(process)
    os.kill(process.pid, signal.SIGHUP)
    assert process.communicate() == ('', '')
    assert process.returncode == 0
