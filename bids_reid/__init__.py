"""bids_reid: is a face left in a dataset, and how many participants could be recognised.

The functions of `bids_reid.api` are here as well. They are imported when they are first used:

>>> import bids_reid
>>> bids_reid.run('data', 'out')  # doctest: +SKIP
>>> bids_reid.load('out').outcome  # doctest: +SKIP
>>> bids_reid.assess('sub-01_T1w.nii.gz')  # doctest: +SKIP
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bids_reid.api import Output, assess, load, run
    from bids_reid.errors import Exit, ReidError

__version__ = '0.1.0.dev11'
__all__ = ['Exit', 'Output', 'ReidError', '__version__', 'assess', 'load', 'run']

NO_CALLS_HOME = {'NIPYPE_NO_ET': '1', 'NO_ET': '1', 'ORT_DISABLE_TELEMETRY': '1'}
"""Nipype asks a server for its newest version, ONNX Runtime (from 1.29) reports what it is used
for, unless the environment says otherwise before they are imported."""
os.environ |= NO_CALLS_HOME
_MODULES = {
    **dict.fromkeys(('Output', 'assess', 'load', 'run'), 'bids_reid.api'),
    **dict.fromkeys(('Exit', 'ReidError'), 'bids_reid.errors'),
}
"""Module of each name that is imported when it is first used (PEP 562)."""


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: the package alone is imported quickly."""
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
