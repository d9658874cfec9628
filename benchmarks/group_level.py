"""Time the group level of a large study, phase by phase.

    python -m benchmarks.group_level [--participants N] [--photos N] [--folder DIR] [--profile]

A phantom goes through the participant level, as it is and de-faced; the study is made of copies
of its results under other names, with drawn templates. So pages, records and sidecars are of
the size that real ones have, and every scan has bytes of its own. The images are small, and so
that the numbers are those of this program's work, photographs are not looked at: their features
are drawn, too (`benchmarks.group_command`). How long those take `release_walk.py` and
`embedding.py` tell.

The whole command runs twice in the same folder. The second run takes the results of the searches
from the first, so that it is the group level without them. Prints one TSV row for each phase of
each run: how many calls there were, when the first began and the last ended, seconds after the
command's start; and the seconds of wall and of processor time of all together.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.group_command import KEPT, PROFILE, SIZES, TIMES, drawn_faces
from bids_reid.bids.files import file_sha256
from bids_reid.demo.defaced_release import write_release
from bids_reid.faces.registrations import bids_label
from bids_reid.report.overview import version_key

NOISE = {'raw': 0.03, 'defaced': 0.2}
"""How far the views of a scan scatter around its person, who are 0.15 apart."""
MODEL = '02'
"""The phantom that the study is made of copies of; it is simply de-faced."""


@dataclass(frozen=True)
class Study:
    """Folders of the study."""

    root: Path

    @property
    def conditions(self) -> dict[str, Path]:
        """Folder of each condition."""
        return {'raw': self.root / 'bids', 'defaced': self.root / 'defaced'}

    @property
    def out(self) -> Path:
        """The output folder."""
        return self.root / 'out'

    @property
    def photos(self) -> Path:
        """Photographs of participants and distractors."""
        return self.root / 'photos'

    @property
    def kept(self) -> Path:
        """Results of the searches of the first run."""
        return self.root / 'searches'


def make_model(root: Path) -> Study:
    """Take one phantom through the participant level, before and after de-facing."""
    originals, release = write_release(root / 'phantoms', good=True, spacing=3.0)
    model = Study(root)
    for source, target in zip((originals, release), model.conditions.values(), strict=True):
        shutil.copytree(source / f'sub-{MODEL}', target / f'sub-{MODEL}')
        shutil.copy(originals / 'dataset_description.json', target)
    command = [*('-m', 'bids_reid', str(model.conditions['raw']), str(model.out), 'participant')]
    options = ('-d', f'defaced={model.conditions["defaced"]}', '--nprocs', '1')
    subprocess.run([sys.executable, *command, *options, '--extractors', *SIZES], check=True)
    return model


def make_study(model: Study, study: Study, n_people: int, n_photos: int) -> None:
    """Copy the model's results under the names of ``n_people``, and draw their templates."""
    for condition, folder in model.conditions.items():
        shutil.copytree(folder, study.conditions[condition], ignore=_people)
    shutil.copytree(model.out, study.out, ignore=_people)
    labels = [f'{number + 1:05}' for number in range(n_people)]
    rows = ['participant_id\tage\tsex']
    for number, label in enumerate(labels):
        rows.append(f'sub-{label}\t{20 + number % 60}\t{"FM"[number % 2]}')
        _copy_person(model, study, label)
        _draw_templates(model.out / f'sub-{MODEL}', study.out / f'sub-{label}', number)
    table = study.conditions['raw'] / 'participants.tsv'
    table.write_text('\n'.join([*rows, '']))
    study.photos.mkdir()
    for number in range(n_photos):
        # one of three is of somebody who is in no scan
        name = f'sub-{labels[number // 3 % n_people]}' if number % 3 else 'distractor'
        content = f'no photograph, but of its own content: {number}'
        (study.photos / f'{name}_photo-{number}.jpg').write_text(content)


def _people(_: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(('sub-', '.locks', 'logs'))]


