"""What lies beside the scans of a properly de-faced dataset: nothing in it shows a face."""

from __future__ import annotations

import base64
import gzip
import io
import json
import subprocess
from typing import TYPE_CHECKING

import h5py
import nibabel as nib
import numpy as np
from scipy import ndimage
from scipy.io import savemat

from bids_reid.surface.mesh import contour
from tests.support.defacing import scan_defaced

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from bids_reid.phantom.identity import Identity

WHO = ('-c', 'user.name=x', '-c', 'user.email=x@example.org', '-c', 'commit.gpgsign=false')


def put(folder: Path, path: str, content: bytes | str = '') -> Path:
    """Write a file."""
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content if isinstance(content, bytes) else content.encode())
    return target


def put_volume(
    folder: Path, path: str, data: NDArray[np.generic], affine: NDArray[np.floating]
) -> Path:
    """Write a volume, as FreeSurfer's or as NIfTI by its name."""
    target = put(folder, path)
    kind = nib.MGHImage if path.endswith('.mgz') else nib.Nifti1Image
    nib.save(kind(data, affine), target)
    return target


def write_company(folder: Path, label: str, who: Identity, spacing: float) -> None:
    """Write a de-faced scan of somebody, and what programs make of it and beside it."""
    name = f'sub-{label}'
    rng = np.random.default_rng(int(label))
    scan = scan_defaced('plane', who, seed=[int(label)], spacing=spacing)
    stripped = scan_defaced('stripped', who, seed=[int(label)], spacing=spacing)
    brain, affine = np.asarray(stripped.data), scan.affine
    mask = (brain > 0).astype(np.uint8)
    put_volume(folder, f'{name}/anat/{name}_T1w.nii.gz', np.asarray(scan.data), affine)
    put(folder, f'{name}/anat/{name}_T1w.json', '{"DeidentificationMethod": ["quickshear"]}')
    _write_derived(folder, name, brain, mask, affine)
    _write_series(folder, name, brain, affine, rng)
    _write_numbers(folder, name, rng)
    _write_pages(folder, name, brain)


