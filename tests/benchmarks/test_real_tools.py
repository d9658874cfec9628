"""Real de-facers get the image that a field of view leaves, and give back a scan on its grid."""

import nibabel as nib
import numpy as np
import pytest

from benchmarks.defacers import real_tools


@pytest.fixture
def scan(tmp_path):
    """A scan stored left, inferior, posterior, the values of which tell the height in mm."""
    affine = np.array([[0.0, -2, 0, 30], [0, 0, -2, 40], [-3, 0, 0, 27], [0, 0, 0, 1]])
    heights = np.arange(10)[:, None, None] * -3 + 27
    data = np.broadcast_to(heights, (10, 12, 14)).astype(np.int16)
    path = tmp_path / 'head.nii.gz'
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def test_a_field_of_view_ends_above_the_slices_that_are_cut(scan, tmp_path):
    """Else a tool would be judged on a forehead that was cut, or on the whole face."""
    image = nib.load(real_tools.end_at(scan, 'nose=9', tmp_path))
    values = np.asarray(image.dataobj)
    assert (values.min(), values.max()) == (9, 27)
    corner = image.affine @ (values.shape[0] - 1, 0, 0, 1)
    assert corner[2] == 9


def test_a_tool_gives_back_the_grid_and_type_it_was_given(scan, tmp_path, monkeypatch):
    """Else de-faced and intact could not be compared voxel by voxel."""

    def lower_half_gone(given):
        shape = nib.load(given.scan).shape
        return np.broadcast_to(np.arange(shape[2]) >= shape[2] // 2, shape)

    monkeypatch.setitem(real_tools.TOOLS, 'pydeface', lower_half_gone)
    target = tmp_path / 'out.nii.gz'
    monkeypatch.chdir(tmp_path)
    real_tools.run_here('pydeface', scan, target, tmp_path / 'none', (0, 0, 0))
    before, after = nib.load(scan), nib.load(target)
    values = np.asarray(after.dataobj)
    assert after.get_data_dtype() == np.int16
    assert np.array_equal(after.affine, before.affine)
    assert np.array_equal(values, np.where(np.asarray(before.dataobj) > 12, before.dataobj, 0))


def test_what_is_there_is_not_made_again(scan, tmp_path, capsys):
    """Else a run that was interrupted would begin again."""
    (tmp_path / 'head_pydeface.nii.gz').touch()
    missing = tmp_path / 'no-python'
    real_tools.run_elsewhere(missing, 'pydeface', scan, scan, tmp_path)
    assert not capsys.readouterr().out
    with pytest.raises(FileNotFoundError):
        real_tools.run_elsewhere(missing, 'quickshear', scan, scan, tmp_path)
