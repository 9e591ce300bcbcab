"""The command line, ``convmae-mm``: every module here is a subcommand.

A subcommand's module has a docstring of one line, which is its help,
``configure(parser)``, which adds its arguments, and ``run(args)``, which
returns the exit code. It is imported when it is called and not before.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from convmae_mm.errors import UserError
from convmae_mm.version import __version__


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        argv: The arguments, those of the process by default.

    Returns:
        The exit code; 1 after an error that was told in one line, 130 after
        an interruption.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    args = _parse(argv)
    try:
        return args.run(args)
    except (UserError, FileNotFoundError) as error:
        print(f'convmae-mm {args.command}: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f'\nconvmae-mm {args.command}: interrupted', file=sys.stderr)
        return 130


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='convmae-mm',
        description='ConvMAE: pretrain, detect, segment, classify.',
    )
    parser.add_argument(
        '--version', action='version', version=f'%(prog)s {__version__}'
    )
    commands = parser.add_subparsers(
        dest='command', metavar='command', required=True
    )
    chosen = next((x for x in argv if not x.startswith('-')), None)
    for file in sorted(Path(__file__).parent.glob('[!_]*.py')):
        name = file.stem.replace('_', '-')
        summary = _summary(file)
        command = commands.add_parser(name, help=summary, description=summary)
        if name == chosen:
            module = importlib.import_module(f'{__name__}.{file.stem}')
            module.configure(command)
            command.set_defaults(run=module.run)
    return parser.parse_args(argv)


def _summary(file: Path) -> str:
    """First line of the docstring of a module, without importing it."""
    docstring = ast.get_docstring(ast.parse(file.read_text('utf-8'))) or ''
    return docstring.partition('\n')[0]
