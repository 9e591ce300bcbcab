"""The command ``data convert``."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from shlex import quote

KINDS = ('yolo', 'voc', 'labelme')


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'kind',
        metavar='|'.join(KINDS),
        help='form of the labels',
    )
    parser.add_argument(
        'labels',
        type=Path,
        help='data.yaml of YOLO; folder of VOC (with Annotations and '
        'JPEGImages, or all in one) or of labelme',
    )
    parser.add_argument(
        '--split',
        metavar='NAME',
        help='of YOLO train, val or test, of VOC a list in ImageSets/Main '
        '(default: all)',
    )
    parser.add_argument(
        '--out', type=Path, metavar='FILE', default=Path('labels.json'),
        help='the COCO file (default: %(default)s)',
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Convert, and say what is unusual and what to type next."""
    from convmae_mm.data_check.coco_file import check_coco
    from convmae_mm.data_check.report import Notes, Report
    from convmae_mm.datasets.foreign_labels import to_coco
    from convmae_mm.datasets.image_files import (
        IMAGE_EXTENSIONS,
        find_in_folder,
    )
    from convmae_mm.errors import ConfigError, DataError
    from convmae_mm.files import writable
    from convmae_mm.predict.writers import write_text

    if args.kind not in KINDS:
        raise ConfigError(f'{args.kind!r} is none of {", ".join(KINDS)}')
    writable(args.out)
    content, images = to_coco(args.kind, args.labels, args.split)
    report = Report(str(args.labels), 'coco')
    check_coco(content, Notes(report, str(args.labels)), with_masks=False)
    for fault in report.faults:
        if fault.severity == 'error':
            raise DataError(fault.line)
        print(fault.line)
    listed = {
        os.path.normpath(images / x['file_name']) for x in content['images']
    }
    found = find_in_folder(images, IMAGE_EXTENSIONS)
    others = [x for x in found if os.path.normpath(x) not in listed]
    if others and args.split is None:
        print(
            f'{len(others)} pictures in {images} are in no labels and are '
            f'left out, such as {others[0]}'
        )
    write_text(args.out, json.dumps(content))
    pictures, objects = content['images'], content['annotations']
    bare = len(pictures) - len({x['image_id'] for x in objects})
    names = ', '.join(x['name'] for x in content['categories'])
    print(
        f'{len(pictures)} pictures, {bare} of them without objects, '
        f'{len(objects)} objects of {names}: {args.out}\n'
        f'Next: convmae-mm run --coco {quote(str(args.out))} '
        f'--images {quote(str(images))}'
    )
    return 0
