"""What Nipype writes about nodes that failed: which, why, and nothing that is private.

Nipype's own files lie in the folder of the run. What is kept of them in ``logs`` has neither the
inputs of nodes, which name people on photographs and hold what participants.tsv says of
participants, nor paths and names of this machine.
"""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_reid import errors
from bids_reid.bids.files import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nipype.pipeline import engine as pe

NO_MEMORY = 'memory ran out while it was processed'
FOLDER = 'crashes'
"""In the folder of a run, what Nipype writes."""
_LAST_LINE = re.compile(
    r'^\s*(?:\w+\.)*(\w+(?:[Ee]rror|Exception|Interrupt|Exit)|error)(?:: (.*))?$'
)
_SHOWN = re.compile(r'\b(?:Photo|Plan|Rules)\(.*=')
"""Values that hold what is private, as Python shows them."""
_FRAME = re.compile(r'\s+File ".*", line \d+|Node: ')
_PACKAGE = re.compile(r'(File ")[^"]*/(?:(?:site-packages|lib/python3\.\d+)/|(?=bids_reid/))')
_QUOTED = re.compile(r"(?<=')/[^'\n]*/(?=[^'/\n]+')")
_PATH = re.compile(r'(?<![\w.~/])~?(?:/[^\s/"\'\n:,;()\[\]]+)+/(?=[^\s/"\'\n:,;()\[\]])')
"""An absolute path up to the name of the file."""
_NUMBER = re.compile(r'\[Errno (\d+)\]')
_REFUSED = re.compile(
    r'No space left on device|Disk quota exceeded|Read-only file system|Too many open files'
    r"|\d+ requested and \d+ written|Not enough free space|can't start new thread"
)
_LEAST_FREE = 32 * 2**20
"""Bytes on the disk: with fewer, files may be cut, and whoever reads them complains of that."""
_NO_RAM = re.compile(r'Cannot allocate memory|Insufficient memory|bad[_ ]alloc', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a node failed.

    ``refused`` says that the machine refused something, which is no result of a scan.
    """

    node: str
    reason: str
    refused: bool = False


def read_crashes(
    workflow: pe.Workflow, folder: Path, logs: Path, private: Sequence[Path]
) -> list[Failure]:
    """Move what Nipype wrote about a workflow to ``logs``, without what is private.

    Parameters
    ----------
    folder : Path
        Has Nipype's files, those of this run alone.
    private : sequence of Path
        Folders of the run: files that cannot be written there are nobody's failure.

    Returns
    -------
    One per node that failed.

    Raises
    ------
    CannotWriteError
        The folder of logs cannot be written.
    """
    nodes = {f'{workflow.name}.{name}': name for name in workflow.list_node_names()}
    texts = {path: _text(path) for path in sorted(folder.glob('crash-*.txt'))}
    own = {path: text for path, text in texts.items() if _node_of(text) in nodes}
    if not own:
        return []
    inputs = {node: workflow.get_node(name).inputs for node, name in nodes.items()}
    words = _longest_first(word for some in inputs.values() for word in _photograph_words(some))
    failures = []
    for path, text in own.items():
        node = _node_of(text)
        values = _longest_first(_participant_values(inputs[node]))
        discreet = _discreet(text, words, values)
        write_text(_new_log(logs, nodes[node]), discreet)
        failures.append(Failure(node, _crash_reason(discreet), is_refused(text, private)))
        path.unlink(missing_ok=True)
    return failures


def scan_failure(traceback: str) -> str:
    """Say in one line why a node of a scan failed; nothing without a traceback.

    Such a node has neither photographs nor rows of participants.tsv.
    """
    return _crash_reason(_discreet(traceback, (), ())) if traceback else ''


def is_refused(text: str, own: Sequence[Path]) -> bool:
    """Whether a traceback ends with something that the machine refused.

    Parameters
    ----------
    own : sequence of Path
        Folders with files of the run: any trouble with these is the machine's.
    """
    kind, message = last_error(text)
    known = getattr(errors, kind, None)
    if isinstance(known, type) and issubclass(known, errors.MachineError):
        return True
    if kind in ('ImportError', 'ModuleNotFoundError'):
        return True
    # also where a reader took it for a damaged file
    if any(_REFUSED.search(line) for line in text.splitlines() if _LAST_LINE.match(line)):
        return True
    # of errors about scans we are sure
    if known is None and any(map(is_full, own)):
        return True
    # a file of the scan that may not be read is another matter
    return bool(_NUMBER.search(message)) and any(f"'{folder}/" in message for folder in own)


def is_full(folder: Path) -> bool:
    """Whether the disk of a folder has hardly any room."""
    try:
        return shutil.disk_usage(folder).free < _LEAST_FREE
    except OSError:
        return False


def last_error(text: str) -> tuple[str, str]:
    """Name of the class and words of the error that a traceback ends with; empty without one."""
    for line in reversed(text.splitlines()):
        match = _LAST_LINE.match(line)
        if match:
            return match[1], (match[2] or '').strip()
    return '', ''


def _crash_reason(text: str) -> str:
    """Say in one line why a node failed."""
    kind, message = last_error(text)
    if not kind:
        return 'it ended without a message (details in logs)'
    if kind in ('MemoryError', '_ArrayMemoryError') or _NO_RAM.search(message):
        return NO_MEMORY
    # our own errors are written for people; of others the kind tells more than the text
    if hasattr(errors, kind) or kind == 'WorkerKilledError':
        return message
    full = f'{kind}: {message}' if message else kind
    return f'{full} (details in logs)'


def _text(path: Path) -> str:
    return path.read_text(encoding='utf-8', errors='replace')


def _new_log(logs: Path, node: str) -> Path:
    """Path of a new file, which says when and at what, and not who ran the program."""
    stem = f'crash-{time.strftime("%Y%m%d-%H%M%S")}-{node}'
    path, number = logs / f'{stem}.txt', 1
    while path.exists():
        number += 1
        path = logs / f'{stem}-{number}.txt'
    return path


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
    """Take the inputs of the node, photographs' names, values and paths out of a text."""
    head, inputs, rest = text.partition('\nNode inputs:\n')
    if inputs:
        started = re.search(r'^Traceback', rest, re.MULTILINE)
        # without a traceback there is one line that says why
        lines = rest.splitlines()
        why = [line for line in lines if _LAST_LINE.match(line)][-1:]
        text = f'{head}\n{rest[started.start() :] if started else chr(10).join(why)}\n'
    kept = (line for line in text.splitlines() if not _SHOWN.search(line))
    # where it ran says where somebody has their data
    text = '\n'.join(line for line in kept if not line.startswith('Working directory: ')) + '\n'
    for word in words:
        text = text.replace(word, '[photograph]')
    if values:
        # one may be as short as F or 3, which is no secret within a word or in a frame
        value = re.compile(rf'(?<!\w)(?:{"|".join(map(re.escape, values))})(?!\w)')
        text = ''.join(
            line if _FRAME.match(line) else value.sub('[value]', line)
            for line in text.splitlines(keepends=True)
        )
    return _without_paths(text)


def _without_paths(text: str) -> str:
    """Leave of paths the part below a package, or the name of the file."""
    return _PATH.sub('', _QUOTED.sub('', _PACKAGE.sub(r'\1', text)))


def _node_of(text: str) -> str:
    """Full name of the node that a crash file is about."""
    return text.partition('\n')[0].removeprefix('Node: ').strip()
