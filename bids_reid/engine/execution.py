"""Run a graph with Nipype, and learn which nodes failed and why."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from nipype import config
from nipype import logging as nipype_logging
from nipype.pipeline import plugins

from bids_reid import stopping
from bids_reid.engine.crashes import FOLDER, is_full, is_refused, read_crashes
from bids_reid.engine.discreet_logs import make_logs_discreet
from bids_reid.engine.plugins import IS_REFUSED, WORKERS, SteadyMultiProc, named_plugin, runs_here
from bids_reid.errors import CannotWriteError, MachineError, ReidError, UsageError
from bids_reid.processors import available_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nipype.pipeline import engine as pe
    from nipype.pipeline.plugins.base import PluginBase

    from bids_reid.engine.crashes import Failure
    from bids_reid.engine.workers import Workers
    from bids_reid.settings import Settings

    StatusCallback = Callable[[Any, str], None]

SHARE = 0.9
"""Of the memory that is free, what steps may take together unless the user says."""


@dataclass(frozen=True, slots=True)
class GraphRun:
    """How a graph ended.

    ``failures`` are the full name of each node that failed, and the reason; ``files`` those that
    each node asked for has collected.
    """

    failures: Mapping[str, str]
    files: Mapping[str, list[Path]] = field(default_factory=dict)


def configure(*, stop_on_first_crash: bool, verbosity: int) -> None:
    """Set what Nipype keeps in its global configuration; workflows copy it when they are made.

    Parameters
    ----------
    verbosity : int
        0 and 1 show nothing of Nipype's own, 2 shows its progress, 3 everything.
    """
    level = ('CRITICAL', 'CRITICAL', 'INFO', 'DEBUG')[min(verbosity, 3)]
    config.update_config(
        {
            'execution': {
                'crashfile_format': 'txt',
                'stop_on_first_crash': stop_on_first_crash,
                'create_report': False,
                'check_version': False,
            },
            'logging': {
                'workflow_level': level,
                'utils_level': level,
                'interface_level': level,
                'log_to_file': False,
            },
        }
    )
    nipype_logging.update_logging(config)
    logging.getLogger('nipype').setLevel(level)
    make_logs_discreet()


def read_plugin(path: Path) -> tuple[str, dict[str, Any]]:
    """Read a YAML file with ``plugin`` and ``plugin_args``, as MRIQC and fMRIPrep take it.

    Raises
    ------
    UsageError
        It is no YAML, or names no plugin that Nipype has.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
        name, arguments = str(content['plugin']), dict(content.get('plugin_args') or {})
    except (OSError, yaml.YAMLError, TypeError, KeyError, ValueError) as error:
        # a parser of YAML explains itself over several lines
        why = '; '.join(part.strip() for part in str(error).splitlines())
        raise UsageError(f'{path} does not hold a Nipype plugin: {why}') from error
    if not hasattr(plugins, f'{name}Plugin'):
        raise UsageError(f'{path}: Nipype has no plugin {name!r}')
    return name, arguments


def other_machines(plugin_file: Path | None) -> str | None:
    """Return the plugin that hands steps to other machines; ``None`` if they run on this one."""
    name = None if plugin_file is None else read_plugin(plugin_file)[0]
    return None if name is None or runs_here(name) else name


def run_graph(
    workflow: pe.Workflow,
    *,
    base_dir: Path,
    crash_dir: Path,
    n_procs: int,
    memory_gb: float | None,
    plugin_file: Path | None,
    workers: Workers | None = None,
    on_status: StatusCallback | None = None,
    collected: Sequence[str] = (),
    written: Sequence[Path] = (),
) -> GraphRun:
    """Run ``workflow``.

    Parameters
    ----------
    base_dir : Path
        Folder for intermediate files, of this run alone.
    crash_dir : Path
        Where the details of failures are kept, without what is private.
    n_procs, memory_gb : int, float
        Limits of the local plugin; no memory limit means nine tenths of what is free now.
    plugin_file : Path, optional
        Another Nipype plugin.
    workers : Workers, optional
        Processes of the local plugin that are kept; by default it has its own.
    on_status : callable
        Called with each node and ``start``, ``end`` or ``exception``.
    collected : sequence of str
        Names of nodes whose output ``out``, files, is wanted.
    written : sequence of Path
        Further folders that nodes write to: trouble with files in them is no scan's.

    Raises
    ------
    MachineError
        The machine refuses something, such as to write files: that is no scan's failure.
    ReidError
        The plugin of ``plugin_file`` cannot hand out jobs.
    """
    own = _spellings(base_dir, *written)
    crashes = base_dir / FOLDER
    try:
        # what a run that was killed left is not about this one
        shutil.rmtree(crashes, ignore_errors=True)
        crashes.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise CannotWriteError(f'cannot write {base_dir}: {error.strerror}') from error
    workflow.base_dir = str(base_dir)
    workflow.config = {'execution': {'crashdump_dir': str(crashes)}}
    plugin = _plugin(
        {'n_procs': n_procs, 'memory_gb': memory_gb, WORKERS: workers},
        plugin_file,
        {'status_callback': on_status, IS_REFUSED: lambda text: is_refused(text, own)},
    )
    graph, trouble = None, None
    try:
        graph = workflow.run(plugin=plugin)
    except (RuntimeError, OSError, LookupError) as error:
        trouble = error
    finally:
        failures = read_crashes(workflow, crashes, crash_dir, own)
        with suppress(OSError):
            crashes.rmdir()
    stopping.check()
    if trouble is None:
        return GraphRun({}, {name: _collected(graph, name) for name in collected})
    return _failed(trouble, failures, own, plugin_file)


