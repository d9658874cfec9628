"""Numbers and names as people read them."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from bids_reid import messages

NOT_AVAILABLE = 'n/a'
EN_DASH = '\N{EN DASH}'
MINUS = '\N{MINUS SIGN}'
count = messages.count


@cache
def captions() -> Any:
    """Return the texts of ``data/captions.json`` about statuses, extractors and decisions."""
    return json.loads((files('bids_reid') / 'data' / 'captions.json').read_text(encoding='utf-8'))


def percent(fraction: float | None) -> str:
    """Write a fraction as a percentage, never rounding to 0% or 100% what is neither.

    >>> percent(14 / 24), percent(0.004), percent(0.9999), percent(0.0), percent(None)
    ('58%', '0.4%', '>99.9%', '0%', 'n/a')
    """
    if fraction is None:
        return NOT_AVAILABLE
    if 0 < fraction < 0.001:
        return '<0.1%'
    if 0.999 < fraction < 1:
        return '>99.9%'
    if 0 < fraction < 0.01 or 0.99 < fraction < 1:
        return f'{fraction:.1%}'.replace('.0%', '%')
    return f'{fraction:.0%}'


def interval(low: float | None, high: float | None) -> str:
    """Write an interval of fractions: ``39-76%`` with an en dash.

    >>> interval(0.388, 0.755).replace(EN_DASH, '-'), interval(None, None)
    ('39-76%', 'n/a')
    """
    if low is None or high is None:
        return NOT_AVAILABLE
    return f'{percent(low).removesuffix("%")}{EN_DASH}{percent(high)}'


def points(difference: float | None) -> str:
    """Write a difference of fractions in percentage points, with its sign.

    >>> points(-0.125).replace(MINUS, '-'), points(0.5), points(None)
    ('-12', '+50', 'n/a')
    """
    if difference is None:
        return NOT_AVAILABLE
    return f'{100 * difference:+.0f}'.replace('-', MINUS)


def points_interval(low: float | None, high: float | None) -> str:
    """Write an interval of differences in percentage points.

    >>> points_interval(-0.3, 0.1).replace(MINUS, '-')
    '-30 to +10'
    """
    if low is None or high is None:
        return NOT_AVAILABLE
    return f'{points(low)} to {points(high)}'


def p_value(p: float | None) -> str:
    """Write a p-value with two digits, never as 0.

    >>> p_value(0.031), p_value(0.00004), p_value(None)
    ('0.031', '<0.001', 'n/a')
    """
    if p is None:
        return NOT_AVAILABLE
    return '<0.001' if p < 0.001 else f'{p:.2g}'


def number(value: float) -> str:
    """Write a number with commas between thousands.

    >>> number(1000), number(12)
    ('1,000', '12')
    """
    return f'{value:,}'


def na(value: object) -> object:
    """Return the value, or ``n/a`` for one that is missing or empty."""
    return NOT_AVAILABLE if value is None or value == '' else value
