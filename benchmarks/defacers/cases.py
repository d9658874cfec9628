"""Make de-faced heads with labels: ``python -m benchmarks.defacers.cases FOLDER``.

Writes NIfTI files and ``cases.jsonl``, one object a line: the file, whose head it shows and from
which source, the tool, where the image ends below (``view``), what is left of each part
(`benchmarks.defacers.labels`), and how it was scanned. Tools and fields of view are dealt out to
the people so that all combinations occur. Phantoms need nothing; ``--heads24 FOLDER`` adds those
of a dataset laid out as `Heads24` says, ``--real FOLDER --intact FOLDER`` what real tools left.
"""

from __future__ import annotations

import argparse
import csv
import json
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks.defacers.labels import (
    MIN_SEEN,
    PartPoints,
    Shares,
    fitted_points,
    phantom_points,
    shares,
    shares_by_comparison,
    what_is_left,
)
from benchmarks.defacers.tools import AS_REAL, PROPER, SHIFTED, TOOLS, Outcome, brain_lost
from bids_reid.phantom.anatomy import ASLEEP, anatomy
from bids_reid.phantom.defacing import reface
from bids_reid.phantom.identity import average_person, draw_people
from bids_reid.phantom.scanner import Scan, add_noise, coil, draw_pose, expose
from bids_reid.phantom.tissues import CONTRASTS
from bids_reid.surface.frame import FieldOfView, find_frame
from bids_reid.surface.parts import PARTS
from bids_reid.surface.skin import find_skin
from bids_reid.surface.volume import load_volume
from tests.support.artefacts import crop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bids_reid.phantom.identity import Identity
    from bids_reid.surface.skin import SkinField
    from bids_reid.surface.volume import Volume

    Random = np.random.Generator

SEED = 15
N_PHANTOMS, N_HEADS24 = 40, 24
VIEWS = ('whole', 'chin', 'lips', 'below-nose', 'nose', 'brow')
"""Where an image ends below."""
REFACED = ('refaced-average', 'refaced-other')
ONLY_PHANTOMS = (*REFACED, 'stripped')
"""Of other heads, nothing says where the brain's folds are."""
FOLDERS = ('defaced', 'refaced')
CONTRAST_NAMES = ('T1w', 'T1w', 'T1w', 'T2w', 'FLAIR', 'T1w', 'PDw', 'T1w')
SPACINGS: tuple[float | tuple[float, float, float], ...] = (
    *(1.5, 1.2, 2.0, 1.5, 1.7),
    (1.0, 1.0, 2.0),
    (2.0, 1.2, 1.2),
)
NOISES = (0.01, 0.02, 0.03, 0.05, 0.08)


class Batch(NamedTuple):
    """Tools that are dealt out together: how many to each person, and the first file's number."""

    tools: tuple[str, ...]
    n_cases: int
    first: int


BATCHES = (
    Batch((*TOOLS, *REFACED), 13, 0),
    Batch(tuple(AS_REAL), 4, 50),
    Batch(tuple(SHIFTED), 3, 70),
)


class Deal(NamedTuple):
    """A tool and a field of view, dealt to a person."""

    tool: str
    view: str


@dataclass(frozen=True, slots=True)
class Head:
    """A head that was not de-faced yet, with the parts of its face and facts to be written."""

    scan: Scan
    parts: PartPoints
    facts: dict[str, Any]


