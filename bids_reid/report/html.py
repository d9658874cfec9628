"""From a template and values to one self-contained HTML file."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from bids_reid.printable import printable
from bids_reid.report import words


def render_page(template: str, **values: Any) -> str:
    """Fill ``data/templates/<template>``; every value is escaped unless it is ``Markup``."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    folder = files('bids_reid') / 'data' / 'templates'
    environment = Environment(
        loader=FunctionLoader(lambda name: (folder / name).read_text(encoding='utf-8')),
        # Not select_autoescape(), whose default extensions do not match 'group.html.j2'.
        autoescape=True,
        undefined=StrictUndefined,
        # names of files turn no line round and hide nothing
        finalize=lambda value: printable(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        'count': words.count,
        'interval': words.interval,
        'na': words.na,
        'p_value': words.p_value,
        'percent': words.percent,
        'points': words.points,
        'points_interval': words.points_interval,
    }
    environment.globals['captions'] = words.captions()
    return environment
