"""The graph of the group level."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from bids_reid.engine.group_interfaces import (
    EncodePhotographs,
    FitGallery,
    SearchShard,
    WriteGroup,
)
from bids_reid.engine.participant_graph import node_name
from bids_reid.faces.extractors import load_extractor
from bids_reid.group.search_steps import ScanGallery, galleries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bids_reid.group.group_steps import Choice
    from bids_reid.participant.library import EnrolledScan
    from bids_reid.records import Photo

PHOTOS_PER_NODE = 32
"""Some seconds of work, loading the models among it."""
DECISIONS_AT_ONCE = 4
"""Score matrices that a shard holds."""


def init_group_wf(
    *,
    output_dir: Path,
    dataset: str,
    command: str,
    choice: Choice,
    scans: Sequence[EnrolledScan],
    photos: Sequence[Photo] | None,
    extractors: Sequence[str],
    name: str = 'group_wf',
) -> pe.Workflow:
    """Encode the photographs with every extractor, search every gallery, then report."""
    workflow = pe.Workflow(name=name)
    members = set(choice.dataset)
    strangers = [n for n, photo in enumerate(photos or ()) if photo.participant not in members]
    searched_galleries = galleries(scans)
    write = pe.Node(
        WriteGroup(
            output_dir=str(output_dir),
            dataset=dataset,
            command=command,
            choice=choice,
            photos=None if photos is None else list(photos),
            extractors=list(extractors),
        ),
        name='write',
        mem_gb=1
        + max(
            _matrix_gb(len(g.probes(photos or ())) + len(strangers), len(g.scans))
            for g in searched_galleries
        ),
    )
    workflow.add_nodes([write])
    if photos is None:
        return workflow
    encoded: list[pe.Node] = []
    searches: list[pe.Node] = []
    for extractor in extractors:
        photographs = _init_encoding(workflow, photos, extractor)
        encoded.append(photographs)
        for gallery in searched_galleries:
            searches += _init_search(workflow, gallery, photos, strangers, extractor, photographs)
    workflow.connect(_collect(workflow, encoded, 'out', 'encoded'), 'out', write, 'encoded')
    workflow.connect(_collect(workflow, searches, 'scores', 'searched'), 'out', write, 'searched')
    return workflow


def _init_encoding(workflow: pe.Workflow, photos: Sequence[Photo], extractor: str) -> pe.Node:
    """Add nodes that encode some photographs each; return the one with all of them in order."""
    nodes = [
        pe.Node(
            EncodePhotographs(
                photos=list(photos[first : first + PHOTOS_PER_NODE]),
                files=[str(photo.path) for photo in photos[first : first + PHOTOS_PER_NODE]],
                extractor=extractor,
            ),
            name=node_name(f'{extractor}_{number}'),
            mem_gb=load_extractor(extractor).memory_gb(),
        )
        for number, first in enumerate(range(0, max(1, len(photos)), PHOTOS_PER_NODE), start=1)
    ]
    return _collect(workflow, nodes, 'encoded', node_name(f'{extractor}_photographs'))


def _init_search(
    workflow: pe.Workflow,
    gallery: ScanGallery,
    photos: Sequence[Photo],
    strangers: Sequence[int],
    extractor: str,
    photographs: pe.Node,
) -> list[pe.Node]:
    """Add a node that learns from a whole gallery, and one for each shard; return the latter."""
    probes = gallery.probes(photos)
    title = f'{extractor}_{gallery.condition}_{gallery.modality}'
    fit = pe.Node(
        FitGallery(
            sources=gallery.sources,
            cohort=sorted(set(range(len(photos))).difference(strangers)),
            extractor=extractor,
        ),
        name=node_name(f'fit_{title}'),
        mem_gb=0.5,
    )
    workflow.connect(photographs, 'out', fit, 'encoded')
    nodes = []
    for number, sources in enumerate(gallery.shards(), start=1):
        search = pe.Node(
            SearchShard(
                sources=sources, probes=probes, distractors=list(strangers), extractor=extractor
            ),
            name=node_name(f'search_{title}_{number}'),
            mem_gb=0.5
            + DECISIONS_AT_ONCE * _matrix_gb(len(probes) + len(strangers), len(sources)),
        )
        workflow.connect(photographs, 'out', search, 'encoded')
        workflow.connect(fit, 'fitted', search, 'fitted')
        nodes.append(search)
    return nodes


def _collect(workflow: pe.Workflow, sources: Sequence[pe.Node], output: str, name: str) -> pe.Node:
    """Add a node whose ``out`` is an output of many nodes, in order."""
    together = pe.Node(niu.Merge(len(sources)), name=name, run_without_submitting=True)
    for number, source in enumerate(sources, start=1):
        workflow.connect(source, output, together, f'in{number}')
    return together


def _matrix_gb(n_photos: int, n_scans: int) -> float:
    """Memory of a float32 score matrix and of a copy with a column per participant."""
    return 2 * 4 * n_photos * n_scans / 2**30
