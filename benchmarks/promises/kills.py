"""Kill runs at random moments and let the next one take up: nothing may be lost or differ.

Both levels run on a few phantoms, one broken scan and one broken photograph. Series of 1 to 5
SIGKILLs hit the whole process group at random times; then a run is let finish. Its output must be
that of an undisturbed run, byte for byte, and nothing may be left in the temporary folder and in
shared memory. After each kill every file under its final name must be whole. SIGTERM and SIGINT,
to the program alone and to the group, must end it within 5 s, with a line that says how to resume.
A worker that is killed, as for memory, must cost no more than its own work.

    python -m benchmarks.promises.kills [--kills N] [--signals N] [--workers N] [--people N]
        [--seed N] [--folder DIR]
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.promises.setting import (
    NOT_COMPARED,
    Place,
    Report,
    Run,
    alarms,
    differences,
    finish,
    half_written,
    left_behind,
    parser,
    place_of,
    snapshot,
    start,
)
from bids_reid.stopping import RESUME

MOST_IN_A_ROW = 5
STOP_S = 5.0


@dataclass
class Bench:
    """What an undisturbed run left, and how long it took."""

    place: Place
    report: Report
    draw: random.Random
    code: int
    seconds: float
    whole: Mapping[str, str]

    @property
    def out(self) -> Path:
        """The output of runs that are disturbed; its name is that of the undisturbed one's."""
        return self.place.root / 'disturbed' / 'out'

    def command(self) -> list[str]:
        """What is run again and again."""
        return self.place.command(self.out, '--nprocs', '2')

    def moment(self) -> float:
        """Seconds after the start, up to a little more than an undisturbed run takes."""
        return self.draw.uniform(0.0, 1.1 * self.seconds)

    def disturb(self, number: int, *, group: bool = True) -> tuple[Run, float | None] | None:
        """Start a run and send it a signal; ``None`` if it ended before."""
        run, started = start(self.place, self.command()), time.monotonic()
        until = started + self.moment()
        while time.monotonic() < until and run.process.poll() is None:
            time.sleep(0.02)
        if run.process.poll() is not None or not run.kill(number, group=group):
            # the machine is less busy than before: the next signal comes sooner
            self.seconds = min(self.seconds, time.monotonic() - started)
            run.wait(60)
            return None
        return run, run.wait(60)

    def finish(self, what: str) -> None:
        """Let a run finish and compare its output."""
        code, said, _ = finish(self.place, self.command())
        self.report.check(code == self.code, f'{what}: the rerun ended with {code}: {said[-500:]}')
        self.report.check(not alarms(said), f'{what}: the rerun said {alarms(said)}')
        other = differences(self.whole, snapshot(self.out))
        self.report.check(not other, f'{what}: other than undisturbed: {other[:10]}')
        left = left_behind(self.place, self.out)
        self.report.check(not left, f'{what}: left behind: {left[:10]}')
        for folder in (self.out.parent, self.place.temporary, self.place.shared_memory):
            _empty(folder)


