"""On a real Slurm: the array recipe of the docs, Nipype's plugin, and jobs that are killed."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.cluster.conftest import Local, Slurm

pytestmark = [pytest.mark.slow, pytest.mark.slurm]

Contents = Callable[[Path], dict[str, str]]
PLUGIN = 'plugin: SLURM\nplugin_args: {sbatch_args: --cpus-per-task=1}\n'
SHARDS = """\
from bids_reid.group import galleries
assert galleries.SHARD_SCANS > 2
galleries.SHARD_SCANS = 2
"""
"""Python runs it at its start, here and in the jobs: 24 scans become many shards."""


def array_script(text: str, local: Local, out: Path, folder: Path) -> Path:
    """Put this test's folders into the array script."""
    script = folder / 'array.sh'
    replaced = {
        '/data/my_dataset_reid': out,
        '/data/my_dataset': local.bids,
        '/data/defaced': local.defaced,
        '/scratch/$USER': folder / 'scratch',
        'bids-reid "$bids"': f'{Path(sys.executable).with_name("bids-reid")} "$bids"',
    }
    script.write_text(with_folders(text, replaced) + '\n')
    return script


def with_folders(text: str, replaced: Mapping[str, object]) -> str:
    """Replace folders of a recipe, each of which has to be in it."""
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, str(new))
    return text


def group_call(text: str, local: Local, out: Path) -> list[str]:
    """Words of the docs' call of the group level behind the program's name."""
    replaced = {
        '/data/my_dataset_reid': out,
        '/data/my_dataset': local.bids,
        '/data/defaced': local.defaced,
    }
    program, *words = shlex.split(with_folders(text, replaced))
    assert program == 'bids-reid'
    return words


