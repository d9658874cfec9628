"""Running a Nipype graph: depth first, and going on when a worker or a job is killed."""

from __future__ import annotations

import gc
import logging
import subprocess
import threading
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Any

import networkx as nx
import numpy as np
from nipype.pipeline import plugins
from nipype.pipeline.plugins.base import PluginBase, SGELikeBatchManagerBase
from nipype.pipeline.plugins.multiproc import MultiProcPlugin

from bids_reid.engine.workers import Workers

logger = logging.getLogger('nipype.workflow')
LONGEST_WAIT_S = 1.0
"""Safety only: the end of a node wakes the main process."""
LEAST_MEMORY_GB = 0.1
_CANCEL = {'SLURM': 'scancel', 'SGE': 'qdel', 'PBS': 'qdel', 'LSF': 'bkill', 'OAR': 'oardel'}
CANCEL_S = 2.0
"""How long a scheduler may take to end jobs; a signal gives us little more."""
ON_PROCESSES = ('MultiProc', 'LegacyMultiProc')
KILLED = 'the worker process was killed, perhaps for lack of memory'
IS_REFUSED = 'is_refused'
"""Argument of a plugin: a function that tells of a traceback if the machine refused something."""
WORKERS = 'workers'
"""Argument of our own plugin: processes that are kept from one graph to the next."""
TRACEBACK = 'bids_reid_traceback'
"""Attribute of a node that failed: why, unless the machine refused something."""
KILLED_JOB = 'its job was killed, perhaps for lack of memory or time: ask the scheduler'


