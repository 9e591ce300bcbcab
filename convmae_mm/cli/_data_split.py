"""The command ``data split``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('annotations', type=Path, help='a COCO file')
    parser.add_argument(
        '--seed', type=int, default=0, help='decides which (default: 0)'
    )


def run(args: argparse.Namespace) -> int:
    """Write NAME_train.json and NAME_val.json beside the file."""
    from convmae_mm.errors import DataError
    from convmae_mm.own_data.coco import LISTS, CocoSet, split_coco

    file = args.annotations
    if not file.is_file():
        raise FileNotFoundError(f'{file} is no file')
    try:
        content = json.loads(file.read_text('utf-8'))
        if not all(isinstance(content[name], list) for name in LISTS):
            raise DataError(f'{file} is no COCO file: {LISTS} are lists')
        parts = split_coco(
            CocoSet(file, file.parent, content),
            file.with_name(f'{file.stem}_train.json'),
            file.with_name(f'{file.stem}_val.json'),
            args.seed,
        )
    except (KeyError, TypeError, json.JSONDecodeError, UnicodeError) as error:
        raise DataError(f'{file} is no COCO file: {error!r}') from error
    for part in parts:
        print(
            f'{part.file}: {len(part.content["images"])} pictures, '
            f'{len(part.content["annotations"])} objects'
        )
    return 0
