"""UperNet on label maps."""

from __future__ import annotations

import argparse

from ._new import add_images, add_maps, configure_task, run_task


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_images(parser)
    add_maps(parser)
    configure_task(parser, 'segmentor')


def run(args: argparse.Namespace) -> int:
    """Write a config."""
    return run_task(args, 'segmentor')
