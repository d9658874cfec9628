"""The graph of the group level."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from bids_reid.workflows.interfaces import EncodePhotographs, WriteGroup
from bids_reid.workflows.participant import node_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bids_reid.records import Photo
    from bids_reid.workflows.group_steps import Choice


def init_group_wf(
    *,
    output_dir: Path,
    dataset: str,
    command: str,
    choice: Choice,
    photos: Sequence[Photo] | None,
    extractors: Sequence[str],
    name: str = 'group_wf',
) -> pe.Workflow:
    """Encode the photographs with every extractor, then search and report."""
    workflow = pe.Workflow(name=name)
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
        mem_gb=1,
    )
    workflow.add_nodes([write])
    if photos is None:
        return workflow
    encoded = pe.Node(niu.Merge(len(extractors)), name='encoded', run_without_submitting=True)
    workflow.connect(encoded, 'out', write, 'encoded')
    for number, extractor in enumerate(extractors, start=1):
        encode = pe.Node(
            EncodePhotographs(
                photos=list(photos),
                files=[str(photo.path) for photo in photos],
                extractor=extractor,
            ),
            name=node_name(extractor),
            mem_gb=0.8,
        )
        workflow.connect(encode, 'encoded', encoded, f'in{number}')
    return workflow
