"""Interfaces of the group level: two specs and a call each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiPath,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from bids_reid.engine.participant_interfaces import new_file
from bids_reid.group.encoding import encode_photographs
from bids_reid.group.scan_links import link_scans
from bids_reid.group.searching import fit_gallery, search_shard
from bids_reid.group.summaries import control_photographs, summarise


class _EncodePhotographsInput(BaseInterfaceInputSpec):
    photos = traits.List(traits.Any(), mandatory=True, desc='bids_reid.records.Photo')
    # named a second time so that Nipype sees when one of them changes; one that is a link without
    # content is told when it is read
    files = traits.List(File(), mandatory=True)
    extractor = traits.Str(mandatory=True, desc='name of the extractor')


class _EncodePhotographsOutput(TraitedSpec):
    encoded = File(desc='features and statuses, NPZ')


class EncodePhotographs(SimpleInterface):
    """Photographs to features."""

    input_spec = _EncodePhotographsInput
    output_spec = _EncodePhotographsOutput

    def _run_interface(self, runtime: Any) -> Any:
        target = new_file(runtime, 'photographs.npz')
        encode_photographs(self.inputs.photos, self.inputs.extractor, target)
        self._results['encoded'] = str(target)
        return runtime


def _files(names: list[str]) -> list[Path]:
    return [Path(name) for name in names]


class _EncodedInput(BaseInterfaceInputSpec):
    plan = traits.Any(mandatory=True, desc='bids_reid.group.searching.Plan')
    encoded = InputMultiPath(File(exists=True), mandatory=True, desc='of all photographs, NPZ')
    extractor = traits.Str(mandatory=True, desc='name of the extractor')


class _TeamInput(BaseInterfaceInputSpec):
    plan = traits.Any(mandatory=True, desc='bids_reid.group.searching.Plan')
    encoded = InputMultiPath(
        File(exists=True), mandatory=True, desc='of all photographs by all of the team, NPZ'
    )
    team = traits.Any(mandatory=True, desc='bids_reid.group.selection.Team')


class _ResultOutput(TraitedSpec):
    result = File(desc='read by bids_reid.group.merging.read_result')


class _ControlPhotographsInput(_TeamInput):
    seed = traits.Int(mandatory=True, desc='of random draws')


class ControlPhotographs(SimpleInterface):
    """Encoded photographs to the positive control."""

    input_spec = _ControlPhotographsInput
    output_spec = _ResultOutput

    def _run_interface(self, runtime: Any) -> Any:
        given, target = self.inputs, new_file(runtime, 'control.json')
        control_photographs(given.plan, _files(given.encoded), given.team, given.seed, target)
        self._results['result'] = str(target)
        return runtime


class _FitGalleryInput(_EncodedInput):
    # names of folders, not files to hash
    scans = traits.List(
        traits.Any(), mandatory=True, hash_files=False, desc='group.galleries.GalleryScan'
    )


class _FitGalleryOutput(TraitedSpec):
    fitted = File(desc='what decisions know of the gallery, NPZ')


class FitGallery(SimpleInterface):
    """Encoded photographs and the templates of a gallery to what decisions learn of them."""

    input_spec = _FitGalleryInput
    output_spec = _FitGalleryOutput
    # it reads templates that are no inputs of the node
    _always_run = True

    def _run_interface(self, runtime: Any) -> Any:
        given, target = self.inputs, new_file(runtime, 'fitted.npz')
        fit_gallery(given.scans, given.plan, _files(given.encoded), given.extractor, target)
        self._results['fitted'] = str(target)
        return runtime


class _SearchShardInput(_EncodedInput):
    shard = traits.Any(mandatory=True, desc='bids_reid.group.galleries.ScanGallery, a part of it')
    probes = traits.List(traits.Str(), mandatory=True, desc='names of the photographs searched')
    fitted = File(exists=True, mandatory=True, desc='of the whole gallery, NPZ')


class _SearchShardOutput(TraitedSpec):
    scores = File(desc='scores under each decision and their keys, NPZ')


class SearchShard(SimpleInterface):
    """Encoded photographs and some templates to scores."""

    input_spec = _SearchShardInput
    output_spec = _SearchShardOutput
    # it reads templates that are no inputs of the node
    _always_run = True

    def _run_interface(self, runtime: Any) -> Any:
        given, target = self.inputs, new_file(runtime, 'scores.npz')
        search_shard(
            given.shard,
            given.probes,
            given.plan,
            _files(given.encoded),
            given.extractor,
            Path(given.fitted),
            target,
        )
        self._results['scores'] = str(target)
        return runtime


class _SummariseInput(_TeamInput):
    galleries = traits.Any(mandatory=True, desc='group.galleries.ScanGallery, of one modality')
    searched = InputMultiPath(File(exists=True), mandatory=True, desc='scores of all shards, NPZ')
    rules = traits.Any(mandatory=True, desc='bids_reid.group.summaries.Rules')


class Summarise(SimpleInterface):
    """Scores to the statistics of each attack."""

    input_spec = _SummariseInput
    output_spec = _ResultOutput

    def _run_interface(self, runtime: Any) -> Any:
        given, target = self.inputs, new_file(runtime, 'summary.json')
        summarise(
            given.galleries,
            given.plan,
            _files(given.encoded),
            given.team,
            _files(given.searched),
            given.rules,
            target,
        )
        self._results['result'] = str(target)
        return runtime


class _LinkScansInput(BaseInterfaceInputSpec):
    scans = traits.List(
        traits.Any(), mandatory=True, hash_files=False, desc='group.scan_links.LinkedScan'
    )
    way = traits.Str(mandatory=True, desc='name of the extractor, or surface')
    audited = traits.Str(mandatory=True, desc='condition that would be shared')
    seed = traits.Int(mandatory=True, desc='of random draws')


class LinkScans(SimpleInterface):
    """Templates or surfaces of scans to the links between them."""

    input_spec = _LinkScansInput
    output_spec = _ResultOutput
    # it reads templates that are no inputs of the node
    _always_run = True

    def _run_interface(self, runtime: Any) -> Any:
        given, target = self.inputs, new_file(runtime, 'links.json')
        link_scans(given.scans, given.way, given.audited, given.seed, target)
        self._results['result'] = str(target)
        return runtime
