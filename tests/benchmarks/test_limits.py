"""What a benchmark leaves out makes the program look faster than it is."""

from __future__ import annotations

import cProfile
import pstats
import time

import pytest

from benchmarks.limits import Clock, own_times, table


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_the_sum_has_every_stage_and_every_limit_once() -> None:
    clock = Clock()
    clock.seconds |= {
        'skin': [3.0, 1.0, 2.0],
        'save': [0.5, 0.5, 0.5],
        'facenet': [1.0, 1.0, 1.0],
        'skin limit': [1.0, 1.0, 1.0],
        'save limit': [0.25, 0.25, 0.25],
        'facenet limit': [0.75, 0.75, 0.75],
    }
    assert list(table(clock)) == [
        ('skin', 2.0, 1.0),
        ('facenet', 1.0, 0.75),
        ('save', 0.5, 0.25),
        ('sum', 3.5, 2.0),
    ]


def test_what_is_not_listed_of_a_profile_is_summed_up() -> None:
    profiler = cProfile.Profile(time.process_time)
    profiler.runcall(burn, 0.02)
    (stage, all_, whole), *rows = own_times('skin', pstats.Stats(profiler))
    assert (stage, all_) == ('skin', 'all')
    assert whole >= 15
    assert rows[-1][1] == 'all else'
    assert sum(ms for _, _, ms in rows) == pytest.approx(whole)
    assert all(ms >= 5 for _, _, ms in rows[:-1])
