"""What outputs give away: modes, names, paths, markup that is obeyed, sockets, a changed dataset.

Both levels run under the umask 000 on phantoms whose files, photographs, sidecars and table of
participants have names and values that do harm where they are not taken as text. User, machine,
folders and distractors' photographs have names that nothing else has, and every file of the
output, unpacked, is searched for them. The system calls of a run are traced for sockets (strace).
One run is killed half-way, and one group level finds a damaged template, so that leftovers and
crash files are looked at as well.

    python -m benchmarks.promises.privacy [--people N] [--folder DIR]
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import signal
import stat
import sys
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import nibabel as nib
import numpy as np

from benchmarks.promises.setting import (
    EXTRACTORS,
    Place,
    Report,
    finish,
    parser,
    place_of,
    start,
)

USER, MACHINE, ABOVE, STRANGER = 'zqlogin', 'zqmachine', 'zqabove', 'zqdistractor'
SECRETS = {
    USER: 'the name of the user',
    MACHINE: 'the name of the machine',
    ABOVE: 'an absolute path',
    STRANGER: "the name of a distractor's photograph",
}
TAG = 'zqtag'
"""Name of an element that no page of ours has."""
MARKUP = f'<{TAG} onclick=alert(1)>&amp;"zqtext"'
FORMULA = '=1+1+cmd|zqformula'
CONTROL = 'zq\x1b[2J\x07zqcontrol'
NASTY = (f'<{TAG}>.nii.gz', f'{FORMULA}.nii.gz', f'{CONTROL}.nii.gz', 'zq\nline\tcell.nii.gz')
TEXTS = ('.html', '.tsv', '.json', '.txt', '.md')
_CONTROLS = re.compile(r'[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]')
_DATA = re.compile(rb'data:[a-z/+-]+;base64,([A-Za-z0-9+/=]+)')
_BASE64 = re.compile(rb'<Data>([A-Za-z0-9+/=\s]+)</Data>')
_SOCKET = re.compile(r'\bsocket(?:pair)?\((\w+)')
_CALL = re.compile(r'\b(connect|sendto|sendmsg|bind)\(\d+, (?:\[?\{)?(?:sa_family=(\w+))?')
ALLOWED = ('AF_UNIX', 'AF_LOCAL')
"""Between processes of this machine, by names in its file system."""


def spoil(place: Place) -> None:
    """Give files and values of a dataset names that do harm where they are not text."""
    for number, name in enumerate(NASTY):
        volume = np.random.default_rng(number).integers(0, 99, (8, 8, 8)).astype(np.int16)
        content = nib.Nifti1Image(volume, np.eye(4)).to_bytes()
        (place.bids / name).write_bytes(gzip.compress(content))
    for number, path in enumerate(sorted(place.photos.glob('distractor*'))):
        path.rename(path.with_name(f'{STRANGER}-{number}.jpg'))
    shutil.copy(place.photos / 'sub-01_photo-1.jpg', place.photos / f'sub-01_{FORMULA}.jpg')
    with (place.photos / f'sub-01_{FORMULA}.jpg').open('ab') as file:
        file.write(b'other bytes')
    shutil.copy(place.photos / 'sub-02_photo-1.jpg', place.photos / f'sub-02_<{TAG}>.jpg')
    with (place.photos / f'sub-02_<{TAG}>.jpg').open('ab') as file:
        file.write(b'other bytes, too')
    description = json.loads((place.bids / 'dataset_description.json').read_text())
    description['Name'] = f'{MARKUP} {CONTROL}'
    (place.bids / 'dataset_description.json').write_text(json.dumps(description))
    sidecar = place.bids / 'sub-01/anat/sub-01_T1w.json'
    methods = [FORMULA, MARKUP, CONTROL, 'face\tremoved\nby hand']
    sidecar.write_text(json.dumps({'DeidentificationMethod': methods}))
    table = place.bids / 'participants.tsv'
    head, *rows = table.read_text().splitlines()
    values = [FORMULA, MARKUP, CONTROL]
    lines = [f'{head}\tsite', *(f'{row}\t{values[n % 3]}' for n, row in enumerate(rows))]
    table.write_text('\n'.join(lines) + '\n')


def dataset_state(folder: Path) -> dict[str, tuple[object, ...]]:
    """Describe every file and folder: content, time of the last change, mode."""
    state: dict[str, tuple[object, ...]] = {}
    for path in sorted([folder, *folder.rglob('*')]):
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        state[str(path)] = (content, status.st_mtime_ns, status.st_mode, status.st_uid)
    return state


def open_to_others(*folders: Path) -> list[str]:
    """Name the files and folders that anybody but their owner may use."""
    found = []
    for folder in folders:
        for path in [folder, *folder.rglob('*')]:
            status = path.lstat()
            mode = stat.S_IMODE(status.st_mode)
            right = 0o700 if stat.S_ISDIR(status.st_mode) else 0o600
            if not stat.S_ISLNK(status.st_mode) and mode & ~right:
                found.append(f'{path} ({mode:04o})')
    return found


def unpacked(content: bytes, depth: int = 0) -> Iterator[bytes]:
    """Yield bytes and all that is packed in them: gzip, zip with names, pictures, GIfTI arrays."""
    yield content
    if depth <= 3:
        # what is damaged is looked at as it is
        with suppress(OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error):
            yield from _inside(content, depth)


def _inside(content: bytes, depth: int) -> Iterator[bytes]:
    if content.startswith(b'\x1f\x8b'):
        yield from unpacked(gzip.decompress(content), depth + 1)
    if content.startswith(b'PK'):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                yield member.filename.encode() + member.comment + member.extra
                yield from unpacked(archive.read(member), depth + 1)
    for found in _DATA.finditer(content):
        yield from unpacked(base64.b64decode(found[1]), depth + 1)
    for found in _BASE64.finditer(content):
        data = base64.b64decode(found[1])
        yield zlib.decompress(data) if data[:1] == b'\x78' else data


def secrets_in(folder: Path) -> list[str]:
    """Name the files that hold, or are called by, what nobody should learn."""
    found = []
    for path in sorted(folder.rglob('*')):
        name = path.relative_to(folder).as_posix()
        texts = [name.encode(errors='surrogateescape')]
        if path.is_file():
            texts += list(unpacked(path.read_bytes()))
        found += [
            f'{name}: {what}'
            for secret, what in SECRETS.items()
            if any(form in text for text in texts for form in _forms(secret))
        ]
    return found


def _forms(secret: str) -> tuple[bytes, ...]:
    return secret.encode(), secret.encode('utf-16-le')


_OWN_PLACE = re.compile(
    r'data:.*|(group\.html|sub-[A-Za-z0-9]+\.html)?(#[\w-]+)?|group_\w+\.tsv'
    r'|figures/[\w-]+\.(svg|pdf)|logs/CITATION\.(md|bib)',
    re.DOTALL,
)
"""Pictures in a page, places in it, and files of the output beside it."""


class _Tags(HTMLParser):
    """Elements and attributes of a page that come from others' text."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self._script = ''

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that is none of ours, and attributes that run programs."""
        if tag == TAG or any(name.startswith('on') for name, _ in attrs):
            self.wrong.append(tag)
        for name, value in attrs:
            if name in ('src', 'href') and not _OWN_PLACE.fullmatch(value or ''):
                self.wrong.append(f'{tag} {name}={value}')

    def handle_data(self, data: str) -> None:
        """Collect a script; it comes in pieces."""
        if self.cdata_elem == 'script':
            self._script += data

    def handle_endtag(self, tag: str) -> None:
        """Judge the script that ends here."""
        if tag == 'script' and self._script not in _own_scripts():
            self.wrong.append(f'script {self._script[:40]}')
        self._script = ''


@cache
def _own_scripts() -> frozenset[str]:
    folder = files('bids_reid') / 'data'
    return frozenset(
        path.read_text(encoding='utf-8') for path in folder.iterdir() if path.name.endswith('.js')
    )


def obeyed(out: Path) -> list[str]:
    """Name the places where others' text is taken for something else than text."""
    found = []
    for path in sorted(out.rglob('*')):
        name = path.relative_to(out).as_posix()
        if _CONTROLS.search(name) or '\n' in name:
            found.append(f'{name!r}: a name with control characters')
        if path.suffix not in TEXTS or path.is_dir() or name.startswith('.cache/'):
            continue
        text = path.read_text(encoding='utf-8')
        if _CONTROLS.search(text):
            found.append(f'{name}: control characters')
        if path.suffix == '.html':
            tags = _Tags()
            tags.feed(text)
            found += [f'{name}: {wrong}' for wrong in tags.wrong]
        if path.suffix == '.tsv':
            found += [f'{name}: {wrong}' for wrong in _wrong_cells(text)]
    return found


