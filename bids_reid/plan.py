"""``bids-reid-plan``: how many people a run needs to show that its scans give nobody away."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from bids_reid import __version__
from bids_reid.cli import Parser, fraction, guarded
from bids_reid.errors import Exit
from bids_reid.messages import count, say
from bids_reid.surroundings import prepare_surroundings

DESCRIPTION = """\
How many photographed participants does a run need, so that a dataset whose scans give nobody
away passes bids-reid with --max-risk? Even blind guesses recognise about one person per attack.
"""
EPILOG = """\
exit codes: 0 done; 64 wrong usage
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``bids-reid-plan``; return its exit code."""
    prepare_surroundings(is_program=argv is None)
    options = build_parser().parse_args(sys.argv[1:] if argv is None else argv)
    return guarded('bids-reid-plan', lambda: tell(options))


def build_parser() -> Parser:
    """Build the parser of ``bids-reid-plan``."""
    parser = Parser(prog='bids-reid-plan', description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument('--version', action='version', version=f'bids-reid {__version__}')
    parser.add_argument(
        '--max-risk',
        type=fraction,
        required=True,
        metavar='SHARE',
        help='the limit of the rank-1 rate: 5%% or 0.05',
    )
    parser.add_argument(
        '--attacks',
        type=_number(1),
        metavar='N',
        help='attacks that will be tried: the decisions of all extractors, as bids-reid counts '
        'them (default: those that it tries by default on this machine)',
    )
    parser.add_argument(
        '--gallery',
        type=_number(2),
        metavar='N',
        help='people with scans, where more are scanned than photographed (default: as many)',
    )
    parser.add_argument(
        '--people',
        type=_number(1),
        metavar='N',
        help='also print the chance of a pass with this number of photographed people',
    )
    parser.add_argument('--json', action='store_true', help='print one JSON object instead')
    return parser


def _number(least: int) -> Any:
    """Return a reader of whole numbers from ``least`` on."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f'{text!r} is not a whole number of at least {least}')
        return int(text)

    return read


def default_attacks() -> int:
    """Count the attacks that a run tries where no extractor is named."""
    from bids_reid.faces.extractors import available_extractors, load_extractor
    from bids_reid.match.decisions import DECISIONS

    kinds = [load_extractor(name).kind for name in available_extractors()[0]]
    alone = sum(kind in decision.applies_to for kind in kinds for decision in DECISIONS.values())
    # and those whose scores are fused
    return alone + (kinds.count('vector') > 1)


def tell(options: argparse.Namespace) -> Exit:
    """Print what was asked for."""
    numbers = planned(options.max_risk, options.attacks, options.gallery, options.people)
    if options.json:
        print(json.dumps(numbers, indent=2))
    else:
        for line in _lines(numbers):
            say(line)
    return Exit.OK


def planned(
    max_risk: float,
    n_attacks: int | None = None,
    n_gallery: int | None = None,
    n_people: int | None = None,
) -> dict[str, Any]:
    """Return the numbers that the program prints, by name.

    Parameters
    ----------
    max_risk
        The limit, 0 to 1.
    n_attacks
        `default_attacks` if it is not given.
    n_gallery
        People with scans; all who are photographed have one.
    n_people
        Photographed people whose chance of a pass is asked for.
    """
    from bids_reid.risk.planning import POWERS, chance_of_pass, people_needed

    attacks = default_attacks() if n_attacks is None else n_attacks
    numbers: dict[str, Any] = {'max_risk': max_risk, 'n_attacks': attacks, 'n_gallery': n_gallery}
    for power in POWERS:
        needed = people_needed(max_risk, attacks, power=power, n_gallery=n_gallery)
        numbers[f'n_needed_{power:.0%}'.rstrip('%')] = needed
    if n_people is not None:
        among = max(n_people, n_gallery or 0)
        numbers['n_people'] = n_people
        numbers['chance_of_pass'] = chance_of_pass(n_people, among, attacks, max_risk)
    return numbers


def _lines(numbers: dict[str, Any]) -> list[str]:
    from bids_reid.risk.gate import percent

    limit = f'a limit of {percent(numbers["max_risk"])}'
    tried = count(numbers['n_attacks'], 'attack')
    if numbers['n_needed_80'] is None:
        lines = [f'no number of people can show a risk within {limit}']
    else:
        among = numbers['n_gallery']
        searched = f', searched among {among:,} or more' if among else ''
        lines = [
            f'{count(numbers["n_needed_80"], "person", "people")}{searched}: scans that give '
            f'nobody away pass {limit} with a chance of 80% or more ({tried})',
            f'{count(numbers["n_needed_95"], "person", "people")}{searched}: 95% or more',
        ]
    if 'n_people' in numbers:
        chance = numbers['chance_of_pass']
        said = f'{percent(chance)} or more' if chance else 'too few, even if none is recognised'
        lines.append(f'{count(numbers["n_people"], "person", "people")}: {said}')
    return lines


if __name__ == '__main__':
    sys.exit(main())
