"""Extractors of other packages: who registers what, and what of it can be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_reid.bids.layout import check_file_names
from bids_reid.errors import NoInputError, UsageError
from bids_reid.faces.extractor_list import extractor_lines
from bids_reid.faces.extractors import (
    EXTRACTORS,
    NETWORK,
    availability,
    available_extractors,
    check_extractor,
    descriptions,
    extractor_names,
    load_extractor,
    name_clashes,
)
from tests.support.plugins import write_plugin


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which packages are found."""
    folder = tmp_path / 'packages'
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv('BIDS_REID_MODELS', str(tmp_path))
    return folder


def test_an_extractor_of_another_package_is_one_of_them(packages: Path) -> None:
    """A lab with a licensed matcher would have to change this package."""
    write_plugin(packages, 'acme-faces')
    assert extractor_names() == (*EXTRACTORS, 'acme-faces')
    assert available_extractors()[0][-1] == 'acme-faces'
    check_extractor('acme-faces')
    assert load_extractor('acme-faces').dimension == 4
    assert not name_clashes()
    assert descriptions() == {
        'acme-faces': 'An extractor of the package acme-matcher 1.0: Compares quarters of faces'
    }
    with pytest.raises(UsageError, match=r'there are: orb,.*acme-faces'):
        load_extractor('acme')


def test_two_versions_cannot_be_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Templates of a matcher that was upgraded would be mixed with those before."""
    identities = []
    for version in ('1.0', '1.1'):
        folder = write_plugin(tmp_path / version, 'acme', version=version)
        with monkeypatch.context() as one:
            one.syspath_prepend(folder)
            extractor = load_extractor('acme')
            identities.append(extractor.identity())
            assert identities[-1].items() <= extractor.provenance().items()
    before, after = identities
    assert before == {'Model': 'means', 'Package': 'acme-matcher', 'PackageVersion': '1.0'}
    assert before != after


CLASHES = {
    'name of ours': (['orb'], 'bids_reid itself has an extractor of that name'),
    'files of ours': (['face-recognition'], 'those of face_recognition, which bids_reid has'),
    'letters of ours': (['ORB'], 'those of orb'),
    'two of a name': (['acme', 'acme'], 'acme of p1 1.0: uninstall one'),
    'two of a label': (['acme_faces', 'acme-faces'], 'of p1 1.0: uninstall one'),
    'files of a scan': (['Views'], 'views is taken'),
    'records of a scan': (['acme-skin'], 'acmeskin is taken'),
    'steps': (['save'], 'save is taken'),
    'linkage': (['surface'], 'surface is taken'),
    'no name': (['acme faces'], 'its name must start with a letter'),
    'nor this': (['akmé'], 'its name must start with a letter'),
}


@pytest.mark.parametrize(('names', 'why'), CLASHES.values(), ids=CLASHES)
def test_nothing_is_shadowed(packages: Path, names: list[str], why: str) -> None:
    """Otherwise one extractor's numbers stand under another's name, or overwrite its files."""
    for number, name in enumerate(names):
        write_plugin(packages, name, package=f'p{number}')
    assert extractor_names() == tuple(EXTRACTORS)
    clashes = name_clashes()
    assert list(clashes) == [f'{name} of p{number} 1.0' for number, name in _sorted(names)]
    assert why in clashes[f'{names[0]} of p0 1.0']
    # a run that does not name it goes on, and says so
    runs, reasons = available_extractors()
    assert runs[:3] == ('orb', 'sift', 'face_recognition')
    assert clashes.items() <= reasons.items()
    with pytest.raises(UsageError, match=r'p0 1\.0') as refusal:
        check_extractor(names[0])
    assert '\n' not in str(refusal.value)
    assert any(line.startswith(names[0]) and why in line for line in extractor_lines())
    # what is ours is still what it was
    assert load_extractor('orb').identity()['Model'] == 'OpenCV ORB'


def _sorted(names: list[str]) -> list[tuple[int, str]]:
    return sorted(enumerate(names), key=lambda pair: (pair[1], pair[0]))


BROKEN = {
    'no module': ('import acme_sdk_that_is_not_there', 'cannot be loaded: ModuleNotFoundError'),
    'no object': ('', 'cannot be loaded: AttributeError'),
    'a module that ends the program': ('raise SystemExit("licence\\nexpired")', 'licence expired'),
    'an object that fails': (
        'def Means(): raise RuntimeError("no licence")',
        'cannot be loaded: RuntimeError: no licence',
    ),
    'something else': ('class Means: pass', 'does not follow the protocol: name is missing'),
    'no call': ('Means = 3', 'cannot be loaded: TypeError'),
}
ATTRIBUTES = {
    'other name': ("Means.name = 'b'", "is registered as acme, and calls itself 'b'"),
    'unknown kind': ("Means.kind = 'graph'", "kind is 'graph', not vector or keypoints"),
    'other kind': ("Means.kind = 'keypoints'", 'distance is missing'),
    'unknown similarity': ("Means.similarity = 'dot'", "similarity is 'dot'"),
    'no dimension': ('Means.dimension = 0', 'dimension is 0'),
    'half a dimension': ('Means.dimension = 4.0', 'dimension is 4.0'),
    'not said': ('del Means.uses_network', 'uses_network is missing'),
    'perhaps': ("Means.uses_network = 'no'", "uses_network is 'no', not True or False"),
    'not a method': ('Means.features = None', 'features is not a method'),
    'an attribute that fails': (
        'Means.kind = property(lambda self: 1 / 0)',
        'cannot be loaded: ZeroDivisionError',
    ),
    'unavailable': (
        "Means.available = lambda self: Availability('its licence expired')",
        'its licence expired',
    ),
    'availability that fails': (
        'Means.available = lambda self: 1 / 0',
        'acme-matcher 1.0 failed: ZeroDivisionError',
    ),
    'no availability': ('Means.available = lambda self: None', 'failed: AttributeError'),
    'identity of numbers': (
        "Means.identity = lambda self: {'Model': 3}",
        'identity() gives {.Model.: 3}, not a mapping of names to texts',
    ),
    'identity of others': (
        "Means.identity = lambda self: {'Package': 'b'}",
        'identity() gives Package, which an extractor must not set',
    ),
    'identity that fails': ('Means.identity = lambda self: 1 / 0', 'ZeroDivisionError'),
    'no memory': ('Means.memory_gb = lambda self: None', 'memory_gb() gives None'),
}


@pytest.mark.parametrize(
    ('module', 'more', 'why'),
    [
        *((module, '', why) for module, why in BROKEN.values()),
        *((None, more, why) for more, why in ATTRIBUTES.values()),
    ],
    ids=[*BROKEN, *ATTRIBUTES],
)
def test_a_broken_one_is_a_line_and_stops_nobody(
    packages: Path, module: str | None, more: str, why: str
) -> None:
    """A licence that expired must not stop an audit that does not need it."""
    write_plugin(packages, 'acme', module=module, more=more)
    runs, reasons = available_extractors()
    assert runs[:3] == ('orb', 'sift', 'face_recognition')
    assert why.replace('.Model.', "'Model'") in reasons['acme']
    assert '\n' not in reasons['acme']
    with pytest.raises(NoInputError, match=r'^acme cannot run: .') as refusal:
        check_extractor('acme')
    assert reasons['acme'] in str(refusal.value)
    (line,) = (line for line in extractor_lines() if line.startswith('acme '))
    assert 'acme-matcher 1.0' in line
    assert reasons['acme'] in line


def test_a_package_whose_metadata_are_gone_is_named_all_the_same(packages: Path) -> None:
    write_plugin(packages, 'acme')
    next(packages.glob('*.dist-info/METADATA')).unlink()
    (line,) = (line for line in extractor_lines() if line.startswith('acme'))
    assert 'a package without a name' in line


SPY = """
from pathlib import Path
def tell(method):
    def called(self, *arguments):
        Path({calls!r}).write_text(method)
        return {{'Model': 'means'}}
    return called
