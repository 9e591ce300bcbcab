"""Packages whose version is not what another one requires."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .facts import Facts
from .finding import Finding
from .lines import LINES, TRIED_TORCH

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

VISION_AND_TORCH = ('torchvision', 'torch')


def unmet_requirements(facts: Facts) -> Iterator[Finding]:
    """One finding for each package that is missing, too new or too old."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return
    # Those have checks of their own, with better remedies.
    ours = {x for line in LINES for x in line.all_distributions}
    unmet: dict[str, list[tuple[str, Requirement]]] = {}
    for name, requirements in facts.requirements.items():
        for requirement in map(Requirement, requirements):
            required = requirement.name
            if required in ours or (name, required) == VISION_AND_TORCH:
                continue
            version = facts.versions.get(required)
            if version is None:
                if _has_substitute(required, facts):
                    continue
            elif requirement.specifier.contains(version, prereleases=True):
                continue
            needing = f'{name} {facts.versions[name]}'
            unmet.setdefault(required, []).append((needing, requirement))
    for required, needs in unmet.items():
        yield _unmet(required, facts.versions.get(required), needs)


def _unmet(
    required: str, version: str | None, needs: list[tuple[str, Requirement]]
) -> Finding:
    if version is None:
        names = ', '.join(name for name, _ in needs)
        problem = f'{required} is not installed; needed by {names}'
    else:
        new = any(_is_above(version, x.specifier) for _, x in needs)
        names = ', '.join(
            f'{name} (takes {requirement.specifier})'
            for name, requirement in needs
        )
        direction = 'new' if new else 'old'
        problem = f'{required} {version} is too {direction} for {names}'
    every = needs[0][1].specifier
    for _, requirement in needs[1:]:
        every &= requirement.specifier
    remedy = f"pip install '{required}{every}'"
    if required in ('torch', 'torchvision'):
        remedy = f'pip install {TRIED_TORCH}'
    return Finding('error', problem, remedy, (required,))


def _has_substitute(required: str, facts: Facts) -> bool:
    # Its builds have the same files; the headless ones lack windows only.
    opencv = [x for x in facts.versions if x.startswith('opencv-')]
    return required.startswith('opencv-') and bool(opencv)


def _is_above(version: str, specifiers: SpecifierSet) -> bool:
    from packaging.version import Version

    return any(
        x.operator in ('<', '<=', '==', '~=', '===')
        and Version(version) >= Version(x.version.removesuffix('.*'))
        for x in specifiers
    )
