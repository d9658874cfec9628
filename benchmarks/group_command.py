"""The command ``bids-reid``, timed from inside, with photographs whose features are drawn.

`benchmarks.group_level` runs it, with the name of a file in the environment: every call of the
functions in `PHASES` adds a line to it: its name, when it began and ended (seconds since the
epoch), its processor time and where it ran. Workers import this module as the program's main one,
so they are timed as well. Results of searches are kept in a folder that is named there, too, and
taken from it where they are: such a run does all but the searches.
"""

from __future__ import annotations

import cProfile
import importlib
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

TIMES = 'BIDS_REID_TIMES'
PROFILE = 'BIDS_REID_PROFILE'
SIZES = {'face_recognition': 128, 'facenet': 512}
"""How many numbers each extractor gives."""
KEPT = 'BIDS_REID_KEPT_SEARCHES'
N_DIRECTIONS = 20
SEARCH = ('fit_gallery', 'search_shard')
PARTS = ('read_scans', 'survey', 'read_photographs', 'init_group_wf')
"""Functions that are parts of others."""
PHASES = {
    'main': (
        ('bids_reid.bids.inputs', 'check_dataset'),
        ('bids_reid.group_level', 'select'),
        ('bids_reid.group.selection', 'read_scans'),
        ('bids_reid.group.selection', 'survey'),
        ('bids_reid.group.selection', 'read_photographs'),
        ('bids_reid.group_level', 'choose_extractors'),
        ('bids_reid.group_level', '_look_at_the_rest'),
        ('bids_reid.group_level', '_judged_images'),
        ('bids_reid.engine.group_run', 'init_group_wf'),
        ('bids_reid.group_level', 'search'),
        ('bids_reid.group_level', 'group_result'),
        ('bids_reid.report.group_figures', 'group_drawings'),
        ('bids_reid.report.group', 'group_page'),
        ('bids_reid.group_level', 'write_results'),
        ('bids_reid.group_level', 'update_pages'),
    ),
    'node': (
        ('bids_reid.engine.group_interfaces', 'encode_photographs'),
        ('bids_reid.engine.group_interfaces', 'fit_gallery'),
        ('bids_reid.engine.group_interfaces', 'search_shard'),
        ('bids_reid.engine.group_interfaces', 'summarise'),
        ('bids_reid.engine.group_interfaces', 'control_photographs'),
        ('bids_reid.engine.group_interfaces', 'link_scans'),
    ),
}
"""Module and name of each function that is timed, by where it runs."""


def drawn_faces(people: Sequence[int], size: int, noise: float = 0.0) -> np.ndarray:
    """Draw what people look like to an extractor that gives ``size`` numbers, (n, size).

    As faces are, people differ in some twenty directions.
    """
    directions = np.random.default_rng(size).normal(size=(N_DIRECTIONS, size))
    drawn = [np.random.default_rng([1, person]).normal(0, 0.15, N_DIRECTIONS) for person in people]
    features = np.array(drawn) @ (directions / np.linalg.norm(directions, axis=1, keepdims=True))
    scatter = np.random.default_rng([2, *people]).normal(0, noise or 1e-9, features.shape)
    return (features + scatter).astype(np.float32)


def encode_photographs(photos: Sequence[Any], extractor: str, target: Path) -> None:
    """Write what the program's own function of this name would, without opening photographs."""
    # the name of a distractor is its number among them
    people = [
        int(photo.participant) - 1 if photo.participant else 10**6 + int(digits(photo.name))
        for photo in photos
    ]
    features = drawn_faces(people, SIZES[extractor], noise=0.03)
    np.savez(
        target,
        extractor=extractor,
        features=features,
        mirrored=features + np.float32(0.001),
        photographs=np.array([photo.name for photo in photos]),
        statuses=np.array([['ok', '']] * len(photos)),
        faces=np.array([[1, 1, 0]] * len(photos), np.int32),
    )


def digits(name: str) -> str:
    """Return the digits of a name."""
    return re.sub(r'\D', '', name) or '0'


def searched_before(search: Callable[..., Any], scans: Any, *rest: Any) -> None:
    """Take the result of a search from the run before, if it is kept; else search and keep it."""
    first = (scans.scans if hasattr(scans, 'scans') else scans)[0]
    extractor, target = next(word for word in rest if isinstance(word, str)), rest[-1]
    name = f'{extractor}-{first.condition}-{first.participant}-{target.name}'
    kept = Path(os.environ[KEPT]) / name
    if kept.exists():
        shutil.copy(kept, target)
        return
    search(scans, *rest)
    kept.parent.mkdir(exist_ok=True)
    shutil.copy(target, kept)


def timed(function: Callable[..., Any], where: str, name: str, *words: Any, **named: Any) -> Any:
    """Call a function and note what it took."""
    before, used = time.time(), time.process_time()
    # parts of what is profiled are not: one profile at a time
    profile = cProfile.Profile() if os.environ.get(PROFILE) and name not in PARTS else None
    try:
        if profile is None:
            return function(*words, **named)
        return profile.runcall(function, *words, **named)
    finally:
        spent = time.process_time() - used
        line = '\t'.join([name, f'{before:.4f}', f'{time.time():.4f}', f'{spent:.4f}', where])
        with Path(os.environ[TIMES]).open('a') as file:
            file.write(f'{line}\n')
        if profile is not None:
            profile.dump_stats(f'{os.environ[TIMES]}.{name}-{time.time():.2f}.prof')


def install() -> None:
    """Put timed functions in the place of those of the program."""
    stand_in = importlib.import_module('bids_reid.engine.group_interfaces')
    stand_in.encode_photographs = encode_photographs  # type: ignore[attr-defined]
    for where, functions in PHASES.items():
        for module, name in functions:
            holder = importlib.import_module(module)
            function = getattr(holder, name)
            if name in SEARCH:
                function = partial(searched_before, function)
            setattr(holder, name, partial(timed, function, where, name))


if __name__ in ('__main__', '__mp_main__') and TIMES in os.environ:
    from bids_reid.levels import prepare_environment

    prepare_environment()
    install()

if __name__ == '__main__':
    from bids_reid.cli import main

    sys.exit(main())
