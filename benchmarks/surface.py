"""How far the extracted skin is from the true one: ``python benchmarks/surface.py``.

Synthetic heads are scanned with 1 mm voxels and a coil that varies by 40%, at several levels of
noise; the true skin is the zero of their signed distance function. Prints one TSV row per modality
and noise, over the faces of all heads: the mean distance, how much of it is to one side (negative
is too deep), the 95th percentile, and the share of points more than 2 mm deep, which are no skin
(the inside of an eye or of the mouth) and in none of the other columns. Millimetres, here voxels.
"""

from __future__ import annotations

import argparse
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.phantom.identity import Identity

MODALITIES = ('T1w', 'FLAIR')
NOISE = (0.01, 0.03, 0.08)
BIAS = 0.4
SPACING = 1.0
DEEP_MM = -2.0
FACE = ((-65.0, 65.0), (-30.0, np.inf), (-90.0, 60.0))
"""Limits along x, y and z, in millimetres from between the eyes."""
SEED = 20


def distances(person: Identity, number: int, modality: str, noise: float) -> NDArray[np.float32]:
    """Signed distances of the extracted points of a face from its true skin."""
    from bids_reid.phantom.anatomy import ASLEEP
    from bids_reid.phantom.head import head_sdf
    from bids_reid.phantom.volume import Pose, scan_volume
    from bids_reid.surface.skin import extract_skin
    from bids_reid.surface.volume import Volume

    # held straight, so that scanner and head coordinates are the same
    data, affine = scan_volume(
        person,
        seed=[SEED, number],
        modality=modality,
        spacing=SPACING,
        noise=noise,
        bias=BIAS,
        pose=Pose(),
    )
    points = extract_skin(Volume(data.astype(np.float32), affine, (SPACING,) * 3)).points
    low, high = np.array(FACE).T
    face = ((points > low) & (points < high)).all(axis=1)
    return head_sdf(points[face], person, ASLEEP)


def main(people: int) -> None:
    """Print the table."""
    from bids_reid.run import prepare_environment

    prepare_environment()
    from bids_reid.phantom.identity import draw_people

    drawn = draw_people(people, seed=SEED)
    print('modality', 'noise', 'n_heads', 'mean', 'bias', 'p95', 'deep', sep='\t')
    for modality, noise in product(MODALITIES, NOISE):
        found = [distances(person, n, modality, noise) for n, person in enumerate(drawn)]
        every = np.concatenate(found)
        skin = every[every > DEEP_MM]
        sizes = np.abs(skin)
        row = sizes.mean(), skin.mean(), np.percentile(sizes, 95), 1 - skin.size / every.size
        print(modality, noise, people, *(f'{value:.3f}' for value in row), sep='\t', flush=True)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--people', type=int, default=3)
    main(parser.parse_args().people)
