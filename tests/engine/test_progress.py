"""Progress: what a person who waits reads."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from bids_reid.engine import progress as module
from bids_reid.engine.group_interfaces import LinkScans, SearchShard
from bids_reid.engine.progress import GroupProgress, Progress, duration, step_name


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let the time be what the test says."""
    now = [100.0]
    monkeypatch.setattr(module.time, 'monotonic', lambda: now[0])
    return now


@pytest.mark.parametrize(
    ('seconds', 'said'), [(0.2, '1 s'), (89, '89 s'), (100, '2 min'), (5000, '1 h 23 min')]
)
def test_times_are_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_scan_has_its_number_result_and_times(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise nobody knows whether to wait or to come back tomorrow."""
    caplog.set_level(logging.INFO, 'bids_reid')
    progress = Progress(3, began=100.0)
    progress.start('a')
    progress.start('b')
    clock[0] += 10
    progress.end('a', 'sub-01 T1w', 'no face left')
    progress.end('b', 'sub-02 T1w', 'face left: nose')
    progress.start('c')
    clock[0] += 5
    progress.end('c', 'sub-03 T1w', 'FAILED: empty')
    assert caplog.messages == [
        # one of two that are left is half done
        '[1/3] sub-01 T1w: no face left, 10 s, 10 s left',
        '[2/3] sub-02 T1w: face left: nose, 10 s, 5 s left',
        '[3/3] sub-03 T1w: FAILED: empty, 5 s',
    ]


def test_a_scan_that_failed_has_no_time(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    """It is told when its graph ends, which may be much later."""
    caplog.set_level(logging.INFO, 'bids_reid')
    progress = Progress(1, began=100.0)
    progress.start('a')
    progress.forget('a')
    clock[0] += 900
    progress.end('a', 'sub-01 T1w', 'FAILED: empty')
    assert caplog.messages == ['[1/1] sub-01 T1w: FAILED: empty']


def test_no_step_is_called_as_nipype_does() -> None:
    nodes = [
        SimpleNamespace(name='render', inputs=SimpleNamespace()),
        SimpleNamespace(
            name='deepface_ArcFace', inputs=SimpleNamespace(extractor='deepface-ArcFace')
        ),
    ]
    assert list(map(step_name, nodes)) == ['renders', 'features of deepface-ArcFace']


class _Graph:
    """A graph of the group level: two parts of one search, a link, and a node that collects."""

    def __init__(self) -> None:
        inputs = {
            'search_1': (SearchShard(), 'orb'),
            'search_2': (SearchShard(), 'orb'),
            'link': (LinkScans(), 'surface'),
            'all': (object(), ''),
        }
        self.nodes: dict[str, Any] = {
            name: SimpleNamespace(
                name=name,
                fullname=f'group_wf.{name}',
                interface=interface,
                inputs=SimpleNamespace(extractor=given, way=given),
            )
            for name, (interface, given) in inputs.items()
        }

    def list_node_names(self) -> list[str]:
        return list(self.nodes)

    def get_node(self, name: str) -> Any:
        return self.nodes[name]


def test_steps_of_the_group_level_are_counted_by_kind(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    """A line for each of a thousand parts says nothing; no line for an hour looks like a hang."""
    caplog.set_level(logging.INFO, 'bids_reid')
    graph: Any = _Graph()
    progress = GroupProgress(graph)
    progress._progress.began = 100.0
    for name in ('search_1', 'search_2', 'link', 'all'):
        progress.on_status(graph.nodes[name], 'start')
    clock[0] += 40
    progress.on_status(graph.nodes['search_1'], 'end')
    progress.on_status(graph.nodes['search_2'], 'end')
    progress.on_status(graph.nodes['all'], 'end')
    progress.on_status(graph.nodes['link'], 'end')
    assert caplog.messages == [
        '  templates searched with orb: 1 of 2 parts',
        '[1/2] templates searched with orb, 40 s, 13 s left',
        '[2/2] scans linked by surface, 40 s',
    ]
