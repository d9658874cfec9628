"""Nothing leaves the machine: a steward's data must not, and no library may tell who uses it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.plugins import write_plugin

Call = Callable[..., 'subprocess.CompletedProcess[str]']

ANYWHERE = ('192.0.2.1', 443)
"""An address that is for documentation only."""


def test_a_connection_is_refused_and_noted(network_attempts: list[str]) -> None:
    """The guard of all other tests: without it they would prove nothing."""
    with socket.socket() as stream, pytest.raises(PermissionError, match='no connection'):
        stream.connect(ANYWHERE)
    with pytest.raises(PermissionError):
        socket.getaddrinfo('example.org', 443)
    assert len(network_attempts) == 2
    network_attempts.clear()


@pytest.mark.parametrize(
    'leave',
    [
        lambda sock: sock.connect((b'192.0.2.1', 443)),
        lambda sock: sock.sendto(b'x', ANYWHERE),
        lambda sock: sock.sendmsg([b'x'], [], 0, ANYWHERE),
        lambda _: socket.getaddrinfo(b'example.org', 443),
        lambda _: socket.gethostbyname('example.org'),
        lambda _: socket.gethostbyaddr('192.0.2.1'),
        lambda _: socket.getnameinfo(ANYWHERE, 0),
    ],
)
def test_every_way_out_is_seen(
    network_attempts: list[str], leave: Callable[[socket.socket], object]
) -> None:
    """A name in bytes, or a call that libraries seldom use, would pass for this machine."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock, pytest.raises(PermissionError):
        leave(sock)
    assert len(network_attempts) == 1
    network_attempts.clear()


def test_programs_that_tests_call_are_looked_at(call: Call) -> None:
    """Nearly everything of the program runs in them: what they do unseen is what a user gets."""
    program = (
        'import multiprocessing, socket\n'
        'def leave():\n'
        '    try:\n'
        '        socket.socket().connect(("192.0.2.1", 443))\n'
        '    except OSError:\n'
        '        print("nobody noticed")\n'
    )
    done = call('python', '-c', f'{program}leave()')
    assert (done.returncode, done.stdout) == (97, '')
    assert 'socket.connect' in done.stderr
    assert call('python', '-c', 'import socket; socket.getaddrinfo(None, 80)').returncode == 0


def test_workers_of_programs_are_looked_at(call: Call, tmp_path: Path) -> None:
    """The scans are read and rendered in workers, which the fork server makes."""
    script = tmp_path / 'script.py'
    script.write_text(
        'import multiprocessing, socket\n'
        'def leave():\n'
        '    socket.gethostbyname("example.org")\n'
        'if __name__ == "__main__":\n'
        '    worker = multiprocessing.get_context("forkserver").Process(target=leave)\n'
        '    worker.start()\n'
        '    worker.join()\n'
        '    raise SystemExit(worker.exitcode)\n'
    )
    assert call('python', script).returncode == 97


def test_sockets_in_the_file_system_are_none_of_that(tmp_path: Path) -> None:
    """Worker processes talk through them."""
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(f'\0bids_reid-{os.getpid()}')
        server.listen()
        client.connect(os.fsencode(server.getsockname()))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b'x')
        assert theirs.recv(1) == b'x'


