"""Fuzz what the group level reads: records, sidecars, templates, tables, in an output made once.

Three phantoms at 3 mm go through both levels. Each case damages one to three of the files that
``group`` reads: JSON with other values, keys and depth, tables with other cells and bytes,
templates with arrays of other shapes, types and names, also with a pickle that leaves a file
behind when somebody loads it. Then everything that reads them runs in this process: selection,
templates, pages, and the group level, whose nodes run here too; one case in eight also searches
with photographs. Allowed are errors that a
user can mend; a node that fails with any other error is not, although Nipype catches it.

    python -m benchmarks.fuzz.records --minutes 30 --seed 0 [options of benchmarks.fuzz.driver]
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.fuzz.driver import NUMBERS, Case, main, mutated
from bids_reid.demo.phantom_dataset import write_phantom_dataset
from bids_reid.errors import ReidError
from bids_reid.levels import prepare_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bids_reid.settings import Settings

EXTRACTORS = ('orb', 'face_recognition')
EXPLODED = 'exploded'
"""File that is there once a pickle was loaded."""
READ = (
    *('out/sub-*/anat/*.json', 'out/sub-*/anat/*.npz', 'out/sub-*/anat/*views*.tsv'),
    *('out/images/*.json', 'out/dataset_description.json', 'out/.cache/files.tsv'),
    *('bids/participants.tsv', 'bids/participants.json', 'bids/dataset_description.json'),
    *('bids/sub-*/anat/*.json', 'out/group_summary.json', 'out/verdicts/raw/*/*/*.json'),
    'out/sub-*/anat/*.surf.gii',
)
"""Patterns of the files that ``group`` reads; the damage falls on each pattern as often."""
MAY_BE_MISSING = 0.05
SEARCH, SEARCHED = 'search', 0.125
"""Share of cases, by how they begin, that search with photographs, too: that takes seconds."""
DEEP = 100_000
STRINGS = (
    *('', 'n/a', '../../../../etc/passwd', '/', '\0', 'é\udc80', '<b>', '=1+1', 'a\tb\nc'),
    *('bids:raw:../../x', 'NaN', '1e999', 'x' * 100_000),
)
NOT_OURS = re.compile(r'\(details in logs\)|ended without a message')
"""In the reason of a node that failed with an error that is not for users."""


class Bomb:
    """What a pickle can do: here it writes a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (EXPLODED, 'w')


class Records:
    """The target; see `benchmarks.fuzz.driver.Target`."""

    name = 'records'
    allowed = (ReidError,)

    @cached_property
    def base(self) -> Path:
        """The dataset and its output, made once per process."""
        root = Path(tempfile.mkdtemp(prefix='fuzz_records_'))
        write_phantom_dataset(root, people=3, spacing=3.0, distractors=1, photos_per_person=1)
        (root / 'plugin.yml').write_text('plugin: Linear\n')
        # a picture of nobody: it gets a look, and so a record in images/
        shutil.copy(root / 'photos' / 'distractor-01.jpg', root / 'bids' / 'picture.jpg')
        words = (
            'participant',
            'group',
            '--extractors',
            *EXTRACTORS,
            '--nprocs',
            '2',
        )
        program = Path(sys.executable).with_name('bids-reid')
        done = subprocess.run(
            [program, root / 'bids', root / 'out', *words, '--photos', root / 'photos'],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f'the output to damage could not be made: {done.stderr}')
        _import_all()
        return root

    @cached_property
    def files(self) -> list[list[str]]:
        """Names of the files of each pattern."""
        found = [sorted(self.base.glob(pattern)) for pattern in READ]
        return [[str(path.relative_to(self.base)) for path in some] for some in found if some]

    def case(self, random: np.random.Generator) -> Case:
        """Damage one to three files."""
        labels, files = [], {}
        for _ in range(int(random.integers(1, 4))):
            group = self.files[int(random.integers(len(self.files)))]
            name = group[int(random.integers(len(group)))]
            content = files.get(name, (self.base / name).read_bytes())
            way, files[name] = damaged(name, content, random)
            labels.append(f'{way} of {Path(name).name}')
        start = f'{SEARCH}: ' if random.random() < SEARCHED else ''
        return Case(start + '; '.join(labels), files)

    def run(self, folder: Path, case: Case) -> str:
        """Read everything, then run the group level; return how it ended."""
        for path in self.base.rglob('*'):
            target = folder / path.relative_to(self.base)
            if path.is_dir():
                target.mkdir(exist_ok=True)
            elif not target.exists():
                os.link(path, target)
        for name, content in case.files.items():
            if not content:
                (folder / name).unlink()
        os.chdir(folder)
        try:
            word = _read_and_run(folder, case)
        except ReidError as error:
            # which folder it lies in is no matter
            said = str(error).replace(str(folder), 'OUT')
            if NOT_OURS.search(said):
                raise AssertionError(said) from error
            raise type(error)(said) from error
        finally:
            if (folder / EXPLODED).exists():
                raise AssertionError('a pickle was executed')
        return word


