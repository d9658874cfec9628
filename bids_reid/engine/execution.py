"""Run a graph with Nipype, and learn from its crash files which nodes failed and why."""

from __future__ import annotations

import logging
import os
import re
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

from bids_reid import __version__, errors
from bids_reid.bids.files import write_text
from bids_reid.engine.plugins import SteadyMultiProc, named_plugin
from bids_reid.errors import CannotWriteError, ReidError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from nipype.pipeline import engine as pe
    from nipype.pipeline.plugins.base import PluginBase

    from bids_reid.settings import Settings

    StatusCallback = Callable[[Any, str], None]


@dataclass(frozen=True, slots=True)
class GraphRun:
    """How a graph ended.

    ``failures`` are the full name of each node that failed, and the reason; ``files`` those that
    each node asked for has collected.
    """

    failures: Mapping[str, str]
    files: Mapping[str, list[Path]] = field(default_factory=dict)


_LAST_LINE = re.compile(
    r'^\s*(?:\w+\.)*(\w+(?:[Ee]rror|Exception|Interrupt|Exit)|error)(?:: (.*))?$'
)


_SHOWN = re.compile(r'\b(?:Photo|Plan|Rules)\(.*=')
"""Values that hold what is private, as Python shows them."""
_FRAME = re.compile(r'\s+File ".*", line \d+|Node: ')


