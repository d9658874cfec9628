"""The figures of a run as files: ``figures/<name>.svg`` and ``figures/<name>.pdf``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bids_reid.bids.sensitive import FIGURE, FIGURES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bids_reid.bids.files import Batch
    from bids_reid.report.drawing import Drawing


def add_figures(batch: Batch, output_dir: Path, drawings: Iterable[Drawing]) -> list[Path]:
    """Write the figures among other files.

    Parameters
    ----------
    batch : Batch
        Publishes them.
    output_dir : Path
        The output; the figures go into a folder of it.
    drawings : iterable of Drawing
        The figures.

    Returns
    -------
    Figures of an earlier run that this one has not: whoever publishes removes them.
    """
    folder = output_dir / FIGURES
    written = set()
    for drawing in drawings:
        svg, pdf = folder / f'{drawing.name}.svg', folder / f'{drawing.name}.pdf'
        batch.text(svg, drawing.svg_file)
        batch.file(pdf).write_bytes(drawing.pdf)
        written |= {svg, pdf}
    former = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in former if FIGURE.fullmatch(path.name) and path not in written]
