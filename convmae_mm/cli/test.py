"""The command ``test``."""

from __future__ import annotations

import argparse

from convmae_mm.apis import test
from convmae_mm.apis.options import TestingOptions
from convmae_mm.cli._options import add_options, chosen_options


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('config', help='path of the config')
    parser.add_argument('checkpoint', help='path of the checkpoint')
    add_options(parser, TestingOptions)


def run(args: argparse.Namespace) -> int:
    """Test, and print the scores."""
    options = chosen_options(args, TestingOptions)
    for name, score in test(args.config, args.checkpoint, **options).items():
        print(f'{name}: {score}')
    return 0
