"""What an earlier run did not keep ends the group level at once, if it is needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bids_reid.errors import NoInputError
from bids_reid.group.needs import check_kept
from bids_reid.participant.library import read_scans
from bids_reid.records import SKIN, TEMPLATES
from tests.group.test_scan_links import output


def selection(tmp_path: Path, *sessions: str, not_kept: tuple[str, ...], **more: Any) -> Any:
    """What the group level has chosen: scans of three people."""
    for number, session in enumerate(sessions, start=1):
        output(tmp_path / 'out', session, number)
    scans = [
        replace(scan, record=replace(scan.record, not_kept=not_kept))
        for scan in read_scans(tmp_path / 'out')
    ]
    given = {'scans': scans, 'counted': scans, 'photos': None, 'others': [], 'other_name': ''}
    choice = SimpleNamespace(audited='raw', refaced=more.pop('refaced', ()))
    return SimpleNamespace(**given | more, choice=choice)


def test_an_audit_of_one_scan_each_needs_nothing(tmp_path: Path) -> None:
    check_kept(selection(tmp_path, '01', not_kept=(SKIN, TEMPLATES)))


def test_photographs_need_templates(tmp_path: Path) -> None:
    """Otherwise nobody is found, which looks safe."""
    with pytest.raises(NoInputError, match=r'of 3 scans were not kept .*\(participant group\)'):
        check_kept(selection(tmp_path, '01', not_kept=(SKIN, TEMPLATES), photos=()))


def test_links_need_templates(tmp_path: Path) -> None:
    """Without them no version would link back to its original, which looks safe."""
    with pytest.raises(NoInputError, match='of 6 scans were not kept'):
        check_kept(selection(tmp_path, '01', '02', not_kept=(SKIN, TEMPLATES)))


def test_shapes_do_for_links(tmp_path: Path) -> None:
    check_kept(selection(tmp_path, '01', '02', not_kept=(SKIN,), photos=()))


def test_re_facing_needs_skins(tmp_path: Path) -> None:
    """Otherwise every re-faced image could not be assessed, and nobody would know why."""
    with pytest.raises(NoInputError, match='with --keep templates'):
        check_kept(selection(tmp_path, '01', not_kept=(SKIN,), refaced=('b',)))
    check_kept(selection(tmp_path, '03', not_kept=(), refaced=('b',)))


def test_an_earlier_output_needs_its_own(tmp_path: Path) -> None:
    chosen = selection(tmp_path, '01', not_kept=())
    gone = [
        replace(scan, record=replace(scan.record, not_kept=(SKIN, TEMPLATES)))
        for scan in read_scans(output(tmp_path / 'earlier', '01', 2))
    ]
    chosen.others = gone
    with pytest.raises(NoInputError, match=r'of 3 scans of --against'):
        check_kept(chosen)
