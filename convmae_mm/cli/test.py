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
    """Test; the scores are its last words."""
    test(args.config, args.checkpoint, **chosen_options(args, TestingOptions))
    return 0
