"""A figure as text and bytes: for the page, which lends it its colours, and for a file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

_BACKGROUND = '<rect width="100%" height="100%" fill="#ffffff"/>'
_FONT = re.compile(r'; font-family: [^;"]*')
_FONTS = "; font-family: 'DejaVu Sans', Verdana, Arial, sans-serif"
"""For viewers that lack the first one, which the figure was measured with."""
_STYLE = re.compile(r'<defs>\s*<style.*?</style>\s*</defs>', re.DOTALL)
_SIZE = re.compile(r'^<svg ([^>]*?)width="[^"]*" height="[^"]*" ')


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure of the group level.

    Attributes
    ----------
    kind : str
        ``cmc``, ``growth``, ``distributions``, ``changes``, ``det`` or ``published``.
    name : str
        Of its files, without an ending; no other figure of the run has it.
    heading : str
        Its caption: the scans whose numbers it shows.
    title, description : str
        What it shows, and the main numbers in words, for those who do not see it.
    table : str
        File with the numbers; empty if a table of the page has them.
    svg : str
        File without a background, in black and colours; ids start with ``name``.
    pdf : bytes
        The same as PDF.
    """

    kind: str
    name: str
    heading: str
    title: str
    description: str
    table: str
    svg: str
    pdf: bytes

    @property
    def inline(self) -> Markup:
        """The SVG as an element of a page: black becomes the colour of the text around it."""
        svg = _STYLE.sub('', self._told(), count=1).replace('#000000', 'currentColor')
        svg = _FONT.sub('', svg)
        # Markup is right: matplotlib escapes the text it draws, `_told` what is added.
        return Markup(_SIZE.sub(r'<svg \1', svg, count=1))  # noqa: S704

    @property
    def svg_file(self) -> str:
        """The SVG as a file of its own: on white, whatever the viewer's background."""
        head = '<?xml version="1.0" encoding="utf-8" standalone="no"?>\n'
        told = _FONT.sub(_FONTS, self._told())
        end = told.index('</desc>') + len('</desc>')
        return f'{head}{told[:end]}{_BACKGROUND}{told[end:]}\n'

    def _told(self) -> str:
        """Add title and description, which screen readers read out."""
        prefix = self.name
        svg = self.svg.replace(
            '<svg ',
            f'<svg role="img" fill="currentColor" aria-labelledby="{prefix}-title {prefix}-desc" ',
            1,
        )
        words_first = (
            f'<title id="{prefix}-title">{escape(self.title)}</title>'
            f'<desc id="{prefix}-desc">{escape(self.description)}</desc>'
        )
        return re.sub('>', lambda match: match.group() + words_first, svg, count=1)


def by_kind(drawings: Iterable[Drawing]) -> dict[str, list[Drawing]]:
    """Sort figures by their kind; in each kind they keep their order."""
    sorted_drawings: dict[str, list[Drawing]] = {}
    for drawing in drawings:
        sorted_drawings.setdefault(drawing.kind, []).append(drawing)
    return sorted_drawings


def with_prefix(svg: str, prefix: str) -> str:
    """Return the ``<svg>`` element of a file of matplotlib, its ids apart from those of others."""
    svg = svg[svg.index('<svg') :].strip()
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r'href="#', f'href="#{prefix}-', svg)
    return svg.replace('url(#', f'url(#{prefix}-')


def file_name(*parts: str) -> str:
    """Name a file after what it shows.

    >>> file_name('cmc', 'T1w-raw'), file_name('cmc', 'T1w-../x y')
    ('cmc_T1w-raw', 'cmc_T1w-x-y')
    """
    return '_'.join(re.sub(r'[^A-Za-z0-9]+', '-', part).strip('-') for part in parts)
