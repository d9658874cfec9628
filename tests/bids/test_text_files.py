"""Text of other programs: no letter and no line is lost to how a file is encoded."""

from __future__ import annotations

import codecs

import pytest

from bids_reid.bids.files import read_json
from bids_reid.bids.text_files import decoded, parse_json


@pytest.mark.parametrize(
    'content',
    [
        'Zoë'.encode(),
        codecs.BOM_UTF8 + 'Zoë'.encode(),
        codecs.BOM_UTF16_LE + 'Zoë'.encode('utf-16-le'),
        codecs.BOM_UTF16_BE + 'Zoë'.encode('utf-16-be'),
        'Zoë'.encode('latin-1'),
    ],
    ids=['utf-8', 'utf-8-sig', 'utf-16-le', 'utf-16-be', 'latin-1'],
)
def test_a_spreadsheet_may_encode_text_as_it_likes(content: bytes) -> None:
    assert decoded(content) == 'Zoë'


def test_a_byte_order_mark_does_not_hide_what_a_sidecar_says(tmp_path) -> None:
    path = tmp_path / 'sub-01_T1w.json'
    path.write_bytes(codecs.BOM_UTF8 + b'{"DeidentificationMethod": "defaced"}')
    assert read_json(path) == {'DeidentificationMethod': 'defaced'}


def test_json_that_is_nested_too_deeply_is_an_error_like_any_other(tmp_path) -> None:
    deep = '[' * 100_000 + ']' * 100_000
    with pytest.raises(ValueError, match='deeply'):
        parse_json(deep)
    path = tmp_path / 'deep.json'
    path.write_text(deep)
    assert read_json(path) == {}
