"""Names that others chose cannot break a table's line, nor reach into the reader's terminal."""

import pytest

from bids_reid.printable import escaped, printable, unescaped

NASTY = {
    'a\nb': r'a\nb',
    'a\tb\rc': r'a\tb\rc',
    '\x1b]0;owned\x07': r'\x1b]0;owned\x07',
    'next\x85line\u2028sep': r'next\x85line\u2028sep',
    'evil\u202egnp.exe': r'evil\u202egnp.exe',
    b'caf\xe9'.decode('utf-8', 'surrogateescape'): r'caf\udce9',
}


@pytest.mark.parametrize(('text', 'shown'), NASTY.items())
def test_control_characters_are_shown_and_not_obeyed(text, shown):
    assert printable(text) == escaped(text) == shown
    assert printable(printable(text)) == shown, 'a message may pass twice'
    printable(text).encode('utf-8')


@pytest.mark.parametrize(
    'text', [*NASTY, *NASTY.values(), '\\', r'\x', 'C:\\new\\x1b', 'äß€ 漢字']
)
def test_escapes_can_be_undone_so_that_two_names_stay_two(text):
    assert unescaped(escaped(text)) == text


def test_letters_and_backslashes_of_messages_stay():
    assert printable(r'MÜ1 C:\new 漢字') == r'MÜ1 C:\new 漢字'
    assert printable('one\ntwo\x07', keep='\n') == 'one\ntwo\\x07'