def _write_derived(
    folder: Path,
    name: str,
    brain: NDArray[np.generic],
    mask: NDArray[np.uint8],
    affine: NDArray[np.floating],
) -> None:
    """Masks, segmentations and the surface of the cortex."""
    derived = f'derivatives/fmriprep/{name}/anat/{name}'
    parts = mask * (1 + np.indices(mask.shape)[0] // 12 + 10 * (np.indices(mask.shape)[1] // 12))
    put_volume(folder, f'{derived}_desc-brain_mask.nii.gz', mask, affine)
    put_volume(folder, f'derivatives/fs/{name}/mri/brain.mgz', brain.astype(np.float32), affine)
    segmented = f'derivatives/fs/{name}/mri/aparc+aseg.mgz'
    put_volume(folder, segmented, parts.astype(np.int32), affine)
    share = ndimage.gaussian_filter(mask.astype(np.float32), 1.5) * np.float32(0.6)
    put_volume(folder, f'{derived}_label-GM_probseg.nii.gz', share, affine)
    smooth = ndimage.gaussian_filter(mask.astype(np.float32), 1.0)
    cortex = contour(smooth, np.asarray(affine, np.float64))
    surface = put(folder, f'derivatives/fs/{name}/surf/lh.pial')
    points, triangles = np.asarray(cortex.points), np.asarray(cortex.triangles)
    nib.freesurfer.write_geometry(str(surface), points, triangles)
    put(folder, f'derivatives/fs/{name}/label/lh.cortex.label', '#!ascii label\n1\n1 2 3 4 0\n')
    noise = np.random.default_rng(0).normal(size=(48, 56, 52, 1, 3))
    warp = 200 * ndimage.gaussian_filter(noise, (8, 8, 8, 0, 0))
    half = affine @ np.diag([2.0, 2.0, 2.0, 1.0])
    put_volume(folder, f'{derived}_warp.nii.gz', warp.astype(np.float32), half)
    thickness = put(folder, f'derivatives/fs/{name}/surf/lh.thickness')
    nib.freesurfer.write_morph_data(str(thickness), points[:, 0].astype(np.float32))


def _write_series(
    folder: Path,
    name: str,
    brain: NDArray[np.generic],
    affine: NDArray[np.floating],
    rng: np.random.Generator,
) -> None:
    """Functional and diffusion series, coarse and noisy."""
    small = brain[::2, ::2, ::2]
    noise = rng.integers(0, 20, (*small.shape, 6))
    series = small.astype(np.int16)[..., None] + noise.astype(np.int16)
    coarse = affine @ np.diag([2.0, 2.0, 2.0, 1.0])
    put_volume(folder, f'{name}/func/{name}_task-rest_bold.nii.gz', series, coarse)
    put(folder, f'{name}/func/{name}_task-rest_events.tsv', 'onset\tduration\n1\t1\n')
    put(folder, f'{name}/func/{name}_task-rest_physio.tsv.gz', gzip.compress(b'1\t2\n' * 99))
    put_volume(folder, f'{name}/dwi/{name}_dwi.nii.gz', series[..., ::-1], coarse)
    put(folder, f'{name}/dwi/{name}_dwi.bval', '0 1000 1000 1000 1000 1000\n')
    put(folder, f'{name}/dwi/{name}_dwi.bvec', '0 1 0 0 1 0\n0 0 1 0 0 1\n0 0 0 1 0 0\n')


def _write_numbers(folder: Path, name: str, rng: np.random.Generator) -> None:
    """Recordings, transforms and tracts."""
    put(folder, f'{name}/eeg/{name}_task-x_eeg.vhdr', 'Brain Vision Data Exchange Header File\n')
    recorded = rng.integers(-300, 300, 20_000).astype('<i2').tobytes()
    put(folder, f'{name}/eeg/{name}_task-x_eeg.eeg', recorded)
    trials = {'data': rng.random((40, 99, 40)).astype(np.float32), 'nbchan': 40, 'srate': 500.0}
    savemat(put(folder, f'{name}/eeg/{name}_task-y_eeg.set'), {'EEG': trials})
    derived = f'derivatives/fmriprep/{name}/anat/{name}'
    with h5py.File(put(folder, f'{derived}_from-T1w_to-MNI_xfm.h5'), 'w') as file:
        file['TransformGroup/1/TransformParameters'] = rng.random(90_000).astype(np.float32)
    affine = {'AffineTransform_double_3_3': rng.random((12, 1)), 'fixed': np.zeros((3, 1))}
    savemat(put(folder, f'{derived}_from-a_to-b.mat'), affine, format='4')
    lines = [rng.random((30, 3)).astype(np.float32) * 50 for _ in range(50)]
    tracts = nib.streamlines.Tractogram(lines, affine_to_rasmm=np.eye(4))
    nib.streamlines.save(tracts, str(put(folder, f'derivatives/tracts/{name}.tck')))


def _write_pages(folder: Path, name: str, brain: NDArray[np.generic]) -> None:
    """Figures of slices, as those of fMRIPrep and MRIQC."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 5))
    for number, axes in enumerate(figure.subplots(2, 6).ravel()):
        axis = number % 3
        part = np.take(brain, brain.shape[axis] // 2 + number - 6, axis)
        axes.imshow(part.T, origin='lower', cmap='gray')
        axes.contour(part.T > 0, [0.5], colors='r')
    drawn, painted = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format='svg')
    figure.savefig(painted, format='png')
    put(folder, f'derivatives/fmriprep/{name}/figures/{name}_dseg.svg', drawn.getvalue())
    put(
        folder,
        f'derivatives/mriqc/{name}_T1w.html',
        '<!DOCTYPE html><html><style>' + 'p { margin: 0 }\n' * 9000 + '</style>'
        f'<img src="data:image/png;base64,{base64.b64encode(painted.getvalue()).decode()}">',
    )
    page = f'<html><object type="image/svg+xml" data="{name}/figures/{name}_dseg.svg"></object>'
    put(folder, f'derivatives/fmriprep/{name}.html', page)


def write_dataset_files(folder: Path) -> None:
    """Write what stands for the dataset as a whole."""
    description = {'Name': 'company', 'BIDSVersion': '1.10.0'}
    put(folder, 'dataset_description.json', json.dumps(description))
    for name in ('README', 'LICENSE', 'CHANGES'):
        put(folder, name, f'{name}\n')
    put(folder, 'participants.tsv', 'participant_id\tage\nsub-01\t30\nsub-02\t40\n')
    put(folder, 'code/run.py', 'print(1)\n')
    put(folder, '.bidsignore', '*.html\n')
    put(folder, '.gitattributes', '* annex.backend=MD5E\n')
    put(folder, '.datalad/config', '[datalad "dataset"]\n\tid = x\n')


def commit(folder: Path, message: str) -> None:
    """Commit all of a folder to git."""
    for command in (['init', '-q'], ['add', '.'], [*WHO, 'commit', '-qm', message]):
        subprocess.run(['git', *command], cwd=folder, check=True)