def _wrong_cells(text: str) -> Iterator[str]:
    rows = [line.split('\t') for line in text.split('\n')[:-1]]
    if {len(row) for row in rows} != {len(rows[0])}:
        yield 'rows of different lengths'
    for row in rows:
        for cell in row:
            if cell.startswith(('=', '@', '+')) or (cell.startswith('-') and not _number(cell)):
                yield f'a cell that is a formula: {cell!r}'


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def sockets(trace: Path) -> Counter[str]:
    """Count the families of sockets that were made or used."""
    families: Counter[str] = Counter()
    for line in trace.read_text(errors='replace').splitlines():
        made = _SOCKET.search(line)
        used = _CALL.search(line)
        if made:
            families[made[1]] += 1
        elif used and used[2]:
            families[used[2]] += 1
    return families


def as_somebody(command: list[str]) -> list[str]:
    """Run a command with another name of the machine, if that can be arranged."""
    if os.getuid() == 0 and shutil.which('unshare'):
        script = f'hostname {MACHINE}; umask 000; exec "$@"'
        return ['unshare', '--uts', 'sh', '-c', script, 'sh', *command]
    return ['sh', '-c', 'umask 000; exec "$@"', 'sh', *command]


def traced(place: Place, command: list[str]) -> list[str]:
    """Trace the sockets of a command."""
    trace = str(place.root / 'trace.txt')
    calls = 'trace=socket,socketpair,connect,sendto,sendmsg,bind'
    return ['strace', '-f', '--seccomp-bpf', '-qq', '-e', calls, '-o', trace, *command]


