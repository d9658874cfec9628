"""How long the walk through a release takes, and how much memory: first run and second.

The datasets are made of sparse files, 20 per subject: eight .nii, two .nii.gz of 16 kB, nine
sidecars and a table. A walk is a command of its own, with a cache of its own; the second finds
the cache of the first.

    python -m benchmarks.release_walk [--subjects N ...] [--mib SIZE] [--n-procs N] [--dir DIR]
"""

from __future__ import annotations

import argparse
import gzip
import random
import struct
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.usage import measure
from bids_reid.bids.hash_cache import HashCache
from bids_reid.bids.release import walk_release

HEADER = struct.pack('<i', 348) + bytes(340) + b'n+1\0' + bytes(4)
SUFFIXES = ('T1w', 'T2w', 'FLAIR', 'PDw', 'T2starw', 'UNIT1', 'angio', 'MTw')
COMPRESSED = ('inv-1_MP2RAGE', 'inv-2_MP2RAGE')


def make_dataset(folder: Path, n_subjects: int, n_bytes: int) -> None:
    """Write a dataset whose images are holes behind a header; subjects differ in one number."""
    packed = gzip.compress(HEADER + random.Random(1).randbytes(16_384))
    for number in range(n_subjects):
        anat = folder / f'sub-{number:05}' / 'anat'
        anat.mkdir(parents=True)
        start = f'{anat}/sub-{number:05}'
        for suffix in SUFFIXES:
            with Path(f'{start}_{suffix}.nii').open('wb') as image:
                image.write(HEADER + struct.pack('<i', number))
                image.truncate(n_bytes)
        for suffix in COMPRESSED:
            Path(f'{start}_{suffix}.nii.gz').write_bytes(packed)
        for suffix in (*SUFFIXES, COMPRESSED[0]):
            Path(f'{start}_{suffix}.json').write_text('{"EchoTime": 0.003}\n' * 40)
        Path(f'{start}_scans.tsv').write_text('filename\tacq_time\n' * 20)


def walk(folder: Path, cache: Path, n_procs: int) -> None:
    """Walk once, as the program does, and print the number of images."""
    known = HashCache(cache)
    images = walk_release(folder, cache=known, n_procs=n_procs)
    n_images = sum(image.sha256 is not None for image in images)
    known.save()
    print(n_images)


def main() -> None:
    """Print, per number of subjects and run, time, processor time and peak memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--subjects', type=int, nargs='+', default=[500, 5000])
    parser.add_argument('--mib', type=float, default=0.25, help='size of each .nii')
    parser.add_argument('--n-procs', type=int, default=2)
    parser.add_argument('--dir', type=Path, help='where the datasets are made')
    parser.add_argument('--walk', type=Path, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.walk:
        walk(*arguments.walk, arguments.n_procs)
        return
    print('subjects\tfiles\timages\tgib\tn_procs\trun\twall_s\tcpu_s\tpeak_mb')
    for n_subjects in arguments.subjects:
        with tempfile.TemporaryDirectory(dir=arguments.dir) as folder:
            root, log = Path(folder, 'release'), Path(folder, 'log')
            make_dataset(root, n_subjects, int(arguments.mib * 2**20))
            # younger files are not kept
            time.sleep(2.5)
            command = [
                *(sys.executable, '-m', 'benchmarks.release_walk'),
                *('--walk', root, Path(folder, 'cache')),
                *('--n-procs', str(arguments.n_procs)),
            ]
            for run in ('first', 'second'):
                used = measure(command, log=log)
                if used.code:
                    sys.exit(log.read_text())
                gib = n_subjects * len(SUFFIXES) * arguments.mib / 1024
                print(
                    f'{n_subjects}\t{20 * n_subjects}\t{log.read_text().strip()}\t{gib:.1f}\t'
                    f'{arguments.n_procs}\t{run}\t{used.wall_s:.1f}\t{used.cpu_s:.1f}\t'
                    f'{used.peak_mb:.0f}',
                    flush=True,
                )


if __name__ == '__main__':
    main()
