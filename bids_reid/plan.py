"""``bids-reid-plan``: how many people a study needs to show that its scans identify nobody."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from bids_reid.arguments import Parser, add_version, at_least, fraction
from bids_reid.cli import guarded
from bids_reid.errors import Exit
from bids_reid.messages import count, say
from bids_reid.surroundings import prepare_surroundings

PROGRAM = 'bids-reid-plan'
DESCRIPTION = """\
How many people with photographs does a study need? With that many, a dataset
whose scans identify nobody passes bids-reid with --max-risk. Even blind guesses
recognise about one person per attack: a small study cannot show a small risk.
"""
EXAMPLES = {
    'Plan a study with a limit of 5%:': 'bids-reid-plan --max-risk 5%',
    'Search among 1,000 scanned people, and ask about 150 photographed ones:': (
        'bids-reid-plan --max-risk 5% --gallery 1000 --people 150'
    ),
    'Print the numbers for a program:': 'bids-reid-plan --max-risk 5% --json',
}
EXIT_CODES = {0: 'Done.', 64: 'Wrong usage.'}


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``bids-reid-plan``; return its exit code."""
    prepare_surroundings(is_program=argv is None)
    options = build_parser().parse_args(sys.argv[1:] if argv is None else argv)
    return guarded(PROGRAM, lambda: tell(options))


def build_parser() -> Parser:
    """Build the parser of ``bids-reid-plan``."""
    parser = Parser(PROGRAM, description=DESCRIPTION, examples=EXAMPLES, exit_codes=EXIT_CODES)
    parser.add_argument(
        '--max-risk',
        type=fraction,
        required=True,
        metavar='SHARE',
        help='Largest rank-1 identification rate that you accept: 5%% or 0.05.',
    )
    parser.add_argument(
        '--attacks',
        type=at_least(1),
        metavar='N',
        help='Number of attacks that a run tries: all decisions of all extractors. '
        'Default: as many as a run tries on this machine.',
    )
    parser.add_argument(
        '--gallery',
        type=at_least(2),
        metavar='N',
        help='Number of people with scans. Default: as many as have photographs.',
    )
    parser.add_argument(
        '--people',
        type=at_least(1),
        metavar='N',
        help='Number of people with photographs. Their chance of a pass is printed as well.',
    )
    parser.add_argument('--json', action='store_true', help='Print one JSON object instead.')
    add_version(parser)
    return parser


def default_attacks() -> int:
    """Count the attacks that a run tries where no extractor is named."""
    from bids_reid.faces.extractors import available_extractors, load_extractor
    from bids_reid.match.decisions import DECISIONS

    kinds = [load_extractor(name).kind for name in available_extractors()[0]]
    alone = sum(kind in decision.applies_to for kind in kinds for decision in DECISIONS.values())
    # and those whose scores are fused
    return alone + (kinds.count('vector') > 1)


def tell(options: argparse.Namespace) -> Exit:
    """Print the numbers, as lines or as JSON."""
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
    from bids_reid.risk.gate import limit_of, percent

    limit = limit_of(numbers['max_risk'])
    tried = count(numbers['n_attacks'], 'attack')
    if numbers['n_needed_80'] is None:
        lines = [f'No number of people can show a risk within a limit of {limit}.']
    else:
        among = numbers['n_gallery']
        searched = f', searched among {among:,} or more' if among else ''
        people = [count(numbers[f'n_needed_{n}'], 'person', 'people') for n in (80, 95)]
        lines = [
            f'If the scans identify nobody, the study passes a limit of {limit} ({tried}):',
            f'  with {people[0]} or more{searched}: chance 80% or more',
            f'  with {people[1]} or more{searched}: chance 95% or more',
        ]
    if 'n_people' in numbers:
        chance = numbers['chance_of_pass']
        planned_for = count(numbers['n_people'], 'person', 'people')
        more = '' if percent(chance).startswith('<') else ' or more'
        said = f'chance {percent(chance)}{more}' if chance else 'no pass, even if none is found'
        lines.append(f'  with {planned_for}: {said}')
    return lines


if __name__ == '__main__':
    sys.exit(main())
