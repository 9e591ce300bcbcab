"""Let mmdet read COCO files by the names of their classes.

mmdet numbers labels in the order of the file's categories, whatever order the
classes of the config have, so that names are swapped; where the files of
training and validation differ in it, scores fall to nothing. Datasets and
metrics of both OpenMMLab lines ask one wrapper of pycocotools, which is
mended here once for all of them.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from convmae_mm.errors import DataError

from .image_files import header_size

# What can be computed where an annotation, or an image, lacks it.
COMPUTED_FIELDS = ('area', 'iscrowd', 'bbox')
SIDES = ('width', 'height')


def read_coco_by_name() -> None:
    """Mend mmdet's reading of COCO files; a second call does nothing.

    Label i becomes ``classes[i]``; a class that the file does not have raises
    ``DataError``; a missing ``area``, ``iscrowd`` or ``bbox`` is computed, and
    the size of an image is read from its picture; scores by class come in the
    order of the classes, and AP is not rounded.
    """
    from mmdet.datasets import CocoDataset
    from mmdet.datasets.api_wrappers import coco_api
    from mmdet.evaluation.metrics import coco_metric

    wrapper = coco_api.COCO
    if hasattr(wrapper, 'numbered_by_name'):
        return
    wrapper.numbered_by_name = True
    in_file_order, create_index = wrapper.get_cat_ids, wrapper.createIndex

    def get_cat_ids(
        self: Any,
        cat_names: Sequence[str] = (),
        sup_names: Sequence[str] = (),
        cat_ids: Sequence[Any] = (),
    ) -> list[Any]:
        if isinstance(cat_names, str) or not len(cat_names):
            return list(in_file_order(self, cat_names, sup_names, cat_ids))
        ids = {x['name']: x['id'] for x in self.dataset['categories']}
        unknown = [name for name in cat_names if name not in ids]
        if unknown:
            raise DataError(
                f'the classes {unknown} are no category of the annotation '
                f'file, which has {list(ids)}: correct the classes of the '
                'config or the names in the file'
            )
        return [ids[name] for name in cat_names]

    def completed_index(self: Any) -> None:
        for annotation in self.dataset.get('annotations', ()):
            try:
                complete(annotation)
            except Exception as error:  # pycocotools raises whatever it meets
                raise DataError(
                    f'the mask or box of the annotation {annotation!r:.200} '
                    f'cannot be read ({error}); `convmae-mm data check` names '
                    'all that is wrong'
                ) from error
        create_index(self)

    wrapper.get_cat_ids, wrapper.createIndex = get_cat_ids, completed_index
    for name in ('COCOeval', 'COCOevalMP'):
        setattr(coco_metric, name, _mended(getattr(coco_metric, name)))
    _measure_images(CocoDataset, coco_metric.CocoMetric)


def _measure_images(dataset: Any, metric: Any) -> None:
    """Let images have a size before a data set or a metric asks for it."""
    parse, compute = dataset.parse_data_info, metric.compute_metrics

    @functools.wraps(parse)
    def parse_data_info(self: Any, raw_data_info: dict[str, Any]) -> Any:
        image = raw_data_info['raw_img_info']
        complete_image(image, self.data_prefix.get('img', ''))
        lacking = [x for x in SIDES if image.get(x) is None]
        if lacking:
            raise DataError(
                f'the image {image["file_name"]!r} of {self.ann_file} lacks '
                f'{" and ".join(lacking)}, and its picture cannot be opened '
                'to measure it'
            )
        return parse(self, raw_data_info)

    @functools.wraps(compute)
    def compute_metrics(self: Any, results: list[Any]) -> Any:
        images = {} if self._coco_api is None else self._coco_api.imgs
        for truth, _ in results:
            image = images.get(truth['img_id'], {})
            for side in SIDES:
                if image.get(side) is None:
                    image[side] = truth[side]
        return compute(self, results)

    dataset.parse_data_info = parse_data_info
    metric.compute_metrics = compute_metrics


def complete_image(image: dict[str, Any], folder: str | os.PathLike) -> None:
    """Add the width and height that an image lacks and its picture has."""
    if any(image.get(side) is None for side in SIDES):
        size = header_size(os.path.join(folder, image['file_name']))
        for side, length in zip(SIDES, size or (), strict=False):
            if image.get(side) is None:
                image[side] = length


def complete(annotation: dict[str, Any]) -> None:
    """Add what an annotation lacks and its mask or box tells."""
    mask = annotation.get('segmentation')
    if annotation.get('iscrowd') is None:
        annotation['iscrowd'] = 0
    if annotation.get('bbox') is None and mask:
        annotation['bbox'] = _box_of(mask)
    if annotation.get('area') is None and annotation.get('bbox'):
        annotation['area'] = (
            _area_of(mask) if mask else float(np.prod(annotation['bbox'][2:]))
        )


def _box_of(mask: Any) -> list[float]:
    if isinstance(mask, Mapping):
        from pycocotools import mask as codec

        return [float(x) for x in codec.toBbox(_run_lengths(mask))]
    points = np.concatenate([np.reshape(x, (-1, 2)) for x in mask])
    low, high = points.min(0), points.max(0)
    return [float(x) for x in (*low, *(high - low))]


def _area_of(mask: Any) -> float:
    if isinstance(mask, Mapping):
        from pycocotools import mask as codec

        return float(codec.area(_run_lengths(mask)))
    area = 0.0
    for polygon in mask:
        x, y = np.reshape(polygon, (-1, 2)).astype(float).T
        area += abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    return area


def _run_lengths(mask: Mapping[str, Any]) -> Mapping[str, Any]:
    from pycocotools import mask as codec

    if min(mask['size']) < 1:  # pycocotools would divide by it
        raise ValueError(f'a size of {mask["size"]}')
    if isinstance(mask['counts'], str):
        return mask
    encoded: Mapping[str, Any] = codec.frPyObjects(dict(mask), *mask['size'])
    return encoded


class _Exact(float):
    """A number that ``round`` leaves as it is."""

    def __round__(self, ndigits: int | None = None) -> _Exact:  # type: ignore[override]
        return self


def _mended(base: Any) -> Any:
    """An evaluation by ``catIds`` in the given order, to the last digit.

    pycocotools sorts the ids, but mmdet names the columns of its table in the
    order in which it has handed them over. mmdet rounds AP to three digits, so
    that it would differ from that of anybody else's evaluation.
    """

    def evaluate(self: Any) -> Any:
        self.given = list(self.params.catIds)
        return base.evaluate(self)

    def accumulate(self: Any, p: Any = None) -> None:
        base.accumulate(self, p)
        given = self.given
        if not self.params.useCats or len(given) != len(self.params.catIds):
            return
        order = np.searchsorted(self.params.catIds, given)
        for name, axis in (('precision', 2), ('scores', 2), ('recall', 1)):
            self.eval[name] = np.take(self.eval[name], order, axis)

    def summarize(self: Any) -> None:
        base.summarize(self)
        self.stats = [_Exact(x) for x in self.stats]

    name = f'{base.__name__}Mended'
    mended = type(
        name,
        (base,),
        dict(
            evaluate=evaluate,
            accumulate=accumulate,
            summarize=summarize,
            __module__=__name__,
            __doc__=_mended.__doc__,
        ),
    )
    # Workers of an evaluation in several processes look it up by its name.
    globals()[name] = mended
    return mended
