"""The command ``data convert``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

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
    """Convert, and say what to type next."""
    from convmae_mm.datasets.foreign_labels import to_coco
    from convmae_mm.errors import ConfigError
    from convmae_mm.predict.writers import write_text

    if args.kind not in KINDS:
        raise ConfigError(f'{args.kind!r} is none of {", ".join(KINDS)}')
    content, images = to_coco(args.kind, args.labels, args.split)
    write_text(args.out, json.dumps(content))
    names = ', '.join(x['name'] for x in content['categories'])
    print(
        f'{len(content["images"])} pictures, {len(content["annotations"])} '
        f'objects of {names}: {args.out}\n'
        f'Next: convmae-mm run --coco {args.out} --images {images}'
    )
    return 0
