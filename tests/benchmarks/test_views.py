"""Views that are counted wrongly, or are not those of the program, choose the wrong ones."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import views
from bids_reid.faces.facenet import FaceNet
from bids_reid.match.decisions import DECISIONS
from bids_reid.match.link_scores import LINK_DECISIONS
from bids_reid.records import Template
from bids_reid.views.cameras import standard_views
from tests.benchmarks.test_attacks import write_crowd


def rows_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> Iterator[dict[str, str]]:
    monkeypatch.setattr('sys.argv', ['views', *arguments])
    views.main()
    return csv.DictReader(capsys.readouterr().out.splitlines(), delimiter='\t')


def test_the_choice_of_the_program_is_among_them() -> None:
    """Otherwise the table is about other views than those that are embedded."""
    (mine,) = [lights for lights in views.LIGHTS if 'facenet' in lights]
    assert views.kept(mine).tolist() == list(FaceNet.views)
    assert views.kept(views.ALL).tolist() == list(range(90))


@pytest.mark.parametrize(('lights', 'strength'), [('1: orthogonal', 2), ('3: orthogonal', 3)])
def test_orthogonal_views_favour_no_angle(lights: str, strength: int) -> None:
    some = [standard_views()[number] for number in views.kept(lights) if number < 81]
    places = [(*view.camera, *view.light) for view in some]
    for angles in combinations(range(4), strength):
        assert len({tuple(place[n] for n in angles) for place in places}) == len(some)


def test_every_choice_is_compared_with_all_lights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_crowd(tmp_path / 'crowd')
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows_of(capsys, monkeypatch, '--crowd', str(folder), '--name', 'my '):
        assert tuple(row) == views.COLUMNS
        assert row['gallery'] == 'my crowd'
        attack = row['extractor'], row['fewer'], row['decision']
        found[*attack, row['lights']] = row
        gained = int(row['more']) - int(row['fewer_found'])
        assert int(row['found']) - int(found[*attack, views.ALL]['found']) == gained
        assert int(row['renders']) == len(views.kept(row['lights']))
    assert {key[-1] for key in found} == set(views.LIGHTS)
    assert {key[2] for key in found} == set(DECISIONS)
    assert {key[1] for key in found if key[0] == 'fused'} == {*views.EXTRACTORS, 'both'}


def test_distances_tell_lights_from_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The noise of a photograph is the yardstick: two of its kind must not be mixed up."""
    folder = write_crowd(tmp_path / 'crowd', noise=0.01)
    rows = list(rows_of(capsys, monkeypatch, '--crowd', str(folder), '--distances'))
    means = {row['between']: float(row['mean']) for row in rows}
    assert means['two lights of a camera'] < 0.1
    assert means['two photographs of a person'] < 0.1
    assert means['photographs of two people'] > 0.5
    assert means['renders of two people, one camera and light'] > 0.5


@pytest.mark.parametrize('decision', LINK_DECISIONS)
def test_scans_are_linked_by_the_views_that_are_kept(decision: str) -> None:
    """A view that is left out links nobody."""
    rng = np.random.default_rng(1)
    who = rng.normal(size=(4, 1, 8))
    kept = np.isin(np.arange(90), views.kept('1: ahead at 30'))[:, None]

    def scans(noise: Any) -> dict[str, Template]:
        rows = (who + noise * rng.normal(size=(4, 90, 8))).astype(np.float32)
        numbers = np.arange(90, dtype=np.int32)
        return {f'{n}': Template(one, numbers) for n, one in enumerate(rows)}

    for noise, least, most in ((0.01, 8, 8), (np.where(kept, 0.01, 99), 8, 8), (99, 0, 7)):
        sets = {('raw', 'T1w', '1'): scans(noise), ('raw', 'T1w', '2'): scans(noise)}
        found = views.link_all(sets, '1: ahead at 30', decision)
        assert len(found.photographs) == 8
        assert least <= found.photographs.sum() <= most
