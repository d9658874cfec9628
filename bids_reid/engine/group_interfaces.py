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
from bids_reid.group import group_steps, search_steps


class _EncodePhotographsInput(BaseInterfaceInputSpec):
    photos = traits.List(traits.Any(), mandatory=True, desc='bids_reid.records.Photo')
    # the files are named a second time so that Nipype sees when one of them changes
    files = traits.List(File(exists=True), mandatory=True)
    extractor = traits.Str(mandatory=True, desc='name of the extractor')


class _EncodePhotographsOutput(TraitedSpec):
    encoded = File(desc='features and statuses, NPZ')


class EncodePhotographs(SimpleInterface):
    """Photographs to features."""

    input_spec = _EncodePhotographsInput
    output_spec = _EncodePhotographsOutput

    def _run_interface(self, runtime: Any) -> Any:
        target = new_file(runtime, 'photographs.npz')
        group_steps.encode_photographs(self.inputs.photos, self.inputs.extractor, target)
        self._results['encoded'] = str(target)
        return runtime


class _FitGalleryInput(BaseInterfaceInputSpec):
    # names of folders, not files to hash
    sources = traits.List(
        traits.Any(), mandatory=True, hash_files=False, desc='search_steps.TemplateSource'
    )
    cohort = traits.List(
        traits.Int(), mandatory=True, desc='numbers of the photographs of the dataset'
    )
    encoded = InputMultiPath(File(exists=True), mandatory=True, desc='of all photographs, NPZ')
    extractor = traits.Str(mandatory=True, desc='name of the extractor')


class _FitGalleryOutput(TraitedSpec):
    fitted = File(desc='what decisions know of the gallery, NPZ')


class FitGallery(SimpleInterface):
    """Encoded photographs and the templates of a gallery to what decisions learn of them."""

    input_spec = _FitGalleryInput
    output_spec = _FitGalleryOutput
    # it reads templates that are no inputs of the node
    _always_run = True

    def _run_interface(self, runtime: Any) -> Any:
        given = self.inputs
        target = new_file(runtime, 'fitted.npz')
        search_steps.fit_gallery(
            given.sources,
            given.cohort,
            [Path(file) for file in given.encoded],
            given.extractor,
            target,
        )
        self._results['fitted'] = str(target)
        return runtime


class _SearchShardInput(BaseInterfaceInputSpec):
    # names of folders, not files to hash
    sources = traits.List(
        traits.Any(), mandatory=True, hash_files=False, desc='search_steps.TemplateSource'
    )
    probes = traits.List(traits.Int(), mandatory=True, desc='numbers of the photographs searched')
    distractors = traits.List(traits.Int(), mandatory=True, desc='and of those of strangers')
    encoded = InputMultiPath(File(exists=True), mandatory=True, desc='of all photographs, NPZ')
    extractor = traits.Str(mandatory=True, desc='name of the extractor')
    fitted = File(exists=True, mandatory=True, desc='of the whole gallery, NPZ')


class _SearchShardOutput(TraitedSpec):
    scores = File(desc='scores and their slack under each decision, NPZ')


class SearchShard(SimpleInterface):
    """Encoded photographs and some templates to scores."""

    input_spec = _SearchShardInput
    output_spec = _SearchShardOutput
    # it reads templates that are no inputs of the node
    _always_run = True

    def _run_interface(self, runtime: Any) -> Any:
        given = self.inputs
        target = new_file(runtime, 'scores.npz')
        search_steps.search_shard(
            given.sources,
            given.probes,
            given.distractors,
            [Path(file) for file in given.encoded],
            given.extractor,
            Path(given.fitted),
            target,
        )
        self._results['scores'] = str(target)
        return runtime


class _WriteGroupInput(BaseInterfaceInputSpec):
    output_dir = traits.Str(mandatory=True)
    dataset = traits.Str(mandatory=True)
    command = traits.Str(mandatory=True)
    choice = traits.Any(mandatory=True, desc='bids_reid.group.group_steps.Choice')
    photos = traits.Either(None, traits.List(traits.Any()), desc='bids_reid.records.Photo')
    extractors = traits.List(traits.Str(), mandatory=True)
    encoded = InputMultiPath(File(exists=True), desc='equally many per extractor, NPZ')
    searched = InputMultiPath(File(exists=True), desc='of every shard, NPZ')


class _WriteGroupOutput(TraitedSpec):
    page = File(desc='the group page, HTML')


class WriteGroup(SimpleInterface):
    """Encoded photographs and their scores to tables and the page."""

    input_spec = _WriteGroupInput
    output_spec = _WriteGroupOutput
    # it reads templates that are no inputs of the node
    _always_run = True

    def _run_interface(self, runtime: Any) -> Any:
        given = self.inputs
        photographed = given.photos is not None
        encoded = [Path(file) for file in given.encoded] if photographed else []
        each = len(encoded) // max(1, len(given.extractors))
        page = group_steps.write_group(
            Path(given.output_dir),
            dataset=given.dataset,
            command=given.command,
            choice=given.choice,
            photos=given.photos,
            encoded={
                name: encoded[each * number : each * (number + 1)]
                for number, name in enumerate(given.extractors if photographed else ())
            },
            searched=[Path(file) for file in given.searched] if photographed else [],
        )
        self._results['page'] = str(page)
        return runtime
