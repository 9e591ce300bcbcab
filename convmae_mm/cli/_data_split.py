"""The command ``data split``."""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('annotations', type=Path, help='a COCO file')
    parser.add_argument(
        '--seed', type=int, default=0, help='decides which (default: 0)'
    )


def run(args: argparse.Namespace) -> int:
    """Write NAME_train.json and NAME_val.json beside the file."""
    from convmae_mm.data_check.exports import refuse_export
    from convmae_mm.errors import DataError
    from convmae_mm.own_data.coco import read_coco, split_coco
    from convmae_mm.predict.writers import write_text

    file = args.annotations
    if file.is_dir():
        refuse_export(file)
        raise DataError(
            f'{file} is a folder, and data split takes a COCO file; of class '
            'folders and of label maps, new and run hold a fifth out '
            'themselves'
        )
    parts = split_coco(
        read_coco(file, file.parent),
        file.with_name(f'{file.stem}_train.json'),
        file.with_name(f'{file.stem}_val.json'),
        args.seed,
    )
    for part in parts:
        write_text(part.file, part.text)
        print(
            f'{part.file}: {len(part.content.images)} pictures, '
            f'{len(part.content.objects)} objects'
        )
    return 0
