"""The fuzzing driver: what is not allowed is counted, saved and can be made again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.fuzz.driver import Case, Limits, fuzz, main, run_case, saved_case
from benchmarks.fuzz.volume import VolumeTarget
from bids_reid.errors import ScanError


class Broken:
    """Does what its input says."""

    name = 'broken'
    allowed = (ScanError,)
    words = ('fine', 'typed', 'untyped', 'path', 'lines', 'crash', 'slow', 'large', 'hungry')

    def case(self, random: np.random.Generator) -> Case:
        word = self.words[int(random.integers(len(self.words)))]
        return Case(word, {'a/what': word.encode()})

    def run(self, folder: Path, case: Case) -> str:
        word = (folder / 'a/what').read_text()
        if word in {'typed', 'path', 'lines'}:
            more = {'typed': '', 'path': f' {folder}', 'lines': '\nmore'}[word]
            raise ScanError(f'x12.nii cannot be read{more}')
        if word == 'untyped':
            return str({}['nothing'])
        if word == 'crash':
            os.abort()
        if word == 'slow':
            time.sleep(30)
        if word == 'large':
            return str(np.zeros(1 << 40).sum())
        if word == 'hungry':
            return f'{np.ones(15 << 20).size}'
        return word


@pytest.mark.parametrize(
    ('word', 'told'),
    [
        ('fine', 'fine'),
        ('typed', 'ScanError: x#.nii cannot be read'),
        ('untyped', "BAD KeyError: 'nothing'"),
        ('path', 'BAD message'),
        ('lines', 'BAD message'),
        ('crash', 'BAD signal 6'),
        ('slow', 'BAD time'),
        ('large', 'BAD MemoryError'),
    ],
)
def test_what_is_not_allowed_is_told(word: str, told: str, tmp_path: Path) -> None:
    """A harness that takes a crash for a pass finds nothing."""
    case = Case(word, {'a/what': word.encode()})
    outcome = run_case(Broken(), case, tmp_path, Limits(seconds=2.0))
    assert outcome.word.startswith(told)
    assert outcome.is_bad == told.startswith('BAD')
    assert outcome.seconds < 10


def test_more_memory_than_allowed_is_told(tmp_path: Path) -> None:
    case = Case('hungry', {'a/what': b'hungry'})
    outcome = run_case(Broken(), case, tmp_path, Limits(memory_gb=0.11))
    assert 'emory' in outcome.word
    assert outcome.is_bad


def test_cases_are_counted_saved_and_made_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A failure that nobody can repeat is mended by nobody."""
    until = time.monotonic() + 60
    limits = Limits(seconds=0.5)
    numbers = iter(range(12))
    tally = fuzz(Broken(), numbers, seed=1, until=until, limits=limits, save=tmp_path)
    assert sum(tally.counts.values()) == 12
    saved = sorted(tmp_path.glob('broken_1_*'))
    assert len(saved) == len(tally.bad) > 0
    assert '12 cases' in next(tally.lines())
    number = int(saved[0].name.rpartition('_')[2])
    again = Broken().case(np.random.default_rng([1, number]))
    assert saved_case(saved[0]) == again
    capfd.readouterr()
    options = ['--limit-s', '0.5', '--seed', '1']
    assert main(Broken(), [*options, '--replay', str(saved[0])]) == 1
    assert main(Broken(), [*options, '--only', str(number)]) == 1
    assert capfd.readouterr().out.count('BAD') >= 2


def test_volumes_are_damaged_in_the_same_way_again() -> None:
    """A case is known by its number alone."""
    target = VolumeTarget()
    for number in range(40):
        one, other = (target.case(np.random.default_rng([0, number])) for _ in range(2))
        assert one.label == other.label
        assert one.files.keys() == other.files.keys()
    labels = [target.case(np.random.default_rng([0, n])).label for n in range(60)]
    assert {label.partition(':')[0] for label in labels} == set(VolumeTarget.kinds)


def test_a_damaged_volume_ends_in_a_word(tmp_path: Path) -> None:
    """The harness itself must not be what fails."""
    case = Case('nii: cut', {'image.nii': b'\x5c\x01\0\0' + bytes(340) + b'n+1\0' + bytes(9)})
    outcome = run_case(VolumeTarget(), case, tmp_path, Limits())
    assert not outcome.is_bad
    assert outcome.word.startswith(('ScanError', 'not a format'))
