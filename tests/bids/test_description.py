"""The output folder is a BIDS derivative of the dataset, and says of which."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from bids_reid.bids.description import condition_folders, ignored_names, prepare_output
from bids_reid.bids.files import read_json
from bids_reid.bids.layout import ScanFiles, bids_uri
from bids_reid.errors import CannotWriteError
from bids_reid.records import Scan
from tests.support.plugins import write_plugin


class TestPrepareOutput:
    """The output folder is a BIDS derivative of the dataset."""

    @pytest.fixture
    def raw(self, tmp_path: Path) -> Path:
        raw = tmp_path / 'raw'
        raw.mkdir()
        (raw / 'dataset_description.json').write_text('{"Name": "Faces"}')
        return raw

    def test_again_gives_the_same_bytes(self, raw: Path, tmp_path: Path) -> None:
        """Otherwise jobs that run side by side on a cluster disturb each other."""
        out = tmp_path / 'deep' / 'out'
        prepare_output(out, raw)
        before = {path: path.read_bytes() for path in out.rglob('*') if path.is_file()}
        written = {path: path.stat().st_ino for path in before if path.suffix == '.json'}
        prepare_output(out, raw)
        assert {path: path.read_bytes() for path in out.rglob('*') if path.is_file()} == before
        names = {str(path.relative_to(out)) for path in before}
        described = {'dataset_description.json', '.bidsignore', 'README.md'}
        assert names == described | {'.cache/folders.json'}
        assert {path: path.stat().st_ino for path in written} == written

    def test_somebody_s_readme_is_left_alone(self, raw: Path, tmp_path: Path) -> None:
        """People give the folder they stand in; ours goes only where none was, or ours."""
        readme = tmp_path / 'mine' / 'README.md'
        readme.parent.mkdir()
        readme.write_text('mine')
        prepare_output(readme.parent, raw)
        assert readme.read_text() == 'mine'
        prepare_output(tmp_path / 'out', raw)
        assert 'bids_reid' in (tmp_path / 'out' / 'README.md').read_text()

    def test_it_says_what_it_was_made_from(self, raw: Path, tmp_path: Path) -> None:
        (tmp_path / 'disk' / 'mine').mkdir(parents=True)
        out = tmp_path / 'out'
        out.symlink_to(tmp_path / 'disk' / 'mine')
        prepare_output(out, raw)
        content = read_json(out / 'dataset_description.json')
        assert content['DatasetType'] == 'derivative'
        assert content['GeneratedBy'][0]['Name'] == 'bids_reid'
        assert condition_folders(out, Path('/elsewhere'))['raw'] == Path('/elsewhere')
        assert str(tmp_path) not in json.dumps(content)
        assert 'Faces' in content['Name']

    @pytest.mark.parametrize(
        ('output', 'defaced', 'links', 'sources'),
        [
            ('raw/derivatives/x', 'raw/derivatives/y', ('../..', '../y'), ('../..', '../y')),
            ('out', 'defaced', ('../raw', '../defaced'), ('../raw', '../defaced')),
            ('home/jane/out', 'defaced', ('urn:bids-reid:raw', 'urn:bids-reid:defaced'), ()),
            ('out', 'home/jane/x', ('../raw', 'urn:bids-reid:defaced'), ('../raw',)),
            ('raw/derivatives/x', 'home/x', ('../..', 'urn:bids-reid:defaced'), ('../..',)),
        ],
    )
    def test_no_folder_of_the_machine_is_named(
        self,
        raw: Path,
        tmp_path: Path,
        output: str,
        defaced: str,
        links: tuple[str, str],
        sources: tuple[str, ...],
    ) -> None:
        """``../../../home/jane/study`` says who has the data; the file may be shared."""
        out, other = tmp_path / output, tmp_path / defaced
        other.mkdir(parents=True)
        prepare_output(out, raw, [('defaced', other)])
        content = read_json(out / 'dataset_description.json')
        assert content['DatasetLinks'] == dict(zip(('raw', 'defaced'), links, strict=True))
        assert content.get('SourceDatasets', []) == [{'URL': link} for link in sources]
        # the next run, and that of the group level, know all the same
        assert condition_folders(out, raw)['defaced'] == other
        prepare_output(out, raw)
        assert read_json(out / 'dataset_description.json') == content

    def test_a_published_dataset_is_linked_by_its_doi(self, raw: Path, tmp_path: Path) -> None:
        doi = 'doi:10.18112/openneuro.ds000001.v1.0.0'
        (raw / 'dataset_description.json').write_text(json.dumps({'DatasetDOI': doi}))
        out = tmp_path / 'home' / 'jane' / 'out'
        prepare_output(out, raw)
        content = read_json(out / 'dataset_description.json')
        assert content['DatasetLinks'] == {'raw': doi}
        assert content['SourceDatasets'] == [{'DOI': doi}]

    @pytest.mark.parametrize('key', ['DatasetLinks', 'GeneratedBy', 'SourceDatasets'])
    @pytest.mark.parametrize('value', [3, 'x', [3], [['x']], {'a': 3}, {'a': ['x']}, None])
    def test_a_damaged_description_ends_in_no_traceback(
        self, raw: Path, tmp_path: Path, key: str, value: object
    ) -> None:
        out = tmp_path / 'out'
        prepare_output(out, raw)
        path = out / 'dataset_description.json'
        path.write_text(json.dumps(read_json(path) | {key: value}))
        if key == 'GeneratedBy':
            with pytest.raises(CannotWriteError, match='another dataset'):
                prepare_output(out, raw)
            return
        prepare_output(out, raw)
        assert read_json(path)['DatasetLinks'] == {'raw': '../raw'}

    @pytest.mark.parametrize(
        'description',
        [
            {'Name': 'raw', 'BIDSVersion': '1.8.0'},
            {'Name': 'x', 'DatasetType': 'derivative', 'GeneratedBy': [{'Name': 'fMRIPrep'}]},
            {'Name': 'x', 'GeneratedBy': 'hand'},
        ],
    )
    def test_another_dataset_is_left_alone(
        self, raw: Path, tmp_path: Path, description: dict[str, Any]
    ) -> None:
        """Otherwise a wrong output_dir replaces the description of somebody's dataset."""
        out = tmp_path / 'out'
        out.mkdir()
        path = out / 'dataset_description.json'
        path.write_text(json.dumps(description))
        with pytest.raises(CannotWriteError, match='another dataset'):
            prepare_output(out, raw)
        assert json.loads(path.read_text()) == description
        assert [file.name for file in out.iterdir()] == [path.name]

    @pytest.mark.parametrize('content', [b'', b'{"Name": "x",}', b'[]', b'{}'])
    def test_a_dataset_that_cannot_be_read_is_left_alone(
        self, raw: Path, tmp_path: Path, content: bytes
    ) -> None:
        """A comma too many made somebody's dataset ours, and its description was replaced."""
        out = tmp_path / 'out'
        out.mkdir()
        path = out / 'dataset_description.json'
        path.write_bytes(content)
        with pytest.raises(CannotWriteError, match='may hold another dataset'):
            prepare_output(out, raw)
        assert path.read_bytes() == content

    def test_the_dataset_itself_is_never_written(self, raw: Path) -> None:
        for same in (raw, raw / '..' / 'raw'):
            with pytest.raises(CannotWriteError, match='bids_dir'):
                prepare_output(same, raw)
        assert [path.name for path in raw.iterdir()] == ['dataset_description.json']


