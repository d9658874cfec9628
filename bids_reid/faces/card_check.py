"""Which networks run on a graphics card, asked in a child process before any work."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bids_reid import devices
from bids_reid.asking import NoAnswerError, ask_child, be_silent
from bids_reid.errors import MachineError
from bids_reid.faces.networks.sessions import CARD, NO_PROVIDER, REFUSED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection

CHECKED = ('face_recognition', 'facenet', 'facenet-all-views')
"""Extractors whose networks can run on a card."""
PROVIDER = Path('capi/libonnxruntime_providers_cuda.so')
"""File of ONNX Runtime that is there if it was built for cards."""
SECONDS = 300
"""The first use of a card may compile its kernels."""
ENDED = 'the process that tried it ended'
SLOW = f'it gives no answer in {SECONDS} s'

Engines = dict[str, tuple[str, str]]
"""Extractor to the name of its engine, and the reason why it is not the one asked for."""


def check_card(extractors: Sequence[str]) -> str:
    """Find out whether networks run on a graphics card, and return a line that says so.

    If trying it ends a process, no process of the run tries it again.

    Parameters
    ----------
    extractors : sequence of str
        Names of those that are to run.

    Returns
    -------
    str
        Empty if there is nothing to say: no card, or none is to be used.

    Raises
    ------
    MachineError
        Networks have to run on a card, and cannot.
    """
    device = devices.network_device()
    names = tuple(name for name in extractors if name in CHECKED)
    if device == 'cpu' or not names:
        return ''
    if not _can_have_cards():
        if device == 'gpu':
            raise MachineError(_refusal(NO_PROVIDER))
        cards = ', '.join(dict.fromkeys(devices.card_names()))
        return f'networks run on the processor, not on {cards}: {NO_PROVIDER}' if cards else ''
    engines = _engines(names, device)
    if isinstance(engines, dict):
        return '; '.join(_line(name, *said) for name, said in engines.items())
    if device == 'gpu':
        raise MachineError(_refusal(engines))
    devices.use_processor_for_networks()
    return f'networks run on the processor, not on the graphics card: {engines}'


@cache
def _engines(names: Sequence[str], device: devices.Device) -> Engines | str:
    """Return what runs each network, or why that cannot be told."""
    try:
        return ask_child(_answer, names, device, seconds=SECONDS) or ENDED
    except NoAnswerError:
        return SLOW


def _refusal(reason: str) -> str:
    # engines say it themselves
    return reason if reason.startswith(REFUSED) else f'{REFUSED}: {reason}'


def _line(extractor: str, engine: str, reason: str) -> str:
    if CARD in engine:
        return f'{extractor} runs on the graphics card ({engine})'
    return f'{extractor} runs on the processor ({engine}): {reason}'


def _can_have_cards() -> bool:
    """Whether ONNX Runtime was built for cards; it need not be imported for it, which is slow."""
    package = find_spec('onnxruntime')
    folders = (package and package.submodule_search_locations) or ()
    return any((Path(folder) / PROVIDER).is_file() for folder in folders)


def _answer(question: Connection, names: Sequence[str], device: devices.Device) -> None:
    """Load networks as a worker does, and send their engines, or the line of an error."""
    from bids_reid.faces.extractors import load_extractor

    be_silent()
    # the server of processes may have been started for another run
    os.environ[devices.NETWORKS] = device
    try:
        said = {name: load_extractor(name).provenance() for name in names}
    except MachineError as error:
        question.send(str(error))
        return
    question.send(
        {name: (one['Engine'], one.get('EngineReason', '')) for name, one in said.items()}
    )
