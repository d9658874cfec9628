"""The interface that looks at one image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from bids_reid.bids.image_records import image_record_path, save_image_record
from bids_reid.bids.series import image_sha256
from bids_reid.errors import ScanError
from bids_reid.participant.looks import look


class _LookAtImageInput(BaseInterfaceInputSpec):
    root = traits.Str(mandatory=True, desc='folder that the paths of the image start from')
    image = traits.Any(mandatory=True, desc='bids_reid.records.Image')
    output_dir = traits.Str(mandatory=True)


class _LookAtImageOutput(TraitedSpec):
    out_file = File(desc='record of the image, JSON')


class LookAtImage(SimpleInterface):
    """Image to its record."""

    input_spec = _LookAtImageInput
    output_spec = _LookAtImageOutput
    # the file it leaves is not in its own folder, so that a cached result proves nothing
    _always_run = True

    def _run_interface(self, runtime: Any) -> Any:
        root, image = Path(self.inputs.root), self.inputs.image
        output_dir = Path(self.inputs.output_dir)
        record = look(root, image)
        # the record is of these bytes, and hours may have passed since they were hashed
        if record.status != 'failed' and image_sha256(root, image) != image.sha256:
            raise ScanError('it changed since the run began: run again when nothing writes to it')
        save_image_record(output_dir, record)
        self._results['out_file'] = str(image_record_path(output_dir, record.sha256))
        return runtime
