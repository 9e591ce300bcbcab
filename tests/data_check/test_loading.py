"""Batches, samplers and evaluators of a config."""

from __future__ import annotations

import shutil

import pytest
from checked_configs import (
    ROI,
    VAL,
    Rows,
    assert_said,
    both,
    cases,
    checked,
    put,
    save,
)

WRONG: Rows = {
    'masks scored that no head makes': (
        'det',
        put(f'{ROI}.mask_head', None),
        {'metric-without-head': "val_evaluator.metric=['bbox']"},
    ),
    'an evaluator without its file': (
        'det',
        put('val_evaluator.ann_file', 'val.json'),
        {'evaluator-file-missing': 'it is not relative to data_root'},
    ),
    'an evaluator of other pictures': (
        'det',
        lambda cfg, root: [
            save(root / 'other.json', [dict(id=9)], [], []),
            cfg['val_evaluator'].update(ann_file=str(root / 'other.json')),
        ],
        {'evaluator-file': 'has 1 images, 0 of them among the 4'},
    ),
    'a score that ignores another label': (
        'seg',
        put('val_evaluator.ignore_index', 7),
        {'evaluator-ignores': 'val_evaluator.ignore_index=255'},
    ),
    'val folders without a class': (
        'cls',
        lambda cfg, root: shutil.rmtree(root / 'val/b'),
        {'class-names': "['b'] missing"},
    ),
    'batches that are never full': (
        'cls',
        both(
            put('train_dataloader.batch_size', 8),
            put('train_dataloader.drop_last', True),
        ),
        {'no-batch': 'train_dataloader.batch_size=6'},
    ),
    'no batch size': (
        'cls',
        put('train_dataloader.batch_size', 0),
        {'batch-size': 'train_dataloader.batch_size=0 must be'},
    ),
    'a batch size in words': (
        'cls',
        put('val_dataloader.batch_size', 'four'),
        {'batch-size': "val_dataloader.batch_size='four' must be"},
    ),
    'an order that the sampler decides': (
        'cls',
        put('train_dataloader.shuffle', True),
        {'loader-shuffle': 'set train_dataloader.sampler.shuffle'},
    ),
    'a validation that never ends': (
        'cls',
        put('val_dataloader.sampler.type', 'InfiniteSampler'),
        {'sampler-endless': 'it never ends'},
    ),
}

UNUSUAL: Rows = {
    'val pictures that are trained on': (
        'det',
        put(f'{VAL}.data_prefix.img', 'train/'),
        {'split-overlap': '4 of 4 pictures'},
    ),
    'batches in the same order': (
        'cls',
        put('train_dataloader.sampler.shuffle', False),
        {'not-shuffled': 'every epoch has the same batches'},
    ),
}

FINE: Rows = {
    'a shuffle that is off beside a sampler': (
        'det',
        put('val_dataloader.shuffle', False),
    ),
    'masks of a head that is not called so': (
        'det',
        both(
            put(f'{ROI}.mask_head', None),
            put('model.bbox_head', dict(type='A', loss_mask=dict(type='B'))),
        ),
    ),
}


@cases(WRONG, UNUSUAL, FINE)
def test_each_fault_is_named_and_no_other(case, changed):
    assert_said(case, changed)


@pytest.mark.parametrize(
    ('launcher', 'variable'),
    [
        ('pytorch', 'WORLD_SIZE'),
        ('slurm', 'SLURM_NTASKS'),
        ('mpi', 'OMPI_COMM_WORLD_SIZE'),
        ('none', None),
    ],
)
def test_batches_are_counted_for_all_processes(
    launcher, variable, changed, monkeypatch
):
    """A job's variables mean nothing to a process that starts alone."""
    for name in ('WORLD_SIZE', 'SLURM_NTASKS', 'OMPI_COMM_WORLD_SIZE'):
        monkeypatch.setenv(name, '4' if variable in (name, None) else '1')
    cfg = changed('det', put('launcher', launcher))
    cfg['train_dataloader']['drop_last'] = True
    found = {x.code for x in checked(cfg).faults}
    assert ('no-batch' in found) == (launcher != 'none')
