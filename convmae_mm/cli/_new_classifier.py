"""A class for each picture."""

from __future__ import annotations

import argparse

from ._new import add_class_folders, configure_task, run_task


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_class_folders(parser)
    configure_task(parser, 'classifier')


def run(args: argparse.Namespace) -> int:
    """Write a config."""
    return run_task(args, 'classifier')
