"""Processor time that is counted wrongly makes every ratio wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

USAGE = Path(__file__).parents[2] / 'benchmarks' / 'usage.py'
BURNT_S = 1.0
# the main process waits neither for the forkserver nor for its worker
PROGRAM = f"""
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

def burn():
    ballast = b'x' * 100_000_000
    while time.process_time() < {BURNT_S}:
        pass
    return len(ballast)

if __name__ == '__main__':
    ProcessPoolExecutor(1, mp_context=get_context('forkserver')).submit(burn).result()
    raise SystemExit(3)
"""


def test_time_and_memory_of_a_forkservers_worker_are_counted(tmp_path: Path) -> None:
    program = tmp_path / 'program.py'
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, USAGE, sys.executable, program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    used = json.loads(done.stdout)
    assert used['code'] == 3
    assert BURNT_S <= used['cpu_s'] < BURNT_S + 2
    assert used['peak_mb'] > 95
