"""A measurement that could not fail would prove nothing: each must see what is wrong."""

from __future__ import annotations

import gzip
import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from benchmarks.promises import bids_examples, determinism, privacy, scale, setting
from benchmarks.promises.example_trees import TREES, write_tree
from benchmarks.promises.setting import Place, Report

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.temporary.mkdir()
    made.shared_memory.mkdir()
    return made


def test_a_half_written_file_of_every_format_is_seen(tmp_path: Path) -> None:
    """A kill that leaves half a template under its name is what the measurement is for."""
    picture, arrays = io.BytesIO(), io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
    Image.fromarray(noise).save(picture, 'png')
    np.savez(arrays, a=np.arange(99))
    whole = {
        'a.json': b'{"a": 1}',
        'b.tsv': b'a\tb\n1\t2\n',
        'c.npz': arrays.getvalue(),
        'd.png': picture.getvalue(),
        'e.html': b'<html></html>\n',
        'f.html': b'<html></html>\n<!-- scans %b -->\n<!-- %b -->\n' % (b'0' * 64, b'1' * 64),
    }
    for name, content in whole.items():
        (tmp_path / name).write_bytes(content)
    assert setting.half_written(tmp_path) == []
    for name, content in whole.items():
        (tmp_path / name).write_bytes(content[: len(content) * 3 // 4])
    assert {line.partition(':')[0] for line in setting.half_written(tmp_path)} == set(whole)
    (tmp_path / '.bids_reid-1-a.json').write_bytes(b'{')
    assert len(setting.half_written(tmp_path)) == len(whole)


def test_another_byte_and_another_file_are_seen(tmp_path: Path) -> None:
    for name in ('a', 'b'):
        (tmp_path / name / 'logs').mkdir(parents=True)
        (tmp_path / name / 'x.tsv').write_text('1\n')
        (tmp_path / name / 'logs' / f'{name}.txt').write_text(name)
    first = setting.snapshot(tmp_path / 'a')
    assert setting.differences(first, setting.snapshot(tmp_path / 'b')) == []
    (tmp_path / 'b' / 'x.tsv').write_text('2\n')
    (tmp_path / 'b' / 'y.tsv').touch()
    assert setting.differences(first, setting.snapshot(tmp_path / 'b')) == ['x.tsv', 'y.tsv']


def test_what_is_left_behind_is_seen(place: Place) -> None:
    out = place.root / 'out'
    (out / 'work').mkdir(parents=True)
    assert setting.left_behind(place, out) == []
    (out / 'work' / 'x').touch()
    (out / '.bids_reid-1-group.html').touch()
    (out / '.bidsignore').touch()
    (place.temporary / 'pymp-1').touch()
    (place.shared_memory / 'sem.mp-1').touch()
    assert len(setting.left_behind(place, out)) == 4


def test_alarms_are_heard_but_for_what_is_broken_on_purpose() -> None:
    said = 'FAILED sub-98_T1w.nii.gz: EOFError\nTraceback (most recent call last):\nall is well\n'
    assert setting.alarms(said) == ['Traceback (most recent call last):']


@pytest.mark.parametrize('group', [True, False])
def test_a_signal_reaches_a_run_and_its_processes_are_found(place: Place, group: bool) -> None:
    """A worker that outlives its group would go on writing into the next run's output."""
    program = 'import subprocess, sys; print("up", flush=True); subprocess.run(["sleep", "60"])'
    run = setting.start(place, [sys.executable, '-c', program])
    try:
        while 'up' not in run.said or len(run.alive()) < 2:
            assert run.process.poll() is None
        assert run.kill(signal.SIGKILL, group=group)
        ended = run.wait(0.5)
        assert (ended is not None) == group
        assert bool(run.alive()) != group
    finally:
        run.kill()
        run.process.wait()


def test_a_report_with_a_broken_promise_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report('x')
    report.check(True, 'kept')
    assert report.end() == 0
    report.check([], 'an empty list is nothing found')
    assert report.end() == 1
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last['broken'] == ['an empty list is nothing found']


class TestPrivacy:
    """Each place where something may hide."""

    def test_secrets_are_found_however_they_are_packed(self, tmp_path: Path) -> None:
        secret = privacy.USER.encode()
        arrays, picture, text = io.BytesIO(), io.BytesIO(), PngInfo()
        np.savez(arrays, **{privacy.USER: np.zeros(1)})
        text.add_text('made by', privacy.USER)
        Image.new('L', (2, 2)).save(picture, 'png', pnginfo=text)
        (tmp_path / 'plain.tsv').write_bytes(secret)
        (tmp_path / 'wide.tsv').write_bytes(privacy.USER.encode('utf-16'))
        (tmp_path / 'packed.gz').write_bytes(gzip.compress(secret))
        with gzip.GzipFile(tmp_path / 'zqlogin.txt', 'wb') as file:
            file.write(b'')
        (tmp_path / 'zqlogin.txt').rename(tmp_path / 'header.gz')
        (tmp_path / 'member.npz').write_bytes(arrays.getvalue())
        page = b'<img src="data:image/png;base64,' + privacy.base64.b64encode(picture.getvalue())
        (tmp_path / 'page.html').write_bytes(page + b'">')
        (tmp_path / privacy.USER).touch()
        (tmp_path / 'clean.gz').write_bytes(gzip.compress(b'nothing')[:-5])
        found = {line.partition(':')[0] for line in privacy.secrets_in(tmp_path)}
        assert found == {path.name for path in tmp_path.iterdir()} - {'clean.gz'}

    def test_markup_and_formulas_that_are_obeyed(self, tmp_path: Path) -> None:
        (tmp_path / 'good.html').write_text('<p>&lt;zqtag onclick=alert(1)&gt; <a href="#x">')
        (tmp_path / 'good.tsv').write_text("a\tb\n'=1+1\t-3.5\n")
        assert privacy.obeyed(tmp_path) == []
        (tmp_path / 'bad.html').write_text('<p><zqtag><img src="http://x"><b onclick="y"> \x1b')
        (tmp_path / 'bad.tsv').write_text('a\tb\n=1+1\t-x\n1\n')
        (tmp_path / 'bad\n.json').write_text('{}')
        assert len(privacy.obeyed(tmp_path)) == 4 + 3 + 1

    def test_modes_and_a_changed_dataset(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o700)
        path = tmp_path / 'x'
        path.touch(0o600)
        before = privacy.dataset_state(tmp_path)
        assert privacy.open_to_others(tmp_path) == []
        path.chmod(0o640)
        assert len(privacy.open_to_others(tmp_path)) == 1
        assert privacy.dataset_state(tmp_path) != before

    def test_sockets_are_counted(self, tmp_path: Path) -> None:
        trace = tmp_path / 'trace.txt'
        trace.write_text(
            '12 socket(AF_UNIX, SOCK_STREAM, 0) = 3\n'
            '12 socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, IPPROTO_IP) = 4\n'
            '12 connect(4, {sa_family=AF_INET6, sin_port=htons(53)}, 16) = 0\n'
        )
        assert privacy.sockets(trace) == {'AF_UNIX': 1, 'AF_INET': 1, 'AF_INET6': 1}


def test_only_the_command_may_differ_in_a_page(tmp_path: Path) -> None:
    page = '<p>{}</p><dt>Command</dt><dd><code>{}</code></dd>'
    for name, text, command in (('a', 'x', '1'), ('b', 'x', '2'), ('c', 'y', '1')):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'group.html').write_text(page.format(text, command))
    one, other, changed = (determinism.content(tmp_path / name) for name in 'abc')
    assert one == other
    assert one != changed


@pytest.mark.parametrize(('last', 'broken'), [(104.0, 0), (120.0, 1)])
def test_memory_that_grows_is_seen(last: float, broken: int) -> None:
    report = Report('x')
    sizes = np.linspace(100, last, 300)
    samples = [scale.Sample(n, float(size), 500.0, 2) for n, size in enumerate(sizes)]
    scale.growth(samples, 300, report)
    assert len(report.broken) == broken


def test_the_trees_are_datasets_and_their_images_are_known(tmp_path: Path) -> None:
    for name, paths in TREES.items():
        write_tree(tmp_path / name, paths())
        assert json.loads((tmp_path / name / 'dataset_description.json').read_text())['Name']
    known = bids_examples.images(tmp_path / 'asl001')
    assert known == {
        'sub-01/anat/sub-01_T1w.nii.gz',
        *(f'sub-01/perf/sub-01_{end}' for end in ('asl.nii.gz', 'm0scan.nii.gz')),
        'sub-01/perf/sub-01_asllabeling.jpg',
    }
    links = [path for path in (tmp_path / 'links without content').rglob('*') if path.is_symlink()]
    assert links
    assert not any(path.exists() for path in links)


@pytest.mark.slow
@pytest.mark.parametrize(
    'words',
    [
        ('kills', '--kills', '2', '--signals', '1', '--workers', '0', '--people', '2'),
        ('privacy', '--people', '2'),
        ('determinism', '--people', '2', '--only', 'two threads', 'files listed backwards'),
        ('bids_examples', '--only', 'asl001', 'derivatives-inside'),
    ],
)
def test_promises_are_kept(words: tuple[str, ...]) -> None:
    """A short run of each; the long ones are in docs/promises.md."""
    name, *options = words
    done = subprocess.run(
        [sys.executable, '-m', f'benchmarks.promises.{name}', *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    assert done.returncode == 0, done.stdout + done.stderr
