"""The graph of the participant level."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from bids_reid.engine.participant_interfaces import (
    ExtractFeatures,
    ExtractSkin,
    FindFaces,
    RenderViews,
    SaveScan,
)
from bids_reid.faces.extractors import load_extractor
from bids_reid.surface.volume_size import skin_memory_gb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bids_reid.records import Scan


_PLAIN = re.compile(r'[A-Za-z0-9]+(?:_(?:[A-Za-z0-9]+-)?[A-Za-z0-9]+)*')
"""A name as BIDS makes them of letters and digits: none is another's with ``_`` for ``-``."""


def node_name(name: str) -> str:
    """Make a name that Nipype allows: letters, digits and underscores."""
    return ''.join(character if character.isalnum() else '_' for character in name)


def scan_node_name(scan: Scan) -> str:
    """Name of a scan's workflow; ``sub-a+x-b`` and ``sub-a_x-b`` are two."""
    name = f'{scan.condition}_{scan.source_name}_{scan.modality}'
    if _PLAIN.fullmatch(name):
        return node_name(name)
    digest = hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()
    return f'{node_name(name)}_{digest[:8]}'


def init_participant_wf(
    *,
    scans: Sequence[Scan],
    datasets: Mapping[str, Path],
    output_dir: Path,
    extractors: Sequence[str],
    keep_renders: bool,
    keep_skins: bool = True,
    complete_face: bool = False,
    came_from: Mapping[Scan, str | None] | None = None,
    name: str = 'participant_wf',
) -> pe.Workflow:
    """Wire one branch per scan; branches know nothing of each other.

    ``datasets`` is where the scans of each condition are, ``came_from`` the condition that the
    scan's was made from.
    """
    workflow = pe.Workflow(name=name)
    workflow.add_nodes(
        [
            init_scan_wf(
                scan=scan,
                dataset_dir=datasets[scan.condition],
                output_dir=output_dir,
                extractors=extractors,
                keep_renders=keep_renders,
                keep_skins=keep_skins,
                complete_face=complete_face,
                came_from=(came_from or {}).get(scan),
            )
            for scan in scans
        ]
    )
    return workflow


def init_scan_wf(
    *,
    scan: Scan,
    dataset_dir: Path,
    output_dir: Path,
    extractors: Sequence[str],
    keep_renders: bool,
    keep_skins: bool = True,
    complete_face: bool = False,
    came_from: str | None = None,
) -> pe.Workflow:
    """Scan to skin, renders, faces, templates, files."""
    workflow = pe.Workflow(name=scan_node_name(scan))
    skin = pe.Node(
        ExtractSkin(in_file=str(scan.path), complete_face=complete_face),
        name='skin',
        mem_gb=skin_memory_gb(scan.path),
    )
    render = pe.Node(RenderViews(), name='render', mem_gb=0.6)
    faces = pe.Node(FindFaces(), name='faces', mem_gb=0.4)
    templates = pe.Node(niu.Merge(len(extractors)), name='templates', run_without_submitting=True)
    save = pe.Node(
        SaveScan(
            scan=scan,
            dataset_dir=str(dataset_dir),
            output_dir=str(output_dir),
            keep_renders=keep_renders,
            keep_skin=keep_skins,
            came_from=came_from,
        ),
        name='save',
        mem_gb=0.4,
    )
    workflow.connect(
        [
            (skin, render, [('surface', 'surface'), ('measures', 'measures')]),
            (skin, faces, [('surface', 'surface'), ('measures', 'measures')]),
            (render, faces, [('renders', 'renders')]),
            (skin, save, [('surface', 'surface'), ('source_sha256', 'source_sha256')]),
            (render, save, [('renders', 'renders'), ('renderer', 'renderer')]),
            (faces, save, [('faces', 'faces'), ('measures', 'measures')]),
            (templates, save, [('out', 'templates')]),
        ]
    )
    for number, extractor in enumerate(extractors, start=1):
        features = pe.Node(
            ExtractFeatures(extractor=extractor),
            name=node_name(extractor),
            mem_gb=load_extractor(extractor).memory_gb(),
        )
        workflow.connect(
            [
                (render, features, [('renders', 'renders')]),
                (faces, features, [('faces', 'faces')]),
                (features, templates, [('template', f'in{number}')]),
            ]
        )
    return workflow
