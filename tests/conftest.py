"""What all tests share."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bids_reid.faces.weights import FOLDER_VARIABLE, LOCK, ModelFile, file_sha256
from bids_reid.messages import show_messages
from bids_reid.views.selftest import use_offscreen_window

# before anything imports VTK
use_offscreen_window()
# what the validator of BIDS runs on asks for news of itself once a day
os.environ['DENO_NO_UPDATE_CHECK'] = '1'

LONG_FIXTURES = ('audit', 'example_run', 'containers', 'slurm')
"""Runs of both levels, images, a cluster: of each there must be one only, for all tests."""
LONGEST_SECONDS = 6.0
"""A fast test has 2 s. On a machine that others keep busy, too, processor time nearly doubles."""

Call = Callable[..., 'subprocess.CompletedProcess[str]']
Recipe = Callable[[str], str]


# tests.support and benchmarks are in no package that is installed; last, so that bids_reid stays
# the one that is; processes that tests start take it over
sys.path.append(str(Path(__file__).parents[1]))

GUARD = Path(__file__).parent / 'guard'
_attempts: list[str] = []


def _guard() -> ModuleType:
    """Load what the programs that tests call have, too."""
    spec = spec_from_file_location('network_guard', GUARD / 'sitecustomize.py')
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_leaves = _guard().leaves


def _refuse_network(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse to leave this machine, whatever library tries, and remember that it was tried."""
    if _leaves(event, arguments):
        _attempts.append(f'{event} {arguments}')
        raise PermissionError(f'a test opens no connection: {event} {arguments}')


# what Python does not see is counted by tools/cut-network, under which the README runs the tests
sys.addaudithook(_refuse_network)


@pytest.fixture(autouse=True)
def network_attempts() -> Iterator[list[str]]:
    """Fail a test in which anything tried to connect, even if it took the refusal quietly."""
    _attempts.clear()
    yield _attempts
    assert not _attempts, f'something called home: {_attempts}'


@pytest.fixture(scope='session', autouse=True)
def messages() -> None:
    """Print messages also where a test calls a level without the command line."""
    show_messages()


@pytest.fixture(scope='session', autouse=True)
def no_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What runs by default must not depend on the weights that somebody has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER_VARIABLE, str(tmp_path_factory.mktemp('models')))
        yield


@pytest.fixture(scope='session')
def recipe(pytestconfig: pytest.Config) -> Recipe:
    """Return the code block below ``<!-- name -->`` in docs: what people copy is tested."""

    def block(name: str) -> str:
        pattern = re.compile(rf'<!-- {re.escape(name)} -->\n+```\w*\n(.*?)\n```', re.DOTALL)
        pages = sorted((pytestconfig.rootpath / 'docs').glob('*.md'))
        found = [text for page in pages for text in pattern.findall(page.read_text('utf-8'))]
        assert len(found) == 1, f'{len(found)} blocks {name!r} in docs, not one'
        return found[0]

    return block


@pytest.fixture(scope='session')
def call() -> Call:
    """Call a console script as a user does: ``call('bids-reid', bids_dir, ...)``."""

    def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [Path(sys.executable).with_name(script), *map(str, arguments)]
        # it and its workers end where they try to leave this machine
        path = os.pathsep.join(filter(None, (str(GUARD), os.environ.get('PYTHONPATH'))))
        return subprocess.run(
            command,
            env=os.environ | {'PYTHONPATH': path},
            capture_output=True,
            text=True,
            check=False,
            timeout=1800,
        )

    return run


WriteWeights = Callable[..., Path]


@pytest.fixture(scope='session')
def write_weights() -> WriteWeights:
    """Write a small network for a model that cannot be downloaded here, to its place.

    It has the model's inputs and outputs, and is noted in the lock: ``write(entry, folder)``.
    """

    def write(entry: ModelFile, folder: Path, *, dimension: int | None = None) -> Path:
        path = entry.path(folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_network(entry, dimension or entry.dimension))
        lock = folder / LOCK
        content = json.loads(lock.read_text()) if lock.exists() else {}
        content[entry.file] = {'sha256': file_sha256(path)}
        lock.write_text(json.dumps(content))
        return path

    return write


def _network(entry: ModelFile, dimension: int) -> bytes:
    """Project the mean brightness of four by four parts of a face to ``dimension`` numbers.

    DeepFace's exports take (n, height, width, 3), SFace's and InsightFace's (1, 3, height, width).
    """
    from onnx import TensorProto, helper, numpy_helper

    width, height = entry.input
    single = entry.model in ('SFace', 'Buffalo_L')
    shape = [1, 3, height, width] if single else ['n', height, width, 3]
    weights = np.random.default_rng(len(entry.file)).normal(size=(16, dimension))
    part = [height // 4, width // 4]
    order = [0, 1, 2, 3] if single else [0, 3, 1, 2]
    nodes = [
        helper.make_node('Transpose', ['input'], ['planes'], perm=order),
        helper.make_node('AveragePool', ['planes'], ['parts'], kernel_shape=part, strides=part),
        helper.make_node('ReduceMean', ['parts'], ['grey'], axes=[1], keepdims=0),
        helper.make_node('Flatten', ['grey'], ['flat'], axis=1),
        # 47 pixels are five parts of 11
        helper.make_node('Slice', ['flat', 'first', 'end', 'axis'], ['sixteen']),
        helper.make_node('MatMul', ['sixteen', 'weights'], ['output']),
    ]
    constants = {'first': np.array([0]), 'end': np.array([16]), 'axis': np.array([1])}
    graph = helper.make_graph(
        nodes,
        'stand_in',
        [helper.make_tensor_value_info('input', TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info('output', TensorProto.FLOAT, [shape[0], dimension])],
        [
            numpy_helper.from_array(weights.astype(np.float32), 'weights'),
            *(numpy_helper.from_array(value, name) for name, value in constants.items()),
        ],
    )
    opset = helper.make_opsetid('', 17)
    return bytes(helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one process have all the tests that share something long, and begin with them."""
    groups = {item: _group(item) for item in items}
    items.sort(key=lambda item: not groups[item])
    for item, group in groups.items():
        if group:
            item.add_marker(pytest.mark.xdist_group(group))


def _group(item: pytest.Item) -> str:
    """Name of the first long fixture of a test, or an empty one."""
    fixtures = getattr(item, 'fixturenames', ())
    return next((name for name in LONG_FIXTURES if name in fixtures), '')


def _seconds() -> tuple[float, float]:
    """Time on the clock, and on the processors of this process and its children that ended."""
    return time.perf_counter(), sum(os.times()[:4])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a fast test that is none: nobody runs a command that takes long after each change."""
    before = _seconds()
    result = yield
    # threads that wait keep a processor busy, and a busy machine makes wait: the less was needed
    needed = min(now - then for now, then in zip(_seconds(), before, strict=True))
    if needed > LONGEST_SECONDS and item.get_closest_marker('slow') is None:
        pytest.fail(f'{needed:.1f} s: a fast test has 2, mark it slow or make it smaller')
    return result
