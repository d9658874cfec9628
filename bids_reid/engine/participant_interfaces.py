"""Interfaces of the participant level: two specs and a call each."""

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

from bids_reid.participant import steps


def new_file(runtime: Any, name: str) -> Path:
    """Path of a file in the folder of a node."""
    return Path(runtime.cwd) / name


class _ExtractSkinInput(BaseInterfaceInputSpec):
    # a scan that is not there fails alone, when it is read
    in_file = File(mandatory=True, desc='head scan, NIfTI')
    complete_face = traits.Bool(False, usedefault=True, desc='add what the field of view cut off')


class _ExtractSkinOutput(TraitedSpec):
    surface = File(desc='skin surface, GIFTI')
    measures = File(desc='what was measured on it, JSON')
    source_sha256 = traits.Str(desc='hash of the scan that was read')


class ExtractSkin(SimpleInterface):
    """Scan to skin surface and face frame."""

    input_spec = _ExtractSkinInput
    output_spec = _ExtractSkinOutput

    def _run_interface(self, runtime: Any) -> Any:
        surface, measures = new_file(runtime, 'skin.surf.gii'), new_file(runtime, 'skin.json')
        sha256 = steps.skin(
            Path(self.inputs.in_file), surface, measures, complete=self.inputs.complete_face
        )
        self._results |= {'surface': str(surface), 'measures': str(measures)}
        self._results['source_sha256'] = sha256
        return runtime


class _RenderViewsInput(BaseInterfaceInputSpec):
    surface = File(exists=True, mandatory=True, desc='skin surface, GIFTI')
    measures = File(exists=True, mandatory=True, desc='hold the face frame, JSON')


class _RenderViewsOutput(TraitedSpec):
    renders = File(desc='90 grey renders, NPY')
    renderer = traits.Str(desc='name of the OpenGL renderer')


class RenderViews(SimpleInterface):
    """Surface to renders."""

    input_spec = _RenderViewsInput
    output_spec = _RenderViewsOutput

    def _run_interface(self, runtime: Any) -> Any:
        target = new_file(runtime, 'renders.npy')
        renderer = steps.renders(Path(self.inputs.surface), Path(self.inputs.measures), target)
        self._results |= {'renders': str(target), 'renderer': renderer}
        return runtime


class _FindFacesInput(BaseInterfaceInputSpec):
    surface = File(exists=True, mandatory=True, desc='skin surface, GIFTI')
    renders = File(exists=True, mandatory=True, desc='90 grey renders, NPY')
    measures = File(exists=True, mandatory=True, desc='say if the scan is skull-stripped, JSON')


class _FindFacesOutput(TraitedSpec):
    faces = File(desc='face box or null per view, and where one was found, JSON')
    measures = File(desc='with what detectors and landmarks say, JSON')


class FindFaces(SimpleInterface):
    """Renders to face boxes."""

    input_spec = _FindFacesInput
    output_spec = _FindFacesOutput

    def _run_interface(self, runtime: Any) -> Any:
        target, completed = (new_file(runtime, name) for name in ('faces.json', 'measures.json'))
        measures, renders = Path(self.inputs.measures), Path(self.inputs.renders)
        steps.faces(renders, measures, target)
        steps.evidence(Path(self.inputs.surface), measures, renders, completed)
        self._results |= {'faces': str(target), 'measures': str(completed)}
        return runtime


class _ExtractFeaturesInput(BaseInterfaceInputSpec):
    renders = File(exists=True, mandatory=True, desc='90 grey renders, NPY')
    faces = File(
        exists=True,
        mandatory=True,
        desc='face box or null per view, and where one was found, JSON',
    )
    extractor = traits.Str(mandatory=True, desc='name of the extractor')


class _ExtractFeaturesOutput(TraitedSpec):
    template = File(desc='features and their views, and provenance, NPZ')


class ExtractFeatures(SimpleInterface):
    """Renders with faces to a template."""

    input_spec = _ExtractFeaturesInput
    output_spec = _ExtractFeaturesOutput

    def _run_interface(self, runtime: Any) -> Any:
        template = new_file(runtime, 'template.npz')
        steps.features(
            Path(self.inputs.renders),
            Path(self.inputs.faces),
            self.inputs.extractor,
            template,
        )
        self._results['template'] = str(template)
        return runtime


class _SaveScanInput(BaseInterfaceInputSpec):
    scan = traits.Any(mandatory=True, desc='bids_reid.records.Scan')
    dataset_dir = traits.Str(mandatory=True, desc='dataset of the condition of the scan')
    output_dir = traits.Str(mandatory=True)
    surface = File(exists=True, mandatory=True)
    measures = File(exists=True, mandatory=True)
    renders = File(exists=True, mandatory=True)
    renderer = traits.Str(mandatory=True)
    faces = File(exists=True, mandatory=True)
    templates = InputMultiPath(File(exists=True), mandatory=True)
    keep_renders = traits.Bool(False, usedefault=True)
    keep_skin = traits.Bool(True, usedefault=True, desc='or the shape of the head in its place')
    source_sha256 = traits.Str(mandatory=True, desc='hash of the scan that was read')
    came_from = traits.Either(
        None, traits.Str, usedefault=True, desc='condition that the one of the scan was made from'
    )


class _SaveScanOutput(TraitedSpec):
    out_file = File(desc='record of the scan, JSON')


class SaveScan(SimpleInterface):
    """Results of one scan to their places in the output folder."""

    input_spec = _SaveScanInput
    output_spec = _SaveScanOutput
    # the files it leaves are not in its own folder, so that a cached result proves nothing
    _always_run = True

    def _run_interface(self, runtime: Any) -> Any:
        given = self.inputs
        written = steps.save(
            given.scan,
            Path(given.dataset_dir),
            Path(given.output_dir),
            surface=Path(given.surface),
            measures=Path(given.measures),
            renders_file=Path(given.renders),
            renderer=given.renderer,
            faces_file=Path(given.faces),
            templates=[Path(name) for name in given.templates],
            keep_renders=given.keep_renders,
            keep_skin=given.keep_skin,
            source_sha256=given.source_sha256,
            came_from=given.came_from,
        )
        self._results['out_file'] = str(written)
        return runtime
