"""The command ``report``."""

from __future__ import annotations

import argparse
from pathlib import Path

from convmae_mm.cli.predict import add_model_options


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_model_options(parser)
    parser.add_argument(
        '--out',
        type=Path,
        metavar='DIR',
        help='folder to write into (default: that of the training)',
    )


def run(args: argparse.Namespace) -> int:
    """Write the report, and say where it is."""
    from convmae_mm.report.page import write_report

    page = write_report(
        args.model, args.out, config=args.config, device=args.device
    )
    print(f'Report: {page}')
    print(f'        {page.with_suffix(".md")}')
    return 0
