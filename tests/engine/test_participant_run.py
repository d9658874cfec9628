"""What a run that was killed leaves of scans that are done."""

from __future__ import annotations

from pathlib import Path

from bids_reid.engine.participant_graph import scan_node_name
from bids_reid.engine.participant_run import WORKFLOW, forget_finished
from bids_reid.records import Scan
from bids_reid.settings import Settings


def test_nothing_that_shows_a_face_stays_of_a_scan_that_is_done(tmp_path: Path) -> None:
    """A run killed between the record of a scan and its clean-up would leave renders for good."""
    scans = [Scan(who, None, 'T1w', f'sub-{who}', tmp_path / f'{who}.nii') for who in ('01', '02')]
    settings = Settings(
        bids_dir=tmp_path / 'bids', output_dir=tmp_path / 'out', levels=('participant',)
    )
    above = settings.work / WORKFLOW
    for scan in scans:
        (above / scan_node_name(scan) / 'render').mkdir(parents=True)
    forget_finished(scans[:1], settings)
    # the other one is taken up
    assert [path.name for path in above.iterdir()] == [scan_node_name(scans[1])]
    forget_finished(scans, settings)
    assert not settings.work.exists()
