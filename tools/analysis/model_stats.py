"""Count a config's parameters and multiply-adds, part by part.

    python tools/analysis/model_stats.py CONFIG [--size 800 1216] [--depth 2]
    python tools/analysis/model_stats.py --write docs/recipes.md
    python tools/analysis/model_stats.py --check docs/recipes.md

The last two renew, or verify, the table between the markers in a document.
Large networks need no memory: nothing is computed but shapes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from common import renew, silence
from mmengine.config import Config
from network_cost import PartStatistics, measure
from published import PUBLISHED
from rich.console import Console
from rich.table import Table

from convmae_mm.apis.config import find_config

TOOL = 'tools/analysis/model_stats.py'

# The rows of the table in the document.
IN_DOCUMENT = (
    'pretrain/convmae-base_24xb128-amp-coslr-1600e_in1k.py',
    'pretrain/fastconvmae-base_8xb64-amp-coslr-50e_in1k.py',
    'classification/convmae-small_8xb128-amp-coslr-100e_in1k.py',
    'classification/convmae-base_8xb128-amp-coslr-100e_in1k.py',
    'classification/convmae-large_8xb128-amp-coslr-50e_in1k.py',
    'classification/convmae-huge_8xb128-amp-coslr-50e_in1k.py',
    'detection/mask-rcnn_convmae-base_fpn_lsj-25e_coco.py',
    'detection/mask-rcnn_convmae-base-mimdet_fpn_lsj-25e_coco.py',
    'detection/mask-rcnn_convmae-base-vitdet_simple-fpn_lsj-25e_coco.py',
    'detection/mask-rcnn_convmae-large-mimdet_fpn_lsj-25e_coco.py',
    'detection/cascade-mask-rcnn_convmae-base-mimdet_fpn_lsj-25e_coco.py',
    'segmentation/upernet_convmae-base_160k_ade20k-512x512.py',
    'segmentation/upernet_convmae-base-seg_160k_ade20k-512x512.py',
    'segmentation/upernet_convmae-large_160k_ade20k-512x512.py',
)


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    silence()
    if args.config:
        size = tuple(args.size) if args.size else None
        cfg = Config.fromfile(args.config)
        parts = measure(cfg, size, args.depth)
        print_parts(Path(args.config).stem, parts)
        return 0
    document = Path(args.write or args.check)
    text = document.read_text('utf-8')
    renewed = renew(text, TOOL, '\n'.join(document_rows()))
    if args.write:
        document.write_text(renewed, 'utf-8')
    elif renewed != text:
        print(f'{document} is stale: run {sys.argv[0]} --write {document}')
        return 1
    return 0


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument('config', nargs='?', help='path of a config')
    what.add_argument('--write', metavar='FILE', help='renew the table there')
    what.add_argument('--check', metavar='FILE', help='is it up to date?')
    parser.add_argument(
        '--size',
        nargs=2,
        type=int,
        metavar=('HEIGHT', 'WIDTH'),
        help='in pixels (default: img_size of the backbone)',
    )
    parser.add_argument(
        '--depth',
        type=int,
        default=2,
        help='1 for backbone, neck, ...; 2 for backbone.blocks1 (default)',
    )
    return parser.parse_args(argv)


def print_parts(name: str, parts: list[PartStatistics]) -> None:
    published = PUBLISHED.get(name)
    table = Table(title=name, title_justify='left')
    table.add_column('part', no_wrap=True)
    for column in ('parameters, M', 'G multiply-adds', 'without attention'):
        table.add_column(column, justify='right')
    for part in parts:
        table.add_row(
            part.name,
            f'{part.params / 1e6:.2f}',
            f'{part.macs / 1e9:.2f}',
            f'{part.macs_without_attention / 1e9:.2f}',
        )
    if published and (published.params or published.flops):
        table.add_section()
        flops = published.flops
        table.add_row(
            'published',
            f'{published.params:g}' if published.params else '-',
            f'{1000 * flops:g}' if flops else '-',
            '',
        )
    Console().print(table)


def document_rows() -> Iterator[str]:
    yield (
        '| config | pixels | parameters, M | published | '
        'G multiply-adds | without attention | published |'
    )
    yield '|---|--:|--:|--:|--:|--:|--:|'
    for name in IN_DOCUMENT:
        yield document_row(name)


@cache
def document_row(name: str) -> str:
    cfg = Config.fromfile(find_config(name))
    total = measure(cfg, depth=1)[0]
    published = PUBLISHED.get(Path(name).stem)
    params = published.params if published else None
    flops = published.flops if published else None
    cells = (
        f'`{Path(name).stem}`',
        str(cfg.model.backbone.img_size),
        f'{total.params / 1e6:.1f}',
        f'{params:g}' if params else '-',
        f'{total.macs / 1e9:.1f}',
        f'{total.macs_without_attention / 1e9:.1f}',
        f'{1000 * flops:g}' if flops else '-',
    )
    return f'| {" | ".join(cells)} |'


if __name__ == '__main__':
    sys.exit(main())
