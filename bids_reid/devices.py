"""Where networks and renders are computed: on the processor, or on a graphics card.

What is asked for reaches every process as environment variables, as the number of threads does.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

Device = Literal['auto', 'cpu', 'gpu']
DEVICES: tuple[Device, ...] = ('auto', 'cpu', 'gpu')
"""A card if it passes the checks, else the processor; the processor; or a card, whatever else."""
NETWORKS = 'BIDS_REID_DEVICE'
"""Variable that says where networks run."""
RENDERS = 'BIDS_REID_RENDERER'
"""Variable that says where renders are made: ``auto``, ``cpu``, or the number of an EGL device."""
_DRIVER = Path('/proc/driver/nvidia/gpus')


def use_device(device: Device) -> None:
    """Let networks and renders of this process, and of those it starts, run there.

    A renderer on the processor gives nearly the same pictures: without a card that can render
    there is nothing to refuse.
    """
    os.environ[NETWORKS] = device
    os.environ[RENDERS] = 'cpu' if device == 'cpu' else 'auto'


def network_device() -> Device:
    """Say where networks are to run."""
    asked = os.environ.get(NETWORKS)
    return next((one for one in DEVICES if one == asked), 'auto')


def use_processor_for_networks() -> None:
    """Run networks on the processor: the card did not pass."""
    os.environ[NETWORKS] = 'cpu'


def renderer() -> int | Literal['auto', 'cpu']:
    """Say where renders are to be made: a number is that of the device in EGL's list."""
    asked = os.environ.get(RENDERS, 'auto')
    if asked.isdecimal():
        return int(asked)
    return 'cpu' if asked == 'cpu' else 'auto'


def use_renderer(device: int | Literal['auto', 'cpu']) -> None:
    """Make renders there, in this process and those that it starts."""
    os.environ[RENDERS] = str(device)


def chosen_devices() -> dict[str, str]:
    """Return the variables that a process of a server started earlier does not have."""
    return {name: os.environ[name] for name in (NETWORKS, RENDERS) if name in os.environ}


def card_names() -> tuple[str, ...]:
    """Return the names of the graphics cards that NVIDIA's driver knows; none without it."""
    found = []
    for file in sorted(_DRIVER.glob('*/information')):
        try:
            lines = file.read_text('utf-8', 'replace').splitlines()
        except OSError:
            continue
        models = [line.partition(':')[2].strip() for line in lines if line.startswith('Model:')]
        found += [name for name in models if name]
    return tuple(found)
