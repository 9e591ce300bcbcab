import io

import numpy as np
from PIL import Image

from convmae_mm.demo.drawing import (
    PALETTE,
    SIDE,
    Instances,
    draw_instances,
    draw_label_map,
)
from convmae_mm.report.figures import DARK, LIGHT, Panel, plot_panels
from convmae_mm.report.scalars import Curve


def _panels(scale):
    steps = list(range(0, 100, 10))
    falling = Curve(steps, [scale / (1 + step) for step in steps])
    flat = Curve(steps, [scale for _ in steps])
    return [
        Panel('Pretraining', {'loss': falling}),
        Panel('Mask R-CNN', {'pretrained': falling, 'from scratch': flat}),
    ]


def _pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert('RGB'))


def test_both_themes_show_the_curves_on_their_paper():
    for theme, corner in ((LIGHT, (255, 255, 255)), (DARK, (22, 27, 34))):
        pixels = _pixels(plot_panels(_panels(1.0), theme))
        assert tuple(pixels[0, 0]) == corner
        for line in theme.lines:
            color = [int(line[i : i + 2], 16) for i in (1, 3, 5)]
            assert (np.abs(pixels - np.array(color)).sum(-1) < 8).sum() > 100


def test_other_numbers_give_another_plot():
    first = _pixels(plot_panels(_panels(1.0), LIGHT))
    second = _pixels(plot_panels(_panels(3.0), LIGHT))
    assert first.shape == second.shape
    assert (first != second).any()


def test_instances_are_drawn_where_they_are():
    image = np.zeros((64, 64, 3), np.uint8)
    mask = np.zeros((1, 64, 64), bool)
    mask[0, 20:40, 20:40] = True
    drawn = draw_instances(
        image,
        Instances(np.array([[20.0, 20.0, 40.0, 40.0]]), mask, np.array([3])),
        ['zero', 'one', 'two', 'three'],
    )
    zoom = SIDE // 64
    inside = drawn[30 * zoom, 30 * zoom]
    np.testing.assert_allclose(inside, 0.55 * np.array(PALETTE[3]), atol=1)
    assert (drawn[60 * zoom :, 60 * zoom :] == 0).all()


def test_scores_are_written_beside_names():
    image = np.zeros((64, 64, 3), np.uint8)
    arguments = (
        np.array([[20.0, 30.0, 40.0, 50.0]]),
        np.zeros((1, 64, 64), bool),
        np.array([0]),
    )
    plain = draw_instances(image, Instances(*arguments), ['zero'])
    scored = draw_instances(
        image, Instances(*arguments, np.array([0.9])), ['zero']
    )
    tag = scored[100:150] != plain[100:150]
    assert tag.any()


def test_label_map_colours_digits_and_leaves_the_background_grey():
    image = np.full((32, 32, 3), (200, 100, 50), np.uint8)
    labels = np.zeros((32, 32), np.uint8)
    labels[:16] = 1
    labels[16:, 16:] = 255
    drawn = draw_label_map(image, labels)
    top, bottom, unlabelled = drawn[40, 40], drawn[-40, 40], drawn[-40, -40]
    assert top[0] > top[1] + 50  # red, the first colour
    assert bottom[0] == bottom[1] == bottom[2]
    assert (bottom == unlabelled).all()
