"""``bids-reid-plan``: what a lab reads before it asks people for photographs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bids_reid.errors import Exit
from bids_reid.match.decisions import DECISIONS
from bids_reid.plan import default_attacks, main


@pytest.mark.parametrize('limit', ['5%', '0.05', '5.0%'])
def test_three_plain_lines(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['--max-risk', limit, '--attacks', '4']) == 0
    assert capsys.readouterr().out.splitlines() == [
        'If the scans identify nobody, the study passes a limit of 5% (4 attacks):',
        '  with 173 people or more: chance 80% or more',
        '  with 202 people or more: chance 95% or more',
    ]


def test_the_chance_of_a_run_that_is_planned(capsys: pytest.CaptureFixture[str]) -> None:
    """72 people seem enough, and almost never are."""
    assert main(['--max-risk', '5%', '--attacks', '4', '--people', '72']) == 0
    assert capsys.readouterr().out.splitlines()[-1] == '  with 72 people: chance 1.8% or more'
    assert main(['--max-risk', '5%', '--attacks', '4', '--people', '1']) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == '  with 1 person: no pass, even if none is found'


def test_a_larger_gallery_takes_fewer_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['--max-risk', '5%', '--attacks', '4', '--gallery', '5000', '--json']) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers['n_needed_80'] == 72
    assert main(['--max-risk', '5%', '--attacks', '1', '--gallery', '5000']) == 0
    out = capsys.readouterr().out
    assert '  with 72 people or more, searched among 5,000 or more: chance 80%' in out
    assert '(1 attack)' in out


def test_numbers_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['--max-risk', '5%', '--attacks', '4', '--people', '72', '--json']) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers.pop('chance_of_pass') == pytest.approx(0.018, abs=5e-4)
    assert numbers == {
        'max_risk': 0.05,
        'n_attacks': 4,
        'n_gallery': None,
        'n_needed_80': 173,
        'n_needed_95': 202,
        'n_people': 72,
    }


def test_a_limit_that_cannot_be_reached(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['--max-risk', '0', '--attacks', '4']) == 0
    assert capsys.readouterr().out == 'No number of people can show a risk within a limit of 0%.\n'


@pytest.mark.parametrize(
    'arguments',
    [
        [],
        ['--max-risk', '5'],
        ['--max-risk', '-1%'],
        ['--max-risk', 'nan'],
        ['--max-risk', 'five'],
        ['--max-risk', '5%', '--attacks', '0'],
        ['--max-risk', '5%', '--gallery', '1'],
        ['--max-risk', '5%', '--people', '1.5'],
    ],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == Exit.USAGE
    assert capsys.readouterr().err.count('\n') == 1


def test_all_attacks_of_a_run_are_counted_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    """A plan for four attacks promises too much where a run tries ten."""
    n = default_attacks()
    # ORB, SIFT and face_recognition run everywhere
    vectors, keypoints = (
        sum(kind in decision.applies_to for decision in DECISIONS.values())
        for kind in ('vector', 'keypoints')
    )
    assert n >= vectors + 2 * keypoints > 4
    assert main(['--max-risk', '5%', '--json']) == 0
    assert json.loads(capsys.readouterr().out)['n_attacks'] == n


def test_it_needs_no_renderer() -> None:
    """On a laptop without OpenGL it is the first thing that is run."""
    script = (
        'import sys; from bids_reid.plan import main; main(["--max-risk", "5%"]);'
        'print([name for name in ("vtk", "vtkmodules", "pyvista", "onnxruntime", "nipype", '
        '"pandas") if name in sys.modules])'
    )
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == '[]'