class SteadyMultiProc(MultiProcPlugin):
    """Nipype's MultiProc with some habits changed.

    Steps furthest along go first: a scan's renders are used and removed before the next scan's are
    made. A killed worker (out of memory, a crash in a driver) fails its own node; Nipype's plugin
    waits for it forever. The next step starts as soon as one ends, not when the main process looks
    next, and waiting takes no processor time. What the machine refuses ends the run. So does what
    interrupts it, and the workers at once.
    """

    def __init__(self, plugin_args: dict[str, Any]) -> None:
        if 'memory_gb' in plugin_args:
            # what needs more runs alone, but with hardly any Nipype waits forever
            least = max(plugin_args['memory_gb'], LEAST_MEMORY_GB)
            plugin_args = plugin_args | {'memory_gb': least}
        super().__init__(plugin_args=plugin_args)
        self._kept: Workers | None = self.plugin_args.get(WORKERS)
        self.pool: Workers = self._kept or Workers(self.processors)
        self._ended = threading.Event()

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run the graph; raises what a node raised, after all the others have run.

        Nothing runs any more when it returns, also where Nipype stops at the first failure: a
        step that ends later would write beside the record of what was not run.
        """
        generations = nx.topological_generations(graph)
        self._depth = {
            node.fullname: depth for depth, nodes in enumerate(generations) for node in nodes
        }
        self._looked_at = (-1, -1, -1)
        execution = config['execution'] | {'poll_sleep_duration': 0}
        # Nipype collects garbage after every node; what is here now, libraries and the graph, is
        # none, and need not be looked through each time
        gc.collect()
        gc.freeze()
        try:
            super().run(graph, config | {'execution': execution}, updatehash=updatehash)
        except BaseException as error:
            if not isinstance(error, Exception):
                self.pool.kill()
            raise
        finally:
            self._leave_workers()
            gc.unfreeze()

    def _postrun_check(self) -> None:
        # Nipype ends the workers here; others may need them
        pass

    def _leave_workers(self) -> None:
        """Wait for steps under way, and end the workers unless they are kept."""
        if self._kept is None:
            self.pool.close()
            return
        steps = list(self._task_obj.values())
        for step in steps:
            step.cancel()
        wait(steps)

    def _clean_queue(self, jobid: int, graph: Any, result: Any = None) -> Any:
        text = ''.join((result or {}).get('traceback') or ())
        refused = self.plugin_args.get(IS_REFUSED, lambda _: False)(text)
        # whoever listens is told next that the node failed, and may want to say why
        setattr(self.procs[jobid], TRACEBACK, '' if refused else text)
        left_out = super()._clean_queue(jobid, graph, result=result)
        # the other nodes would fail alike, hours later
        if refused:
            raise RuntimeError(text)
        return left_out

    def _send_procs_to_workers(self, updatehash: bool = False, graph: Any = None) -> None:
        # only the end of a node makes others ready, or room for them; in between, waiting for it
        # costs nothing and looking does
        before = self._state()
        if before != self._looked_at:
            super()._send_procs_to_workers(updatehash=updatehash, graph=graph)
            self._looked_at = before
        else:
            self._ended.wait(LONGEST_WAIT_S)
        self._ended.clear()

    def _state(self) -> tuple[int, int, int]:
        done, pending = np.count_nonzero(self.proc_done), np.count_nonzero(self.proc_pending)
        return len(self.procs), int(done), int(pending)

    def _sort_jobs(self, jobids: Any, scheduler: str | None = None) -> list[int]:  # noqa: ARG002
        # what is done here at once makes others ready that are furthest along
        here = [job for job in jobids if self.procs[job].run_without_submitting]
        return here or sorted(jobids, key=lambda job: -self._depth[self.procs[job].fullname])

    def _async_callback(self, args: Future[dict[str, Any]]) -> None:
        if args.cancelled():
            return
        if args.exception() is None:
            super()._async_callback(args)
        else:
            self._note_killed(args)
        self._ended.set()

    def _note_killed(self, args: Future[dict[str, Any]]) -> None:
        known = (number for number, future in self._task_obj.items() if future is args)
        # a future that failed at once is not in the table yet: it is the newest
        task = next(known, self._taskid)
        report = [f'WorkerKilledError: {KILLED}']
        self._taskresult[task] = {'result': None, 'traceback': report, 'taskid': task}


class _SteadyJobs:
    """Three habits changed of Nipype's plugins for schedulers.

    A job that was killed costs its own node: Nipype reports one without a result as text where it
    expects lines, and ends on that. An answer in which Nipype finds no number of a job is told.
    Jobs end with the run: they would write beside the next one.
    """

    cancel: str | None
    """Program that ends jobs, by their numbers."""
    _pending: dict[int, str]

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run the graph; where it ends early, so do the jobs that it waits for."""
        try:
            super().run(graph, config, updatehash)  # type: ignore[misc]
        except BaseException:
            if self._pending and self.cancel is not None:
                command = [self.cancel, *map(str, self._pending)]
                with suppress(OSError, subprocess.TimeoutExpired):
                    subprocess.run(  # noqa: S603 (numbers that the scheduler gave)
                        command, check=False, capture_output=True, timeout=CANCEL_S
                    )
            raise

    def _submit_batchtask(self, scriptfile: str, node: Any) -> int:
        try:
            return int(super()._submit_batchtask(scriptfile, node))  # type: ignore[misc]
        except (AttributeError, LookupError, ValueError) as error:
            raise RuntimeError(
                'its answer to a new job does not tell its number as Nipype expects it: '
                'take out options that change the answer, such as --parsable'
            ) from error

    def _get_result(self, taskid: int) -> dict[str, Any] | None:
        result: dict[str, Any] | None = super()._get_result(taskid)  # type: ignore[misc]
        if result and isinstance(result['traceback'], str):
            lines = result['traceback'].splitlines(keepends=True)
            result['traceback'] = [*lines, f'WorkerKilledError: {KILLED_JOB}\n']
        return result


def runs_here(name: str) -> bool:
    """Whether Nipype's plugin of that name runs steps on this machine; others hand them out."""
    return name in (*ON_PROCESSES, 'Linear', 'Debug')


def named_plugin(name: str, arguments: dict[str, Any]) -> PluginBase:
    """Return Nipype's plugin of that name, one that goes on when a process or job is killed."""
    if name in ON_PROCESSES:
        # Nipype's own ones fork, and wait forever for a worker that was killed
        return SteadyMultiProc({'raise_insufficient': False} | arguments)
    kind = getattr(plugins, f'{name}Plugin')
    if issubclass(kind, SGELikeBatchManagerBase):
        kind = type(f'Steady{name}', (_SteadyJobs, kind), {'cancel': _CANCEL.get(name)})
    return kind(plugin_args=arguments)
