"""Lines for people: numbers with their nouns, and nothing that a terminal obeys."""

from __future__ import annotations

import io
import sys

import pytest

from bids_reid import messages


def test_a_name_in_a_message_ends_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A file's name may clear the screen, or look like a message of its own."""
    name = 'sub-01\nnothing found\x1b[2J.nii'
    messages.show_messages()
    messages.logger.info(f'FAILED {name}: damaged')
    messages.logger.info('FAILED %s: damaged', name)
    messages.say(name)
    messages.complain('bids-reid', name)
    shown = r'sub-01\nnothing found\x1b[2J.nii'
    said = capsys.readouterr()
    assert said.out.splitlines() == [*[f'FAILED {shown}: damaged'] * 2, shown]
    assert said.err == f'bids-reid: {shown}\n'


class Terminal(io.StringIO):
    """A stream that is one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No wish about colours."""
    for name in ('NO_COLOR', 'FORCE_COLOR'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('TERM', 'xterm')


@pytest.mark.usefixtures('plain')
@pytest.mark.parametrize(
    ('stream', 'wishes', 'coloured'),
    [
        (Terminal(), {}, True),
        (io.StringIO(), {}, False),
        (Terminal(), {'NO_COLOR': '1'}, False),
        (Terminal(), {'TERM': 'dumb'}, False),
        (io.StringIO(), {'FORCE_COLOR': '1'}, True),
        (io.StringIO(), {'FORCE_COLOR': '0'}, False),
        (Terminal(), {'FORCE_COLOR': '1', 'NO_COLOR': '1'}, False),
    ],
)
def test_only_a_terminal_gets_colours(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, wishes: dict[str, str], coloured: bool
) -> None:
    """Escape sequences in a log file hide the very words that they should show."""
    for name, value in wishes.items():
        monkeypatch.setenv(name, value)
    messages.show_messages()
    monkeypatch.setattr(sys, 'stdout', stream)
    messages.tell([messages.Line('DO NOT SHARE: bids', 'bad'), messages.Line('plain')])
    expected = '\x1b[1;31mDO NOT SHARE\x1b[0m: bids' if coloured else 'DO NOT SHARE: bids'
    assert stream.getvalue().splitlines()[-2:] == [expected, 'plain']
    stream.seek(0)
    stream.truncate()


@pytest.mark.usefixtures('plain')
def test_the_words_of_a_result_are_coloured_and_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    messages.show_messages()
    monkeypatch.setattr(sys, 'stdout', Terminal())
    messages.logger.info('x\x1b[2J: none', extra={'tone': 'good', 'toned': 'none'})
    assert sys.stdout.getvalue() == 'x\\x1b[2J: \x1b[32mnone\x1b[0m\n'  # type: ignore[attr-defined]


def test_failures_of_one_kind_share_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Forty lines of the same reason push everything else off the screen."""
    messages.show_messages()
    reasons = {f'{n}.nii': f'cannot read {n}.nii: cut' for n in range(5)} | {'x.nii': 'empty'}
    messages.tell_grouped('FAILED', reasons, 'scan', ' (kept)')
    assert capsys.readouterr().out.splitlines() == [
        'FAILED 5 scans: cannot read the file: cut (kept): 0.nii, 1.nii, 2.nii and 2 more',
        'FAILED x.nii: empty (kept)',
    ]


def test_what_does_not_run_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Both levels know of it, and the second time people read the second line only."""
    messages.show_messages()
    messages.forget_not_run()
    messages.say_not_run({'a': 'no weights', 'b': 'no weights', 'c': 'no package'})
    messages.say_not_run({'a': 'no weights'})
    assert not capsys.readouterr().out
    messages.tell_not_run()
    messages.tell_not_run()
    assert capsys.readouterr().out.splitlines() == [
        'not run: a, b: no weights',
        'not run: c: no package',
    ]
    messages.say_not_run({'a': 'no weights'})
    messages.forget_not_run()
    messages.tell_not_run()
    assert not capsys.readouterr().out


def test_verbose_shows_what_is_for_the_log_only_otherwise(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for verbosity in (0, 1, 0):
        messages.show_messages(verbosity)
        messages.logger.debug(f'detail at {verbosity}')
    assert capsys.readouterr().out == 'detail at 1\n'


def test_nobody_listens_to_a_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code still says what it says."""

    class Full:
        def write(self, _: str) -> None:
            raise OSError(28, 'No space left on device')

    monkeypatch.setattr(messages.sys, 'stderr', Full())
    messages.complain('bids-reid', 'x')


@pytest.mark.parametrize(
    ('number', 'said'), [(0, '0 scans'), (1, '1 scan'), (2000, '2,000 scans')]
)
def test_one_is_not_many(number: int, said: str) -> None:
    assert messages.count(number, 'scan') == said