def test_the_engine_opens_no_socket_when_it_is_imported() -> None:
    """Nobody who traces a run (strace) should have to believe that one was harmless."""
    program = (
        'import socket, sys\n'
        'made = []\n'
        'sys.addaudithook(lambda event, given: made.append(given[1:])\n'
        '    if event == "socket.__new__" and given[1] != socket.AF_UNIX else None)\n'
        'import bids_reid.engine.execution, bids_reid.engine.preload, nipype\n'
        'assert "urllib3" in sys.modules\n'
        'assert socket.has_ipv6\n'
        'sys.exit(str(made) if made else 0)\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def cut(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command without a network; 99 if it tried to use one."""
    script = Path(__file__).parent.parent / 'tools' / 'cut-network'
    # ONNX Runtime calls home, but not where it sees a CI
    inherited = {name: value for name, value in os.environ.items() if name != 'CI'}
    return subprocess.run(
        [sys.executable, str(script), *map(str, command)],
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=3000,
    )


@pytest.fixture(scope='module')
def can_cut() -> None:
    """Skip where a network namespace is not to be had."""
    done = cut('true')
    if done.returncode != 0:
        pytest.skip(done.stderr.strip())


@pytest.mark.usefixtures('can_cut')
def test_what_is_counted() -> None:
    """The harness: a call home from C, which Python's hooks do not see, is counted."""
    lookup = 'getent hosts example.org || true'
    assert cut('sh', '-c', lookup).returncode == 99
    # a name server may be on this machine, and ask others
    assert cut('bash', '-c', 'echo x > /dev/udp/127.0.0.53/53').returncode == 99
    assert cut('false').returncode == 1


LOOPBACK = """
import socket, threading
with socket.create_server(('127.0.0.1', 0)) as server:
    thread = threading.Thread(target=lambda: server.accept()[0].sendall(b'x'))
    thread.start()
    with socket.create_connection(server.getsockname()) as client:
        assert client.recv(1) == b'x'
    thread.join()
"""


@pytest.mark.usefixtures('can_cut')
def test_the_loopback_stays_and_is_no_way_out() -> None:
    """Tests serve folders to themselves; a proxy of this machine would be a way out."""
    assert cut(sys.executable, '-c', LOOPBACK).returncode == 0
    shown = cut('env', HTTPS_PROXY='http://127.0.0.1:9', http_proxy='http://127.0.0.1:9')
    assert '_proxy' not in shown.stdout.lower()


@pytest.mark.usefixtures('can_cut')
def test_an_extractor_of_another_package_that_lies_is_found_out(tmp_path: Path) -> None:
    """What it declares is all that the program knows of it; this is how a steward can be sure."""
    connects = "__import__('socket').create_connection(('192.0.2.1', 443), 1)"
    more = f'Means.available = lambda self: {connects} and Availability()'
    write_plugin(tmp_path, 'acme', more=more)
    listing = (sys.executable, '-m', 'bids_reid', '--extractors')
    done = cut(*listing, PYTHONPATH=str(tmp_path))
    assert 'acme-matcher 1.0 failed: OSError' in done.stdout
    assert done.returncode == 99
    # it is the extractor, and not the program
    assert cut(*listing).returncode == 0


def test_where_it_cannot_cut_it_says_so(tmp_path: Path) -> None:
    """All other tests run there, but nobody must believe that they ran without a network."""
    nowhere = {'PATH': str(tmp_path)}
    done = cut('/bin/echo', 'it ran', **nowhere)
    assert (done.returncode, done.stdout) == (69, '')
    assert 'cannot be cut here: unshare: No such file' in done.stderr
    done = cut('--if-possible', '/bin/echo', 'it ran', **nowhere)
    assert (done.returncode, done.stdout) == (0, 'it ran\n')
    assert 'the command runs with it' in done.stderr


USE = """
import bids_reid
{hook}
import bids, nipype, onnx, onnxruntime, numpy, time
from deepface import DeepFace
from onnx import TensorProto, helper
value = helper.make_tensor_value_info
graph = helper.make_graph(
    [helper.make_node('Relu', ['x'], ['y'])], 'g',
    [value('x', TensorProto.FLOAT, [1])], [value('y', TensorProto.FLOAT, [1])],
)
opset = [helper.make_opsetid('', 17)]
model = helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
onnxruntime.InferenceSession(model).run(None, {{'x': numpy.ones(1, numpy.float32)}})
time.sleep(10)
"""


@pytest.mark.slow
@pytest.mark.usefixtures('can_cut')
def test_libraries_do_not_call_home(tmp_path: Path) -> None:
    """Nipype asks for news, ONNX Runtime reports its use, DeepFace downloads: not in here."""
    home = {'HOME': str(tmp_path), 'DEEPFACE_HOME': str(tmp_path)}
    done = cut(sys.executable, '-c', USE.format(hook=''), **home)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / '.cache' / 'Microsoft').exists(), 'a number that identifies the user'
    # the same with what they do by themselves: should it find nothing, our settings are untested
    hook = 'import os\nfor name in bids_reid.NO_CALLS_HOME: del os.environ[name]'
    assert cut(sys.executable, '-c', USE.format(hook=hook), **home).returncode == 99
