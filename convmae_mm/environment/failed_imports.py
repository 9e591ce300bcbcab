"""Imports that fail for whatever reason the other checks do not know."""

from __future__ import annotations

from collections.abc import Iterator

from .facts import Facts
from .finding import Finding
from .lines import LINES


def failed_imports(facts: Facts, findings: list[Finding]) -> Iterator[Finding]:
    """Imports that fail and are explained by none of the findings."""
    explained = {x for finding in findings for x in finding.explains}
    for module, error in facts.import_errors.items():
        # A module that is broken breaks those that import it: they fail in
        # the same words, or name it.
        known = {
            facts.import_errors[x]
            for x in facts.import_errors
            if x.partition('.')[0] in explained
        }
        if (
            error in known
            or module.partition('.')[0] in explained
            or any(x in error for x in explained)
        ):
            continue
        explained.add(module.partition('.')[0])
        yield Finding(
            'error',
            f'{module} does not import: {error}',
            _import_remedy(module, error, facts),
        )


def _import_remedy(module: str, error: str, facts: Facts) -> str:
    missing = error.partition("No module named '")[2].partition("'")[0]
    if not missing:
        return f"python -c 'import {module}' shows the whole error"
    package = missing.partition('.')[0]
    for line in LINES:
        for name in line.distributions.get(package, ()):
            if name in facts.versions:
                pin = f'{name}=={facts.versions[name]}'
                return (
                    'some of its files are gone: pip install '
                    f'--force-reinstall --no-deps {pin}'
                )
    return f'pip install {package}'