def test_outputs_bids_has_no_name_for_are_kept_from_the_validator(tmp_path: Path) -> None:
    """Otherwise the output is not valid BIDS, and platforms refuse it."""
    files = ScanFiles.of(Scan('01', 'a', 'T1w', 'sub-01_ses-a', tmp_path), tmp_path)
    written = [files.skin, files.record, files.views, files.views.with_suffix('.json')]
    written += [files.renders, files.template('orb'), tmp_path / 'sub-01.html']
    written += [tmp_path / 'group.html', tmp_path / 'group_ranks.tsv', tmp_path / 'logs']
    written += [tmp_path / name for name in ('ratings', 'verdicts', 'figures')]
    for path in written:
        names = (path.name, f'{path.name}/')
        assert any(fnmatch(name, p) for name in names for p in ignored_names()), path
    assert not any(fnmatch('dataset_description.json', p) for p in ignored_names())


def test_links_lead_to_every_condition(tmp_path: Path) -> None:
    """Otherwise the Sources of a version lead nowhere; a later run without it keeps the link."""
    out, raw, other = (tmp_path / name for name in ('out', 'raw', 'other'))
    for folder in (raw, other):
        folder.mkdir()
    prepare_output(out, raw, [('defaced', other)])
    prepare_output(out, raw)
    description = read_json(out / 'dataset_description.json')
    assert description['DatasetLinks'] == {'raw': '../raw', 'defaced': '../other'}
    assert description['SourceDatasets'] == [{'URL': '../raw'}, {'URL': '../other'}]
    assert bids_uri(other / 'a.nii', other, 'defaced') == 'bids:defaced:a.nii'