def _plugin(
    limits: Mapping[str, Any], plugin_file: Path | None, hooks: Mapping[str, Any]
) -> PluginBase:
    """Return the plugin that runs a graph; limits are those of our own."""
    hooks = {name: hook for name, hook in hooks.items() if hook is not None}
    if plugin_file is None:
        given = {name: limit for name, limit in limits.items() if limit is not None}
        kept = limits[WORKERS]
        free = available_memory() if kept is None else kept.free_memory()
        if free is not None:
            given.setdefault('memory_gb', SHARE * free / 1e9)
        return SteadyMultiProc({'raise_insufficient': False, **given, **hooks})
    name, arguments = read_plugin(plugin_file)
    # Nipype names jobs after the user; containers and schedulers may leave it out
    os.environ.setdefault('LOGNAME', f'uid{os.getuid()}')
    return named_plugin(name, arguments | hooks)


def _failed(
    trouble: Exception,
    failures: Sequence[Failure],
    own: Sequence[Path],
    plugin_file: Path | None,
) -> GraphRun:
    """Tell the nodes that failed, unless it is not they that did.

    Raises
    ------
    MachineError
        The machine refused something.
    ReidError
        The plugin cannot hand out jobs.
    """
    refused = [failure.reason for failure in failures if failure.refused]
    # Nipype also raises what nodes did, and of that more is known
    own_trouble = isinstance(trouble, OSError) or not failures
    if own_trouble and is_refused(f'{type(trouble).__name__}: {trouble}', own):
        refused.append(str(trouble))
    if refused:
        full = [f'no room is left for {folder}' for folder in own if is_full(folder)]
        why = '; '.join((*full[:1], refused[0]))
        raise MachineError(
            f'stopped, as the machine refuses something: {why}; what is done is kept'
        ) from trouble
    if failures:
        return GraphRun({failure.node: failure.reason for failure in failures})
    # anything else is no node's failure
    if plugin_file is None:
        raise trouble
    raise ReidError(
        f'{plugin_file.name}: the plugin {read_plugin(plugin_file)[0]} cannot hand out jobs '
        f'(is its scheduler running?): {trouble}'
    ) from trouble


def _spellings(*folders: Path) -> tuple[Path, ...]:
    """Return folders as they are given and as the system may name them."""
    return (*folders, *(folder.resolve() for folder in folders))


def _collected(graph: Any, name: str) -> list[Path]:
    """Return the files that a node of a graph that was run has collected."""
    node = next((node for node in graph.nodes() if node.name == name), None)
    files = [] if node is None else node.result.outputs.out
    return [Path(file) for file in files]


def crash_folder(settings: Settings) -> Path:
    """Where Nipype leaves the details of a failure."""
    return settings.output_dir / 'logs'


def run_for_user(
    workflow: pe.Workflow,
    settings: Settings,
    on_status: StatusCallback | None = None,
    collected: Sequence[str] = (),
    workers: Workers | None = None,
) -> GraphRun:
    """Run a graph as the user asked, on ``workers`` if some are kept."""
    return run_graph(
        workflow,
        base_dir=settings.work,
        crash_dir=crash_folder(settings),
        n_procs=settings.n_procs,
        memory_gb=settings.memory_gb,
        plugin_file=settings.plugin_file,
        workers=workers,
        on_status=on_status,
        collected=collected,
        written=(settings.output_dir,),
    )


def forget(settings: Settings, *parts: str) -> None:
    """Remove intermediate files, which show faces, and the folders above that are empty then.

    The folder of a run is removed when that ends.
    """
    folder = settings.work.joinpath(*parts)
    shutil.rmtree(folder, ignore_errors=True)
    # a folder of a run is not empty: its lock is in it
    for parent in folder.parents[: len(parts)]:
        with suppress(OSError):
            parent.rmdir()
