"""Works that texts of a run cite, from ``data/references.json``, as text and as BibTeX."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from bids_reid.bids.files import packaged_text

OTHERS = 'others'
"""In place of the authors after the first, as BibTeX has it."""
_DETAILS = ('journal', 'booktitle', 'publisher', 'institution', 'howpublished')
_SPECIAL = re.compile(r'([&%$#_])')


@dataclass(frozen=True, slots=True)
class Reference:
    """A work that can be cited.

    Attributes
    ----------
    key : str
        What texts cite it by.
    type : str
        Of the entry in BibTeX.
    authors : tuple of str
        ``Family, Initials``; in braces what is no person's name. The last may be ``others``.
    title : str
        As published.
    year : int or None
        ``None`` if it is not known.
    fields : mapping
        Other fields of BibTeX.
    """

    key: str
    type: str
    authors: tuple[str, ...]
    title: str
    year: int | None
    fields: Mapping[str, str]

    @property
    def short(self) -> str:
        """Authors and year, as texts cite them.

        >>> reference('clopper1934').short, reference('numpy').short
        ('Clopper & Pearson, 1934', 'Harris et al., 2020')
        """
        families = [author.split(',')[0].strip('{}') for author in self.authors]
        if len(families) > 2 or OTHERS in families:
            named = f'{families[0]} et al.'
        else:
            named = ' & '.join(families)
        return f'{named}, {self.year}' if self.year else named

    @property
    def plain(self) -> str:
        """The whole reference without its DOI, as a list of references has it."""
        authors = ', '.join(
            'et al.' if author == OTHERS else author.strip('{}').replace(',', '')
            for author in self.authors
        )
        year = f' ({self.year})' if self.year else ''
        fields = self.fields
        venue = ', '.join(fields[name] for name in _DETAILS if name in fields)
        number = f'({fields["number"]})' if 'number' in fields else ''
        volume = f' {fields["volume"]}{number}' if 'volume' in fields else ''
        edition = f', {fields["edition"]} edition' if 'edition' in fields else ''
        pages = fields.get('pages', '').replace('-', '\N{EN DASH}')
        pages = f'{":" if volume else ", "}{pages}' if pages else ''
        note = f'. {fields["note"]}' if 'note' in fields else ''
        where = f' {venue}{edition}{volume}{pages}' if venue else ''
        parts = f'{authors}{year}'.rstrip('.') + f'. {self.title}.{where}'.rstrip('.')
        return f'{parts}{note}.'

    @property
    def doi(self) -> str | None:
        """The DOI, if the work has one that is known."""
        return self.fields.get('doi')

    @property
    def bibtex(self) -> str:
        """The entry of a BibTeX file."""
        entry = {
            'author': ' and '.join(self.authors),
            'title': f'{{{self.title}}}',
            **({'year': str(self.year)} if self.year else {}),
            **self.fields,
        }
        if 'pages' in entry:
            entry['pages'] = entry['pages'].replace('-', '--')
        lines = [
            f'  {name} = {{{value if name == "doi" else _SPECIAL.sub(_escaped, value)}}}'
            for name, value in entry.items()
        ]
        return f'@{self.type}{{{self.key},\n' + ',\n'.join(lines) + '\n}\n'


def _escaped(match: re.Match[str]) -> str:
    return f'\\{match.group()}'


@cache
def references() -> Mapping[str, Reference]:
    """Return all works by their keys."""
    listed: dict[str, dict[str, Any]] = json.loads(packaged_text('references.json'))
    return {key: _reference(key, dict(entry)) for key, entry in listed.items()}


def _reference(key: str, entry: dict[str, Any]) -> Reference:
    return Reference(
        key=key,
        type=entry.pop('type'),
        authors=tuple(entry.pop('authors')),
        title=entry.pop('title'),
        year=entry.pop('year'),
        fields=entry,
    )


def reference(key: str) -> Reference:
    """Return a work; raises KeyError if there is none with this key."""
    return references()[key]
