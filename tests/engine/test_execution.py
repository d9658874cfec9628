"""Running graphs: one scan that fails, or kills its process, costs one scan and says why."""

from __future__ import annotations

import errno
import getpass
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nipype import config
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)
from nipype.pipeline import engine as pe

from bids_reid.engine import plugins as plugin
from bids_reid.engine.crashes import NO_MEMORY, _crash_reason, is_refused
from bids_reid.engine.execution import configure, read_plugin, run_graph
from bids_reid.engine.plugins import KILLED
from bids_reid.engine.workers import Workers
from bids_reid.errors import (
    CannotWriteError,
    MachineError,
    ReidError,
    RenderingError,
    ScanError,
    UsageError,
)
from bids_reid.group.searching import Plan
from bids_reid.group.summaries import Rules
from bids_reid.records import Photo


class _Input(BaseInterfaceInputSpec):
    what = traits.Str(mandatory=True)
    folder = traits.Str(mandatory=True)
    after = traits.Str()


class _Output(TraitedSpec):
    done = traits.Str()


def _full_disk_in_a_reader(folder: str) -> Exception:
    """What looks like a damaged file, and is a full temporary folder."""
    error = ScanError('cannot read sub-01_T1w.nii: No space')
    error.__cause__ = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), f'{folder}/x')
    return error


MACHINE: dict[str, Callable[[str], Exception]] = {
    'full disk': lambda folder: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), f'{folder}/x'),
    'quota': lambda _: OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
    'read-only': lambda folder: OSError(errno.EROFS, os.strerror(errno.EROFS), f'{folder}/x'),
    'files': lambda _: OSError(errno.EMFILE, os.strerror(errno.EMFILE), '/data/sub-01_T1w.nii'),
    'denied': lambda folder: PermissionError(13, 'Permission denied', f'{folder}/sub-01/anat'),
    'gone': lambda folder: FileNotFoundError(2, 'No such file or directory', f'{folder}/wf/x'),
    'threads': lambda _: RuntimeError("can't start new thread"),
    'numpy': lambda _: OSError('Not enough free space to write 20736000 bytes after offset 128'),
    'half': lambda _: OSError('1000 requested and 24 written'),
    'library': lambda _: ImportError('libGL.so.1: cannot open shared object file'),
    'package': lambda _: ModuleNotFoundError("No module named 'dlib'"),
    'rendering': lambda _: RenderingError('this machine cannot render'),
    'output': lambda folder: CannotWriteError(f'cannot write {folder}'),
    'reader': _full_disk_in_a_reader,
}
SCAN = {
    'scan denied': PermissionError(13, 'Permission denied', '/data/sub-01_T1w.nii'),
    'scan gone': FileNotFoundError(2, 'No such file or directory', '/data/sub-01_T1w.nii'),
    'no picture': OSError('cannot identify image file'),
}


class Act(SimpleInterface):
    """Leave a mark, or fail in the way that is asked for."""

    input_spec = _Input
    output_spec = _Output

    def _run_interface(self, runtime: Any) -> Any:
        what = self.inputs.what
        if what == 'kill':
            os.kill(os.getpid(), 9)
        elif what == 'own error':
            raise ScanError('sub-01_T1w.nii is empty: every voxel is 0')
        elif what == 'late error':
            wait_for(Path(self.inputs.folder, 'slow-started'))
            raise ScanError('sub-01_T1w.nii is empty: every voxel is 0')
        elif what == 'slow':
            Path(self.inputs.folder, 'slow-started').touch()
            time.sleep(1)
        elif what == 'other error':
            raise ZeroDivisionError('division by zero')
        elif what == 'strange error':
            raise StrangeError
        elif what == 'long error':
            raise ScanError('first line\nsecond line: NotAnError: x')
        elif what in SCAN:
            raise SCAN[what]
        elif what in MACHINE:
            raise MACHINE[what](self.inputs.folder)
        Path(self.inputs.folder, what).write_text(str(time.monotonic_ns()))
        self._results['done'] = what
        return runtime


