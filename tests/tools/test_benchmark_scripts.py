"""The benchmark scripts measure something, and say what."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from benchmark_scripts import first_number, read_table, succeed
from PIL import Image

pytestmark = pytest.mark.slow

TINY = ('--arch', 'tiny', '--batch', '2', '--threads', '1', '--markdown')
CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
KNN = str(CONFIGS / 'classification' / 'convmae-base_knn_in1k.py')
UPERNET = str(CONFIGS / 'quickstart' / 'upernet_convmae-tiny_digit-scenes.py')
RATIO = re.compile(r'([\d.]+) times the time \(pairs ([\d.]+) to ([\d.]+)')


def check_ratio(output: str, *, count: int = 1) -> None:
    found = RATIO.findall(output)
    assert len(found) == count, output
    for ratio, low, high in found:
        assert 0 < float(low) <= float(high)
        assert float(ratio) > 0


def check_model_row(row: dict[str, str], images: int) -> None:
    seconds = first_number(row['seconds'])
    flops, rate = first_number(row['GFLOP']), first_number(row['GFLOP/s'])
    assert seconds > 0 and flops > 0
    assert first_number(row['images/s']) == pytest.approx(
        images / seconds, rel=0.01
    )
    assert rate == pytest.approx(flops / seconds, rel=0.01)


def test_pretraining_settings_are_compared() -> None:
    output = succeed(
        'pretrain_step',
        *(*TINY, '--size', 64, '--runs', 2, '--compare', 'dense', 'ours'),
    )
    rows = read_table(output)
    assert [row['setting'] for row in rows] == ['dense', 'ours']
    for row in rows:
        check_model_row(row, images=2)
        assert first_number(row['peak']) > 0.1
    flops = [first_number(row['GFLOP']) for row in rows]
    assert flops[0] > 1.2 * flops[1]
    check_ratio(output)
    assert 'times the peak memory' in output


def test_every_pretraining_setting_runs() -> None:
    output = succeed(
        'pretrain_step',
        *('ours+cp', 'ours+bf16', 'dense', 'mae', *TINY),
        *('--size', 64, '--runs', 1, '--no-memory', '--optimizer'),
    )
    rows = read_table(output)
    assert len(rows) == 4
    for row in rows:
        check_model_row(row, images=2)
        assert row['peak'] == '-'


def test_fast_convmae_shares_what_is_pointwise() -> None:
    options = (*TINY, '--size', 64, '--runs', 1, '--no-memory', '--forward')
    names = ('--compare', 'dense', 'ours')
    one = read_table(succeed('pretrain_step', *options, *names))
    four = read_table(
        succeed('pretrain_step', *options, *names, '--num-masks', 4)
    )
    for few, many in zip(one, four, strict=True):
        ratio = first_number(many['GFLOP']) / first_number(few['GFLOP'])
        assert 1 < ratio < 4.05
    # With four complementary masks every position is visible in one of them.
    # What is left to save is the depthwise convolution of masked positions:
    # three quarters of it, 2 images, 4 masks, 5 x 5 products and sums, two
    # blocks in each stage.
    depthwise = 2 * 4 * 2 * 25 * 2 * (16 * 16 * 32 + 8 * 8 * 64)
    saved = first_number(four[0]['GFLOP']) - first_number(four[1]['GFLOP'])
    assert saved * 1e9 == pytest.approx(0.75 * depthwise, rel=0.01)


@pytest.mark.parametrize(
    'mode', ['plain', 'detection', 'mimdet', 'vitdet', 'seg']
)
def test_backbone_in_every_mode(mode: str) -> None:
    output = succeed(
        'backbone',
        *('--mode', mode, *TINY, '--size', '64x96', '--runs', 1),
        *('--no-memory', '--compare', 'dense', 'ours'),
    )
    rows = read_table(output)
    assert [row['setting'] for row in rows] == ['dense', 'ours']
    for row in rows:
        check_model_row(row, images=2)
    check_ratio(output)
    assert f'mode {mode}' in output and '64 x 96 px' in output


def test_training_counts_three_forward_passes_and_a_table_is_drawn() -> None:
    options = (*TINY, '--size', 32, '--runs', 1, '--no-memory')
    flops = [
        first_number(read_table(succeed('backbone', *more))[0]['GFLOP'])
        for more in (options, (*options, '--forward'))
    ]
    assert flops[0] == pytest.approx(3 * flops[1], rel=0.01)
    drawn = succeed('backbone', *(x for x in options if x != '--markdown'))
    assert '┃ setting' in drawn and 'torch' in drawn


def test_data_of_generated_pictures() -> None:
    output = succeed(
        'data',
        *('--sizes', '1200x1300', '--files', 1, '--runs', 2),
        *('--markdown', '--feed', 500),
    )
    rows = read_table(output)
    assert [row['min_side'] for row in rows] == ['-', '579']
    for row in rows:
        pipeline = first_number(row['ms'])  # 'ms with ...' is the later one
        rate = first_number(row['images/s'])
        assert rate == pytest.approx(1e3 / pipeline, rel=0.02, abs=1)
        cores = first_number(row['cores'])
        assert cores == pytest.approx(500 * pipeline / 1e3, rel=0.02, abs=0.06)
    # half the size: a quarter of the pixels to hold
    assert first_number(rows[1]['peak']) < first_number(rows[0]['peak'])


def test_data_of_a_folder(tmp_path: Path) -> None:
    for index in range(2):
        image = Image.new('RGB', (64, 48), (index, 90, 200))
        image.save(tmp_path / f'{index}.JPEG')
    output = succeed(
        'data', '--folder', tmp_path, '--runs', 1, '--no-memory', '--markdown'
    )
    rows = read_table(output)
    assert len(rows) == 2
    assert all(row['pictures'].startswith(tmp_path.name) for row in rows)


@pytest.mark.parametrize(
    ('script', 'arguments', 'message'),
    [
        ('pretrain_step', ['theirs'], "unknown setting 'theirs'"),
        ('pretrain_step', ['ours+fp8'], r"unknown \['fp8'\].*\+bf16"),
        ('pretrain_step', ['dense+cp'], 'only ours has checkpointing'),
        ('pretrain_step', ['ours', 'ours'], 'name each setting once'),
        ('pretrain_step', ['--compare', 'ours', 'ours'], 'once'),
        (
            'pretrain_step',
            ['ours', '--compare', 'dense', 'ours'],
            'not both',
        ),
        ('pretrain_step', ['--num-masks', '5'], r'must lie in 1\.\.4'),
        ('pretrain_step', ['mae', '--num-masks', '4'], 'mae has one mask'),
        ('pretrain_step', ['mae', '--size', '64x96'], 'square images'),
        ('pretrain_step', ['--size', '220'], 'multiple of 16'),
        ('backbone', ['mae'], "unknown setting 'mae'"),
        ('backbone', ['--batch', '0'], '--batch 0 must be at least 1'),
        ('backbone', ['--forward', '--optimizer'], 'leave it or --forward'),
        ('backbone', ['dense', '--with-cp'], 'only ours'),
        ('data', ['--config', KNN], 'no train_dataloader.dataset.pipeline'),
        ('data', ['--sizes', '48'], 'HEIGHTxWIDTH'),
        ('data', ['--folder', 'tests/tools'], 'no JPEG file'),
        ('data', ['--files', '0'], '--files 0 must be at least 1'),
        ('train_step', ['nowhere.py'], 'there is no file nowhere.py'),
        ('train_step', [KNN], 'convmae-base_knn_in1k.py trains nothing'),
        ('train_step', [UPERNET, '--batch', '0'], '--batch 0 must be at'),
        ('train_step', [UPERNET, '--sizes', '50'], 'a multiple of 16 pixels'),
    ],
)
def test_what_cannot_be_measured_is_named(
    capsys: pytest.CaptureFixture,
    script: str,
    arguments: list[str],
    message: str,
) -> None:
    main = importlib.import_module(script).main
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    error = re.sub(r'\s+', ' ', capsys.readouterr().err)
    assert re.search(message, error), error