for method in ('available', 'memory_gb', 'features', 'identity', 'provenance'):
    setattr(Means, method, tell(method))
"""


class TestTheNetwork:
    """Faces of participants must not leave the machine because a package is installed."""

    def test_nothing_runs_unless_it_is_allowed(self, packages: Path, tmp_path: Path) -> None:
        calls = tmp_path / 'calls'
        more = SPY.format(calls=str(calls))
        write_plugin(packages, 'cloud', uses_network=True, more=more)
        assert available_extractors()[1]['cloud'] == NETWORK
        refused = r'cloud cannot run: it sends images.*--allow-network'
        with pytest.raises(UsageError, match=refused):
            check_extractor('cloud')
        (line,) = (line for line in extractor_lines() if line.startswith('cloud'))
        assert line.split()[3:5] == ['vector', 'yes']
        assert NETWORK in line
        # it may ask its server what version it is
        assert not calls.exists()

    def test_it_runs_if_it_is_allowed(self, packages: Path) -> None:
        write_plugin(packages, 'cloud', uses_network=True)
        assert 'cloud' in available_extractors(allow_network=True)[0]
        check_extractor('cloud', allow_network=True)
        assert load_extractor('cloud').provenance()['UsesNetwork'] == 'yes'
        (line,) = (
            line for line in extractor_lines(allow_network=True) if line.startswith('cloud')
        )
        assert line.endswith('yes')

    @pytest.mark.parametrize('name', EXTRACTORS)
    def test_ours_use_none(self, name: str) -> None:
        assert load_extractor(name).uses_network is False
        assert availability(name) == availability(name, allow_network=True)


def test_files_of_two_conditions_do_not_meet() -> None:
    """desc-fastorb is orb of the condition fast, and fastorb of the raw scans."""
    check_file_names(['raw', 'defaced'], ['orb', 'fastorb'])
    with pytest.raises(UsageError, match=r'orb of the condition fast .*fastorb of raw'):
        check_file_names(['raw', 'fast'], ['orb', 'fastorb'])
