"""The benchmark of de-faced heads: labels that are wrong would train a model to be wrong."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest

from benchmarks.defacers import cases, labels, measure, table, tools
from bids_reid.phantom.anatomy import ASLEEP, anatomy
from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.sampling import move
from bids_reid.phantom.scanner import Pose, add_noise, expose
from bids_reid.surface.frame import FieldOfView
from bids_reid.surface.parts import PARTS
from tests.support.artefacts import crop
from tests.support.scan_records import WHOLE_FACE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TURNED = Pose(rotation=(6.0, -3.0, 5.0), shift=(3.0, -4.0, 6.0))


@cache
def head(spacing: float = 3.0) -> cases.Head:
    """A small head that lies turned."""
    (who,) = draw_people(1, seed=[15, 99])
    scan = expose(who, modality='T1w', spacing=spacing, pose=TURNED)
    noisy = add_noise(scan.data, 0.02, scan.contrast, np.random.default_rng(1))
    scan = replace(scan, data=noisy)
    facts = {'source': 'phantom', 'person': '99'}
    return cases.Head(scan, labels.phantom_points(scan), facts)


def labelled(tool: str, view: str = 'whole') -> dict[str, object]:
    """The line of a case, of which the file was not written."""
    rng = np.random.default_rng(7)
    outcome = (tools.TOOLS | tools.AS_REAL)[tool](head().scan, rng)
    _, line = cases.make(head(), outcome, cases.Deal(tool, view), rng)
    return line


def test_points_of_parts_lie_on_the_true_skin_where_the_part_is() -> None:
    """Points beside the skin would call left what was cut away, or the other way round."""
    parts, scan = head().parts, head().scan
    assert np.abs(scan.skin_distance(parts.points)).max() < 1.5
    deeper = scan.skin_distance(parts.points - 2 * parts.normals)
    assert np.median(deeper) == pytest.approx(-2.0, abs=0.2)
    own, points = anatomy(scan.who, ASLEEP), move(parts.points, scan.to_head)
    middle = {name: points[parts.part == n].mean(axis=0) for n, name in enumerate(PARTS)}
    assert middle['left eye'][0] == pytest.approx(-own.eye_x, abs=6)
    assert middle['right eye'][0] == pytest.approx(own.eye_x, abs=6)
    assert middle['mouth'][2] == pytest.approx(own.mouth_z, abs=3)
    assert points[parts.part == PARTS.index('nose'), 1].max() == pytest.approx(own.tip_y, abs=2)


@pytest.mark.parametrize('tool', ['plane', 'template', 'curved', 'tight', 'noise', 'stripped'])
def test_proper_tools_leave_nothing_that_identifies(tool: str) -> None:
    """A tool that leaves some would count as missed what was rightly found."""
    line = labelled(tool)
    assert line['left'] == 'none'
    assert line['parts']['left ear'] == (0.0 if tool == 'stripped' else 1.0)


@pytest.mark.parametrize('tool', tools.AS_REAL)
def test_tools_as_they_are_leave_cheeks_and_ears(tool: str) -> None:
    """Real tools cut less than one thinks: eyes, nose and mouth are gone, the rest is not."""
    line = labelled(tool)
    assert line['parts']['mouth'] < 0.15
    assert line['parts']['left ear'] == 1.0
    if tool.startswith('shear'):
        assert line['parts']['left cheek'] > 0.1
    if 'left' not in tool:
        assert line['parts']['nose'] < 0.15
    if tool == 'facemask-eyes-left':
        assert line['parts']['left eye'] > 0.7


def test_a_left_nose_is_left() -> None:
    """What fails must count as a failure, part by part."""
    line = labelled('nose-left')
    assert line['left'] == 'part'
    assert line['parts']['nose'] > 0.9
    assert max(line['parts'][part] for part in ('mouth', 'chin', 'brow')) < 0.15


def test_half_a_face_is_left_on_one_side() -> None:
    """Left is left: a swapped side would train a model on mirrored parts."""
    line = labelled('half-left')
    one, other = line['parts']['left eye'], line['parts']['right eye']
    assert sorted((one, other)) == [0.0, 1.0]
    assert line['parts']['nose'] == pytest.approx(0.5, abs=0.2)


def _rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize(('tool', 'left'), [('intact', 'face'), ('blur-7', 'face')])
def test_faces_are_left(tool: str, left: str) -> None:
    """Nobody recognises less of a face that was called removed."""
    assert labelled(tool)['left'] == left


def test_other_faces_are_others() -> None:
    """A re-faced scan must not count as a face that was left."""
    outcome = tools.TOOLS['intact'](head().scan, _rng())
    _, line = cases.make(head(), outcome, cases.Deal('refaced-other', 'whole'), _rng())
    assert (line['left'], line['own']) == ('other', False)


def test_what_is_outside_the_image_has_no_share() -> None:
    """Parts beyond the field of view cannot be disclosed, nor removed."""
    line = labelled('intact', 'nose')
    assert line['parts']['mouth'] is None
    assert line['parts']['chin'] is None
    assert line['parts']['left eye'] == 1.0
    assert line['left'] == 'face'


def test_a_plane_into_the_brain_loses_brain() -> None:
    """De-facing that takes brain must be known as such."""
    assert labelled('deep')['brain_ml'] > 5
    assert labelled('plane')['brain_ml'] == 0


def test_comparing_two_images_gives_the_labels_of_the_mask() -> None:
    """What real tools left is known from the images alone, however they were cropped."""
    scan = head().scan
    outcome = tools.TOOLS['eyes-left'](scan, _rng())
    after = crop(outcome.scan, low=(-np.inf, -np.inf, -70.0))
    view = FieldOfView(after.affine, after.data.shape)
    known = labels.shares(head().parts, outcome.removed, scan.affine, view)
    found = labels.shares_by_comparison(
        head().parts, (scan.data, scan.affine), (after.data, after.affine)
    )
    assert found.seen == known.seen
    for part, share in known.left.items():
        # a mask may be filled with what was there
        assert found.left[part] == (None if share is None else pytest.approx(share, abs=0.02))


@pytest.mark.slow
def test_a_whole_run_sees_whole_faces_and_no_removed_ones(tmp_path: Path) -> None:
    """A dataset whose faces were never removed must not be called safe."""
    source = cases.Phantom(7)
    tools_ = ('intact', 'refaced-other', 'nose-left', 'curved', 'deep')
    dealt = [cases.Deal(tool, 'whole') for tool in tools_]
    lines = list(cases.write(tmp_path, cases.person_cases(source, dealt, _rng()), 0))
    (tmp_path / 'cases.jsonl').write_text(''.join(json.dumps(one) + '\n' for one in lines))
    target = tmp_path / 'measured.jsonl'
    assert measure.measure_all(tmp_path, target, version='1', nprocs=1) == len(tools_)
    assert measure.measure_all(tmp_path, target, version='1', nprocs=1) == 0
    found = {one.case['tool']: one.presence for one in table.judged(tmp_path, target)}
    assert {found[tool].verdict for tool in tools_[:3]} == {'review'}
    assert found['intact'].face_present == found['refaced-other'].face_present == 'yes'
    assert found['curved'].face_present != 'yes'
    assert found['curved'].brain_loss == 'no'
    assert found['deep'].brain_loss in {'yes', 'unsure'}


@pytest.mark.slow
def test_the_frame_that_is_fitted_puts_parts_where_they_are(tmp_path: Path) -> None:
    """Heads that are no phantoms are labelled through it."""
    truth = head(2.0)
    path = tmp_path / 'intact.nii.gz'
    nib.save(nib.Nifti1Image(truth.scan.data, truth.scan.affine), path)
    scan, parts = cases.fitted(path)
    assert np.abs(truth.scan.skin_distance(parts.points)).mean() < 1.0
    for tool in ('nose-left', 'eyes-left', 'mouth-chin-left', 'half-left'):
        removed = tools.TOOLS[tool](truth.scan, _rng()).removed
        view = FieldOfView(scan.affine, scan.data.shape)
        found, known = (
            labels.shares(one, removed, scan.affine, view).left for one in (parts, truth.parts)
        )
        for part in labels.IDENTIFYING:
            assert found[part] == pytest.approx(known[part], abs=0.25), (tool, part)


def test_every_tool_is_seen_with_every_field_of_view() -> None:
    """A combination that nobody has is never tested."""
    for number, batch in enumerate(cases.BATCHES):
        dealt = cases._dealt('phantom', number)
        assert len(dealt) == cases.N_PHANTOMS
        assert {len(deals) for deals in dealt} == {batch.n_cases}
        seen = Counter(deal for deals in dealt for deal in deals)
        assert len(seen) == len(batch.tools) * len(cases.VIEWS)
        assert {cases.batch_of(tool) for tool in batch.tools} == {number}
        assert dealt == cases._dealt('phantom', number)
    assert not {deal.tool for deals in cases._dealt('heads24', 0) for deal in deals} & set(
        cases.ONLY_PHANTOMS
    )


def test_what_was_looked_at_goes_before_what_was_compared(tmp_path: Path) -> None:
    """The labels of real heads are those of somebody who looked."""
    made, intact = tmp_path / 'made', tmp_path / 'intact'
    made.mkdir()
    (made / 'someone-lips_shears.nii.gz').touch()
    seen = tmp_path / 'seen.tsv'
    columns = ('file', 'own', 'view', *PARTS)
    row = ('someone-lips_shears.nii.gz', 'yes', 'lips', '0', '0.9', *('n/a',) * (len(PARTS) - 2))
    seen.write_text('\t'.join(columns) + '\n' + '\t'.join(row) + '\n')
    (line,) = cases.real_cases(made, intact, seen)
    assert (line['source'], line['person'], line['tool']) == ('real', 'someone', 'shears')
    assert (line['view'], line['left'], line['parts']['left eye']) == ('lips', 'part', 0.9)


def test_measuring_goes_on_where_it_stopped_and_verdicts_are_counted(tmp_path: Path) -> None:
    """An hour of measuring must not be lost, nor what other code measured be taken for it."""
    target = tmp_path / 'measured.jsonl'
    case = {'source': 'phantom', 'tool': 'intact', 'view': 'whole', 'left': 'face'}
    case['parts'] = dict.fromkeys(PARTS, 1.0)
    listed = [{'file': f'{n}.nii.gz', **case} for n in range(3)]
    (tmp_path / 'cases.jsonl').write_text(''.join(json.dumps(one) + '\n' for one in listed))
    for one in listed:
        (tmp_path / one['file']).touch()
    stopped = '{"file": "2.nii'
    target.write_text(''.join(map(_measured(tmp_path), ('0 old', '0 new', '1 old'))) + stopped)
    todo = [case['file'] for case in measure._not_measured(tmp_path, target, 'new')]
    assert todo == ['1.nii.gz', '2.nii.gz']
    header, row = table.table(table.judged(tmp_path, target))
    counted = dict(zip(header, row, strict=True))
    assert (counted['some'], counted['n'], counted['no findings']) == ('some', 2, 2)
    assert float(counted['high']) == 1
    assert 0.3 < float(counted['low']) < 0.4
    assert [row[2] for row in table.wrong(table.judged(tmp_path, target))][1:] == [
        '0.nii.gz',
        '1.nii.gz',
    ]


def _measured(folder: Path) -> Callable[[str], str]:
    """Lines of files taken for brains, from the file's number and the code's version."""
    brain = replace(WHOLE_FACE, skull_stripped=True)

    def line(which: str) -> str:
        number, version = which.split()
        made = (folder / f'{number}.nii.gz').stat().st_mtime_ns
        row = {'file': f'{number}.nii.gz', 'version': version, 'made': made}
        return json.dumps({**row, 'measures': brain.to_json()}) + '\n'

    return line