def configure(crash_dir: Path, *, stop_on_first_crash: bool, verbosity: int) -> None:
    """Set what Nipype keeps in its global configuration; workflows copy it when they are made.

    Parameters
    ----------
    crash_dir : Path
        Where crash files go.
    verbosity : int
        0 shows nothing of Nipype's own, 1 its progress, 2 everything.
    """
    level = ('CRITICAL', 'INFO', 'DEBUG')[min(verbosity, 2)]
    config.update_config(
        {
            'execution': {
                'crashdump_dir': str(crash_dir),
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


def run_graph(
    workflow: pe.Workflow,
    *,
    base_dir: Path,
    crash_dir: Path,
    n_procs: int,
    memory_gb: float | None,
    plugin_file: Path | None,
    on_status: StatusCallback | None = None,
    collected: Sequence[str] = (),
) -> GraphRun:
    """Run ``workflow``.

    Of what Nipype writes about a node that failed, its inputs are taken away: they name people on
    photographs, and hold what participants.tsv says of participants.

    Parameters
    ----------
    base_dir : Path
        Folder for intermediate files.
    crash_dir : Path
        As given to `configure`.
    n_procs, memory_gb : int, float
        Limits of the local plugin; no memory limit means nine tenths of the machine.
    plugin_file : Path, optional
        Another Nipype plugin.
    on_status : callable
        Called with each node and ``start``, ``end`` or ``exception``.
    collected : sequence of str
        Names of nodes whose output ``out``, files, is wanted.

    Raises
    ------
    CannotWriteError
        ``base_dir`` cannot be made: that is no scan's failure.
    ReidError
        The plugin of ``plugin_file`` cannot hand out jobs.
    """
    try:
        base_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CannotWriteError(f'cannot write {base_dir}: {error.strerror}') from error
    workflow.base_dir = str(base_dir)
    before = set(crash_dir.glob('crash-*.txt'))
    callback = {'status_callback': on_status} if on_status else {}
    if plugin_file is not None:
        name, arguments = read_plugin(plugin_file)
        # Nipype names jobs after the user; containers and schedulers may leave it out
        os.environ.setdefault('LOGNAME', f'uid{os.getuid()}')
        plugin: PluginBase = named_plugin(name, arguments | callback)
    else:
        arguments = {'n_procs': n_procs, 'raise_insufficient': False}
        if memory_gb is not None:
            arguments['memory_gb'] = memory_gb
        plugin = SteadyMultiProc(arguments | callback)
    try:
        try:
            graph = workflow.run(plugin=plugin)
        finally:
            crashes = set(crash_dir.glob('crash-*.txt')) - before
            _make_discreet(workflow, crashes)
    except (RuntimeError, OSError, LookupError) as error:
        own = _failed_nodes(workflow, crashes)
        if own:
            return GraphRun(own)
        # anything else is no node's failure
        if plugin_file is None:
            raise
        raise ReidError(
            f'{plugin_file.name}: the plugin {name} cannot hand out jobs '
            f'(is its scheduler running?): {error}'
        ) from error
    return GraphRun({}, {name: _collected(graph, name) for name in collected})


def _collected(graph: Any, name: str) -> list[Path]:
    """Return the files that a node of a graph that was run has collected."""
    node = next((node for node in graph.nodes() if node.name == name), None)
    files = [] if node is None else node.result.outputs.out
    return [Path(file) for file in files]


def _make_discreet(workflow: pe.Workflow, crashes: Iterable[Path]) -> None:
    """Keep of crash files of this workflow which node failed, where and why, and nothing else."""
    nodes = {f'{workflow.name}.{name}': name for name in workflow.list_node_names()}
    texts = {path: path.read_text(encoding='utf-8', errors='replace') for path in sorted(crashes)}
    own = {path: text for path, text in texts.items() if _node_of(text) in nodes}
    if not own:
        return
    inputs = {node: workflow.get_node(name).inputs for node, name in nodes.items()}
    words = _longest_first(word for some in inputs.values() for word in _photograph_words(some))
    for path, text in own.items():
        values = _longest_first(_participant_values(inputs[_node_of(text)]))
        write_text(path, _discreet(text, words, values))


def _photograph_words(inputs: Any) -> Iterator[str]:
    """Yield paths and names of the photographs that a node gets."""
    for given in (getattr(inputs, name, None) for name in ('photos', 'plan')):
        # neither None nor traits' Undefined has any
        for photo in given if isinstance(given, list) else getattr(given, 'photos', ()):
            yield from (str(photo.path), str(photo.path.resolve()), photo.path.name, photo.name)


def _participant_values(inputs: Any) -> Iterator[str]:
    """Yield what participants.tsv says of participants, as far as a node gets it."""
    variables = getattr(getattr(inputs, 'rules', None), 'variables', {})
    for column in variables.values():
        yield from column.values()


def _longest_first(words: Iterable[str]) -> list[str]:
    return sorted(filter(None, set(words)), key=lambda word: (-len(word), word))


def _discreet(text: str, words: Sequence[str], values: Sequence[str]) -> str:
    """Take the inputs of the node, photographs' names and values out of a crash file's text."""
    head, inputs, rest = text.partition('\nNode inputs:\n')
    if inputs:
        started = re.search(r'^Traceback', rest, re.MULTILINE)
        # without a traceback there is one line that says why
        lines = rest.splitlines()
        why = [line for line in lines if _LAST_LINE.match(line)][-1:]
        text = f'{head}\n{rest[started.start() :] if started else chr(10).join(why)}\n'
    text = '\n'.join(line for line in text.splitlines() if not _SHOWN.search(line)) + '\n'
    for word in words:
        text = text.replace(word, '[photograph]')
    if values:
        # one may be as short as F or 3, which is no secret within a word or in a frame
        value = re.compile(rf'(?<!\w)(?:{"|".join(map(re.escape, values))})(?!\w)')
        text = ''.join(
            line if _FRAME.match(line) else value.sub('[value]', line)
            for line in text.splitlines(keepends=True)
        )
    return text


def _node_of(text: str) -> str:
    """Full name of the node that a crash file is about."""
    return text.partition('\n')[0].removeprefix('Node: ').strip()


def _failed_nodes(workflow: pe.Workflow, crashes: set[Path]) -> dict[str, str]:
    """Nodes of this workflow with the reasons in their crash files; other runs leave some too."""
    reasons = dict(_crash_reason(path) for path in sorted(crashes))
    nodes = {f'{workflow.name}.{node}' for node in workflow.list_node_names()}
    return {node: why for node, why in reasons.items() if node in nodes}


def _crash_reason(path: Path) -> tuple[str, str]:
    """Full name of the node and the last line of its error."""
    text = path.read_text(encoding='utf-8', errors='replace')
    node = _node_of(text)
    for line in reversed(text.splitlines()):
        match = _LAST_LINE.match(line)
        if match:
            kind, message = match[1], (match[2] or '').strip()
            # our own errors are written for people; of others the kind tells more than the text
            ours = hasattr(errors, kind) or kind == 'WorkerKilledError'
            full = f'{kind}: {message}' if message else kind
            # not the file's name, which holds the user's login
            return node, message if ours else f'{full} (details in logs)'
    return node, 'it ended without a message (details in logs)'


def crash_folder(settings: Settings) -> Path:
    """Where Nipype leaves the details of a failure."""
    return settings.output_dir / 'logs'


def run_for_user(
    workflow: pe.Workflow,
    settings: Settings,
    on_status: StatusCallback | None = None,
    collected: Sequence[str] = (),
) -> GraphRun:
    """Run a graph as the user asked."""
    return run_graph(
        workflow,
        base_dir=_work_folder(settings),
        crash_dir=crash_folder(settings),
        n_procs=settings.n_procs,
        memory_gb=settings.memory_gb,
        plugin_file=settings.plugin_file,
        on_status=on_status,
        collected=collected,
    )


def forget(settings: Settings, *parts: str) -> None:
    """Remove intermediate files, which show faces, and the folders above that are empty then.

    Runs that share the work folder, as the tasks of a job array do, keep theirs.
    """
    folder = _work_folder(settings).joinpath(*parts)
    shutil.rmtree(folder, ignore_errors=True)
    above: list[Any] = list(folder.parents[: len(parts)])
    if settings.work_dir is None:
        above.append(settings.work)
    for parent in above:
        with suppress(OSError):
            parent.rmdir()


def _work_folder(settings: Settings) -> Path:
    """Folder of this version: another one's intermediate files are not taken up."""
    return settings.work / f'bids_reid-{__version__}'
