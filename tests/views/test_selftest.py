"""Before any work the user is told whether this machine renders, and what to install if not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context

import numpy as np
import pytest

from bids_reid import devices, surroundings
from bids_reid.errors import MachineError, RenderingError
from bids_reid.surroundings import MemoryLimit
from bids_reid.views import known_scene, selftest, window


def test_the_renderer_is_named() -> None:
    name = str(selftest.check_rendering())
    assert name
    assert '\n' not in name
    assert name != 'unknown'


def crash(*_: object) -> None:
    """Do what a missing driver does."""
    os.abort()


def say_nothing(*_: object) -> None:
    """End without an answer."""


def hang(*_: object) -> None:
    """Do what a driver that waits for a screen does."""
    time.sleep(60)


@pytest.mark.parametrize('driver', [crash, say_nothing])
def test_what_to_install_is_said(
    monkeypatch: pytest.MonkeyPatch, driver: Callable[[object], None]
) -> None:
    """A missing driver ends the process without a word; so may anything in its place."""
    monkeypatch.setattr(selftest, '_answer', driver)
    with pytest.raises(RenderingError, match=r'apt-get install libegl1 libgl1-mesa-dri') as caught:
        selftest.check_rendering()
    assert '\n' not in str(caught.value)


def test_a_driver_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, '_answer', hang)
    monkeypatch.setattr(selftest, 'SECONDS', 0.2)
    monkeypatch.setattr(devices, 'card_names', tuple)
    with pytest.raises(RenderingError, match=r'does not respond: (?!use)'):
        selftest.check_rendering()
    monkeypatch.setattr(devices, 'card_names', lambda: ('NVIDIA A100',))
    with pytest.raises(RenderingError, match='does not respond: use --device cpu, or '):
        selftest.check_rendering()


def be_killed(*_: object) -> None:
    """Do what the system does to a process that takes more memory than there is."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_killed_for_memory_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who installs drivers instead is no wiser afterwards."""
    monkeypatch.setattr(selftest, '_answer', be_killed)
    with pytest.raises(MachineError, match=r'^not enough memory: ') as caught:
        selftest.check_rendering()
    assert 'install' not in str(caught.value)


@pytest.mark.parametrize('limited', [True, False])
def test_a_limit_on_memory_is_told_as_such(monkeypatch: pytest.MonkeyPatch, limited: bool) -> None:
    """Batch systems set one; where it leaves room, it is not to blame."""
    limit = MemoryLimit(2 * 10**9, 'ulimit -v', of_addresses=True)
    for module in (selftest, surroundings):
        monkeypatch.setattr(module, 'memory_limit', lambda: limit)
    monkeypatch.setattr(selftest, '_answer', crash)
    monkeypatch.setattr(selftest, 'overrides', lambda: ())
    if limited:
        monkeypatch.setattr(selftest, '_take_room', say_nothing)
    said = (
        r'the limit is 2\.0 GB \(ulimit -v\)' if limited else 'cannot render images: install EGL'
    )
    with pytest.raises(MachineError, match=said):
        selftest.check_rendering()


def test_a_process_that_cannot_be_started_is_no_renderers_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: object) -> None:
        raise BlockingIOError(11, 'Resource temporarily unavailable')

    monkeypatch.setattr(get_context('forkserver').Process, 'start', refuse)
    with pytest.raises(MachineError, match=r'^cannot start a process: Resource temporarily'):
        selftest.check_rendering()


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('MESA_GL_VERSION_OVERRIDE', '1.1'),
        ('GALLIUM_DRIVER', 'zink'),
        ('__EGL_VENDOR_LIBRARY_FILENAMES', '/nowhere/nvidia.json'),
        ('VTK_DEFAULT_OPENGL_WINDOW', 'vtkXOpenGLRenderWindow'),
    ],
)
def test_a_variable_that_is_to_blame_is_named(name: str, value: str) -> None:
    """To install what is there already helps nobody."""
    program = (
        'from bids_reid.views.selftest import *\n'
        'if __name__ == "__main__":\n'
        '    use_offscreen_window()\n'
        '    try: check_rendering()\n'
        '    except RenderingError as error: print(error)\n'
    )
    environment = os.environ | {name: value}
    if not name.startswith('VTK'):
        environment.pop(selftest.WINDOW_VARIABLE, None)
    # one that does no harm is not blamed
    environment['LIBGL_DEBUG'] = 'quiet'
    done = subprocess.run(
        [sys.executable, '-c', program], env=environment, capture_output=True, check=True
    )
    said = (
        f'this machine cannot render images: rendering works without {name}={value}: '
        f'unset {name}\n'
    )
    assert done.stdout.decode() == said


def test_what_the_driver_complains_about_is_not_shown() -> None:
    """Users get one line that says what to do."""
    program = """
import os
from bids_reid.views import selftest

def complain():
    os.write(1, b'driver: oh')
    os.write(2, b'driver: no')
    return 'a renderer'

selftest.renderer_on = lambda _: complain()
reading, writing = os.pipe()

class Question:
    def send(self, name):
        os.write(writing, name.encode())

selftest._answer(Question())
assert os.read(reading, 100) == b'a renderer'
"""
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b'', b'')


def test_a_renderer_that_draws_nothing_is_no_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Black renders hold no face: every scan would look safe."""
    nothing = np.zeros((known_scene.PIXELS, known_scene.PIXELS, 4), np.uint8)
    monkeypatch.setattr(window.Window, 'picture', lambda *_: nothing)
    with pytest.raises(RenderingError, match=r'^4\d% of a known picture is wrong with '):
        selftest.renderer_on('cpu')


def test_a_window_that_the_user_chose_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(selftest.WINDOW_VARIABLE, 'vtkOSOpenGLRenderWindow')
    selftest.use_offscreen_window()
    assert os.environ[selftest.WINDOW_VARIABLE] == 'vtkOSOpenGLRenderWindow'
    monkeypatch.delenv(selftest.WINDOW_VARIABLE)
    selftest.use_offscreen_window()
    assert os.environ[selftest.WINDOW_VARIABLE] == 'vtkEGLRenderWindow'
    # set to nothing, it is not set
    monkeypatch.setenv(selftest.WINDOW_VARIABLE, '')
    selftest.use_offscreen_window()
    assert os.environ[selftest.WINDOW_VARIABLE] == 'vtkEGLRenderWindow'
