"""From a template and values to one self-contained HTML file."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from bids_reid.printable import printable
from bids_reid.report import words

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True, slots=True)
class Script:
    """A script that stands in the page.

    Attributes
    ----------
    text : Markup
        Its source; it must not hold ``</script``.
    source : str
        Its SHA-256 as the content security policy names it: the browser runs no other script.
    """

    text: Markup
    source: str


def render_page(template: str, *, scripts: tuple[str, ...] = (), **values: Any) -> str:
    """Fill ``data/templates/<template>``; every value is escaped unless it is ``Markup``.

    Parameters
    ----------
    template : str
        Name of the template.
    scripts : tuple of str
        Names of files in ``data/`` that go into the page. The page must work without them.
    """
    return (
        _environment()
        .get_template(template)
        .render(values, scripts=tuple(map(read_script, scripts)))
    )


@cache
def read_script(name: str) -> Script:
    """Read ``data/<name>``, and hash it for the content security policy (CSP level 2)."""
    text = (files('bids_reid') / 'data' / name).read_text(encoding='utf-8')
    digest = b64encode(sha256(text.encode()).digest()).decode()
    # Markup is right: the text is a file of the package.
    return Script(Markup(text), f"'sha256-{digest}'")  # noqa: S704


@cache
def _environment() -> Environment:
    # a run that has no page to write does not need it
    from jinja2 import Environment, FunctionLoader, StrictUndefined

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
        'number': words.number,
        'p_value': words.p_value,
        'percent': words.percent,
        'points': words.points,
        'points_interval': words.points_interval,
    }
    environment.globals['captions'] = words.captions()
    return environment