def wait_for(path: Path) -> None:
    """Wait until another process has made a file."""
    end = time.monotonic() + 60
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.02)


class _PhotoInput(BaseInterfaceInputSpec):
    photos = traits.List()
    files = traits.List()
    plan = traits.Any()
    rules = traits.Any()


class PhotoNode(SimpleInterface):
    """Fail on a photograph, as the group level may."""

    input_spec = _PhotoInput
    output_spec = _Output

    def _run_interface(self, runtime: Any) -> Any:
        given = self.inputs
        if isdefined(given.rules):
            # a key, a value and both as Python shows them
            raise KeyError(given.plan.names[0], given.rules.variables['diagnosis']['01'])
        if isdefined(given.plan):
            {}[given.plan.names[0]]
        given.photos[0].path.read_bytes()
        return runtime


class ShowNode(PhotoNode):
    """Fail with an error that shows its inputs."""

    def _run_interface(self, runtime: Any) -> Any:
        raise ValueError(f'{self.inputs.plan}\n{self.inputs.rules}\ndiagnosis rare disease, F')


class StrangeError(Exception):
    """Says nothing."""


def act(what: str, name: str, folder: Path) -> pe.Node:
    return pe.Node(Act(what=what, folder=str(folder)), name=name, mem_gb=0.01)


@pytest.fixture
def crashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folder for crash files, with Nipype set up as a run does it, and put back."""
    monkeypatch.chdir(tmp_path)
    before = {name: dict(config._config.items(name)) for name in ('execution', 'logging')}
    (tmp_path / 'marks').mkdir()
    configure(stop_on_first_crash=False, verbosity=0)
    yield tmp_path / 'logs'
    config.update_config(before)


def run(workflow: pe.Workflow, crashes: Path, **options: Any) -> Mapping[str, str]:
    arguments: dict[str, Any] = {
        'base_dir': crashes.parent / 'work',
        'crash_dir': crashes,
        'n_procs': 2,
        'memory_gb': None,
        'plugin_file': None,
    }
    return run_graph(workflow, **arguments | options).failures


def branches(folder: Path, **kinds: str) -> pe.Workflow:
    """Like the participant level: one small workflow per scan, nothing between them."""
    workflow = pe.Workflow(name='wf')
    for name, what in kinds.items():
        scan = pe.Workflow(name=name)
        scan.connect(
            act(what, 'first', folder), 'done', act(f'{name}-saved', 'save', folder), 'after'
        )
        workflow.add_nodes([scan])
    return workflow


def linear(crashes: Path) -> Path:
    """Nipype's plugin without processes: quick, where processes are not what is tested."""
    file = crashes.parent / 'plugin.yml'
    file.write_text('plugin: Linear\nplugin_args: {}\n')
    return file


def marks(crashes: Path) -> set[str]:
    return {path.name for path in (crashes.parent / 'marks').iterdir()}


def test_all_done_is_no_failure(crashes: Path) -> None:
    """And the callback tells the progress, node by node.

    Also with hardly any memory, since megabytes are easily typed for gigabytes: no reason to wait
    for ever.
    """
    told = []
    workflow = branches(crashes.parent / 'marks', a='x', b='y')

    def on_status(node: pe.Node, what: str) -> None:
        told.append((what, str(node)))

    assert run(workflow, crashes, on_status=on_status, memory_gb=0.001) == {}
    assert marks(crashes) == {'x', 'y', 'a-saved', 'b-saved'}
    assert sorted(told) == sorted(
        (what, f'wf.{scan}.{node}')
        for what in ('start', 'end')
        for scan in 'ab'
        for node in ('first', 'save')
    )


