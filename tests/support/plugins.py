"""Packages that register extractors, as an installer leaves them: a module and its metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MODULE = '''
import numpy as np

from bids_reid.faces.extractors import Availability


class Means:
    """The mean of each quarter of a face; of one that is too dark it makes nothing."""

    name = {name!r}
    kind = 'vector'
    similarity = 'euclidean'
    dimension = 4
    uses_network = {uses_network}

    def available(self):
        return Availability()

    def memory_gb(self):
        return 0.8

    def features(self, images, boxes):
        rows = []
        for image, box in zip(images, boxes, strict=True):
            face = image[box.top : box.bottom + 1, box.left : box.right + 1] / 255
            halves = [part for half in np.array_split(face, 2) for part in (half, half[:, ::2])]
            rows.append([half.mean() for half in halves])
            if rows[-1][0] < {darkest}:
                rows[-1] = [np.nan] * 4
        return {{'features': np.array(rows, np.float32)}}

    def identity(self):
        return {{'Model': 'means'}}

    def provenance(self):
        return self.identity()


{more}
'''


def write_plugin(
    folder: Path,
    name: str,
    *,
    package: str = 'acme-matcher',
    version: str = '1.0',
    uses_network: bool = False,
    darkest: float = 0.0,
    more: str = '',
    module: str | None = None,
) -> Path:
    """Write a package that registers the extractor ``name``; return ``folder``.

    Parameters
    ----------
    folder : Path
        Where packages are, such as a folder in PYTHONPATH.
    darkest : float
        Mean brightness, 0 to 1, of the darkest upper half of a face that it takes.
    more : str
        Lines below its class.
    module : str, optional
        Its code instead.
    """
    label = ''.join(letter if letter.isalnum() else '_' for letter in f'{package}_{version}')
    file = f'plugin_{label}_{abs(hash(str(folder))) % 10**8}'
    folder.mkdir(parents=True, exist_ok=True)
    code = MODULE.format(name=name, uses_network=uses_network, darkest=darkest, more=more)
    (folder / f'{file}.py').write_text(code if module is None else module)
    about = folder / f'{package.replace("-", "_")}-{version}.dist-info'
    about.mkdir()
    (about / 'METADATA').write_text(
        f'Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n'
        'Summary: Compares quarters of faces.\n'
    )
    (about / 'entry_points.txt').write_text(f'[bids_reid.extractors]\n{name} = {file}:Means\n')
    return folder
