"""The pages of participants, written by whoever is free: workers, or the main process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bids_reid.participant.library import read_scans
from bids_reid.participant.page import participant_report
from bids_reid.report.participant import write_participant_page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bids_reid.participant.library import EnrolledScan


@dataclass(frozen=True, slots=True)
class Pages:
    """What all pages of a run share.

    Attributes
    ----------
    output_dir : Path
        Holds the results and gets the pages.
    dataset, command : str
        Name of the dataset, and the command that is shown.
    parts : tuple of str
        Those of a face that are needed to be removed.
    show_faces : bool
        Whether the pages have renders.
    """

    output_dir: Path
    dataset: str
    command: str
    parts: tuple[str, ...]
    show_faces: bool

    def write_early(self, participant: str) -> None:
        """Write the page of one whose scans are done, while others are worked on.

        Raises
        ------
        ReidError
            The results cannot be read, or the page cannot be written.
        """
        self.write(participant, read_scans(self.output_dir, {participant}, needed=self.parts))

    def write(
        self, participant: str, scans: Sequence[EnrolledScan], *, anew: bool = False
    ) -> None:
        """Write a page with all scans of one participant, unless it is there with the same.

        Parameters
        ----------
        anew : bool
            Write it in any case.

        Raises
        ------
        CannotWriteError
            It cannot be written.
        """
        content = participant_report(
            participant,
            scans,
            dataset=self.dataset,
            command=self.command,
            show_faces=self.show_faces,
        )
        write_participant_page(self.output_dir, content, anew=anew)
