"""Pretraining on pictures without labels."""

from __future__ import annotations

import argparse

from ._new import add_pictures, configure_task, run_task


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_pictures(parser)
    configure_task(parser, 'encoder')


def run(args: argparse.Namespace) -> int:
    """Write a config."""
    return run_task(args, 'encoder')
