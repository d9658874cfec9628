"""Run the same dataset in other circumstances: every file must be the same, byte for byte.

What differs from run to run: processes, threads, Python's hash seed, the temporary folder, the
length of all paths, the order in which folders list their files (a copy on another file system,
written backwards), the Nipype plugin (Linear; Slurm where ``sbatch`` is). Of pages the line with
the command is left out, since the command differs.

    python -m benchmarks.promises.determinism [--people N] [--only NAME ...] [--folder DIR]
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.promises.setting import (
    Place,
    Report,
    differences,
    files_of,
    finish,
    parser,
    place_of,
)

COMMAND = re.compile(rb'<dt>Command</dt><dd><code>.*?</code></dd>', re.DOTALL)


@dataclass(frozen=True)
class Variant:
    """How a run differs from the first one; ``above`` is put above its folders."""

    name: str
    options: tuple[str, ...] = ('--nprocs', '1')
    environment: Mapping[str, str] = field(default_factory=dict)
    above: str = ''
    backwards: bool = False
    plugin: str | None = None


VARIANTS = (
    Variant('the same again'),
    Variant('two processes', ('--nprocs', '2')),
    Variant('two threads', ('--nprocs', '1', '--omp-nthreads', '2')),
    Variant('another hash seed', environment={'PYTHONHASHSEED': '4711'}),
    Variant('another temporary folder', environment={'TMPDIR': '{root}/quite/another one/tmp'}),
    Variant('longer paths', above='a much longer/way to/the same/folders'),
    Variant('files listed backwards', ('--nprocs', '2'), backwards=True),
    Variant('plugin Linear', plugin='plugin: Linear\n'),
    Variant('plugin Slurm', plugin='plugin: SLURM\nplugin_args: {max_jobs: 2}\n'),
)


def content(out: Path) -> dict[str, str]:
    """Hash the files of an output, of pages all but the command."""
    hashes = {}
    for name, path in files_of(out):
        data = path.read_bytes()
        if path.suffix == '.html':
            data = COMMAND.sub(b'', data)
        hashes[name] = hashlib.sha256(data).hexdigest()
    return hashes


@contextmanager
def _root(place: Place, variant: Variant) -> Iterator[Path]:
    """Make a folder for a run, on another file system if its order of files is to differ."""
    memory = Path('/dev/shm')
    where = memory if variant.backwards and memory.is_dir() else place.root
    with tempfile.TemporaryDirectory(dir=where, prefix='variant-') as folder:
        yield Path(folder) / variant.above


def _copy(place: Place, root: Path, *, backwards: bool) -> Place:
    """Copy dataset and photographs, the files in order or the other way round."""
    other = Place(root, place.options)
    for folder in (other.temporary, other.shared_memory):
        folder.mkdir(parents=True)
    for name in ('bids', 'photos'):
        paths = sorted(path for path in (place.root / name).rglob('*') if path.is_file())
        for path in reversed(paths) if backwards else paths:
            target = root / path.relative_to(place.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return other


def _order(folder: Path) -> list[str]:
    """Files and folders as the file system lists them."""
    return [
        f'{Path(where).relative_to(folder)}/{name}'
        for where, folders, files in os.walk(folder)
        for name in (*folders, *files)
    ]


def run(place: Place, variant: Variant, report: Report) -> tuple[dict[str, str], list[str]]:
    """Run in other circumstances; return the hashes, and the order of the dataset's files."""
    with _root(place, variant) as root:
        here = _copy(place, root, backwards=variant.backwards)
        options = list(variant.options)
        if variant.plugin:
            (root / 'plugin.yml').write_text(variant.plugin)
            options += ['--use-plugin', str(root / 'plugin.yml')]
        environment = {
            name: value.format(root=root) for name, value in variant.environment.items()
        }
        if 'TMPDIR' in environment:
            Path(environment['TMPDIR']).mkdir(parents=True)
        out = here.root / 'out'
        code, said, seconds = finish(here, here.command(out, *options), environment)
        report.check(code == 1, f'{variant.name}: ended with {code}, not 1: {said[-500:]}')
        print(f'{variant.name}: {seconds:.0f} s', flush=True)
        return content(out), _order(here.bids)


def main() -> int:
    """Measure; return 1 if a promise is broken."""
    made = parser(__doc__)
    made.add_argument('--only', nargs='+', help='names of variants (default: all)')
    options = made.parse_args()
    report = Report('determinism')
    with place_of(options) as place:
        first, order = run(place, Variant('first'), report)
        report.say(files_compared=len(first))
        n_done = 0
        for variant in VARIANTS:
            if options.only and variant.name not in options.only:
                continue
            if variant.name == 'plugin Slurm' and shutil.which('sbatch') is None:
                print('plugin Slurm: left out, there is no sbatch')
                continue
            hashes, other_order = run(place, variant, report)
            if variant.backwards:
                report.say(order_of_files_differs=order != other_order)
            other = differences(first, hashes)
            report.check(not other, f'{variant.name}: {len(other)} files differ: {other[:6]}')
            n_done += 1
        report.say(variants=n_done)
    return report.end()


if __name__ == '__main__':
    sys.exit(main())
