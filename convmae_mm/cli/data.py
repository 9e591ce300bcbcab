"""Check a data set, or measure the mean and deviation of its pictures."""

from __future__ import annotations

import argparse

from convmae_mm.cli import _data_check, _data_stats

ACTIONS = {'check': _data_check, 'stats': _data_stats}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the two actions and their arguments."""
    actions = parser.add_subparsers(
        dest='action', metavar='action', required=True
    )
    for name, module in ACTIONS.items():
        summary = (module.__doc__ or '').partition('\n')[0]
        action = actions.add_parser(name, help=summary, description=summary)
        module.configure(action)


def run(args: argparse.Namespace) -> int:
    """Do it; 1 if something is wrong with the data."""
    return ACTIONS[args.action].run(args)
