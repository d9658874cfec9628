"""Files of a synthetic dataset: volumes, sidecars, and those that stand for the whole."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TYPE_CHECKING

import nibabel as nib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from bids_reid.phantom.identity import Identity


def all_done(tasks: Sequence[Callable[[], str]], n_procs: int) -> Iterator[str]:
    """Do all tasks; yield the line of each as soon as it is done."""
    if n_procs == 1:
        yield from (task() for task in tasks)
        return
    with ProcessPoolExecutor(n_procs, mp_context=get_context('forkserver')) as pool:
        for done in as_completed([pool.submit(task) for task in tasks]):
            yield done.result()


def labels_of(n: int) -> list[str]:
    """Labels of ``n`` participants, without prefix: ``01``, ``02``, ..."""
    width = max(2, len(str(n)))
    return [f'{number:0{width}d}' for number in range(1, n + 1)]


def write_volume(path: Path, data: NDArray[np.int16], affine: NDArray[np.float64]) -> None:
    """NIfTI-1 with sform and qform (scanner), gzipped without a name or a time."""
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, code='scanner')
    image.set_qform(affine, code='scanner')
    image.header.set_xyzt_units('mm')
    with (
        path.open('wb') as file,
        gzip.GzipFile(filename='', mode='wb', fileobj=file, mtime=0, compresslevel=3) as zipped,
    ):
        zipped.write(image.to_bytes())


def write_json(path: Path, content: dict[str, object]) -> None:
    """Write a file of JSON as people would: indented, with a last line break."""
    path.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')


def sidecar(modality: str) -> dict[str, object]:
    """Fields that a scanner would write and that are true of a simulation."""
    sequence = {
        'T1w': {'RepetitionTime': 2.3, 'EchoTime': 0.003, 'InversionTime': 0.9, 'FlipAngle': 9},
        'FLAIR': {'RepetitionTime': 5.0, 'EchoTime': 0.39, 'InversionTime': 1.8, 'FlipAngle': 120},
        'T2w': {'RepetitionTime': 3.2, 'EchoTime': 0.56, 'FlipAngle': 120},
    }[modality]
    return {
        'Manufacturer': 'bids_reid phantom',
        'MagneticFieldStrength': 3,
        'MRAcquisitionType': '3D',
        **sequence,
    }


def write_description(
    folder: Path, name: str = 'bids_reid phantom: synthetic people', kind: str = 'raw'
) -> None:
    """``dataset_description.json``; ``kind`` is ``raw`` or ``derivative``."""
    content: dict[str, object] = {
        'Name': name,
        'BIDSVersion': '1.10.0',
        'DatasetType': kind,
        'License': 'CC0',
        'Authors': ['bids_reid'],
        'GeneratedBy': [{'Name': 'bids_reid', 'Description': 'synthetic people'}],
    }
    write_json(folder / 'dataset_description.json', content)


def write_dataset_files(bids: Path, crowd: dict[str, Identity]) -> None:
    """``dataset_description.json`` and the table of participants with its dictionary."""
    write_description(bids)
    rows = ['participant_id\tage\tsex']
    rows += [f'sub-{label}\t{person.age}\t{person.sex}' for label, person in crowd.items()]
    (bids / 'participants.tsv').write_text('\n'.join(rows) + '\n', encoding='utf-8')
    write_json(
        bids / 'participants.json',
        {
            'age': {'Description': 'Age of the synthetic person', 'Units': 'year'},
            'sex': {
                'Description': 'Sex of the synthetic person',
                'Levels': {'F': 'female', 'M': 'male'},
            },
        },
    )
