"""Small releases, and what the group level writes of them, without anything being looked at."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from bids_reid.bids.manifest import SCHEMA_VERSION, manifest_sha256
from bids_reid.bids.release import walk_release
from bids_reid.bids.tables import written
from bids_reid.check import SUMMARY, TABLE

COLUMNS = (
    'path', 'in_release', 'bytes', 'sha256', 'annex_key', 'kind', 'condition', 'status',
    'verdict', 'reason',
)  # fmt: skip
FIRST = 'sub-01/anat/sub-01_T1w.nii.gz'
SECOND = 'sub-02/anat/sub-02_T1w.nii.gz'


def write_volume(path: Path, seed: int = 0) -> Path:
    """Write a NIfTI of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.random.default_rng(seed).integers(0, 99, (8, 8, 8)).astype(np.int16)
    # under a name that nibabel knows
    image = nib.Nifti1Image(data, np.eye(4))
    named = path if path.name.endswith(('.nii', '.nii.gz')) else path.with_suffix('.nii')
    nib.save(image, named)
    return named.replace(path)


def write_release(folder: Path) -> Path:
    """Write a dataset with two images, and files that are none."""
    for seed, path in enumerate((FIRST, SECOND)):
        write_volume(folder / path, seed)
        sidecar = (folder / path).with_name(f'{path[:6]}_T1w.json')
        sidecar.write_text('{"Modality": "MR"}\n')
    description = {'Name': 'test', 'BIDSVersion': '1.10.0'}
    (folder / 'dataset_description.json').write_text(json.dumps(description))
    (folder / 'README').write_text('A dataset.\n')
    return folder


def write_audit(
    out: Path,
    release: Path,
    *,
    verdicts: Mapping[str, tuple[str, str]] | None = None,
    outcome: str = 'nothing found',
    reasons: Iterable[str] = (),
) -> Path:
    """Write what the group level would; ``verdicts`` are those of paths, with the reasons."""
    given = verdicts or {}
    rows: list[dict[str, object]] = []
    for image in walk_release(release, own=[out]):
        verdict, reason = given.get(image.path, ('no findings', 'n/a'))
        rows.append(
            dict.fromkeys(COLUMNS)
            | {'path': image.path, 'in_release': 'yes', 'bytes': image.bytes}
            | {'sha256': image.sha256, 'annex_key': image.annex_key}
            | {'verdict': verdict, 'reason': reason}
        )
    listed = [(row['path'], row['sha256'], row['annex_key']) for row in rows]
    # scans of a condition that is not shared: a face on them is no problem
    original = {'path': FIRST, 'in_release': 'no', 'sha256': '0' * 64, 'verdict': 'review'}
    rows.append(dict.fromkeys(COLUMNS) | original)
    out.mkdir(parents=True, exist_ok=True)
    write_rows(out / TABLE, rows)
    summary = {
        'schema_version': SCHEMA_VERSION,
        'outcome': outcome,
        'outcome_sentence': f'{outcome} in {release.name}.',
        'reasons': [{'outcome': outcome, 'sentence': one, 'paths': []} for one in reasons],
        'manifest_sha256': manifest_sha256(listed),  # type: ignore[arg-type]
        'release': release.name,
        'limits': {'max_findings': 0, 'max_risk': None},
    }
    (out / SUMMARY).write_text(json.dumps(summary))
    return out


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write a table."""
    lines = ['\t'.join(COLUMNS)]
    lines += ['\t'.join(written(row[column]) for column in COLUMNS) for row in rows]
    path.write_text('\n'.join(lines) + '\n', encoding='utf-8')


def change(path: Path) -> None:
    """Change one byte at the end of a file, whose size and times stay what they are."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    with path.open('r+b') as file:
        file.write(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
