"""Progress as people read it: which scan or step is done, with which result, how long it takes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bids_reid.engine.group_interfaces import (
    ControlPhotographs,
    EncodePhotographs,
    FitGallery,
    LinkScans,
    SearchShard,
    Summarise,
)
from bids_reid.messages import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from nipype.pipeline import engine as pe

    from bids_reid.messages import Tone

STEPS = {
    'skin': 'skin surface',
    'render': 'renders',
    'faces': 'search for faces',
    'templates': 'templates',
    'save': 'results saved',
}
"""Steps of a scan; any other node is that of an extractor."""
LONG_SILENCE_S = 30.0
"""After so long without a line of the group level, one says how far it is."""


def duration(seconds: float) -> str:
    """Write a time as people say it, no finer than anybody needs.

    >>> [duration(seconds) for seconds in (0.2, 6.4, 89, 100, 3540, 5000, 200_000)]
    ['1 s', '6 s', '89 s', '2 min', '59 min', '1 h 23 min', '55 h 33 min']
    """
    if seconds < 90:
        return f'{max(1, round(seconds))} s'
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f'{minutes} min' if not hours else f'{hours} h {rest} min'


@dataclass
class Progress:
    """How many of all are done, how long each took, and how long the others will take.

    Attributes
    ----------
    n_all : int
        How many there are.
    ended : set
        Those of which it was said that they are done.
    """

    n_all: int
    n_done: int = 0
    began: float = field(default_factory=time.monotonic)
    ended: set[Hashable] = field(default_factory=set)
    _started: dict[Hashable, float] = field(default_factory=dict)

    def start(self, key: Hashable) -> None:
        """Note that one has begun, unless it had."""
        if key not in self.ended:
            self._started.setdefault(key, time.monotonic())

    def end(
        self, key: Hashable, name: str, result: str, *, toned: str = '', tone: Tone | None = None
    ) -> None:
        """Say that one is done: ``[3/36] sub-01 T1w defaced: no face left, 6 s, 3 min left``.

        Parameters
        ----------
        key : hashable
            As for `start`; of one that never began no time is known.
        name, result : str
            Of the scan, image or step, and what came of it; a step has no result.
        toned, tone : str, str
            The part of the result that is coloured, and how.
        """
        self.n_done += 1
        self.ended.add(key)
        now = time.monotonic()
        began = self._started.pop(key, None)
        times = [] if began is None else [duration(now - began)]
        left = self.left(now)
        if left is not None:
            times.append(f'{duration(left)} left')
        said = f'{name}: {result}' if result else name
        line = ', '.join([f'[{self.n_done}/{self.n_all}] {said}', *times])
        logger.info('%s', line, extra={'tone': tone, 'toned': toned or result})

    def forget(self, key: Hashable) -> None:
        """Note that one has ended without a result; it may begin again."""
        self._started.pop(key, None)

    def left(self, now: float) -> float | None:
        """Seconds until all are done, if the others take as long; ``None`` if none is left.

        What has begun counts as half done.
        """
        n_left = self.n_all - self.n_done
        if n_left <= 0:
            return None
        half = min(len(self._started), n_left) / 2
        return (now - self.began) / (self.n_done + half) * (n_left - half)


@dataclass
class Clock:
    """Says for ``-v`` how long each step took."""

    _started: dict[str, float] = field(default_factory=dict)

    def note(self, node: Any, status: str, name: str) -> None:
        """Note that the step of ``name`` has begun or ended."""
        if status == 'start':
            self._started[node.fullname] = time.monotonic()
            return
        began = self._started.pop(node.fullname, None)
        if began is not None:
            ended = 'done' if status == 'end' else 'failed'
            logger.debug('%s: %s after %.1f s', name, ended, time.monotonic() - began)


def step_name(node: Any) -> str:
    """Name a step of a scan as people do, and not as Nipype does."""
    extractor = getattr(node.inputs, 'extractor', None)
    return STEPS.get(node.name) or f'features of {extractor or node.name}'


class GroupProgress:
    """Says which steps of the group level are done: a line for each kind and extractor.

    Parameters
    ----------
    workflow : Workflow
        The graph of the group level.
    """

    def __init__(self, workflow: pe.Workflow) -> None:
        nodes = (workflow.get_node(name) for name in workflow.list_node_names())
        self._tasks = {node.name: task for node in nodes if (task := _task(node)) is not None}
        self._n_all: dict[str, int] = {}
        for task in self._tasks.values():
            self._n_all[task] = self._n_all.get(task, 0) + 1
        self._n_done = dict.fromkeys(self._n_all, 0)
        self._progress = Progress(len(self._n_all))
        self._clock = Clock()
        self._said = time.monotonic()

    def on_status(self, node: Any, status: str) -> None:
        """Take what Nipype says of a node."""
        task = self._tasks.get(node.name)
        if task is None:
            return
        if status == 'start':
            self._progress.start(task)
        self._clock.note(node, status, task)
        if status != 'end':
            return
        self._n_done[task] += 1
        done, n_all = self._n_done[task], self._n_all[task]
        if done == n_all:
            self._progress.end(task, task, '')
            self._said = time.monotonic()
        elif time.monotonic() - self._said > LONG_SILENCE_S:
            logger.info(f'  {task}: {done:,} of {n_all:,} parts')
            self._said = time.monotonic()


_TASKS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (EncodePhotographs, lambda given: f'photographs read with {given.extractor}'),
    (FitGallery, lambda given: f'templates searched with {given.extractor}'),
    (SearchShard, lambda given: f'templates searched with {given.extractor}'),
    (Summarise, lambda given: f'statistics of {given.team.name}'),
    (ControlPhotographs, lambda given: f'statistics of {given.team.name}'),
    (LinkScans, lambda given: f'scans linked by {given.way}'),
)


def _task(node: pe.Node) -> str | None:
    """Say what a node does; ``None`` for one that only collects files."""
    for kind, name in _TASKS:
        if isinstance(node.interface, kind):
            return name(node.inputs)
    return None
