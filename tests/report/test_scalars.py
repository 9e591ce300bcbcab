import json

import pytest

from convmae_mm.report.scalars import Curve, read_curve, read_validations


def _log(folder, start, entries, torn=''):
    file = folder / start / 'vis_data' / 'scalars.json'
    file.parent.mkdir(parents=True)
    lines = [json.dumps(entry) for entry in entries]
    file.write_text('\n'.join(lines) + '\n' + torn)


def _train(iteration, loss):
    return {'lr': 0.1, 'loss': loss, 'iter': iteration, 'step': iteration}


def test_iterations_run_again_after_a_resume_count_once(tmp_path):
    _log(
        tmp_path,
        '20260101_000000',
        [_train(10, 3.0), _train(20, 2.0), _train(30, 9.0)],
        torn='{"lr": 0.1, "lo',
    )
    _log(tmp_path, '20260101_000100', [_train(30, 1.5), _train(40, 1.0)])
    curve = read_curve(tmp_path)
    assert curve == Curve([10, 20, 30, 40], [3.0, 2.0, 1.5, 1.0])


def test_missing_curve_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no 'loss'"):
        read_curve(tmp_path)


def test_validations_are_curves_of_their_scores(tmp_path):
    _log(
        tmp_path,
        '20260101_000000',
        [
            _train(2, 3.0),
            {'coco/segm_mAP': 0.1, 'time': 1.0, 'data_time': 0.1, 'step': 1},
            {'coco/segm_mAP': 0.2, 'time': 1.0, 'data_time': 0.1, 'step': 2},
        ],
    )
    scores = read_validations(tmp_path)
    assert scores == {'coco/segm_mAP': Curve([1, 2], [0.1, 0.2])}


def test_validations_that_log_no_step_come_after_what_was_trained(tmp_path):
    """As mmengine's LoggerHook logs them where iterations are counted."""
    _log(
        tmp_path,
        '20260101_000000',
        [
            _train(20, 3.0),
            {'mIoU': 0.1, 'step': 0},
            _train(40, 2.0),
            {'mIoU': 0.2, 'step': 0},
        ],
    )
    scores = read_validations(tmp_path)
    assert scores == {'mIoU': Curve([20, 40], [0.1, 0.2])}


def test_smoothing_has_no_bias_to_the_start():
    constant = Curve([1, 2, 3], [5.0, 5.0, 5.0])
    assert constant.smoothed().values == pytest.approx([5.0] * 3)
    falling = Curve([1, 2, 3], [3.0, 2.0, 1.0]).smoothed(0.5)
    assert falling.values[0] == 3.0
    assert 1.0 < falling.values[2] < falling.values[1] < 3.0
