"""What is only read is never written to, whatever folder is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_reid.bids.places import check_places, warnings_of_places
from bids_reid.errors import CannotWriteError, Exit


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    for folder in ('raw/sub-01/anat', 'raw/derivatives', 'raw/sourcedata', 'de/derivatives'):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / 'link').symlink_to(tmp_path / 'raw' / 'sub-01')
    return tmp_path / 'raw'


RIGHT = ['out', 'raw/derivatives/reid', 'raw/../out', 'raw/derivatives', 'de/derivatives/x']
WRONG = [
    *('raw', 'raw/sub-01', 'raw/sub-01/anat/out', 'raw/sourcedata/out', 'raw/out', 'link/out'),
    *('de', 'de/out', 'raw/sub-01/derivatives/out', 'raw/sourcedata/derivatives/out', 'share/out'),
]


@pytest.mark.parametrize('output', RIGHT)
def test_beside_the_dataset_and_among_its_derivatives(raw: Path, output: str) -> None:
    top = raw.parent
    check_places(top / output, raw, [('defaced', top / 'de')], release=top / 'share')


@pytest.mark.parametrize('output', WRONG)
def test_results_never_go_among_images(raw: Path, output: str) -> None:
    """Faces of a participant would be shared with the participant's folder."""
    top = raw.parent
    with pytest.raises(CannotWriteError) as caught:
        check_places(top / output, raw, [('defaced', top / 'de')], release=top / 'share')
    assert caught.value.exit_code == Exit.MACHINE
    assert not (top / output / 'dataset_description.json').exists()


def test_nor_do_intermediate_files(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = raw.parent / 'out'
    for option in ('--work-dir', '--bids-database-dir'):
        check_places(out, raw, others=[(option, None), (option, raw / 'derivatives' / 'w')])
        with pytest.raises(CannotWriteError, match=option):
            check_places(out, raw, others=[(option, raw / 'w')])
    monkeypatch.setenv('TMPDIR', str(raw / 'tmp'))
    with pytest.raises(CannotWriteError, match='TMPDIR'):
        check_places(out, raw)


def test_an_output_that_would_be_shared_is_told_at_the_start(raw: Path) -> None:
    """Hours later it is a finding, and the lab has to move results with faces."""
    top = raw.parent
    inside = raw / 'derivatives' / 'reid'
    assert warnings_of_places(inside, inside / 'work', raw) == [
        f'warning: the output is inside the folder to be shared ({raw}): choose another folder, '
        'or move reid out before you share'
    ]
    (work,) = warnings_of_places(top / 'out', raw / 'derivatives' / 'w', raw)
    assert work.startswith('warning: the work folder is inside')
    assert not warnings_of_places(inside, inside / 'work', top / 'de')