class TestConditionFolders:
    """The group level has to find the images that a run with -d measured."""

    def test_those_of_earlier_runs_are_known(self, tmp_path: Path) -> None:
        out, raw, first, second = (tmp_path / name for name in ('deep/out', 'raw', 'one', 'two'))
        raw.mkdir()
        prepare_output(out, raw, [('defaced', first)])
        prepare_output(out, raw, [('refaced', first / 'below')])
        # not where the link is from, if the output is named by another way
        (tmp_path / 'way').symlink_to(out)
        for way in (out, tmp_path / 'way'):
            assert condition_folders(way, raw) == {
                'raw': raw,
                'defaced': first,
                'refaced': first / 'below',
            }
        # what is given now counts
        assert condition_folders(out, tmp_path, [('defaced', second)]) == {
            'raw': tmp_path,
            'defaced': second,
            'refaced': first / 'below',
        }

    @pytest.mark.parametrize('links', ['3', '{"defaced": 3}', '[]'])
    def test_without_links_only_those_given_are(self, tmp_path: Path, links: str) -> None:
        (tmp_path / 'dataset_description.json').write_text(f'{{"DatasetLinks": {links}}}')
        assert condition_folders(tmp_path, tmp_path) == {'raw': tmp_path}


def test_packages_of_extractors_stay_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That faces were sent to a network stays true when a later run sends none."""
    out, raw = tmp_path / 'out', tmp_path / 'raw'
    raw.mkdir()
    with monkeypatch.context() as one:
        one.syspath_prepend(write_plugin(tmp_path / 'a', 'cloud', uses_network=True))
        one.syspath_prepend(write_plugin(tmp_path / 'b', 'own-net', package='own'))
        prepare_output(out, raw, (), ['orb', 'cloud'])
        before = read_json(out / 'dataset_description.json')['GeneratedBy']
        prepare_output(out, raw, (), ['own-net', 'cloud'])
    prepare_output(out, raw, (), ['orb'])
    ours, *others = read_json(out / 'dataset_description.json')['GeneratedBy']
    assert before == [ours, others[0]]
    assert ours['Name'] == 'bids_reid'
    assert others == [
        {
            'Name': 'acme-matcher',
            'Version': '1.0',
            'Description': 'Extractor cloud: sends images of faces to a network',
        },
        {
            'Name': 'own',
            'Version': '1.0',
            'Description': 'Extractor own-net: declares that it uses no network',
        },
    ]
    # their files are there, and still no BIDS
    ignored = (out / '.bidsignore').read_text().splitlines()
    assert {'*_desc-cloud_*', '*_desc-*cloud_*', '*_desc-ownnet_*'} <= set(ignored)
    assert len(ignored) == len(set(ignored))
