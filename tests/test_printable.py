"""Names that others chose cannot break a table's line, nor reach into the reader's terminal."""

import json
from pathlib import PurePath

import pytest

from bids_reid.printable import escaped, in_json, printable, unescaped, without_folders

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


@pytest.mark.parametrize('text', NASTY)
def test_json_stays_what_it_was(text):
    content = {'name': text, 'other': ['ä']}
    shown = in_json(json.dumps(content, ensure_ascii=False, indent=2))
    assert json.loads(shown) == content
    assert printable(shown, keep='\n') == shown
    shown.encode('utf-8')


REASONS = {
    'Empty file: /home/jane/study/sub-01_T1w.nii': 'Empty file: sub-01_T1w.nii',
    "cannot open '/data/Jane Doe (MRI)/ds/sub-01/x.nii'": "cannot open 'x.nii'",
    'File "/usr/lib/python3/site.py", line 3': 'File "site.py", line 3',
    'Expected 5 bytes, got 3 bytes from object\n - could the file be damaged? (/tmp/a/x.nii)': (
        'Expected 5 bytes, got 3 bytes from object\n - could the file be damaged? (x.nii)'
    ),
    'read /mnt/d d/ds/sub-01/x.nii.gz badly': 'read x.nii.gz badly',
    'its folder is /mnt/d d/ds/sub-01': 'its folder is sub-01',
    'file:///home/jane/x.nii is cut': 'x.nii is cut',
    'a=/home/jane/x.nii;b=/home/jane/y.nii': 'a=x.nii;b=y.nii',
    'sub-01/anat/sub-01_T1w.nii.gz is 3/4 of n/a': 'sub-01/anat/sub-01_T1w.nii.gz is 3/4 of n/a',
    'see https://bids.neuroimaging.io/a/b and/or / and //': (
        'see https://bids.neuroimaging.io/a/b and/or / and //'
    ),
}


@pytest.mark.parametrize(('said', 'kept'), REASONS.items())
def test_no_reason_tells_where_people_keep_their_data(said, kept):
    """Truncated files are told by nibabel with the whole path, which was in the tables."""
    assert without_folders(said, PurePath('/mnt/d d/ds/sub-01')) == kept


def test_letters_and_backslashes_of_messages_stay():
    assert printable(r'MÜ1 C:\new 漢字') == r'MÜ1 C:\new 漢字'
    assert printable('one\ntwo\x07', keep='\n') == 'one\ntwo\\x07'
