"""The command ``train``."""

from __future__ import annotations

import argparse

from convmae_mm.apis import train
from convmae_mm.apis.options import TrainingOptions
from convmae_mm.cli._options import add_options, chosen_options


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('config', help='path of the config')
    add_options(parser, TrainingOptions)


def run(args: argparse.Namespace) -> int:
    """Train to the end."""
    train(args.config, **chosen_options(args, TrainingOptions))
    return 0
