"""Schedules of a config that do not fit its length."""

from __future__ import annotations

from checked_configs import Rows, assert_said, cases, put

WRONG: Rows = {
    'a validation every 0 epochs': (
        put('train_cfg.val_interval', 0),
        {'val-interval': 'train_cfg.val_interval=0 must be'},
    ),
    'an optimizer that is none': (
        put('optim_wrapper.optimizer.type', 'AdmW'),
        {'optimizer-unknown': "is 'AdamW' meant"},
    ),
    'an epoch that never ends': (
        put('train_dataloader.sampler.type', 'InfiniteSampler'),
        {'sampler-endless': 'the first epoch never ends'},
    ),
    'a learning rate of 0': (
        put('optim_wrapper.optimizer.lr', 0.0),
        {'learning-rate-zero': 'nothing would be learned'},
    ),
}

UNUSUAL: Rows = {
    'a warm-up longer than the training': (
        put('param_scheduler.0.end', 1000),
        {'schedule-cut-off': 'the warm-up is longer than the training'},
    ),
    'a schedule that ends early': (
        put('param_scheduler.1.end', 5),
        {'schedule-short': 'to 0 at 5 of 10 epochs'},
    ),
    'a schedule that does not end': (
        put('train_cfg.max_epochs', 3),
        {'schedule-cut-off': 'does not come to its end'},
    ),
    'iterations taken for epochs': (
        put('param_scheduler.1', dict(type='MultiStepLR', milestones=[300])),
        {'milestone-unreached': 'beyond the 10 epochs'},
    ),
    'a schedule that never begins': (
        put('param_scheduler.1.begin', 10),
        {'schedule-unreached': 'it never acts'},
    ),
    'a validation that is never reached': (
        put('train_cfg.val_begin', 11),
        {'no-validation': '--no-validate'},
    ),
    'a single validation': (
        put('train_cfg.val_interval', 20),
        {'one-validation': 'the only validation is at the end'},
    ),
}

FINE: Rows = {
    'an optimizer of a library': (
        put('optim_wrapper.optimizer', dict(type='Lamb', lr=1e-3)),
    ),
    'an interval as a power of ten': (put('train_cfg.val_interval', 1e0),),
}


@cases(WRONG, UNUSUAL, FINE, kind='cls')
def test_each_fault_is_named_and_no_other(case, changed):
    assert_said(case, changed)
