"""Say what is installed, what is wrong with it and how to mend it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from convmae_mm.environment import (
    Facts,
    Finding,
    collect_facts,
    diagnose,
)
from convmae_mm.environment.diagnosis import installed_lines
from convmae_mm.environment.licenses import installed_licenses

if TYPE_CHECKING:
    from rich.console import Console

OPS = {
    'compiled': 'compiled',
    'substituted': 'substituted from torchvision and PyTorch',
    'missing': 'missing',
    'broken': 'compiled, but they do not load',
    None: 'unknown, mmcv does not import',
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the argument; it looks at the environment it runs in."""
    parser.epilog = 'Exit code 1 if something is wrong.'
    parser.add_argument(
        '--licenses',
        action='store_true',
        help='list what is installed, with version and licence, instead',
    )


def run(args: argparse.Namespace) -> int:
    """Print the table and the findings; 1 if one of them is an error."""
    if args.licenses:
        for row in installed_licenses():
            print('\t'.join(row))
        return 0
    facts = collect_facts()
    findings = diagnose(facts)
    rows = describe(facts)
    try:
        from rich.console import Console
    except ImportError:
        _print_plainly(rows, findings)
    else:
        _print_richly(Console(), rows, findings)
    return int(any(x.severity == 'error' for x in findings))


def describe(facts: Facts) -> list[tuple[str, str]]:
    """What is installed, as rows of a table: what, and its state."""
    rows = [
        ('Python', '.'.join(map(str, facts.python))),
        ('convmae_mm', facts.versions.get('convmae-mm', 'not installed')),
    ]
    lines = installed_lines(facts)
    names = ' and '.join(x.name for x in lines)
    rows.append(('OpenMMLab line', names or 'none'))
    for line in lines:
        rows += [
            (name, facts.versions[name])
            for name in line.all_distributions
            if name in facts.versions
        ]
    rows.append(('mmcv ops', OPS[facts.mmcv_ops]))
    torch = facts.versions.get('torch', 'not installed')
    if torch != 'not installed':
        build = f'CUDA {facts.torch_cuda}' if facts.torch_cuda else 'CPU'
        torch = f'{torch}, built for {build}'
    rows.append(('torch', torch))
    for name in ('torchvision', 'numpy'):
        rows.append((name, facts.versions.get(name, 'not installed')))
    opencv = [x for x in facts.versions if x.startswith('opencv-')]
    rows += [(x, facts.versions[x]) for x in sorted(opencv)]
    rows.append(
        ('transformers', facts.versions.get('transformers', 'none (good)'))
    )
    rows.append(('runs on', ', '.join(facts.gpus) or 'CPU'))
    if facts.driver_gpus:
        rows.append(('GPUs of the driver', ', '.join(facts.driver_gpus)))
    return rows


def _print_plainly(
    rows: list[tuple[str, str]], findings: list[Finding]
) -> None:
    for name, value in rows:
        print(f'{name:24}{value}')
    for finding in findings:
        print(f'{finding.severity}: {finding.problem}')
        print(f'  mend: {finding.remedy}')
    if not findings:
        print('Nothing is wrong.')


def _print_richly(
    console: Console, rows: list[tuple[str, str]], findings: list[Finding]
) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table('what', 'installed', title='convmae-mm doctor')
    for name, value in rows:
        table.add_row(Text(name), Text(value))
    console.print(table)
    colours = {'error': 'bold red', 'warning': 'yellow'}
    for finding in findings:
        # soft_wrap: commands stay on one line, to be copied.
        text = Text(f'{finding.severity}: ', style=colours[finding.severity])
        text.append(finding.problem, style='default')
        console.print(text, soft_wrap=True)
        console.print(Text(f'  mend: {finding.remedy}'), soft_wrap=True)
    if not findings:
        console.print('[green]Nothing is wrong.[/green]')
