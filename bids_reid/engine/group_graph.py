"""The graph of the group level."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from bids_reid.engine.group_interfaces import (
    ControlPhotographs,
    EncodePhotographs,
    FitGallery,
    LinkScans,
    SearchShard,
    Summarise,
)
from bids_reid.engine.participant_graph import node_name
from bids_reid.faces.extractors import load_extractor
from bids_reid.group.galleries import galleries
from bids_reid.group.order import order_of
from bids_reid.group.scan_links import all_ways, linked_scans
from bids_reid.group.searching import Plan
from bids_reid.group.summaries import Rules
from bids_reid.match.decisions import DECISIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bids_reid.group.galleries import ScanGallery
    from bids_reid.group.selection import Extractors, Selection, Team

PHOTOS_PER_NODE = 32
"""Some seconds of work, loading the models among it."""
RESULTS = ('summaries', 'controls', 'links')
"""Nodes whose ``out`` are the files of results, in no order."""


def init_group_wf(
    *, selection: Selection, extractors: Extractors, name: str = 'group_wf'
) -> pe.Workflow:
    """Encode the photographs, search every gallery and summarise; link the scans beside it."""
    workflow = pe.Workflow(name=name)
    links = _init_links(selection, extractors.linking)
    _collect(workflow, links, 'result', 'links')
    if selection.photos is None:
        return workflow
    choice, plan = selection.choice, Plan(selection.photos)
    order = order_of(selection.scans, choice.conditions, choice.audited)
    rules = Rules(choice.seed, choice.variables, order)
    by_modality = sorted(galleries(selection.scans), key=attrgetter('modality'))
    of_modality = {
        modality: tuple(members)
        for modality, members in groupby(by_modality, key=attrgetter('modality'))
    }
    photographs = {name: _init_encoding(workflow, plan, name) for name in extractors.searching}
    searched = {
        (name, modality): _init_searches(workflow, members, plan, name, photographs[name])
        for name in extractors.searching
        for modality, members in of_modality.items()
    }
    summaries, controls = [], []
    for team in extractors.teams:
        encoded = _joined(
            workflow, [photographs[name] for name in team.members], f'{team.name}_photographs_all'
        )
        control = pe.Node(
            ControlPhotographs(plan=plan, team=team, seed=choice.seed),
            name=node_name(f'control_{team.name}'),
            mem_gb=0.5,
        )
        workflow.connect(encoded, 'out', control, 'encoded')
        controls.append(control)
        for modality, members in of_modality.items():
            title = f'{team.name}_{modality}'
            scores = _joined(
                workflow,
                [searched[name, modality] for name in team.members],
                f'searched_{title}_all',
            )
            summary = _init_summary(members, plan, team, rules, f'summarise_{title}')
            workflow.connect(encoded, 'out', summary, 'encoded')
            workflow.connect(scores, 'out', summary, 'searched')
            summaries.append(summary)
    _collect(workflow, summaries, 'result', 'summaries')
    _collect(workflow, controls, 'result', 'controls')
    return workflow


def _init_links(selection: Selection, extractors: Sequence[str]) -> list[pe.Node]:
    """Return a node for each way of linking scans."""
    scans = linked_scans(selection.scans, selection.others, selection.other_name)
    choice = selection.choice
    return [
        pe.Node(
            LinkScans(scans=scans, way=way, audited=choice.audited, seed=choice.seed),
            name=node_name(f'link_{way}'),
            mem_gb=1,
        )
        for way in all_ways(extractors)
    ]


def _init_encoding(workflow: pe.Workflow, plan: Plan, extractor: str) -> pe.Node:
    """Add nodes that encode some photographs each; return the one that collects their files."""
    photos = plan.photos
    nodes = [
        pe.Node(
            EncodePhotographs(
                photos=list(photos[first : first + PHOTOS_PER_NODE]),
                files=[str(photo.path) for photo in photos[first : first + PHOTOS_PER_NODE]],
                extractor=extractor,
            ),
            name=node_name(f'{extractor}_{number}'),
            mem_gb=load_extractor(extractor).memory_gb(),
        )
        for number, first in enumerate(range(0, max(1, len(photos)), PHOTOS_PER_NODE), start=1)
    ]
    return _collect(workflow, nodes, 'encoded', node_name(f'{extractor}_photographs'))


def _init_summary(
    members: Sequence[ScanGallery], plan: Plan, team: Team, rules: Rules, name: str
) -> pe.Node:
    """Return the node that summarises the searches of the galleries of one modality."""
    # one decision at a time, in all galleries, and those of two without what they do not share;
    # scores that are fused are copied first
    matrices = sum(_matrix_gb(plan, gallery) for gallery in members) * len(team.members)
    return pe.Node(
        Summarise(galleries=members, plan=plan, team=team, rules=rules),
        name=node_name(name),
        mem_gb=0.5 + (2 if len(team.members) == 1 else 4) * matrices,
    )


def _init_searches(
    workflow: pe.Workflow,
    members: Sequence[ScanGallery],
    plan: Plan,
    extractor: str,
    photographs: pe.Node,
) -> pe.Node:
    """Add the search of the galleries of one modality; return the node that collects scores."""
    searches = [
        search
        for gallery in members
        for search in _init_search(workflow, gallery, plan, extractor, photographs)
    ]
    name = f'searched_{extractor}_{members[0].modality}'
    return _collect(workflow, searches, 'scores', node_name(name))


def _init_search(
    workflow: pe.Workflow,
    gallery: ScanGallery,
    plan: Plan,
    extractor: str,
    photographs: pe.Node,
) -> list[pe.Node]:
    """Add a node that learns from a whole gallery; add and return one for each shard."""
    title = f'{extractor}_{gallery.condition}_{gallery.modality}'
    fit = pe.Node(
        FitGallery(scans=list(gallery.scans), plan=plan, extractor=extractor),
        name=node_name(f'fit_{title}'),
        mem_gb=0.5,
    )
    workflow.connect(photographs, 'out', fit, 'encoded')
    nodes = []
    for number, shard in enumerate(gallery.shards(), start=1):
        search = pe.Node(
            SearchShard(
                shard=shard, probes=list(plan.mated(gallery)), plan=plan, extractor=extractor
            ),
            name=node_name(f'search_{title}_{number}'),
            mem_gb=0.5 + len(DECISIONS) * _matrix_gb(plan, shard),
        )
        workflow.connect(photographs, 'out', search, 'encoded')
        workflow.connect(fit, 'fitted', search, 'fitted')
        nodes.append(search)
    return nodes


def _collect(workflow: pe.Workflow, sources: Sequence[pe.Node], output: str, name: str) -> pe.Node:
    """Add a node whose ``out`` is an output of many nodes."""
    together = pe.Node(niu.Merge(len(sources)), name=name, run_without_submitting=True)
    for number, source in enumerate(sources, start=1):
        workflow.connect(source, output, together, f'in{number}')
    return together


def _joined(workflow: pe.Workflow, collected: Sequence[pe.Node], name: str) -> pe.Node:
    """Return a node whose ``out`` are the files of all that were collected."""
    if len(collected) == 1:
        return collected[0]
    return _collect(workflow, collected, 'out', node_name(name))


def _matrix_gb(plan: Plan, gallery: ScanGallery) -> float:
    """Memory of a float32 score matrix."""
    return 4 * len(plan.photos) * len(gallery.scans) / 2**30