def run(slurm: Slurm, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run bids-reid where jobs are submitted from."""
    return subprocess.run(
        [str(Path(sys.executable).with_name('bids-reid')), *map(str, arguments)],
        env=slurm.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )


def test_24_tasks_at_once_write_one_folder(
    slurm: Slurm,
    local: Local,
    contents: Contents,
    recipe: Callable[[str], str],
    tmp_path: Path,
) -> None:
    """The docs' recipe: no race, no lost file, and byte for byte what a local run writes."""
    # beside the other, as the description holds the way to the dataset
    out = local.out.with_name('array')
    script = array_script(recipe('slurm array'), local, out, tmp_path)
    job = slurm.submit(script)
    most = 0

    def ended() -> bool:
        nonlocal most
        most = max(most, len(slurm.jobs('--states=RUNNING')))
        return not slurm.jobs(f'--jobs={job}')

    slurm.wait(ended, 1500)
    logs = ''.join(path.read_text() for path in sorted(tmp_path.glob('*.out')))
    assert most > 20, 'they did not run at once: this would prove nothing'
    ours, expected = contents(out), contents(local.out)
    # pages hold the command, which names one participant here
    assert set(ours) == set(expected), logs
    assert {n: h for n, h in ours.items() if not n.endswith('.html')} == {
        n: h for n, h in expected.items() if not n.endswith('.html')
    }
    left = [path for path in (tmp_path / 'scratch').rglob('*') if path.is_file()]
    assert not left, 'intermediate files show faces'

    # de-faced scans that are missing: no pass, and the same tables wherever the scans were done
    said = []
    # beside them, too
    copy = shutil.copytree(local.out, local.out.with_name('copy'))
    for folder in (out, copy):
        done = run(slurm, *group_call(recipe('slurm group'), local, folder))
        assert done.returncode == 3, done.stdout + done.stderr
        said.append({path.name: path.read_bytes() for path in folder.glob('group_*.tsv')})
    assert 'group_images.tsv' in said[0]
    assert said[0] == said[1]
    links = json.loads((out / 'dataset_description.json').read_text())['DatasetLinks']
    assert links == {'raw': '../bids', 'defaced': '../defaced'}


def test_tasks_with_other_conditions_keep_each_other_s_links(
    slurm: Slurm, local: Local, tmp_path: Path
) -> None:
    """Without its link nobody knows where the images of a condition are, nor what they are."""
    out = tmp_path / 'out'
    script = tmp_path / 'links.sh'
    script.write_text(
        '#!/bin/bash\n#SBATCH --array=1-24\n#SBATCH --output=links-%a.out\n'
        f'{sys.executable} - <<E\n'
        'from pathlib import Path\n'
        'from bids_reid.bids.description import prepare_output\n'
        'n = $SLURM_ARRAY_TASK_ID\n'
        f'more = [(f"c{{n}}", Path("{local.defaced}"))] if n % 3 else []\n'
        f'prepare_output(Path("{out}"), Path("{local.bids}"), more)\n'
        'E\n'
    )
    slurm.submit(script)
    slurm.wait(lambda: not slurm.jobs())
    links = json.loads((out / 'dataset_description.json').read_text())['DatasetLinks']
    assert set(links) == {'raw', *(f'c{n}' for n in range(1, 25) if n % 3)}


def test_a_killed_task_is_taken_up(
    slurm: Slurm,
    local: Local,
    contents: Contents,
    recipe: Callable[[str], str],
    tmp_path: Path,
) -> None:
    """Schedulers kill at the time limit: submitting the same task again must mend it."""
    out, work = tmp_path / 'out', tmp_path / 'scratch'
    script = array_script(recipe('slurm array'), local, out, tmp_path)
    job = slurm.submit(script, '--array=3')
    # in the middle: the skin is there, and no result
    slurm.wait(lambda: any(work.rglob('result_skin.pklz')))
    slurm.run('scancel', job)
    slurm.wait(lambda: not slurm.jobs())
    assert not list(out.rglob('*.npz')), 'it was killed too late to prove anything'
    slurm.submit(script, '--array=3')
    slurm.wait(lambda: not slurm.jobs())
    assert contents(out / 'sub-03') == contents(local.out / 'sub-03')


def test_the_plugin_gives_the_same_bytes(
    slurm: Slurm, local: Local, contents: Contents, tmp_path: Path
) -> None:
    """Both levels, the gallery in shards: where it ran must not be in the numbers."""
    plugin = tmp_path / 'plugin.yml'
    plugin.write_text(PLUGIN)
    out = tmp_path / 'out'
    people = ('--participant-label', '01', '02')
    of_both = ('-d', f'defaced={local.defaced}')
    done = run(slurm, local.bids, out, 'participant', *of_both, *people, '--use-plugin', plugin)
    assert done.returncode == 0, done.stdout + done.stderr
    for label in people[1:]:
        assert contents(out / f'sub-{label}') == contents(local.out / f'sub-{label}')
    assert not (out / 'work').exists(), 'what was handed to the scheduler is left'

    group = ('group', '--photos', local.photos, '--nprocs', '2')
    assert run(slurm, local.bids, local.out, *group).returncode == 0
    expected = {path.name: path.read_bytes() for path in local.out.glob('*.tsv')}
    assert 'group_identification.tsv' in expected
    # beside the other, as the description holds the way to the datasets
    sharded = local.out.with_name('sharded')
    shutil.copytree(local.out, sharded, ignore=shutil.ignore_patterns('group*'))
    (tmp_path / 'start').mkdir()
    (tmp_path / 'start' / 'sitecustomize.py').write_text(SHARDS)
    slurm.environment['PYTHONPATH'] = str(tmp_path / 'start')
    try:
        done = run(slurm, local.bids, sharded, *group, '--use-plugin', plugin, '-vv')
    finally:
        del slurm.environment['PYTHONPATH']
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'T1w_12' in done.stdout + done.stderr, 'the gallery was not in shards'
    assert {path.name: path.read_bytes() for path in sharded.glob('*.tsv')} == expected


def test_a_killed_job_costs_one_scan_and_is_taken_up(
    slurm: Slurm, local: Local, contents: Contents, tmp_path: Path
) -> None:
    """A job that the scheduler ends must not end the run, nor be forgotten by the next one."""
    plugin = tmp_path / 'plugin.yml'
    plugin.write_text(PLUGIN)
    out = tmp_path / 'out'
    command = (local.bids, out, 'participant', '-d', f'defaced={local.defaced}')
    command += ('--participant-label', '01', '02', '--use-plugin', plugin)
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name('bids-reid')), *map(str, command)],
        env=slurm.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        name = 'render.raw_sub_02_T1w.participant_wf.' + os.environ.get('LOGNAME', 'uid0')
        slurm.wait(lambda: name in slurm.jobs('--states=RUNNING'))
        slurm.run('scancel', f'--name={name}')
        said, _ = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 1, said
    assert 'FAILED sub-02_T1w.nii.gz: its job was killed' in said
    assert 'Traceback' not in said
    assert contents(out / 'sub-01') == contents(local.out / 'sub-01')

    again = run(slurm, *command)
    assert again.returncode == 0, again.stdout + again.stderr
    assert '1 to do' in again.stdout
    assert contents(out / 'sub-02') == contents(local.out / 'sub-02')