def _empty(folder: Path) -> None:
    """Begin the next series with nothing."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def undisturbed(place: Place, report: Report, seed: int) -> Bench:
    """Run once without any signal."""
    out = place.root / 'undisturbed' / 'out'
    for folder in (out.parent, place.root / 'disturbed'):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    code, said, seconds = finish(place, place.command(out, '--nprocs', '2'))
    report.check(code == 1, f'the undisturbed run ended with {code}, not 1: {said[-500:]}')
    report.check(not left_behind(place, out), f'left behind: {left_behind(place, out)}')
    whole = snapshot(out)
    report.say(undisturbed_s=round(seconds, 1), files_compared=len(whole))
    for name, why in NOT_COMPARED.items():
        print(f'not compared: {name} ({why})')
    return Bench(place, report, random.Random(seed), code, seconds, whole)


def kill_often(bench: Bench, n_kills: int) -> None:
    """Kill the group so many times, in series of 1 to 5, and let a run finish after each."""
    done = series = early = 0
    while done < n_kills:
        series += 1
        for _ in range(min(bench.draw.randint(1, MOST_IN_A_ROW), n_kills - done)):
            hit = bench.disturb(signal.SIGKILL)
            if hit is None:
                early += 1
                continue
            done += 1
            bench.report.check(hit[1] is not None, f'kill {done}: processes outlive the group')
            bad = half_written(bench.out) if bench.out.exists() else []
            bench.report.check(not bad, f'kill {done}: half-written: {bad[:5]}')
            loud = alarms(hit[0].said)
            bench.report.check(not loud, f'kill {done}: said {loud}')
        bench.finish(f'after kill {done}')
        print(f'{done} of {n_kills} kills', flush=True)
    bench.report.say(kills=done, series=series, ended_before_the_kill=early)


def stop_kindly(bench: Bench, n_signals: int) -> None:
    """Send signals that ask to stop; each way as often."""
    for number in (signal.SIGTERM, signal.SIGINT):
        for group in (False, True):
            what = f'{number.name} to the {"group" if group else "program"}'
            slowest, done = 0.0, 0
            while done < n_signals:
                hit = bench.disturb(number, group=group)
                if hit is None:
                    continue
                done += 1
                slowest = max(slowest, _stopped(bench, what, *hit))
                bench.finish(f'after {what}')
            if done:
                name = f'{number.name}_{"group" if group else "program"}_slowest_s'
                bench.report.say(**{name: round(slowest, 2)})


def _stopped(bench: Bench, what: str, run: Run, seconds: float | None) -> float:
    """Check how a run ended that was asked to stop; return the seconds that it took."""
    code = run.process.poll()
    number = signal.SIGTERM if what.startswith('SIGTERM') else signal.SIGINT
    bench.report.check(
        seconds is not None and seconds <= STOP_S, f'{what}: took {seconds or "over 60"} s'
    )
    # one that ends before it can catch a signal ends by it
    early = code == -number and not run.said
    bench.report.check(early or code == 128 + number, f'{what}: ended with {code}')
    bench.report.check(early or RESUME in run.said, f'{what}: says not how to resume')
    bench.report.check(not alarms(run.said), f'{what}: said {alarms(run.said)}')
    if seconds is None:
        run.kill()
        run.wait(10)
    return 60.0 if seconds is None else seconds


def kill_workers(bench: Bench, n_workers: int) -> None:
    """Kill one worker, as the kernel does when memory is short: the run must go on."""
    done = 0
    while done < n_workers:
        run = start(bench.place, bench.command())
        time.sleep(bench.moment())
        workers = _workers(run)
        hit = bool(workers) and _kill(max(workers, key=_memory))
        ended = run.wait(600)
        bench.report.check(ended is not None, 'a killed worker: the run goes on for ever')
        if not hit:
            run.kill()
            _empty(bench.out.parent)
            continue
        done += 1
        bench.report.check(
            not alarms(run.said), f'a killed worker: the run said {alarms(run.said)}'
        )
        bench.finish('after a killed worker')
    bench.report.say(workers_killed=done)


def _workers(run: Run) -> list[int]:
    """Processes that the fork server made: all but the program and its own children."""
    alive = run.alive()
    return [pid for pid in alive if _status(pid)[1] in {*alive} - {run.process.pid}]


def _status(pid: int) -> tuple[int, int]:
    """Memory of a process, pages, and its parent; 0 if it has ended."""
    try:
        fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    except OSError:
        return 0, 0
    return int(fields[21]), int(fields[1])


def _memory(pid: int) -> int:
    return _status(pid)[0]


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def main() -> int:
    """Measure; return 1 if a promise is broken."""
    made = parser(__doc__)
    made.add_argument('--kills', type=int, default=50, help='SIGKILLs (default: 50)')
    made.add_argument(
        '--signals', type=int, default=3, help='of SIGTERM and of SIGINT, each way (default: 3)'
    )
    made.add_argument('--workers', type=int, default=3, help='workers to kill (default: 3)')
    options = made.parse_args()
    report = Report('kills')
    with place_of(options) as place:
        bench = undisturbed(place, report, options.seed)
        kill_often(bench, options.kills)
        stop_kindly(bench, options.signals)
        kill_workers(bench, options.workers)
    return report.end()


if __name__ == '__main__':
    sys.exit(main())
