"""The participant level's files of one scan: written, looked up, and told to be up to date."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar
from zipfile import BadZipFile

import numpy as np
from PIL import Image

from bids_reid import __version__
from bids_reid.bids.claims import read_claim
from bids_reid.bids.files import atomically, copy_file, file_sha256, read_json, write_json
from bids_reid.bids.layout import ScanFiles, bids_uri
from bids_reid.bids.tables import write_table
from bids_reid.errors import ScanError
from bids_reid.faces.extractors import EXTRACTORS, bids_label
from bids_reid.records import Keypoints, KeypointTemplate, Scan, Template
from bids_reid.views.cameras import standard_views

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_T = TypeVar('_T')

FAILED = 'failed'
RESULTS = ('ok', 'no_face')
"""What the record of a scan says that could be processed."""
FOUND = 'found'
"""Array of a template: whether a detector found the face in the view."""
CLAIM = 'Deidentification'
"""What a record calls what the sidecar of its scan says."""


def save_scan(
    scan: Scan,
    dataset_dir: Path,
    output_dir: Path,
    *,
    surface: Path,
    measured: dict[str, Any],
    boxes: Sequence[Sequence[Any] | None],
    templates: Sequence[tuple[dict[str, Any], Template | KeypointTemplate]],
    renders: NDArray[np.uint8] | None,
    found: Sequence[bool] | None = None,
) -> Path:
    """Write all files of a scan, its record last; return the record's path.

    Parameters
    ----------
    dataset_dir : Path
        Dataset of the scan's condition.
    measured : dict
        What the record says beside where the scan came from; holds ``Status`` and ``Reason``.
    boxes : sequence of 81
        Face box of each view, or ``None``.
    found : sequence of 81 bool, optional
        Whether a detector found the box; otherwise the face frame gave it. All that there are,
        if not given.
    templates : sequence of (provenance, template)
        One per extractor; the provenance names it as ``Extractor``.
    renders : (81, h, w) uint8, optional
        Pictures to keep.
    """
    files = ScanFiles.of(scan, output_dir)
    origin = _origin(scan, dataset_dir)
    old = read_json(files.record)
    same = all(old.get(key) == origin[key] for key in ('SourceSHA256', 'SoftwareVersions'))
    if not same or _completes(old) != _completes(measured):
        # no template or render of another version of the scan stays beside the new ones
        remove_results(files)
        old = {}
    copy_file(surface, files.skin)
    write_table(
        files.views, 'views', _view_rows(boxes, found or [box is not None for box in boxes])
    )
    for provenance, template in templates:
        target = files.template(bids_label(provenance['Extractor']))
        with atomically(target) as temporary, temporary.open('wb') as file:
            np.savez(file, **_arrays(template))  # type: ignore[arg-type]
        write_json(
            target.with_suffix('.json'),
            {'Description': 'Face features of the renders', **provenance, **origin},
        )
    if renders is not None:
        _write_renders(files.renders, renders)
    content = {
        'Description': 'Skin surface of the head, scanner RAS millimetres',
        **measured,
        CLAIM: read_claim(scan.path, dataset_dir),
        'Extractors': sorted(
            {*old.get('Extractors', ()), *(provenance['Extractor'] for provenance, _ in templates)}
        ),
        **origin,
    }
    write_json(files.record, content)
    return files.record


def save_failure(scan: Scan, dataset_dir: Path, output_dir: Path, reason: str) -> None:
    """Write the record of a scan that could not be processed, and take away older results."""
    files = ScanFiles.of(scan, output_dir)
    remove_results(files)
    write_json(
        files.record,
        {
            'Description': 'A scan that could not be processed',
            'Status': FAILED,
            'Reason': reason,
            'ViewsWithFace': None,
            CLAIM: read_claim(scan.path, dataset_dir),
            **_origin(scan, dataset_dir),
        },
    )


def renew_claim(scan: Scan, dataset_dir: Path, output_dir: Path) -> None:
    """Put into a record what the sidecar says now: it may change while the image does not."""
    path = ScanFiles.of(scan, output_dir).record
    record, claim = read_json(path), read_claim(scan.path, dataset_dir)
    if record and record.get(CLAIM) != claim:
        write_json(path, {**record, CLAIM: claim})


def is_up_to_date(
    scan: Scan,
    output_dir: Path,
    *,
    models: Mapping[str, Mapping[str, str]],
    keep_renders: bool,
    complete_face: bool = False,
) -> bool:
    """Whether the files of a scan were made from this file by this version, and are all there.

    Parameters
    ----------
    models : mapping
        Name of each extractor to its identity.
    keep_renders : bool
        Whether the pictures have to be there.
    complete_face : bool
        Whether faces that the field of view cuts have to be completed, or must not be.
    """
    files = ScanFiles.of(scan, output_dir)
    record = read_json(files.record)
    if record.get('Status') not in RESULTS or _completes(record) != complete_face:
        return False
    needed = [files.skin, files.views]
    needed += [files.template(bids_label(name)) for name in models]
    needed += [path.with_suffix('.json') for path in needed[1:]]
    if keep_renders:
        needed.append(files.renders / picture_name(80))
    if not all(path.exists() for path in needed):
        return False
    if record.get('SoftwareVersions', {}).get('bids_reid') != __version__:
        return False
    if not all(made_with(files, name, model) for name, model in models.items()):
        return False
    return _is_of(record, scan)


def still_holds(scan: Scan, output_dir: Path) -> bool:
    """Whether an earlier run of this version left results of this file, of whatever extractors."""
    record = read_json(ScanFiles.of(scan, output_dir).record)
    return (
        record.get('Status') in RESULTS
        and record.get('SoftwareVersions', {}).get('bids_reid') == __version__
        and _is_of(record, scan)
    )


def _is_of(record: Mapping[str, Any], scan: Scan) -> bool:
    """Whether a record is of what a scan holds now; what cannot be read has to fail and say so."""
    try:
        # content that is no longer here (a dangling link) cannot have given anything newer
        return not scan.path.is_file() or record.get('SourceSHA256') == file_sha256(scan.path)
    except OSError:
        return False


def _completes(record: Mapping[str, Any]) -> bool:
    """Whether faces that were cut had to be completed when a record was written."""
    return bool(record.get('CompleteFace', False))


def made_with(files: ScanFiles, extractor: str, model: Mapping[str, str]) -> bool:
    """Whether a template was made with ``model``: features of two models cannot be compared."""
    sidecar = read_json(files.template(bids_label(extractor)).with_suffix('.json'))
    return all(sidecar.get(key) == value for key, value in model.items())


def remove_results(files: ScanFiles) -> None:
    """Remove what was made from one version of a scan; other conditions keep their files."""
    known = {*EXTRACTORS, *read_json(files.record).get('Extractors', ())}
    mine = [files.record, files.skin, files.views, files.renders]
    mine += [files.template(bids_label(name)) for name in sorted(known)]
    for path in (*mine, *(path.with_suffix('.json') for path in mine[2:])):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _arrays(template: Template | KeypointTemplate) -> dict[str, NDArray[Any]]:
    """Return what the file of a template holds."""
    found = template.found
    if found is None:
        found = np.ones(len(template.views), dtype=bool)
    shared = {'view': template.views, FOUND: found}
    if isinstance(template, KeypointTemplate):
        return {**template.keypoints.arrays(), **shared}
    return {'features': template.features, **shared}


def template_of(arrays: Mapping[str, NDArray[Any]]) -> Template | KeypointTemplate:
    """Make a template of the arrays of a file, of vectors or of keypoints.

    Raises
    ------
    KeyError
        One of them is missing.
    """
    found = arrays.get(FOUND)
    if 'descriptors' in arrays:
        return KeypointTemplate(Keypoints.of(arrays), arrays['view'], found)
    return Template(arrays['features'], arrays['view'], found)


def read_template(
    files: ScanFiles, extractor: str, *, found_only: bool = True
) -> Template | KeypointTemplate | None:
    """Read the template of an extractor; ``None`` if the scan has none.

    Parameters
    ----------
    found_only : bool
        Only of views in which a detector found the face, which is what a naive attacker has;
        otherwise also of those where the face frame says where it should be.

    Raises
    ------
    ScanError
        The file is damaged.
    """
    template = _read(files, extractor, template_of)
    return template.where_found() if template and found_only else template


def read_keypoints(
    files: ScanFiles, extractor: str, *, found_only: bool = True
) -> Keypoints | None:
    """Read no more of a template than its keypoints; ``None`` if the scan has none.

    ``found_only`` as for `read_template`.

    Raises
    ------
    ScanError
        The file is damaged, or not of keypoints.
    """

    def take(arrays: Mapping[str, NDArray[Any]]) -> Keypoints:
        keypoints = Keypoints.of(arrays)
        return keypoints.select(arrays[FOUND]) if found_only and FOUND in arrays else keypoints

    return _read(files, extractor, take)


def read_features(
    files: ScanFiles, extractor: str, *, found_only: bool = True
) -> NDArray[np.float32] | None:
    """Read no more of a template than its features (n, d), as a search of very many does.

    ``found_only`` as for `read_template`.

    Raises
    ------
    ScanError
        The file is damaged.
    """

    def take(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        features: NDArray[np.float32] = arrays['features']
        return features[arrays[FOUND]] if found_only and FOUND in arrays else features

    return _read(files, extractor, take)


def _read(
    files: ScanFiles, extractor: str, take: Callable[[Mapping[str, NDArray[Any]]], _T]
) -> _T | None:
    path = files.template(bids_label(extractor))
    if not path.exists():
        return None
    try:
        with path.open('rb') as file, np.load(file) as content:
            return take(content)
    except (OSError, ValueError, KeyError, IndexError, EOFError, BadZipFile) as error:
        raise ScanError(
            f'{path} is damaged: delete it and run the participant level again'
        ) from error


def _origin(scan: Scan, dataset_dir: Path) -> dict[str, Any]:
    """Say what the files of a scan were made from and with."""
    packages = ('vtk', 'pyvista', 'nibabel', 'numpy', 'scipy', 'nipype')
    return {
        'Condition': scan.condition,
        'Sources': [bids_uri(scan.path, dataset_dir, scan.condition)],
        'SourceSHA256': _source_sha256(scan.path),
        'SoftwareVersions': {
            'bids_reid': __version__,
            **{package: version(package) for package in packages},
        },
    }


def _source_sha256(path: Path) -> str | None:
    """Hash of a scan; ``None`` if it is not here or cannot be read, which its failure says."""
    try:
        return file_sha256(path) if path.is_file() else None
    except OSError:
        return None


def _view_rows(
    boxes: Sequence[Sequence[Any] | None], found: Sequence[bool]
) -> list[dict[str, object]]:
    rows = []
    for view, box, seen in zip(standard_views(), boxes, found, strict=True):
        columns = asdict(view)
        rows.append(
            {
                'view': columns.pop('index'),
                **columns,
                'face_found': 'yes' if seen else 'no',
                'box': ','.join(str(side) for side in box) if box else None,
                'box_source': ('detector' if seen else 'frame') if box else None,
            }
        )
    return rows


def picture_name(view: int) -> str:
    """File name of the render of a view."""
    return f'view-{view:02d}.png'


def _write_renders(folder: Path, renders: NDArray[np.uint8]) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for view, picture in enumerate(renders):
        Image.fromarray(picture).save(folder / picture_name(view))
