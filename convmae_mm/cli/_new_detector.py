"""Mask R-CNN or, where objects have no masks, Faster R-CNN."""

from __future__ import annotations

import argparse

from ._new import add_boxes, add_images, configure_task, run_task


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_boxes(parser)
    add_images(parser)
    configure_task(parser, 'detector')


def run(args: argparse.Namespace) -> int:
    """Write a config."""
    return run_task(args, 'detector')
