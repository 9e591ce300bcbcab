"""Arguments of the command line from the options of the API."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any


def add_options(parser: argparse.ArgumentParser, options: type) -> None:
    """Declare an argument for each field of a dataclass of options.

    A field that is True by default becomes ``--no-NAME``, one that is False
    ``--NAME``; its metadata are the other arguments of ``add_argument``.
    """
    for field in dataclasses.fields(options):
        how: dict[str, Any] = {'default': field.default, **field.metadata}
        prefix = '--'
        if isinstance(field.default, bool):
            how['action'] = f'store_{not field.default}'.lower()
            how['dest'] = field.name
            prefix = '--no-' if field.default else '--'
        parser.add_argument(prefix + field.name.replace('_', '-'), **how)


def chosen_options(args: argparse.Namespace, options: type) -> dict[str, Any]:
    """Those of the arguments that are options of the API."""
    names = [field.name for field in dataclasses.fields(options)]
    return {name: getattr(args, name) for name in names}
