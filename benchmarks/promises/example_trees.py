"""Trees of files as the examples of BIDS have them: right names, and images without content.

They were written after the specification's chapters, from memory; none is a copy of a dataset.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

SIDECARS = {
    'bold': {'TaskName': 'rest', 'RepetitionTime': 2.0},
    'eeg': {'TaskName': 'rest', 'SamplingFrequency': 500, 'EEGReference': 'Cz'},
    'meg': {'TaskName': 'rest', 'SamplingFrequency': 1200, 'DewarPosition': 'upright'},
}


def _people(n: int, *names: str, sessions: Iterable[str] = ('',)) -> Iterator[str]:
    """Yield paths of people's files; ``{s}`` stands for participant and session in a name."""
    for number in range(1, n + 1):
        for session in sessions:
            stem = f'sub-{number:02d}' + (f'_ses-{session}' if session else '')
            folder = f'sub-{number:02d}/' + (f'ses-{session}/' if session else '')
            yield from (folder + name.format(s=stem) for name in names)


def _with_sidecars(*names: str) -> list[str]:
    return [*names, *(name.split('.', 1)[0] + '.json' for name in names)]


TREES: dict[str, Callable[[], Iterable[str]]] = {
    'ds001, a task': lambda: _people(
        3,
        *('anat/{s}_T1w.nii.gz', 'anat/{s}_inplaneT2.nii.gz'),
        *_with_sidecars('func/{s}_task-balloon_run-01_bold.nii.gz'),
        'func/{s}_task-balloon_run-01_events.tsv',
    ),
    '7t_trt, quantitative T1': lambda: _people(
        2,
        *('anat/{s}_T1map.nii.gz', 'anat/{s}_T1w.nii.gz', 'anat/{s}_UNIT1.nii.gz'),
        *('anat/{s}_inv-1_MP2RAGE.nii.gz', 'anat/{s}_inv-2_part-phase_MP2RAGE.nii.gz'),
        *('func/{s}_task-rest_acq-fullbrain_run-1_bold.nii.gz', 'fmap/{s}_run-1_phasediff.nii.gz'),
        *('fmap/{s}_run-1_magnitude1.nii.gz', 'fmap/{s}_run-1_magnitude2.nii.gz', '{s}_scans.tsv'),
        sessions=('1', '2'),
    ),
    'diffusion and field maps': lambda: _people(
        2,
        *('dwi/{s}_dir-AP_dwi.nii.gz', 'dwi/{s}_dir-AP_dwi.bval', 'dwi/{s}_dir-AP_dwi.bvec'),
        *('fmap/{s}_dir-PA_epi.nii.gz', 'dwi/{s}_dir-AP_sbref.nii.gz', 'anat/{s}_T2w.nii.gz'),
    ),
    'qmri_vfa': lambda: _people(
        1,
        *(f'anat/{{s}}_flip-{n}_mt-{mt}_MPM.nii.gz' for n in (1, 2) for mt in ('on', 'off')),
        *(f'anat/{{s}}_flip-{n}_VFA.nii.gz' for n in (1, 2)),
        *(f'anat/{{s}}_echo-{n}_MESE.nii.gz' for n in (1, 2, 3)),
        *('anat/{s}_acq-mag_MTR.nii.gz', 'fmap/{s}_TB1map.nii.gz', 'anat/{s}_R2starmap.nii.gz'),
    ),
    'asl001': lambda: _people(
        1,
        *('anat/{s}_T1w.nii.gz', 'perf/{s}_asl.nii.gz', 'perf/{s}_m0scan.nii.gz'),
        *('perf/{s}_aslcontext.tsv', 'perf/{s}_asl.json', 'perf/{s}_asllabeling.jpg'),
    ),
    'pet001': lambda: _people(
        1,
        *('pet/{s}_pet.nii.gz', 'pet/{s}_pet.json', 'pet/{s}_recording-manual_blood.tsv'),
        *('anat/{s}_T1w.nii', 'pet/{s}_trc-FDG_rec-nacstat_pet.nii.gz'),
        sessions=('01',),
    ),
    'eeg_face13': lambda: _people(
        3,
        *('eeg/{s}_task-face_eeg.vhdr', 'eeg/{s}_task-face_eeg.vmrk', 'eeg/{s}_task-face_eeg.eeg'),
        *('eeg/{s}_task-face_eeg.json', 'eeg/{s}_task-face_channels.tsv', 'eeg/{s}_photo.jpg'),
        'eeg/{s}_electrodes.tsv',
    ),
    'ds000117 and CTF, meg': lambda: [
        *_people(
            2,
            *('meg/{s}_task-face_meg.fif', 'meg/{s}_coordsystem.json', 'meg/{s}_photo.jpg'),
            *('meg/{s}_headshape.pos', 'anat/{s}_T1w.nii.gz', 'anat/{s}_FLASH.nii.gz'),
            sessions=('meg',),
        ),
        *(f'sub-01/meg/sub-01_task-rest_meg.ds/rest.{end}' for end in ('meg4', 'res4', 'hc')),
        'sub-01/meg/sub-01_task-rest_meg.ds/BadChannels',
        'sub-02/meg/sub-02_task-rest_meg/config',
    ],
    'ieeg_epilepsy': lambda: _people(
        2,
        *('ieeg/{s}_task-seizure_ieeg.edf', 'ieeg/{s}_task-seizure_ieeg.json'),
        *('ieeg/{s}_space-Other_electrodes.tsv', 'ieeg/{s}_acq-render_photo.jpg'),
        *('ieeg/{s}_acq-xray1_photo.tif', 'anat/{s}_CT.nii.gz', 'anat/{s}_T1w.nii.gz'),
        sessions=('postimp',),
    ),
    'xeeg_hed': lambda: _people(
        2, 'eeg/{s}_task-x_eeg.set', 'eeg/{s}_task-x_eeg.fdt', 'eeg/{s}_task-x_events.tsv'
    ),
    'micr_SPIM': lambda: [
        *_people(
            1,
            *('micr/{s}_sample-A_stain-LFB_chunk-01_SPIM.ome.tif', 'micr/{s}_sample-A_SPIM.json'),
            *('micr/{s}_sample-B_SEM.png', 'micr/{s}_sample-A_photo.jpg', 'micr/{s}_BF.ome.btf'),
        ),
        'sub-01/micr/sub-01_sample-A_SPIM.ome.zarr/.zattrs',
        'sub-01/micr/sub-01_sample-A_SPIM.ome.zarr/0/0/0',
        'samples.tsv',
    ],
    'motion_systems': lambda: _people(
        2, 'motion/{s}_task-walk_tracksys-imu_motion.tsv', 'motion/{s}_tracksys-imu_channels.tsv'
    ),
    'nirs and behaviour': lambda: _people(
        2, 'nirs/{s}_task-tap_nirs.snirf', 'nirs/{s}_optodes.tsv', 'beh/{s}_task-x_beh.tsv'
    ),
    'mrs_fmrs': lambda: _people(
        1, 'mrs/{s}_svs.nii.gz', 'mrs/{s}_mrsref.nii.gz', 'anat/{s}_T1w.nii.gz'
    ),
    'hcp, sessions and versions': lambda: _people(
        2,
        *('anat/{s}_acq-mprage_rec-norm_run-1_T1w.nii.gz', 'anat/{s}_run-2_T1w.nii.gz'),
        *('anat/{s}_acq-spc_T2w.nii.gz', 'anat/{s}_T1w_defacemask.nii.gz', '{s}_sessions.tsv'),
        'anat/{s}_desc-defaced_T1w.nii.gz',
        sessions=('3T', '7T'),
    ),
    'derivatives inside': lambda: [
        *_people(2, 'anat/{s}_T1w.nii.gz'),
        'derivatives/fmriprep/dataset_description.json',
        'derivatives/fmriprep/sub-01.html',
        'derivatives/fmriprep/sub-01/anat/sub-01_desc-preproc_T1w.nii.gz',
        'derivatives/fmriprep/sub-01/anat/sub-01_hemi-L_pial.surf.gii',
        'derivatives/fmriprep/sub-01/figures/sub-01_dseg.svg',
        'derivatives/freesurfer/sub-01/mri/orig.mgz',
        'derivatives/freesurfer/sub-01/surf/lh.white',
        'sourcedata/sub-01/dicom/IM0001.dcm',
        'stimuli/face01.jpg',
        'code/run.sh',
    ],
    'links without content': lambda: [
        *_people(2, 'anat/{s}_T1w.nii.gz -> annex', 'func/{s}_task-rest_bold.nii.gz -> annex'),
        'sub-01/eeg/sub-01_photo.jpg -> annex',
        '.gitattributes',
    ],
    'no participant at all': lambda: ['stimuli/face01.jpg', 'phenotype/bdi.tsv'],
}
"""By name, functions that give the paths; `` -> annex`` makes a link as git-annex does."""
DESCRIPTION = 'dataset_description.json'


def write_tree(folder: Path, paths: Iterable[str]) -> None:
    """Write a tree: JSON and tables with the least that is valid, all else without content."""
    listed = list(paths)
    for named in (DESCRIPTION, 'README', 'participants.tsv', *listed):
        name, _, link = named.partition(' -> ')
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if link:
            up = '../' * (len(Path(name).parts) - 1)
            key = f'MD5E-s5663237--{abs(hash(name)):032x}.nii.gz'
            path.symlink_to(f'{up}.git/annex/objects/kX/q9/{key}/{key}')
        elif path.name == DESCRIPTION:
            path.write_text(json.dumps({'Name': folder.name, 'BIDSVersion': '1.10.0'}))
        elif path.name == 'participants.tsv':
            people = sorted({one.partition('/')[0] for one in listed if one.startswith('sub-')})
            path.write_text('\n'.join(['participant_id\tage', *(f'{p}\t30' for p in people), '']))
        elif path.suffix == '.json':
            suffix = path.stem.rpartition('_')[2]
            path.write_text(json.dumps(SIDECARS.get(suffix, {})))
        elif path.suffix == '.tsv':
            path.write_text('onset\tduration\n0\t1\n')
        else:
            path.touch()
