"""Photographs turned, and several people on one: what is found, on photographs of one person each.

For each folder one row per turn (the photographs turned clockwise by so many degrees before they
are looked at): photographs, those with a face, those with the very crop that the photograph has
when it is not turned, and those on which more than one face is counted, which is wrong. Then one
row per size of a second person, who is put beside the first: photographs, those on which two faces
are counted, and those on which the second may be the one that the photograph is of.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from bids_reid.bids.photos import find_photos
from bids_reid.faces.photographs import loose_crop, read_photograph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Grey = NDArray[np.uint8]

COLUMNS = ('folder', 'case', 'n', 'with_face', 'same_crop', 'several_faces', 'alike_faces')
SIZES = (1.0, 0.8, 0.65, 0.5, 0.35, 0.2)
"""Of the second person, of the first."""


def turned_row(photographs: Sequence[Grey], quarters: int) -> tuple[int, int, int, int]:
    """Count what is found on photographs turned clockwise by quarters."""
    heads = [loose_crop(np.rot90(one, -quarters)) for one in photographs]
    upright = [loose_crop(one) for one in photographs]
    same = sum(
        head is not None and other is not None and np.array_equal(head.image, other.image)
        for head, other in zip(heads, upright, strict=True)
    )
    n_found = sum(head is not None for head in heads)
    n_several = sum(head is not None and head.n_faces > 1 for head in heads)
    n_alike = sum(head is not None and head.n_alike > 1 for head in heads)
    return n_found, same, n_several, n_alike


def pair_row(photographs: Sequence[Grey], size: float) -> tuple[int, int, int, int]:
    """Count what is found where a second person stands beside the first."""
    heads = [loose_crop(beside(one, other, size)) for one, other in pairwise(photographs)]
    n_found = sum(head is not None for head in heads)
    n_several = sum(head is not None and head.n_faces == 2 for head in heads)
    n_alike = sum(head is not None and head.n_alike > 1 for head in heads)
    return n_found, 0, n_several, n_alike


def beside(first: Grey, second: Grey, size: float) -> Grey:
    """Put a photograph, resized, to the right of another."""
    small = cv2.resize(second, None, fx=size, fy=size, interpolation=cv2.INTER_AREA)
    height = max(len(first), len(small))
    pages = [cv2.copyMakeBorder(one, height - len(one), 0, 0, 0, cv2.BORDER_REPLICATE)
             for one in (first, small)]  # fmt: skip
    return np.asarray(np.hstack(pages), np.uint8)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folders', nargs='+', type=Path, help='photographs of one person each')
    parser.add_argument('--every', type=int, default=1, help='take every nth photograph')
    options = parser.parse_args()
    print(*COLUMNS, sep='\t')
    for folder in options.folders:
        photos = find_photos(folder)[:: options.every]
        photographs = [read_photograph(photo.path) for photo in photos]
        for quarters in range(4):
            counts = turned_row(photographs, quarters)
            row = (folder.name, f'turned {90 * quarters}', len(photos), *counts)
            print(*row, sep='\t', flush=True)
        for size in SIZES:
            counts = pair_row(photographs, size)
            print(folder.name, f'second {size}', len(photos) - 1, *counts, sep='\t', flush=True)


if __name__ == '__main__':
    main()