def test_failures_cost_only_their_own_branch_and_are_explained(crashes: Path) -> None:
    """One damaged scan must not stop the other thousand; its reason goes into the tables."""
    workflow = branches(
        crashes.parent / 'marks', a='own error', b='x', c='other error', d='strange error'
    )
    reasons = run(workflow, crashes)
    assert set(reasons) == {'wf.a.first', 'wf.c.first', 'wf.d.first'}
    # our own words verbatim; others with their kind and where to read more
    assert reasons['wf.a.first'] == 'sub-01_T1w.nii is empty: every voxel is 0'
    assert reasons['wf.c.first'].startswith(
        'ZeroDivisionError: division by zero (details in logs)'
    )
    assert 'StrangeError' in reasons['wf.d.first']
    # the names of crash files hold the user's login
    assert not any('crash-' in reason for reason in reasons.values())
    assert marks(crashes) == {'x', 'b-saved'}


@pytest.mark.parametrize('named', [False, True])
def test_a_killed_worker_costs_its_own_node(crashes: Path, named: bool) -> None:
    """Out of memory on one scan: Nipype's own plugin, which --use-plugin names, waits for ever."""
    file = crashes.parent / 'plugin.yml'
    # of both limits Nipype's own plugin makes errors
    file.write_text('plugin: MultiProc\nplugin_args: {n_procs: 1, memory_gb: 0.001}\n')
    workflow = branches(crashes.parent / 'marks', a='kill', b='x', c='y')
    reasons = run(workflow, crashes, n_procs=1, plugin_file=file if named else None)
    assert reasons == {'wf.a.first': KILLED}
    assert marks(crashes) == {'x', 'y', 'b-saved', 'c-saved'}


def test_nothing_runs_on_after_a_stop(crashes: Path) -> None:
    """A step that ends later would write results beside the record that says it was not run."""
    configure(stop_on_first_crash=True, verbosity=0)
    reasons = run(branches(crashes.parent / 'marks', a='slow', b='late error'), crashes)
    assert reasons == {'wf.b.first': 'sub-01_T1w.nii is empty: every voxel is 0'}
    # it was under way, and is done; nothing was begun after it
    assert marks(crashes) == {'slow-started', 'slow'}


def test_kept_workers_outlive_a_graph_and_one_that_is_killed(crashes: Path) -> None:
    """Each graph would load all libraries and networks again; a killed one would end the run."""
    with Workers(1) as workers:
        first = workers.submit(os.getpid).result()
        assert run(branches(crashes.parent / 'marks', a='x'), crashes, workers=workers) == {}
        assert workers.submit(os.getpid).result() == first
        workflow = branches(crashes.parent / 'marks', b='kill', c='y')
        assert run(workflow, crashes, n_procs=1, workers=workers) == {'wf.b.first': KILLED}
        assert marks(crashes) == {'x', 'a-saved', 'y', 'c-saved'}
        later = workers.submit(os.getpid)
        workers.finish()
        assert later.result() != first