def deals(n_people: int, tools: tuple[str, ...], *, seed: int, n_cases: int) -> list[list[Deal]]:
    """Deal all combinations of tools and fields of view to people, again and again.

    Whole heads and what was properly done come twice as often.
    """
    rng = np.random.default_rng([SEED, seed])
    all_ = [
        Deal(tool, view)
        for tool in tools
        for view in VIEWS
        for _ in range(2 if view == 'whole' or tool in PROPER else 1)
    ]
    n_all = n_people * n_cases
    order = [all_[n] for _ in range(-(-n_all // len(all_))) for n in rng.permutation(len(all_))]
    return [order[person::n_people][:n_cases] for person in range(n_people)]


# --- sources


class Phantom:
    """A synthetic person in one scanner.

    Each case has its own noise; what is dear to make is made once.
    """

    def __init__(self, person: int) -> None:
        self.rng = np.random.default_rng([SEED, 1, person])
        (self.who,) = draw_people(1, seed=[SEED, person])
        self.modality = CONTRAST_NAMES[person % len(CONTRAST_NAMES)]
        self.spacing = SPACINGS[person % len(SPACINGS)]
        self.exposed = expose(
            self.who,
            modality=self.modality,
            spacing=self.spacing,
            pose=draw_pose(self.rng),
        )
        self.coil = coil(self.exposed.data.shape, self.rng.uniform(0.2, 0.5), self.rng)
        self.parts = phantom_points(self.exposed)
        self.facts = {'source': 'phantom', 'person': f'{person:02d}', 'session': '01'}

    def head(self, tool: str) -> Head:
        """Scan the person, with another face if the tool gives one."""
        scan = self.exposed
        if tool in REFACED:
            scan = reface(scan, self._other(tool))
        noise = float(self.rng.choice(NOISES))
        values = np.asarray(scan.data * self.coil, np.float32)
        scan = replace(scan, data=add_noise(values, noise, scan.contrast, self.rng))
        how = {'modality': self.modality, 'spacing': self.spacing, 'noise': noise}
        return Head(scan, self.parts, {**self.facts, **how})

    def _other(self, tool: str) -> Identity:
        if tool == 'refaced-average':
            return average_person()
        return draw_people(1, seed=[int(self.rng.integers(2**31)), 91])[0]


class Heads24:
    """Raw scans of a person in ``bids``, and what was made of some in ``defaced``, ``refaced``.

    The labels come from the frame that is fitted to the raw scan.
    """

    def __init__(self, folder: Path, person: int) -> None:
        self.folder, self.person = folder, person
        self.paths = sorted((folder / 'bids' / f'sub-{person:02d}').rglob('*.nii.gz'))
        self.heads: dict[Path, Head] = {}
        self.n_used = 0

    def head(self, tool: str) -> Head:
        """One of the person's scans, in turn."""
        del tool
        path = self.paths[self.n_used % len(self.paths)]
        self.n_used += 1
        return self._read(path)

    def made(self, folder: str) -> Iterator[tuple[Head, Outcome]]:
        """What lies in one of the folders of de-faced scans."""
        for path in sorted((self.folder / folder / f'sub-{self.person:02d}').rglob('*.nii.gz')):
            raw = path.with_name(path.name.replace(f'_desc-{folder}', ''))
            head = self._read(self.folder / 'bids' / raw.relative_to(self.folder / folder))
            after = load_volume(path)
            scan = replace(
                head.scan,
                data=np.rint(after.data).astype(np.int16),
                affine=after.affine,
                distance=np.zeros(after.data.shape, np.float32),
            )
            yield head, Outcome(scan, _zeros(scan, head.scan))

    def _read(self, path: Path) -> Head:
        if path not in self.heads:
            _, session, *_, suffix = path.name.removesuffix('.nii.gz').split('_')
            scan, parts = fitted(path)
            facts = {
                'source': 'heads24',
                'person': f'{self.person:02d}',
                'session': session.removeprefix('ses-'),
                'modality': suffix,
            }
            self.heads[path] = Head(scan, parts, facts)
        return self.heads[path]


def fitted(path: Path) -> tuple[Scan, PartPoints]:
    """Read an intact scan as if it were a phantom's: in the frame of the average head.

    Voxels finer than the program works with come out as it averages them.
    """
    volume = load_volume(path)
    field = find_skin(volume)
    skin = field.cut()
    found = find_frame(skin.points, FieldOfView(volume.affine, volume.data.shape))
    if found.source != 'face':
        raise ValueError(f'no face was found on {path}, which should be intact')
    to_head = np.eye(4)
    to_head[:3, :3] = found.fit.size[0] * found.fit.rotation[0]
    to_head[:3, 3] = found.fit.shift[0]
    scan = Scan(
        np.rint(volume.data).astype(np.int16),
        volume.affine,
        to_head,
        _outside_mm(field, volume),
        average_person(),
        CONTRASTS['T1w'],
    )
    return scan, fitted_points(skin, found)


def _zeros(scan: Scan, intact: Scan) -> NDArray[np.bool_]:
    """Where a scan is 0, or shows nothing, on the grid of the intact one; both start alike."""
    if not np.allclose(scan.affine, intact.affine, atol=1e-3):
        raise ValueError('a de-faced scan starts elsewhere than the raw one')
    out = np.ones(intact.data.shape, np.bool_)
    i, j, k = np.minimum(out.shape, scan.data.shape)
    out[:i, :j, :k] = scan.data[:i, :j, :k] == 0
    return out


def _outside_mm(field: SkinField, volume: Volume) -> NDArray[np.float32]:
    """Distance of voxels to the skin; -1 inside. Thick slices have more in the field."""
    from scipy import ndimage

    outside = ndimage.distance_transform_edt(field.inside < 0.5, field.spacing)
    to_field = np.linalg.inv(field.affine) @ volume.affine
    places = []
    for axis, n in enumerate(volume.data.shape):
        place = np.rint(to_field[axis, axis] * np.arange(n) + to_field[axis, 3])
        places.append(place.astype(np.intp).clip(0, field.inside.shape[axis] - 1))
    outside = outside[np.ix_(*places)]
    return np.where(outside > 0, outside, -1.0).astype(np.float32)


# --- cases


def ends_at(view: str, scan: Scan, rng: Random) -> float:
    """Height at which a field of view ends, in head coordinates."""
    a = anatomy(scan.who, ASLEEP)
    low, high = {
        'chin': (a.chin_z, a.mouth_z - 22.0),
        'lips': (a.mouth_z - 5.0, a.mouth_z + 8.0),
        'below-nose': (a.base_z - 10.0, a.base_z - 4.0),
        'nose': (a.base_z + 4.0, a.base_z + 30.0),
        'brow': (2.0, 12.0),
    }[view]
    return float(rng.uniform(low, high))


def make(head: Head, outcome: Outcome, deal: Deal, rng: Random) -> tuple[Scan, dict[str, Any]]:
    """Cut the field of view of what a tool left, and label it."""
    scan = outcome.scan
    if deal.view != 'whole':
        scan = crop(scan, low=(-np.inf, -np.inf, ends_at(deal.view, scan, rng)))
    view = FieldOfView(scan.affine, scan.data.shape)
    own = not deal.tool.startswith('refaced')
    removed = outcome.removed if own else np.zeros_like(outcome.removed)
    found = shares(head.parts, removed, head.scan.affine, view)
    facts = {**head.facts, 'brain_ml': round(brain_lost(head.scan, removed), 2)}
    return scan, labelled(facts, deal, found, own=own)


def labelled(facts: dict[str, Any], deal: Deal, found: Shares, *, own: bool) -> dict[str, Any]:
    """Put a line of ``cases.jsonl`` together; of the file only its name is missing."""
    return {
        **{key: facts[key] for key in ('source', 'person')},
        **deal._asdict(),
        'own': own,
        'parts': found.left,
        'left': what_is_left(found.left, own=own),
        'seen': found.seen,
        **facts,
    }


def person_cases(
    source: Phantom | Heads24, dealt: list[Deal], rng: Random
) -> Iterator[tuple[Scan, dict[str, Any]]]:
    """Make all cases of a person."""
    every = TOOLS | AS_REAL | SHIFTED
    for deal in dealt:
        head = source.head(deal.tool)
        made = every.get(deal.tool, TOOLS['intact'])(head.scan, rng)
        yield make(head, made, deal, rng)


def folder_cases(source: Heads24, rng: Random) -> Iterator[tuple[Scan, dict[str, Any]]]:
    """What lies in a dataset's folders of de-faced scans, whole and with a cut field of view."""
    for folder in FOLDERS:
        for head, made in source.made(folder):
            for view in ('whole', str(rng.choice(VIEWS[1:]))):
                yield make(head, made, Deal(f'{folder}-folder', view), rng)


def write(
    target: Path, made: Iterator[tuple[Scan, dict[str, Any]]], first: int
) -> Iterator[dict[str, Any]]:
    """Write scans, and give their lines with the names of their files, numbered from ``first``."""
    import nibabel as nib

    for number, (scan, line) in enumerate(made, first):
        name = f'{line["source"]}-{line["person"]}_{number:02d}_{line["tool"]}_{line["view"]}'
        path = target / f'{name}.nii.gz'
        nib.save(nib.Nifti1Image(scan.data, scan.affine), path)
        yield {'file': path.name, **line}


def real_cases(folder: Path, intact: Path, table: Path | None) -> Iterator[dict[str, Any]]:
    """Label what real tools left of real heads: files ``SCAN[-VIEW]_TOOL.nii.gz``.

    Where the intact scan shows a face, what is left is found by comparison. What somebody saw,
    who looked at the files, goes before it: a TSV with the columns ``file``, ``own`` (``yes``,
    ``no``), ``view``, and of each part the share that is left, ``n/a`` where it is outside.
    """
    looked_at = {} if table is None else _looked_at(table)
    for path in [*sorted(intact.glob('*.nii.gz')), *sorted(folder.glob('*.nii.gz'))]:
        scan, tool = path.name.removesuffix('.nii.gz'), 'intact'
        if path.parent == folder:
            scan, tool = scan.rsplit('_', 1)
        scan, _, view = scan.partition('-')
        row = looked_at.get(path.name)
        if row is None:
            kept = tool.startswith(('blur', 'refaced'))
            found = _compared(path, intact / f'{scan}.nii.gz', kept=kept)
            if found is None:
                continue
            view = view or view_of(found.seen)
        else:
            found = Shares({name: _share(row[name]) for name in PARTS}, {})
            view = row['view']
        facts: dict[str, Any] = {'source': 'real', 'person': scan}
        own = row['own'] != 'no' if row else not tool.startswith('refaced')
        line = labelled(facts, Deal(tool, view), found, own=own)
        yield {'file': str(path.absolute()), **line}


def view_of(seen: dict[str, float]) -> str:
    """Name where an image ends by how much of the parts is in view."""
    if seen['chin'] > MIN_SEEN:
        return 'whole' if seen['chin'] > 0.95 else 'chin'
    if seen['mouth'] > MIN_SEEN:
        return 'lips'
    if seen['nose'] > MIN_SEEN:
        return 'below-nose' if seen['nose'] > 0.9 else 'nose'
    return 'brow'


def _compared(path: Path, intact: Path, *, kept: bool) -> Shares | None:
    """Compare with the intact scan; ``None`` if there is none, or no face on it.

    Of a face that is ``kept``, blurred or another's, only what is in view is found.
    """
    if not intact.exists():
        return None
    parts = _parts_of(intact)
    if parts is None:
        return None
    # as they are stored: fine voxels are averaged to other ones where the image is cut
    before, after = _as_stored(intact), _as_stored(path)
    tolerance = 1e-3 * float(np.percentile(before[0], 99))
    found = shares_by_comparison(parts, before, after, tolerance=tolerance)
    if not kept:
        return found
    left = {name: None if share is None else 1.0 for name, share in found.left.items()}
    return Shares(left, found.seen)


@cache
def _parts_of(intact: Path) -> PartPoints | None:
    volume = load_volume(intact)
    skin = find_skin(volume).cut()
    found = find_frame(skin.points, FieldOfView(volume.affine, volume.data.shape))
    if found.source != 'face' or found.face.departs:
        return None
    return fitted_points(skin, found)


@lru_cache(maxsize=2)
def _as_stored(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    import nibabel as nib

    image = nib.as_closest_canonical(nib.load(path))
    return np.asarray(image.dataobj, np.float32), image.affine


def _looked_at(table: Path) -> dict[str, dict[str, str]]:
    with table.open(newline='') as file:
        return {row['file']: row for row in csv.DictReader(file, delimiter='\t')}


def _share(value: str) -> float | None:
    return None if value == 'n/a' else float(value)


def main() -> None:
    """Write cases; those of people who have some are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path, help='where the cases go')
    parser.add_argument('--phantoms', type=int, default=N_PHANTOMS, help='people')
    parser.add_argument('--heads24', type=Path, help='folder of the dataset')
    parser.add_argument('--real', type=Path, help='folder of what real tools left')
    parser.add_argument('--intact', type=Path, help='folder of the scans that they were given')
    parser.add_argument('--looked-at', type=Path, help='table of what is left on real ones')
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    listing = arguments.folder / 'cases.jsonl'
    lines = [] if not listing.exists() else listing.read_text().splitlines()
    known = [json.loads(line) for line in lines]
    done = {(line['source'], line['person'], batch_of(line['tool'])) for line in known}
    with listing.open('a') as file:
        for source, person, number, dealt in _people(arguments.phantoms, arguments.heads24):
            if (source, f'{person:02d}', number) in done:
                continue
            rng = np.random.default_rng([SEED, len(source), person, number])
            made = _made(source, person, dealt, arguments.heads24, rng, folders=number == 0)
            new = list(write(arguments.folder, made, BATCHES[number].first))
            file.writelines(json.dumps(line) + '\n' for line in new)
            file.flush()
        if arguments.real:
            files = {line['file'] for line in known}
            found = real_cases(arguments.real, arguments.intact, arguments.looked_at)
            new = [line for line in found if line['file'] not in files]
            file.writelines(json.dumps(line) + '\n' for line in new)


def _made(
    source: str,
    person: int,
    dealt: list[Deal],
    heads24: Path | None,
    rng: Random,
    *,
    folders: bool,
) -> Iterator[tuple[Scan, dict[str, Any]]]:
    """Make the cases of one person of a source."""
    if source == 'phantom' or heads24 is None:
        yield from person_cases(Phantom(person), dealt, rng)
        return
    who = Heads24(heads24, person)
    yield from person_cases(who, dealt, rng)
    if folders:
        yield from folder_cases(who, rng)


def batch_of(tool: str) -> int:
    """Number of the batch that a tool is dealt in; what lies in folders goes with the first."""
    numbers = (number for number, batch in enumerate(BATCHES) if tool in batch.tools)
    return next(numbers, 0)


def _people(n_phantoms: int, heads24: Path | None) -> Iterator[tuple[str, int, int, list[Deal]]]:
    """People of both sources in turn, so that early ones are of both.

    Gives the source, the person, the number of a batch, and what of it was dealt.
    """
    n_heads = N_HEADS24 if heads24 else 0
    sources = (('phantom', 0, n_phantoms), ('heads24', 1, n_heads))
    dealt = {
        (source, number): _dealt(source, number)
        for source, *_ in sources
        for number in range(len(BATCHES))
    }
    for person in range(max(n_phantoms, n_heads)):
        for source, first, n in sources:
            for number in range(len(BATCHES)) if person < n else ():
                yield source, first + person, number, dealt[source, number][person]


def _dealt(source: str, number: int) -> list[list[Deal]]:
    """Deal a batch to all people of a source, whether they are asked for or not."""
    tools, n_cases, _ = BATCHES[number]
    if source == 'phantom':
        return deals(N_PHANTOMS, tools, seed=10 * number, n_cases=n_cases)
    tools = tuple(tool for tool in tools if tool not in ONLY_PHANTOMS)
    return deals(N_HEADS24, tools, seed=10 * number + 1, n_cases=n_cases)


if __name__ == '__main__':
    main()
