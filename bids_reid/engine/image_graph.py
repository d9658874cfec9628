"""The graph that looks at images: one node for each, which know nothing of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nipype.pipeline import engine as pe

from bids_reid.engine.image_interfaces import LookAtImage
from bids_reid.surface.volume_size import skin_memory_gb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bids_reid.records import Image


def _memory_gb(root: Path, image: Image) -> float:
    """Memory of the look at an image, GB: that of the skin of a volume covers the others."""
    return skin_memory_gb(root / (image.members or (image.path,))[0])


def image_node_name(image: Image) -> str:
    """Name of an image's node: that of its content."""
    return f'image_{image.sha256}'


def init_images_wf(
    *, images: Sequence[tuple[Path, Image]], output_dir: Path, name: str = 'images_wf'
) -> pe.Workflow:
    """Wire one node per image, given with the folder that its paths start from."""
    workflow = pe.Workflow(name=name)
    workflow.add_nodes(
        [
            pe.Node(
                LookAtImage(root=str(root), image=image, output_dir=str(output_dir)),
                name=image_node_name(image),
                mem_gb=_memory_gb(root, image),
            )
            for root, image in images
        ]
    )
    return workflow
