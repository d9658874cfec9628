"""What Dockerfile, Singularity.def and docs say of the same things; nothing is built."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bids_reid.faces.weights import FOLDER_VARIABLE


@pytest.mark.parametrize('recipe', ['Dockerfile', 'Singularity.def'])
def test_weights_are_looked_for_where_the_docs_mount_them(
    pytestconfig: pytest.Config, recipe: str
) -> None:
    """Weights that somebody mounts would not be found, and the strong attacks not run."""
    root: Path = pytestconfig.rootpath
    text = (root / recipe).read_text('utf-8')
    folder = re.search(rf'{FOLDER_VARIABLE}=(\S+)', text)
    assert folder
    # nothing can be mounted on what is not there where an image is read-only
    assert re.search(rf'mkdir -p (\S+ )*{folder[1]}\b', text)
    mounted = re.findall(
        r'`(?:-v|-B) /data/models:(\S+):ro`', (root / 'docs/clusters.md').read_text('utf-8')
    )
    assert mounted == [folder[1]] * 2
