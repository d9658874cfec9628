"""The example package of docs/: built, installed, and run beside one that uses a network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bids_reid.bids.tables import read_table
from bids_reid.demo.phantom_dataset import write_phantom_dataset
from tests.support.plugins import write_plugin

Call = Callable[..., 'subprocess.CompletedProcess[str]']
EXAMPLE = Path(__file__).parents[1] / 'docs' / 'example-extractor'
SENT = 'sent to a network'


@dataclass(frozen=True)
class Run:
    """What both levels made of two people, by the example and by a service of nobody."""

    bids: Path
    photos: Path
    out: Path
    said: str


@pytest.fixture(scope='module')
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example as pip installs its wheel, which is built without a network."""
    folder = tmp_path_factory.mktemp('installed')
    # nothing is written into the checkout
    source = shutil.copytree(EXAMPLE, folder / 'source')
    build = [sys.executable, '-m', 'hatchling', 'build', '-t', 'wheel', '-d', folder / 'wheels']
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    (wheel,) = (folder / 'wheels').iterdir()
    install = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-index', '--no-deps']
    install += ['--disable-pip-version-check', '--target', folder / 'packages', wheel]
    subprocess.run(install, check=True, capture_output=True)
    return folder / 'packages'


@pytest.mark.slow
def test_the_example_is_listed(installed: Path) -> None:
    """Who follows the example must find their extractor without reading our code."""
    done = subprocess.run(
        [sys.executable, '-m', 'bids_reid', '--extractors'],
        env=os.environ | {'PYTHONPATH': str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith('lbp '))
    assert line.split() == ['lbp', 'bids-reid-lbp', '1.0', 'vector', 'no', 'yes']


@pytest.fixture(scope='module')
def example_run(installed: Path, call: Call, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp('run')
    bids, photos = write_phantom_dataset(
        folder, people=2, photos_per_person=1, distractors=1, spacing=2.4, seed=4
    )
    services = write_plugin(folder / 'services', 'cloud', package='acme-cloud', uses_network=True)
    with pytest.MonkeyPatch.context() as one:
        one.setenv('PYTHONPATH', os.pathsep.join(map(str, (installed, services))))
        done = call(
            *('bids-reid', bids, folder / 'out', 'participant', 'group', '--photos', photos),
            *('--extractors', 'lbp', 'cloud', '--allow-network', '--nprocs', 2),
        )
    assert done.returncode == 0, done.stderr
    return Run(bids, photos, folder / 'out', done.stdout)


@pytest.mark.slow
def test_its_rows_are_in_the_tables(example_run: Run) -> None:
    """Its rates stand beside those of others, with its own words in the dictionary."""
    rows = read_table(example_run.out / 'group_identification.tsv')
    of = {row['extractor']: row for row in rows if (row['k'], row['unit']) == ('1', 'participant')}
    # alone, and fused
    assert set(of) == {'lbp', 'cloud', 'lbp+cloud'}
    assert (of['lbp']['n_probes'], of['lbp']['n_gallery']) == ('2', '2')
    dictionary = json.loads((example_run.out / 'group_identification.json').read_text())
    assert 'package bids-reid-lbp 1.0' in dictionary['extractor']['Levels']['lbp']
    sidecar_file = example_run.out / 'sub-01' / 'anat' / 'sub-01_desc-lbp_T1w.json'
    sidecar = json.loads(sidecar_file.read_text())
    assert (sidecar['Package'], sidecar['PackageVersion']) == ('bids-reid-lbp', '1.0')
    assert sidecar['UsesNetwork'] == 'no'
    assert '*_desc-lbp_*' in (example_run.out / '.bidsignore').read_text().splitlines()


@pytest.mark.slow
def test_outputs_say_that_images_were_sent(example_run: Run) -> None:
    """Whoever reads a result later must be able to see whether faces left the machine."""
    description = json.loads((example_run.out / 'dataset_description.json').read_text())
    generators = {one['Name']: one.get('Description', '') for one in description['GeneratedBy']}
    assert list(generators) == ['bids_reid', 'acme-cloud', 'bids-reid-lbp']
    assert 'sends images of faces to a network' in generators['acme-cloud']
    assert 'declares that it uses no network' in generators['bids-reid-lbp']
    summary = json.loads((example_run.out / 'group_summary.json').read_text())
    assert summary['extractors_using_network'] == ['cloud']
    page, person = ((example_run.out / name).read_text() for name in ('group.html', 'sub-01.html'))
    assert f'images of faces were {SENT} (--allow-network) by: cloud' in page
    for text in (page, person):
        assert 'package acme-cloud 1.0; <b>it sent images of faces to a network</b>' in text
        assert text.count('<b>it sent images of faces to a network</b>') == 1
    told = f'images of faces are {SENT}, as --allow-network permits, by cloud (acme-cloud 1.0)'
    assert example_run.said.count(told) == 2
    assert f'besides: images of faces were {SENT} (--allow-network) by: cloud' in example_run.said


@pytest.mark.slow
def test_without_the_package_or_the_option_the_rest_goes_on(
    example_run: Run, call: Call, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A colleague without the licence can count again what does not need it, and is told."""
    out = shutil.copytree(example_run.out, tmp_path / 'out')
    monkeypatch.setenv('PYTHONPATH', str(installed))
    done = call(
        'bids-reid', example_run.bids, out, 'group', '--photos', example_run.photos, '--nprocs', 1
    )
    assert done.returncode == 0, done.stderr
    gone = 'scans have templates of this extractor, but no installed package provides it'
    assert f'not run: cloud: {gone}' in done.stdout
    summary = json.loads((out / 'group_summary.json').read_text())
    assert summary['extractors_not_run']['cloud'] == gone
    assert summary['extractors_using_network'] == []
    rows = read_table(out / 'group_identification.tsv')
    assert {row['extractor'] for row in rows} == {'lbp'}
    # its files are there all the same: still no BIDS, and still said to have been sent
    assert '*_desc-cloud_*' in (out / '.bidsignore').read_text().splitlines()
    description = json.loads((out / 'dataset_description.json').read_text())
    assert 'acme-cloud' in [one['Name'] for one in description['GeneratedBy']]
    monkeypatch.setenv('PYTHONPATH', str(example_run.out.parent / 'services'))
    done = call('bids-reid', example_run.bids, out, 'participant', '--extractors', 'cloud')
    assert done.returncode == 64
    assert done.stderr == (
        'bids-reid: cloud cannot run: it sends images to a network, which needs --allow-network\n'
    )


@pytest.mark.slow
def test_what_gives_something_else_is_the_reason_of_a_scan(
    example_run: Run, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers of a matcher that was wrapped wrongly would be rates like any others."""
    doubles = (
        'plain = Means.features\n'
        "Means.features = lambda *all: {'features': plain(*all)['features'].astype(float)}"
    )
    folder = write_plugin(tmp_path / 'packages', 'wrong', more=doubles)
    monkeypatch.setenv('PYTHONPATH', str(folder))
    some = ('--participant-label', '01', '--extractors', 'wrong')
    done = call('bids-reid', example_run.bids, tmp_path / 'out', 'participant', *some)
    assert done.returncode == 1
    assert 'Traceback' not in done.stdout + done.stderr
    reason = 'wrong of acme-matcher 1.0: features(): features are float64, not an array of float32'
    assert f'FAILED sub-01_T1w.nii.gz: {reason}' in done.stdout
    record = json.loads(next((tmp_path / 'out').rglob('*_desc-skin_T1w.json')).read_text())
    assert record['Reason'].startswith(reason)