def _import_all() -> None:
    """Import here what each case's process would import again."""
    prepare_environment()
    import matplotlib.pyplot  # noqa: F401
    import sklearn.cluster
    import sklearn.svm  # noqa: F401

    import bids_reid.engine.execution
    import bids_reid.group_level
    import bids_reid.participant.page
    import bids_reid.report.group
    import bids_reid.report.participant  # noqa: F401


def _settings(folder: Path, *, searches: bool) -> Settings:
    from bids_reid.settings import Settings

    return Settings(
        bids_dir=folder / 'bids',
        output_dir=folder / 'out',
        levels=('group',),
        photos=folder / 'photos' if searches else None,
        extractors=EXTRACTORS if searches else (),
        plugin_file=folder / 'plugin.yml',
    )


def _read_and_run(folder: Path, case: Case) -> str:
    from bids_reid.bids.derivatives import read_template
    from bids_reid.bids.inputs import check_dataset
    from bids_reid.engine.execution import configure
    from bids_reid.group.selection import select
    from bids_reid.group_level import group_level
    from bids_reid.participant.page import participant_report
    from bids_reid.report.participant import write_participant_page

    settings = _settings(folder, searches=case.label.startswith(SEARCH))
    check_dataset(settings.bids_dir, validate=True)
    selection = select(replace(settings, photos=None))
    for scan in selection.counted:
        for name in scan.record.extractors:
            _tried(lambda scan=scan, name=name: read_template(scan.files, name))  # type: ignore[misc]
    touched = ' '.join(case.files)
    for label in {scan.line.participant for scan in selection.counted}:
        if f'sub-{label}' not in touched:
            continue
        own = [scan for scan in selection.counted if scan.line.participant == label]
        content = participant_report(label, own, dataset='x', command='x', show_faces=True)
        write_participant_page(settings.output_dir, content)
    configure(stop_on_first_crash=False, verbosity=0)
    return f'ended with {int(group_level(settings))}'


def _tried(read: Callable[[], object]) -> None:
    """Read one file: what is said of it does not keep the others from being read."""
    try:
        read()
    except ReidError:
        return


def damaged(name: str, content: bytes, random: np.random.Generator) -> tuple[str, bytes]:
    """Damage a file by its format, or as bytes; empty bytes stand for a file that is gone."""
    if random.random() < MAY_BE_MISSING:
        return 'loss', b''
    if random.random() < 0.3:
        return mutated(content, random)
    try:
        if name.endswith('.json'):
            return _damaged_json(content, random)
        if name.endswith('.npz'):
            return _damaged_arrays(content, random)
        if name.endswith('.tsv'):
            return _damaged_table(content, random)
    except (ValueError, OSError, KeyError, RecursionError):
        # it was damaged before
        pass
    return mutated(content, random)


def _value(random: np.random.Generator) -> Any:
    """Draw a value that nobody expects."""
    kinds = (
        lambda: NUMBERS[int(random.integers(len(NUMBERS)))],
        lambda: STRINGS[int(random.integers(len(STRINGS)))],
        lambda: None,
        lambda: bool(random.integers(2)),
        lambda: [_value(random) for _ in range(int(random.integers(3)))],
        lambda: {str(n): _value(random) for n in range(int(random.integers(3)))},
        lambda: 10**400,
    )
    return kinds[int(random.integers(len(kinds)))]()


def _damaged_json(content: bytes, random: np.random.Generator) -> tuple[str, bytes]:
    """Replace, remove or add a value somewhere, or nest one deeply."""
    way = random.choice(
        ['value', 'value', 'value', 'removal', 'addition', 'depth', 'mark', 'twice']
    )
    if way == 'depth':
        text = content.decode()
        at = text.find(':', int(random.integers(len(text)))) + 1
        deep = '[' * DEEP if random.random() < 0.5 else '{"a":' * DEEP
        return way, (text[:at] + deep + text[at:]).encode()
    if way == 'mark':
        mark = [b'\xef\xbb\xbf', b'\xff\xfe', b'\xfe\xff'][int(random.integers(3))]
        return way, mark + content
    tree = json.loads(content)
    holder, key = _somewhere(tree, random)
    if holder is None:
        return way, json.dumps(_value(random)).encode()
    if way == 'removal':
        del holder[key]
    elif way == 'addition' and isinstance(holder, dict):
        holder[str(_value(random))[:50]] = _value(random)
    elif way == 'twice' and isinstance(holder, list):
        holder *= 3
    else:
        holder[key] = _value(random)
    return way, json.dumps(tree).encode('utf-8', 'surrogatepass')