def _copy_person(model: Study, study: Study, label: str) -> None:
    """Copy images and results of the model; text says the new names, hashes and keys."""
    old, now = f'sub-{MODEL}', f'sub-{label}'
    new = {old: now}
    for condition, folder in model.conditions.items():
        for source in folder.rglob('*.nii.gz'):
            path = source.relative_to(folder).as_posix()
            target = study.conditions[condition] / path.replace(old, now)
            target.parent.mkdir(parents=True)
            # what follows compressed data is left aside
            target.write_bytes(source.read_bytes() + label.encode())
            new[file_sha256(source)] = file_sha256(target)
            new[version_key(condition, path)] = version_key(condition, path.replace(old, now))
    for source in (*model.out.glob(f'{old}/**/*'), *model.out.glob(f'{old}.html')):
        path = source.relative_to(model.out).as_posix()
        target = study.out / path.replace(old, now)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if source.suffix in ('.json', '.html', '.tsv'):
            text = source.read_text()
            for one, other in new.items():
                text = text.replace(one, other)
            target.write_text(text)
        elif source.suffix == '.gii':
            os.link(source, target)


def _draw_templates(model: Path, folder: Path, number: int) -> None:
    """Write the templates of a person under every condition, of the views that the model's are."""
    for extractor, size in SIZES.items():
        person = drawn_faces([number], size)[0]
        for condition, noise in NOISE.items():
            desc = (
                bids_label(extractor) if condition == 'raw' else condition + bids_label(extractor)
            )
            ending = f'_desc-{desc}_T1w.npz'
            with np.load(model / 'anat' / f'{model.name}{ending}') as template:
                arrays = dict(template)
            rng = np.random.default_rng([number, size, condition == 'raw'])
            spread = rng.standard_normal(arrays['features'].shape, np.float32)
            arrays['features'] = person + spread * np.float32(noise)
            np.savez(folder / 'anat' / f'{folder.name}{ending}', **arrays)  # type: ignore[arg-type]


def run_command(study: Study, nprocs: int, *, profile: bool) -> tuple[float, list[list[str]]]:
    """Run the group level; return its wall time and the phases that it noted."""
    times = study.root / 'times.tsv'
    times.unlink(missing_ok=True)
    raw, defaced = study.conditions.values()
    words = [str(raw), str(study.out), 'group', '-d', f'defaced={defaced}', '--audit', 'defaced']
    words += ['--photos', str(study.photos), '--max-risk', '0.05', '--nprocs', str(nprocs)]
    words += ['--extractors', *SIZES]
    given = {TIMES: str(times), KEPT: str(study.kept), PROFILE: '1' if profile else ''}
    started = time.time()
    subprocess.run(
        [sys.executable, '-m', 'benchmarks.group_command', *words],
        env={**os.environ, **given},
        check=False,
        stdout=subprocess.DEVNULL,
    )
    wall = time.time() - started
    rows = [line.split('\t') for line in times.read_text().splitlines()]
    for row in rows:
        row[1:3] = [str(float(moment) - started) for moment in row[1:3]]
    return wall, rows


def report(run: str, wall: float, rows: list[list[str]]) -> None:
    """Print the phases of a run."""
    names = dict.fromkeys(row[0] for row in rows)
    for name in names:
        mine = [row for row in rows if row[0] == name]
        first, last = min(float(row[1]) for row in mine), max(float(row[2]) for row in mine)
        spent = sum(float(row[2]) - float(row[1]) for row in mine)
        processor = sum(float(row[3]) for row in mine)
        print(
            *(run, name, len(mine)),
            *(f'{seconds:.2f}' for seconds in (first, last, spent, processor)),
            sep='\t',
        )
    print(run, 'whole command', 1, '0.00', *[f'{wall:.2f}'] * 2, '', sep='\t', flush=True)


def main(given: argparse.Namespace) -> None:
    """Make the study unless it is there, and run the command twice."""
    with tempfile.TemporaryDirectory() as temporary:
        root = (given.folder or Path(temporary)).absolute()
        model, study = Study(root / 'model'), Study(root / f'study-{given.participants}')
        if not model.out.exists():
            make_model(model.root)
        if not study.root.exists():
            make_study(model, study, given.participants, given.photos)
        print('run', 'phase', 'calls', 'from_s', 'to_s', 'wall_s', 'processor_s', sep='\t')
        shutil.rmtree(study.kept, ignore_errors=True)
        for run in ('with search', 'without search'):
            report(run, *run_command(study, given.nprocs, profile=given.profile))


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--participants', type=int, default=1000)
    parser.add_argument('--photos', type=int, default=3000, help='a third of them distractors')
    parser.add_argument('--nprocs', type=int, default=2)
    parser.add_argument('--folder', type=Path, help='make the study here and keep it')
    parser.add_argument('--profile', action='store_true', help='of every phase, beside the output')
    main(parser.parse_args())