def look(place: Place, report: Report, out: Path, when: str) -> None:
    """Look at an output, and at the temporary folder."""
    loose = open_to_others(out, place.temporary)
    report.check(not loose, f'{when}: others may use {loose[:5]}')
    found = secrets_in(out)
    report.check(not found, f'{when}: {found[:12]}')
    wrong = obeyed(out)
    report.check(not wrong, f'{when}: {wrong[:12]}')
    names = [path for path in out.rglob('*') if not path.is_dir()]
    report.say(**{f'files_{when}': len(names)})


def measure(place: Place, report: Report) -> None:
    """Run whole, killed half-way, and with a damaged template."""
    environment = {'USER': USER, 'LOGNAME': USER, 'HOME': str(place.root / USER)}
    (place.root / USER).mkdir(exist_ok=True)
    out = place.root / 'out'
    words = place.command(out, '--nprocs', '2', '--report-faces', '--breakdown', 'site', 'age')
    shutil.rmtree(out, ignore_errors=True)
    before = dataset_state(place.bids)
    command = as_somebody(traced(place, words) if shutil.which('strace') else words)
    code, said, seconds = finish(place, command, environment)
    report.check(code == 1, f'the run ended with {code}, not 1: {said[-1000:]}')
    report.say(run_s=round(seconds, 1))
    look(place, report, out, 'after_a_run')
    loud = [line for line in said.splitlines() if _CONTROLS.search(line)]
    report.check(not loud, f'the terminal gets control characters: {loud[:5]!r}')
    _count_sockets(place, report)
    _look_at_bad_ends(place, report, out, words, environment, seconds)
    after = dataset_state(place.bids)
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    report.check(not changed, f'the dataset was changed: {changed[:5]}')
    report.say(dataset_files_unchanged=len(after))


def _count_sockets(place: Place, report: Report) -> None:
    if shutil.which('strace'):
        families = sockets(place.root / 'trace.txt')
        bad = {name: n for name, n in families.items() if name not in ALLOWED}
        report.check(not bad, f'sockets: {bad}')
        report.say(sockets_to_a_network=sum(bad.values()), sockets=dict(families))
    else:
        report.say(sockets_to_a_network='not measured: strace is not installed')


def _look_at_bad_ends(
    place: Place,
    report: Report,
    out: Path,
    words: list[str],
    environment: dict[str, str],
    seconds: float,
) -> None:
    """Damage a template and let the group level fail; then kill a run half-way."""
    template = next(out.glob(f'sub-01/anat/*{EXTRACTORS[0]}*.npz'))
    template.write_bytes(template.read_bytes()[:-200])
    again = [word for word in words if word != 'participant']
    code, said, _ = finish(place, as_somebody(again), environment)
    report.check(code not in (0, None), 'a damaged template passed')
    report.check('Traceback' not in said, f'a damaged template: {said[-500:]}')
    look(place, report, out, 'after_a_failure')
    shutil.rmtree(out)
    run = start(place, as_somebody(words), environment)
    time.sleep(0.6 * seconds)
    run.kill(signal.SIGKILL)
    run.wait(60)
    loose = open_to_others(out, place.temporary)
    report.check(not loose, f'after a kill: others may use {loose[:5]}')
    report.say(files_after_a_kill=sum(not path.is_dir() for path in out.rglob('*')))


def main() -> int:
    """Measure; return 1 if a promise is broken."""
    options = parser(__doc__).parse_args()
    report = Report('privacy')
    with place_of(options) as outer:
        # a folder whose name nobody should learn
        place = Place(outer.root / ABOVE, (*outer.options,))
        if not place.root.exists():
            place.root.mkdir()
            for name in ('bids', 'photos', 'tmp', 'shm'):
                shutil.copytree(outer.root / name, place.root / name)
            spoil(place)
        measure(place, report)
    return report.end()


if __name__ == '__main__':
    sys.exit(main())
