"""`train_step.py` runs a step of every kind of config."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmark_scripts import first_number, read_table, succeed

QUICK = Path(__file__).resolve().parents[2] / 'configs' / 'quickstart'
pytestmark = pytest.mark.slow


def test_configs_of_every_kind_take_a_step() -> None:
    names = [
        'convmae-tiny_pretrain_digit-scenes',
        'convmae-tiny_classification_digit-scenes',
        'mask-rcnn_convmae-tiny_fpn_digit-scenes',
        'upernet_convmae-tiny_digit-scenes',
    ]
    output = succeed(
        'train_step',
        *(QUICK / f'{name}.py' for name in names),
        *('--sizes', '64x96', '--batch', 2, '--runs', 1, '--threads', 1),
        *('--markdown', '--no-memory'),
    )
    rows = read_table(output)
    assert [row['config'] for row in rows] == names
    for row in rows:
        assert (row['size,'], row['batch']) == ('64 x 96', '2')
        assert row['dtype'] == 'fp32'
        assert first_number(row['seconds']) > 0


def test_memory_alone_at_the_config_s_own_batch_and_precision(
    tmp_path: Path,
) -> None:
    config = tmp_path / 'small.py'
    config.write_text(
        f"_base_ = ['{QUICK / 'convmae-tiny_pretrain_digit-scenes.py'}']\n"
        "optim_wrapper = dict(type='AmpOptimWrapper', dtype='bfloat16')\n"
        'train_dataloader = dict(batch_size=3)\n'
    )
    output = succeed(
        'train_step',
        *(config, '--sizes', '32,256', '--runs', 0, '--threads', 1),
        '--markdown',
    )
    rows = read_table(output)
    assert [row['size,'] for row in rows] == ['32 x 32', '256 x 256']
    for row in rows:
        assert (row['batch'], row['dtype']) == ('3', 'bf16')
        assert 'seconds' not in row
    small, large = map(net_peak, rows)
    assert large > small > 0.01


def net_peak(row: dict[str, str]) -> float:
    """GiB, without Python and its libraries."""
    return first_number(row['peak'].partition('(')[2])
