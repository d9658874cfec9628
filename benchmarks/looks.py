"""What a look at an image takes, by kind: ``python -m benchmarks.looks [--only KIND ...]``.

Images that get no template are looked at once per bytes (`bids_reid.participant.looks`). Each kind
here is one phantom, at the usual 1.2 mm unless its name says otherwise, whole or de-faced by a
plane; each is looked at in a process of its own, once to load the models and then ``--rounds``
times. Prints one TSV row per kind: the median processor time of a look in seconds, the peak memory
of the process in MB, the verdict, and the number of skins that were measured and of pictures that
the network that finds faces was asked about: brightness and shape may each need some.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

SPACING_MM = 1.2
FINE_MM = 0.67
BOLD_MM = 3.0
N_VOLUMES = 20
SEED = (7, 1)
ROUNDS = 3


def _volume(path: Path, data: Any, affine: Any) -> Path:
    import nibabel as nib

    path = path.with_suffix('.nii.gz')
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def _defaced(path: Path, how: str, spacing: float = SPACING_MM, modality: str = 'T1w') -> Path:
    """Write a phantom that a tool went over, or did not."""
    from bids_reid.phantom.identity import draw_people
    from tests.support.defacing import scan_defaced

    (person,) = draw_people(1, seed=SEED[0])
    scan = scan_defaced(how, person, seed=SEED, spacing=spacing, modality=modality)
    return _volume(path, scan.data, scan.affine)


def _bold(path: Path) -> Path:
    """Write a phantom again and again, as functional images are."""
    import numpy as np

    from bids_reid.phantom.identity import draw_people
    from bids_reid.phantom.scanner import scan_volume

    (person,) = draw_people(1, seed=SEED[0])
    data, affine = scan_volume(person, seed=SEED, modality='T2starw', spacing=BOLD_MM)
    noise = np.random.default_rng(0).normal(0, 5, (*data.shape, N_VOLUMES))
    return _volume(path, (data[..., None] + noise).clip(0).astype(np.int16), affine)


def _mask(path: Path) -> Path:
    """Write 1 in a head and 0 around it."""
    import numpy as np

    from bids_reid.phantom.identity import draw_people
    from tests.support.defacing import scan_defaced

    (person,) = draw_people(1, seed=SEED[0])
    scan = scan_defaced('intact', person, seed=SEED, spacing=SPACING_MM)
    return _volume(path, (scan.distance < 0).astype(np.uint8), scan.affine)


def _surface(path: Path, how: str) -> Path:
    """Write the skin of a phantom."""
    from bids_reid.surface.gifti import write_surface
    from bids_reid.surface.skin import extract_skin
    from bids_reid.surface.volume import load_volume

    skin = extract_skin(load_volume(_defaced(path, how)))
    path = path.with_suffix('.surf.gii')
    write_surface(path, skin.points, skin.triangles)
    return path


def _photograph(path: Path) -> Path:
    from PIL import Image

    from bids_reid.phantom.identity import draw_people
    from bids_reid.phantom.photograph import photograph

    (person,) = draw_people(1, seed=SEED[0])
    path = path.with_suffix('.jpg')
    Image.fromarray(photograph(person, seed=1)).save(path)
    return path


KINDS: dict[str, Callable[[Path], Path]] = {
    't1w': lambda path: _defaced(path, 'intact'),
    't1w_defaced': lambda path: _defaced(path, 'plane'),
    't2w': lambda path: _defaced(path, 'intact', modality='T2w'),
    't2w_defaced': lambda path: _defaced(path, 'plane', modality='T2w'),
    't1w_0.67mm': lambda path: _defaced(path, 'intact', FINE_MM),
    't1w_0.67mm_defaced': lambda path: _defaced(path, 'plane', FINE_MM),
    'bold_3mm': _bold,
    'brain': lambda path: _defaced(path, 'stripped'),
    'head_mask': _mask,
    'surface': lambda path: _surface(path, 'intact'),
    'surface_defaced': lambda path: _surface(path, 'plane'),
    'photograph': _photograph,
}


def looked_at(path: Path, rounds: int) -> tuple[float, float, str, int, int]:
    """Look at an image again and again.

    Returns
    -------
    Median seconds, peak MB, verdict, skins measured and pictures that the network saw in a look.
    """
    from bids_reid.faces import evidence
    from bids_reid.participant import measures
    from bids_reid.participant.looks import look
    from bids_reid.records import Image
    from bids_reid.risk.presence import assess_image

    image = Image(path.name, '', path.stat().st_size, None)
    with (
        patch.object(measures, '_measures', wraps=measures._measures) as skins,
        patch.object(evidence, 'network', wraps=evidence.network) as asked,
    ):
        record = look(path.parent, image)
        seconds = []
        for _ in range(rounds):
            start = time.process_time()
            look(path.parent, image)
            seconds.append(time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    verdict = assess_image(record, None).verdict
    n_skins, n_asked = (one.call_count // (rounds + 1) for one in (skins, asked))
    return median(seconds), peak, verdict, n_skins, n_asked


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=ROUNDS)
    parser.add_argument('--only', nargs='+', choices=KINDS, default=list(KINDS), metavar='KIND')
    options = parser.parse_args()
    from bids_reid.levels import prepare_environment

    os.environ['OMP_NUM_THREADS'] = os.environ['OPENBLAS_NUM_THREADS'] = '1'
    prepare_environment()
    print('kind', 'seconds', 'peak_mb', 'verdict', 'n_skins', 'n_network', sep='\t', flush=True)
    with TemporaryDirectory() as folder:
        for kind in options.only:
            # a process each: its peak is that of one kind, and none of making the phantom
            with get_context('spawn').Pool(1, maxtasksperchild=1) as pool:
                path = pool.apply(_made, (kind, Path(folder) / kind.replace('.', '')))
                seconds, peak, *rest = pool.apply(looked_at, (path, options.rounds))
            print(kind, f'{seconds:.2f}', f'{peak:.0f}', *rest, sep='\t', flush=True)


def _made(kind: str, path: Path) -> Path:
    return KINDS[kind](path)


if __name__ == '__main__':
    sys.exit(main())