def test_what_kept_workers_hold_is_free_for_their_steps(
    crashes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where memory is short, half of them would wait from the second graph on."""
    free = iter((8e9, 2e9, 7e9))
    monkeypatch.setattr('bids_reid.engine.workers.available_memory', lambda: next(free))
    given: list[float] = []

    class Watched(plugin.SteadyMultiProc):
        def __init__(self, arguments: dict[str, Any]) -> None:
            given.append(arguments['memory_gb'])
            super().__init__(arguments)

    monkeypatch.setattr('bids_reid.engine.execution.SteadyMultiProc', Watched)
    with Workers(1) as workers:
        for name in ('x', 'y'):
            run(branches(crashes.parent / 'marks', a=name), crashes, workers=workers)
        workers.finish()
        assert next(free) == 2e9
        run(branches(crashes.parent / 'marks', a='z'), crashes, workers=workers)
    assert given == pytest.approx([7.2, 7.2, 6.3])


def _arrays(n_bytes: int) -> int:
    """Fill arrays of the sizes that a scan has; count the pages that the system gives for it."""
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(5):
            _several = [np.ones(n_bytes, np.uint8) for _ in range(6)]
            del _several
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_workers_use_memory_again() -> None:
    """The system would fill it with zeros for each array: a tenth of the time of a scan."""
    n_bytes = 24 * 2**20
    with Workers(1) as workers:
        n_new = workers.submit(_arrays, n_bytes).result()
    assert n_new < n_bytes / resource.getpagesize()


def test_a_stop_waits_for_kept_workers_but_not_for_what_has_not_begun(crashes: Path) -> None:
    """A step that goes on would write beside the record that says it was not run."""
    configure(stop_on_first_crash=True, verbosity=0)
    with Workers(2) as workers:
        kinds = {'a': 'slow', 'b': 'late error'}
        run(branches(crashes.parent / 'marks', **kinds), crashes, workers=workers)
        assert marks(crashes) == {'slow-started', 'slow'}


@pytest.mark.slow
def test_killed_workers_side_by_side_end(crashes: Path) -> None:
    """What runs beside a killed worker is told as killed too, so that it can be tried again."""
    kinds = {f's{number}': 'kill' if number % 2 else f'm{number}' for number in range(6)}
    reasons = run(branches(crashes.parent / 'marks', **kinds), crashes)
    failed = {node.split('.')[1] for node in reasons}
    assert failed >= {'s1', 's3', 's5'}
    assert set(reasons.values()) == {KILLED}
    finished = {name.removesuffix('-saved') for name in marks(crashes) if name[0] == 's'}
    # one may be done and killed before it could say so
    assert failed | finished == set(kinds)


_SLOW_RUN = """
import os, sys, time
from pathlib import Path

from nipype.interfaces.utility import Function
from nipype.pipeline import engine as pe
from bids_reid.engine.plugins import SteadyMultiProc


def wait(folder, number):
    import os, time
    from pathlib import Path

    Path(folder, f'{os.getpid()}').write_text(oct(os.umask(0)))
    time.sleep(300)


if __name__ == '__main__':
    workflow = pe.Workflow(name='wf', base_dir=sys.argv[1])
    for number in range(2):
        node = pe.Node(Function(function=wait, input_names=['folder', 'number']), f'n{number}')
        node.inputs.folder, node.inputs.number = sys.argv[2], number
        workflow.add_nodes([node])
    workflow.run(plugin=SteadyMultiProc({'n_procs': 2, 'raise_insufficient': False}))
"""


@pytest.mark.slow
def test_workers_end_with_a_killed_main_process(tmp_path: Path) -> None:
    """Out of memory takes the main process: its workers would hold the memory for ever."""
    (tmp_path / 'run.py').write_text(_SLOW_RUN)
    marks = tmp_path / 'marks'
    marks.mkdir()

    def within(seconds: float, reached: Callable[[], bool]) -> bool:
        end = time.monotonic() + seconds
        while not reached() and time.monotonic() < end:
            time.sleep(0.2)
        return reached()

    def alive() -> list[str]:
        status = (Path('/proc', mark.name, 'stat') for mark in marks.iterdir())
        return [
            path.read_text() for path in status if path.exists() and ') Z' not in path.read_text()
        ]

    main = subprocess.Popen([sys.executable, tmp_path / 'run.py', tmp_path / 'work', marks])
    try:
        assert within(60, lambda: len(list(marks.glob('*'))) == 2)
        assert within(5, lambda: all(mark.read_text() for mark in marks.iterdir()))
        # what workers write is the user's alone
        assert {mark.read_text() for mark in marks.iterdir()} == {'0o77'}
        assert len(alive()) == 2
    finally:
        main.kill()
        main.wait()
    try:
        assert within(10, lambda: not alive())
    finally:
        for mark in marks.iterdir():
            with suppress(ProcessLookupError):
                os.kill(int(mark.name), signal.SIGKILL)


def test_steps_furthest_along_go_first(crashes: Path) -> None:
    """Otherwise renders of all scans lie on the disk before the first is finished."""
    folder = crashes.parent / 'marks'
    run(branches(folder, a='x', b='y', c='z'), crashes, n_procs=1)
    when = {name: int((folder / name).read_text()) for name in marks(crashes)}
    order = sorted(when, key=when.get)
    assert [name[1:] == '-saved' for name in order] == [False, True] * 3


def test_the_next_step_starts_when_one_ends(
    crashes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise processors wait for the main process to look, between all steps of all scans."""
    monkeypatch.setattr(plugin, 'LONGEST_WAIT_S', 30.0)
    started = time.monotonic()
    assert run(branches(crashes.parent / 'marks', a='ok', b='ok'), crashes) == {}
    assert time.monotonic() - started < 25


def test_what_was_done_is_not_done_again(crashes: Path) -> None:
    """An interrupted run takes up where it was."""
    folder, plugin = crashes.parent / 'marks', linear(crashes)
    run(branches(folder, a='x'), crashes, plugin_file=plugin)
    before = (folder / 'x').read_text()
    run(branches(folder, a='x'), crashes, plugin_file=plugin)
    assert (folder / 'x').read_text() == before


def test_old_crashes_are_not_told_again(crashes: Path) -> None:
    """A scan that was mended since must not fail with the reason of before."""
    plugin = linear(crashes)

    def failed(**kinds: str) -> set[str]:
        workflow = branches(crashes.parent / 'marks', **kinds)
        return set(run(workflow, crashes, plugin_file=plugin))

    assert failed(a='own error', b='x') == {'wf.a.first'}
    assert failed(a='y', b='x') == set()
    assert failed(a='y', b='other error') == {'wf.b.first'}


def test_crashes_of_other_processes_are_not_ours(crashes: Path) -> None:
    """Participants run side by side share a folder of logs; one's failure is not another's."""

    def other(node: Any, what: str) -> None:
        if what == 'start' and node.name == 'first':
            text = f'Node: wf.z.{node.name}\n\nbids_reid.errors.ScanError: not ours\n'
            crashes.mkdir(exist_ok=True)
            (crashes / f'crash-{node}.txt').write_text(text)

    workflow = branches(crashes.parent / 'marks', a='own error', b='x')
    reasons = run(workflow, crashes, on_status=other, plugin_file=linear(crashes))
    assert set(reasons) == {'wf.a.first'}


@pytest.mark.parametrize('what', MACHINE)
def test_what_the_machine_refuses_is_no_scan_s_failure(crashes: Path, what: str) -> None:
    """A full disk gave a record FAILED, and took away the results of before."""
    workflow = branches(crashes.parent / 'marks', a=what, b='x')
    with pytest.raises(MachineError, match=r'the machine refuses something: .*what is done'):
        run(
            workflow,
            crashes,
            plugin_file=linear(crashes),
            written=[crashes.parent / 'marks'],
        )
    assert marks(crashes) >= {'x', 'b-saved'}


@pytest.mark.parametrize('what', SCAN)
def test_what_is_wrong_with_a_scan_s_file_is_that_scan_s_failure(crashes: Path, what: str) -> None:
    """One file without permission must not stop the other thousand."""
    workflow = branches(crashes.parent / 'marks', a=what, b='x')
    reasons = run(
        workflow, crashes, plugin_file=linear(crashes), written=[crashes.parent / 'marks']
    )
    assert set(reasons) == {'wf.a.first'}
    assert '/data' not in reasons['wf.a.first'], 'where a lab has its data is nobody else'


def test_a_run_stops_where_the_machine_refuses(crashes: Path) -> None:
    """Else each of a thousand scans is tried on a full disk, for days."""
    kinds = {'a': 'full disk'} | {f's{number}': f'm{number}' for number in range(20)}
    with pytest.raises(MachineError, match='No space left on device'):
        run(branches(crashes.parent / 'marks', **kinds), crashes, n_procs=1)
    assert len(marks(crashes)) < 20
    assert not list((crashes.parent / 'work').glob('crashes/*'))
    log = next(crashes.iterdir())
    assert log.name.endswith('-a.first.txt')
    assert str(crashes.parent) not in log.read_text()
    assert getpass.getuser() not in log.name


def test_on_a_full_disk_no_error_says_anything_about_a_scan(
    crashes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are cut there without a word, and whoever reads them says that they are damaged."""
    full = shutil.disk_usage(crashes.parent)._replace(free=2**20)
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: full)
    for what, ours in (('other error', False), ('own error', True)):
        workflow = branches(crashes.parent / 'marks', a=what)
        if ours:
            assert set(run(workflow, crashes, plugin_file=linear(crashes))) == {'wf.a.first'}
        else:
            with pytest.raises(MachineError, match=r'no room is left for .*ZeroDivisionError'):
                run(workflow, crashes, plugin_file=linear(crashes))


def test_a_system_that_gives_no_more_processes_is_told(
    crashes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clusters bound how many one may have: a traceback helps nobody."""

    def submit(*_: object) -> None:
        raise EOFError('unexpected EOF')

    monkeypatch.setattr(ProcessPoolExecutor, 'submit', submit)
    with pytest.raises(MachineError, match='no process can be started'):
        run(branches(crashes.parent / 'marks', a='x'), crashes)


def test_what_a_killed_run_left_is_not_told_of_this_one(crashes: Path) -> None:
    """Its crash files lie in the folder that is taken over, with the same names of nodes."""
    left = crashes.parent / 'work' / 'crashes' / 'crash-1-login-first.txt'
    left.parent.mkdir(parents=True)
    left.write_text('Node: wf.a.first\n\nbids_reid.errors.ScanError: not ours\n')
    plugin = linear(crashes)
    assert run(branches(crashes.parent / 'marks', a='x'), crashes, plugin_file=plugin) == {}
    assert not left.exists()


def test_a_work_folder_that_cannot_be_made_is_nobody_s_failure(crashes: Path) -> None:
    """Otherwise every scan is recorded as failed and its older results are removed."""
    (crashes.parent / 'file').touch()
    workflow = branches(crashes.parent / 'marks', a='x')
    with pytest.raises(CannotWriteError, match='file/work'):
        run(workflow, crashes, base_dir=crashes.parent / 'file' / 'work')


@pytest.mark.parametrize('by', ['own plugin', 'Linear'])
def test_crash_files_name_nobody(crashes: Path, by: str) -> None:
    """A stranger's name and path, and values of participants.tsv, must not stay in logs."""
    folder = crashes.parent / 'Jane_Doe_wedding'
    folder.mkdir()
    broken = Photo('Jane_Doe.jpg', None, folder / 'Jane_Doe.jpg')
    # a folder where a picture is read ends with an error that has the path in it
    broken.path.mkdir()
    plan = Plan((broken,))
    rules = Rules(0, {'diagnosis': {'01': 'rare disease'}, 'sex': {'01': 'F', '02': ''}}, {})
    nodes = {
        'encode': PhotoNode(photos=[broken], files=[str(broken.path)]),
        'search': PhotoNode(plan=plan),
        'summarise': PhotoNode(plan=plan, rules=rules),
        'show': ShowNode(plan=plan, rules=rules),
    }
    workflow = pe.Workflow(name='group_wf')
    workflow.add_nodes([pe.Node(one, name=name) for name, one in nodes.items()])
    plugin_file = linear(crashes) if by == 'Linear' else None
    reasons = run(workflow, crashes, plugin_file=plugin_file)
    assert set(reasons) == {f'group_wf.{name}' for name in nodes}
    texts = {path.read_text() for path in crashes.glob('crash-*.txt')}
    assert len(texts) == 4
    for text in (*texts, *reasons.values()):
        private = ('Jane', 'rare disease', 'Photo(', 'Plan(', 'Rules(', ', F')
        assert not [word for word in private if word in text]
    # where and why it failed is still told
    assert all('Traceback' in text and 'in _run_interface' in text for text in texts)
    assert 'IsADirectoryError' in reasons['group_wf.encode']
    assert reasons['group_wf.search'].startswith("KeyError: '[photograph]'")
    assert reasons['group_wf.summarise'].startswith("KeyError: ('[photograph]', '[value]')")


def test_messages_about_scans_keep_their_words(crashes: Path) -> None:
    """A value of participants.tsv is a secret where it is known, and a path is what helps."""
    rules = Rules(0, {'age': {'01': '01'}, 'group': {'01': 'sub'}}, {})
    workflow = pe.Workflow(name='group_wf')
    folder = crashes.parent / 'marks'
    summary = pe.Node(PhotoNode(plan=Plan(()), rules=rules), name='summarise')
    workflow.connect(act('own error', 'fit', folder), 'done', summary, 'files')
    reasons = run(workflow, crashes, plugin_file=linear(crashes))
    assert reasons == {'group_wf.fit': 'sub-01_T1w.nii is empty: every voxel is 0'}


@pytest.mark.parametrize(
    ('end', 'reason'),
    [
        ('bids_reid.errors.ScanError: no head found: x', 'no head found: x'),
        ('\tbids_reid.errors.PhotoError: a\n\tsecond line', 'a'),
        ('WorkerKilledError: gone', 'gone'),
        ('ValueError: x: y', 'ValueError: x: y (details in logs)'),
        ('numpy.linalg.LinAlgError', 'LinAlgError (details in logs)'),
        ('zlib.error: Error -3', 'error: Error -3 (details in logs)'),
        (
            'cv2.error: OpenCV: -215:Assertion failed\n',
            'error: OpenCV: -215:Assertion failed (details in logs)',
        ),
        ('MemoryError', NO_MEMORY),
        ('numpy._core._exceptions._ArrayMemoryError: Unable to allocate 9 GiB', NO_MEMORY),
        ('cv2.error: OpenCV: (-4:Insufficient memory) Failed to allocate', NO_MEMORY),
        ('MemoryError: std::bad_alloc', NO_MEMORY),
        ('nothing that is known', 'it ended without a message (details in logs)'),
    ],
)
def test_reasons_of_crash_files(end: str, reason: str) -> None:
    text = (
        'Node: wf.a.skin\nWorking directory: /x\n\nNode inputs:\n\nin_file = x\n\n'
        f'Traceback (most recent call last):\n  File "x", line 1\n{end}\n\n'
    )
    assert _crash_reason(text) == reason
    assert not is_refused(text, [Path('/work')])


@pytest.fixture
def scheduler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> Callable[[str], Path]:
    """Return a function: put a ``sbatch`` that does something else into PATH; a plugin file."""
    # a job is a Python of its own: it finds the nodes of this file, and the package as installed
    importable = tmp_path / 'importable'
    importable.mkdir()
    (importable / 'tests').symlink_to(pytestconfig.rootpath / 'tests')
    monkeypatch.setenv('PYTHONPATH', str(importable))

    def pretend(sbatch: str) -> Path:
        commands = tmp_path / 'bin'
        commands.mkdir()
        for name, text in {'sbatch': sbatch, 'squeue': 'true'}.items():
            (commands / name).write_text(f'#!/bin/sh\n{text}\n')
            (commands / name).chmod(0o755)
        monkeypatch.setenv('PATH', f'{commands}{os.pathsep}{os.environ["PATH"]}')
        monkeypatch.delenv('LOGNAME', raising=False)
        for option in ('poll_sleep_duration', 'job_finished_timeout'):
            monkeypatch.setitem(config._config['execution'], option, '0.05')
        file = tmp_path / 'plugin.yml'
        file.write_text('plugin: SLURM\nplugin_args: {max_tries: 0, retry_timeout: 0}\n')
        return file

    return pretend


@pytest.mark.slow
def test_a_job_without_a_result_costs_its_own_node(
    crashes: Path, scheduler: Callable[[str], Path]
) -> None:
    """Schedulers kill jobs at their limits: Nipype's plugin ends with a TypeError then."""
    # the script is the last argument
    work = 'for script; do :; done; case $script in *wf_a*) ;; *) sh $script ;; esac'
    file = scheduler(f'{work}; echo Submitted batch job $$')
    workflow, folder = pe.Workflow(name='wf'), crashes.parent / 'marks'
    workflow.add_nodes([act('x', 'a', folder), act('y', 'b', folder)])
    assert run(workflow, crashes, plugin_file=file) == {'wf.a': plugin.KILLED_JOB}
    assert marks(crashes) == {'y'}


def test_jobs_end_with_the_run(
    crashes: Path, scheduler: Callable[[str], Path], tmp_path: Path
) -> None:
    """They would go on for hours, and write into the folder that the next run takes over."""
    file = scheduler('echo Submitted batch job $$')
    cancel, queue = tmp_path / 'bin' / 'scancel', tmp_path / 'bin' / 'squeue'
    cancel.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/cancelled\n')
    cancel.chmod(0o755)
    # all jobs wait
    queue.write_text('#!/bin/sh\necho "$*"\n')

    class Stopped(BaseException):
        pass

    def stop(node: pe.Node, what: str) -> None:
        if what == 'start' and node.name == 'b':
            raise Stopped

    workflow, folder = pe.Workflow(name='wf'), crashes.parent / 'marks'
    workflow.add_nodes([act('x', 'a', folder), act('y', 'b', folder)])
    with pytest.raises(Stopped):
        run(workflow, crashes, plugin_file=file, on_status=stop)
    assert (tmp_path / 'cancelled').read_text().strip().isdigit()


@pytest.mark.parametrize(
    ('answer', 'words'),
    [
        ('echo no such partition >&2; exit 1', ': the plugin SLURM cannot hand out jobs'),
        ('echo 7', '.*such as --parsable'),
        ('true', '.*such as --parsable'),
        ('echo Submitted batch job', '.*such as --parsable'),
    ],
)
def test_a_scheduler_that_takes_no_job_or_cannot_be_read_is_named(
    crashes: Path, scheduler: Callable[[str], Path], answer: str, words: str
) -> None:
    """On the wrong machine, or with --parsable, which many have, a traceback helps nobody."""
    workflow = branches(crashes.parent / 'marks', a='x')
    with pytest.raises(ReidError, match=rf'plugin\.yml{words}'):
        run(workflow, crashes, plugin_file=scheduler(answer))


def test_read_plugin(tmp_path: Path) -> None:
    file = tmp_path / 'plugin.yml'
    file.write_text('plugin: SLURM\nplugin_args: {sbatch_args: "--mem=4G"}\n')
    assert read_plugin(file) == ('SLURM', {'sbatch_args': '--mem=4G'})
    file.write_text('plugin: Linear\n')
    assert read_plugin(file) == ('Linear', {})


@pytest.mark.parametrize(
    'content',
    [
        *('', 'a', '[]', 'plugin_args: {}', ': [', 'plugin: Linear\nplugin_args: 3', '\xff'),
        *('plugin: Slurm', 'plugin: LinearPlugin', 'plugin:'),
    ],
)
def test_a_damaged_plugin_file_is_named(tmp_path: Path, content: str) -> None:
    """Otherwise a traceback of YAML is all the user sees."""
    file = tmp_path / 'plugin.yml'
    file.write_bytes(content.encode('latin-1'))
    with pytest.raises(UsageError, match=r'plugin\.yml'):
        read_plugin(file)
    with pytest.raises(UsageError):
        read_plugin(tmp_path)