def _somewhere(tree: Any, random: np.random.Generator) -> tuple[Any, Any]:
    """Draw a place in a tree: what holds it, and its key."""
    places = []
    waiting = [tree]
    while waiting:
        holder = waiting.pop()
        keys = holder.keys() if isinstance(holder, dict) else range(len(holder))
        places += [(holder, key) for key in keys]
        waiting += [holder[key] for key in keys if isinstance(holder[key], dict | list)]
    return places[int(random.integers(len(places)))] if places else (None, None)


def _damaged_arrays(content: bytes, random: np.random.Generator) -> tuple[str, bytes]:
    """Give an array of a template another shape, type, name or content."""
    with np.load(io.BytesIO(content)) as stored:
        arrays = {name: stored[name] for name in stored}
    name = sorted(arrays)[int(random.integers(len(arrays)))]
    ways = _ways(arrays[name], random)
    way = sorted(ways)[int(random.integers(len(ways)))]
    made = ways[way]()
    if made is None:
        del arrays[name]
    else:
        arrays[name] = made
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    return f'{way} {name}', packed.getvalue()


def _ways(
    array: np.ndarray[Any, Any], random: np.random.Generator
) -> Mapping[str, Callable[[], Any]]:
    """Return the ways in which an array can be wrong; ``None`` stands for one that is gone."""
    flat = array.reshape(-1)

    def numbers() -> Any:
        changed = flat.astype(float)
        some = random.integers(0, max(1, flat.size), 5)
        if flat.size:
            changed[some] = [NUMBERS[int(one)] for one in random.integers(0, len(NUMBERS), 5)]
        with np.errstate(all='ignore'):
            return changed.astype(array.dtype).reshape(array.shape)

    return {
        'no': lambda: None,
        'shorter': lambda: array[:-1],
        'longer': lambda: np.concatenate([array, array[:1]]) if array.ndim else array,
        'empty': lambda: array[:0] if array.ndim else array,
        'flat': lambda: flat,
        'deeper': lambda: array[None],
        'scalar': lambda: np.float64(3),
        'narrower': lambda: array[..., :-1] if array.ndim > 1 else array,
        'text': lambda: np.array(['a', 'b']),
        'other type': lambda: array.astype(['f8', 'i8', 'u1', '?', 'c8'][int(random.integers(5))]),
        'numbers': numbers,
        'reversed': lambda: array[::-1],
        'pickled': lambda: np.array([Bomb(), None], dtype=object),
        'large': lambda: np.zeros((2_000_000, 3), array.dtype),
        'times': lambda: np.array(['2020-01-01'], dtype='datetime64[D]'),
        'record': lambda: np.zeros(3, dtype=[('a', 'f4'), ('b', 'i4')]),
    }


def _damaged_table(content: bytes, random: np.random.Generator) -> tuple[str, bytes]:
    """Change, remove or add cells, rows or columns."""
    rows = [line.split('\t') for line in content.decode().split('\n')]
    row = rows[int(random.integers(len(rows)))]
    at = int(random.integers(len(row)))
    way = random.choice(['cell', 'cell', 'fewer', 'more', 'row', 'order', 'encoding'])
    if way == 'cell':
        row[at] = str(_value(random))[:200_000]
    elif way == 'fewer':
        del row[at]
    elif way == 'more':
        row.insert(at, 'x')
    elif way == 'row':
        rows.insert(int(random.integers(len(rows))), list(row))
    elif way == 'order':
        random.shuffle(rows)
    text = '\n'.join('\t'.join(cells) for cells in rows)
    encoding = ['utf-16', 'latin-1', 'utf-8-sig'][int(random.integers(3))]
    code = encoding if way == 'encoding' else 'utf-8'
    return way, text.encode(code, 'replace')


if __name__ == '__main__':
    target = Records()
    try:
        sys.exit(main(target))
    finally:
        shutil.rmtree(target.base, ignore_errors=True)
