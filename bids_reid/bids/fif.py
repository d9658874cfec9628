"""FIF files of MEG: recordings show nobody, but some hold a surface of the head or its volume."""

from __future__ import annotations

import struct
from typing import BinaryIO

from bids_reid.bids.formats import OTHER, Content

_BLOCK_START = 104
_HEADS = frozenset((200, 201, 202, 310, 311, 351, 352))
"""Blocks: MRI, its set and slice, boundary elements and their surfaces, source spaces."""


def sniff_fif(file: BinaryIO) -> Content:
    """Look through the tags for a block that can show a head.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    position = 0
    while position >= 0:
        file.seek(position)
        tag = file.read(20)
        if len(tag) < 16:
            break
        kind, _, size, following = struct.unpack('>4i', tag[:16])
        if kind == _BLOCK_START and len(tag) == 20 and struct.unpack('>i', tag[16:])[0] in _HEADS:
            return Content('fif')
        behind = position + 16 + max(size, 0)
        # damaged files lead back
        position = following if following > position else behind if following == 0 else -1
    return Content(OTHER)
