"""Lines for people: numbers with their nouns, and nothing that a terminal obeys."""

from __future__ import annotations

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
