"""The arguments and options of ``bids-reid``; their names become fields of Settings."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from bids_reid.arguments import (
    Ignored,
    Names,
    Parser,
    absolute,
    add_help_option,
    add_nprocs,
    add_version,
    fraction,
    memory,
    named_folder,
    positive,
    whole,
)
from bids_reid.devices import DEVICES
from bids_reid.records import IDENTIFYING, PART_NAMES
from bids_reid.settings import AS_FREE, KEPT

PROGRAM = 'bids-reid'
USAGE = '%(prog)s bids_dir output_dir {participant,group} ... [options]'
DESCRIPTION = """\
May this dataset be shared? Is a face left in any image, and how many
participants could be recognised? The participant level looks at every image.
It turns each head scan into 81 renders of the face and computes features from
them. The group level reports the outcome of the audit. With photographs, it
also measures how many participants face recognition finds. Nothing leaves this
machine, unless you allow extractors of other packages to use a network
(--allow-network). A photograph without a participant label never gets a name.
"""
EXAMPLES = {
    'Audit a dataset before you share it:': 'bids-reid DATA OUT participant group',
    'Audit a de-faced copy, compared with its originals:': (
        'bids-reid DATA OUT participant group -d defaced=DEFACED'
    ),
    'Measure the risk with photographs of participants who agreed:': (
        'bids-reid DATA OUT participant group -d defaced=DEFACED \\\n'
        '    --photos PHOTOS --max-risk 5%'
    ),
    'See what would be done, for two participants and T1w only:': (
        'bids-reid DATA OUT participant --participant-label 01,02 -m T1w --dry-run'
    ),
    'Judge the results again, with images that a person has looked at:': (
        'bids-reid DATA OUT group --reviewed REVIEWED.tsv'
    ),
    'Run with the options in a file:': (
        'bids-reid DATA OUT participant group --config-file OPTIONS.toml'
    ),
}
EXIT_CODES = {
    0: 'Done.',
    1: 'Some scans failed.',
    3: 'Done, but the outcome is not "nothing found". Only with --max-findings,\n'
    '--max-risk or --release.',
    16: 'The dataset is not BIDS.',
    17: 'The level is unknown.',
    18: 'The filters select nothing.',
    64: 'Wrong usage.',
    66: 'An input is missing, or an extractor cannot run.',
    73: 'The machine refuses: it cannot write the output, or lacks memory,\n'
    'a library or a renderer.',
}


def build_parser() -> Parser:
    """Build the parser of ``bids-reid``; option names become fields of Settings."""
    parser = Parser(
        PROGRAM,
        usage=USAGE,
        description=DESCRIPTION,
        examples=EXAMPLES,
        exit_codes=EXIT_CODES,
        add_help=False,
    )
    parser.add_argument('bids_dir', type=absolute, help='BIDS dataset. It is only read.')
    parser.add_argument('output_dir', type=absolute, help='Folder for the results.')
    parser.add_argument(
        'levels',
        nargs='+',
        metavar='{participant,group}',
        help='"participant" looks at every image, "group" judges the release. Give one or both.',
    )
    add_options(parser)
    return parser


def add_options(parser: Parser) -> None:
    """Add all options, in the order in which people need them."""
    _add_release(parser)
    _add_risk(parser)
    _add_selection(parser)
    _add_methods(parser)
    _add_kept(parser)
    _add_machine(parser)
    _add_running(parser)


def _add_release(parser: Parser) -> None:
    group = parser.add_argument_group('what you are about to share')
    group.add_argument(
        '-d',
        '--derivatives',
        nargs='+',
        action='extend',
        type=named_folder,
        default=[],
        metavar='NAME=DIR',
        help='Further versions of the same scans, such as defaced=DIR or refaced=DIR. Their files '
        'are named as BIDS or the de-facing tool names them. The folders are only read.',
    )
    group.add_argument(
        '--audit',
        metavar='NAME',
        help='Condition that you will share: raw, or a name from -d. Its folder is the release. '
        'Default: the last name of -d; without -d, raw, which is bids_dir.',
    )
    group.add_argument(
        '--release',
        type=absolute,
        metavar='DIR',
        help='Folder that you will share, if it is none of the above. Every image in it is looked '
        'at. The group level ends with exit code 3 unless nothing is found.',
    )
    group.add_argument(
        '--parts',
        nargs='+',
        action=Names,
        among=tuple(PART_NAMES),
        default=IDENTIFYING,
        metavar='PART',
        help='Parts of a face that must be removed from an image: '
        f'{", ".join(PART_NAMES)}. "brow" is the lower edge of the brow and the root of the nose. '
        'Other parts are named, but do not count. '
        f'Default: {", ".join(IDENTIFYING)}.',
    )
    group.add_argument(
        '--max-findings',
        type=fraction,
        metavar='SHARE',
        help='Largest share of images in the release that may have findings, such as 1%% or 0.01. '
        'All other images must have been looked at. If the release has more, the group level ends '
        'with exit code 3. Default: 0, which by itself does not change the exit code.',
    )
    group.add_argument(
        '--refaced',
        nargs='+',
        action=Names,
        default=(),
        metavar='NAME',
        help='Conditions whose faces were replaced. A face on such a scan counts as a finding '
        'only if it is the original face, or if it links scans of the same person.',
    )
    group.add_argument(
        '--reviewed',
        type=absolute,
        metavar='TSV',
        help='Images that a person has looked at, for the group level. The table has the columns '
        'sha256, by and note. These images get the verdict "no findings", with the name of the '
        'person.',
    )


def _add_risk(parser: Parser) -> None:
    group = parser.add_argument_group('how many could be recognised')
    group.add_argument(
        '--photos',
        type=absolute,
        metavar='DIR_OR_TSV',
        help='Photographs: a folder (sub-01_photo-1.jpg, sub-01/*.jpg), or a table with the '
        'columns path and participant_id. Photographs of other people are distractors: they '
        'make the search harder, and never get a name.',
    )
    group.add_argument(
        '--consent',
        type=absolute,
        metavar='TSV',
        help='Table of the participants who agreed to the search, with the columns '
        'participant_id and consent (yes or no). Photographs of other participants are counted '
        'and not opened. Photographs without a label remain distractors.',
    )
    group.add_argument(
        '--max-risk',
        type=fraction,
        metavar='SHARE',
        help='Largest rank-1 identification rate that you accept, such as 5%% or 0.05. The group '
        'level ends with exit code 3 unless the rate of the strongest attack is at most this, '
        'with 95%% confidence. bids-reid-plan says how many '
        'participants this takes.',
    )
    group.add_argument(
        '--breakdown',
        nargs='+',
        action=Names,
        metavar='COLUMN',
        help='Columns of participants.tsv by which the rates are broken down. '
        'Default: age and sex.',
    )
    group.add_argument(
        '--against',
        type=absolute,
        metavar='DIR',
        help='Earlier output of bids-reid, of this or another dataset with the same participant '
        'labels. The group level tests whose scans can be linked with those here.',
    )


def _add_selection(parser: Parser) -> None:
    group = parser.add_argument_group('which scans')
    group.add_argument(
        '--participant-label',
        '--participant-labels',
        '--subject-label',
        dest='participants',
        nargs='+',
        action=Names,
        default=[],
        metavar='LABEL',
        help='Participants, with or without "sub-", such as 01,02. Default: all.',
    )
    group.add_argument(
        '--session-label',
        '--session-id',
        dest='sessions',
        nargs='+',
        action=Names,
        default=[],
        metavar='LABEL',
        help='Sessions, with or without "ses-". Default: all.',
    )
    group.add_argument(
        '-m',
        '--modalities',
        '--modality',
        nargs='+',
        action=Names,
        default=(),
        metavar='SUFFIX',
        help='BIDS suffixes of the scans to render and search, such as T1w,FLAIR. All other '
        'images of the release are looked at as well. Default: every anatomical suffix in the '
        'dataset.',
    )
    group.add_argument(
        '--bids-filter-file',
        dest='filter_file',
        type=absolute,
        metavar='FILE',
        help='JSON file with pybids filters for each suffix, such as '
        '{"T1w": {"acquisition": null}}. The participant level reads it.',
    )
    group.add_argument(
        '--bids-database-dir',
        dest='database_dir',
        type=absolute,
        metavar='DIR',
        help='Folder in which the pybids index is kept, to be used again.',
    )
    group.add_argument(
        '--skip-bids-validation',
        dest='skip_validation',
        action='store_true',
        help='Accept bids_dir even without a valid dataset_description.json.',
    )


def _add_methods(parser: Parser) -> None:
    group = parser.add_argument_group('extractors and methods')
    add_extractors(group)
    group.add_argument(
        '--complete-face',
        action='store_true',
        help='Complete the nose and chin from an average head where the field of view cuts them '
        'off. Records and group tables say so. Default: the face stays cut off.',
    )
    group.add_argument(
        '--random-seed',
        '--seed',
        dest='seed',
        type=whole,
        default=0,
        metavar='N',
        help='Seed of bootstraps, permutations and models. Default: 0.',
    )


def add_extractors(
    parser: argparse._ActionsContainer, nargs: str = '+', default: Sequence[str] | None = ()
) -> None:
    """Add the options that say which extractors run, and what they may use."""
    parser.add_argument(
        '--extractors',
        nargs=nargs,
        action=Names,
        default=default,
        metavar='NAME',
        help='Extractors, such as orb,sift,face_recognition,facenet,deepface-ArcFace. '
        '"bids-reid --extractors" alone lists them all. Default: all that can run; at the group '
        'level, all that have a template of every scan.',
    )
    parser.add_argument(
        '--models-dir',
        type=absolute,
        metavar='DIR',
        help='Folder with the weights of the deepface-... extractors (see bids-reid-models). '
        'Default: BIDS_REID_MODELS, or bids_reid/models in your data folder.',
    )
    parser.add_argument(
        '--allow-network',
        action='store_true',
        help='Allow extractors that send images of faces to a network. No extractor of this '
        'program does. The results name the extractors that did. Default: they do not run.',
    )


def _add_kept(parser: Parser) -> None:
    group = parser.add_argument_group('what is kept')
    group.add_argument(
        '--keep',
        choices=KEPT,
        default='templates',
        help='"renders" also keeps the pictures of every face: 81 renders and 9 in soft light. '
        '"nothing" keeps no skins, and the group level removes all templates at its end. Only '
        'pages of an earlier run with --report-faces can then give a face back. '
        'Default: templates.',
    )
    group.add_argument(
        '--report-faces',
        action='store_true',
        help="Show renders on the participants' pages. Do not share these pages. "
        'Implies --keep renders.',
    )
    group.add_argument(
        '--stamp',
        action='store_true',
        help='Write the date, the time (UTC) and the path of the audited folder into the report. '
        'Default: leave them out, so that equal input gives equal bytes.',
    )


def _add_machine(parser: Parser) -> None:
    group = parser.add_argument_group('processors, memory and folders')
    add_nprocs(group, '--nprocs', '--n-procs', '--nthreads', '--n-cpus', default=AS_FREE)
    group.add_argument(
        '--omp-nthreads',
        dest='omp_threads',
        type=positive(int),
        default=1,
        metavar='N',
        help='Threads of each process. Default: 1.',
    )
    group.add_argument(
        '--mem',
        '--mem-gb',
        dest='memory_gb',
        type=memory,
        metavar='GB',
        help='Memory that all processes together may use, such as 16, 16GB or 16000MB. '
        'Default: nine tenths of what is free.',
    )
    group.add_argument(
        '--device',
        choices=DEVICES,
        default='auto',
        help='Where networks and renders are computed. "auto" uses a graphics card if its results '
        'agree with those of the processor. "gpu" ends with an error if networks cannot run on '
        'one. "cpu" uses none. Default: auto.',
    )
    group.add_argument(
        '-w',
        '--work-dir',
        type=absolute,
        metavar='DIR',
        help='Folder for intermediate files. Default: output_dir/work, which is removed at the '
        'end.',
    )
    group.add_argument(
        '--use-plugin',
        dest='plugin_file',
        type=absolute,
        metavar='FILE',
        help='YAML file with a Nipype plugin and its plugin_args, for clusters. The plugin then '
        'decides about processes and memory.',
    )


def _add_running(parser: Parser) -> None:
    group = parser.add_argument_group('how to run')
    group.add_argument(
        '--config-file',
        type=absolute,
        metavar='FILE',
        help='TOML file with options, such as max-risk = "5%%". The keys are the long names of '
        'the options. Paths are relative to the file. Options on the command line replace those '
        'in the file.',
    )
    group.add_argument(
        '--dry-run', action='store_true', help='List what would be done, and do nothing.'
    )
    group.add_argument(
        '--reports-only',
        action='store_true',
        help="Only write the participants' pages again, from the results there are.",
    )
    group.add_argument(
        '--stop-on-first-crash',
        action='store_true',
        help='Stop when a scan fails. Default: go on with the other scans.',
    )
    group.add_argument(
        '-v',
        '--verbose',
        dest='verbosity',
        action='count',
        default=0,
        help='Say more. -vv also shows the progress of Nipype, and -vvv everything it says.',
    )
    group.add_argument(
        '--no-sub',
        '--notrack',
        action=Ignored,
        dest=argparse.SUPPRESS,
        help='Accepted because other BIDS Apps have it. bids-reid never sends anything about its '
        'use.',
    )
    add_version(group)
    add_help_option(group)
