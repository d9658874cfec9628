"""Many scans through both levels: memory that does not grow, a rerun that is quick, no scan lost.

Scans are copies of a few phantoms at 3 mm in which some voxels differ, so that no two have the
same hash. The memory of the main process and of its workers (proportional set sizes) is looked at
every second; the medians while the hundredth scan and the last ones are worked on are compared.

    python -m benchmarks.promises.scale [--n N] [--extractors NAME ...] [--nprocs N] [--folder DIR]
"""

from __future__ import annotations

import gzip
import random
import re
import resource
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.promises.setting import Place, Report, Run, finish, parser, place_of, start
from bids_reid.bids.tables import read_table

FIRST = 100
"""After so many scans memory is looked at for the first time, or after a third of them."""
MOST_GROWTH = 0.10
RERUN_S = 10.0
PHOTOGRAPHED = 4
_DONE = re.compile(r'^\[(\d+)/\d+\] sub-', re.MULTILINE)


@dataclass(frozen=True)
class Sample:
    """Memory at a time, MB: ``n_done`` scans were done."""

    n_done: int
    parent: float
    workers: float
    n_workers: int


def make_many(place: Place, n_scans: int) -> None:
    """Replace the phantoms by many copies, each with a few voxels of its own."""
    originals = sorted(place.bids.glob('sub-*/anat/*_T1w.nii.gz'))
    contents = [gzip.decompress(path.read_bytes()) for path in originals]
    for folder in place.bids.glob('sub-*'):
        shutil.rmtree(folder)
    draw = random.Random(0)
    rows = ['participant_id\tage\tsex']
    for number in range(n_scans):
        values = bytearray(contents[number % len(contents)])
        voxels = np.frombuffer(values, '<i2', offset=352)
        some = [draw.randrange(voxels.size) for _ in range(50)]
        voxels[some] += 1
        label = f'{number + 1:05d}'
        path = place.bids / f'sub-{label}' / 'anat' / f'sub-{label}_T1w.nii.gz'
        path.parent.mkdir(parents=True)
        path.write_bytes(gzip.compress(bytes(values), 1, mtime=0))
        rows.append(f'sub-{label}\t{20 + number % 60}\t{"FM"[number % 2]}')
    (place.bids / 'participants.tsv').write_text('\n'.join(rows) + '\n')
    for number, photo in enumerate(sorted(place.photos.glob('sub-*'))):
        if number < PHOTOGRAPHED:
            photo.rename(photo.with_name(f'sub-{number + 1:05d}_photo-1.jpg'))
        else:
            photo.unlink()


def memory_mb(pid: int) -> float:
    """Proportional set size of a process; 0 if it has ended."""
    try:
        text = Path(f'/proc/{pid}/smaps_rollup').read_text()
    except OSError:
        return 0.0
    found = re.search(r'^Pss:\s+(\d+) kB', text, re.MULTILINE)
    return int(found[1]) / 1000 if found else 0.0


def watched(run: Run) -> list[Sample]:
    """Look at the memory of a run until it ends."""
    samples = []
    while run.process.poll() is None:
        done = _DONE.findall(run.said)
        others = [memory_mb(pid) for pid in run.alive() if pid != run.process.pid]
        # servers from which workers come are small
        workers = [size for size in others if size > 50]
        parent = memory_mb(run.process.pid)
        n_done = int(done[-1]) if done else 0
        samples.append(Sample(n_done, parent, sum(workers), len(workers)))
        time.sleep(1)
    return samples


def growth(samples: list[Sample], n_scans: int, report: Report) -> None:
    """Compare memory after some scans with that at the end."""
    first = min(FIRST, n_scans // 3)
    width = max(3, first // 5)
    early = [one for one in samples if first <= one.n_done < first + width and one.n_workers]
    late = [one for one in samples if n_scans - width <= one.n_done < n_scans and one.n_workers]
    if not early or not late:
        report.check(False, 'no memory was seen: too few scans, or too quick')
        return
    for name in ('parent', 'workers'):
        then, now = (median(getattr(one, name) for one in some) for some in (early, late))
        change = now / then - 1
        report.say(
            **{
                f'{name}_mb_after_{first}': round(then),
                f'{name}_mb_at_the_end': round(now),
                f'{name}_growth': f'{change:+.1%}',
            }
        )
        report.check(change <= MOST_GROWTH, f'memory of the {name} grows by {change:.1%}')
    report.say(peak_mb=round(max(one.parent + one.workers for one in samples)))


def accounted(place: Place, out: Path, n_scans: int, report: Report) -> None:
    """Check that every scan has a record, a row of its own, and a verdict."""
    images = [row for row in read_table(out / 'group_images.tsv') if row['in_release'] == 'yes']
    scans = {str(path.relative_to(place.bids)) for path in place.bids.rglob('*.nii.gz')}
    rows = [row['path'] for row in images if row['path'] in scans]
    report.check(len(rows) == len(set(rows)) == n_scans, f'{len(rows)} rows of {n_scans} scans')
    judged = sum(row['verdict'] not in ('n/a', 'not looked at') for row in images)
    report.check(judged >= n_scans, f'{judged} of {n_scans} scans have a verdict')
    records = len(list(out.glob('sub-*/anat/*_desc-skin_T1w.json')))
    report.check(records == n_scans, f'{records} records of {n_scans} scans')
    report.say(scans_accounted_for=len(set(rows)))


def _processor_s() -> float:
    """Processor time of runs that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Measure; return 1 if a promise is broken."""
    made = parser(__doc__)
    made.add_argument('--n', type=int, default=1000, help='scans (default: 1000)')
    made.add_argument('--extractors', nargs='+', default=['orb'], help='default: orb')
    made.add_argument('--nprocs', type=int, default=2, help='processes (default: 2)')
    options = made.parse_args()
    report = Report('scale')
    with place_of(options, broken=False) as made_place:
        place = Place(made_place.root, ('--extractors', *options.extractors))
        if len(list(place.bids.glob('sub-*'))) != options.n:
            make_many(place, options.n)
        out = place.root / 'out'
        words = place.command(out, '--nprocs', str(options.nprocs))
        started = time.monotonic()
        run = start(place, words)
        samples = watched(run)
        report.check(run.process.returncode == 0, f'the run failed: {run.said[-500:]}')
        report.say(scans=options.n, both_levels_s=round(time.monotonic() - started))
        growth(samples, options.n, report)
        accounted(place, out, options.n, report)
        before = _processor_s()
        code, said, seconds = finish(place, [word for word in words if word != 'group'])
        used = _processor_s() - before
        report.check(code == 0 and ', 0 to do' in said, f'the rerun had work to do: {said[-300:]}')
        report.check(seconds < RERUN_S, f'a rerun with nothing to do takes {seconds:.1f} s')
        report.say(rerun_s=round(seconds, 1), rerun_processor_s=round(used, 1))
        code, _, seconds = finish(place, words)
        report.check(code == 0, f'the rerun of both levels ended with {code}')
        report.say(rerun_of_both_levels_s=round(seconds, 1))
    return report.end()


if __name__ == '__main__':
    sys.exit(main())
