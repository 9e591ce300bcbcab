"""The licences of all that is installed, as the packages state them."""

from __future__ import annotations

from email.message import Message
from importlib import metadata
from typing import cast

NOT_STATED = 'not stated'


def installed_licenses() -> list[tuple[str, str, str]]:
    """Name, version and licence of each distribution, sorted by name."""
    found: dict[str, tuple[str, str, str]] = {}
    for distribution in metadata.distributions():
        fields = cast(Message, distribution.metadata)
        name = str(fields['Name'])
        # Of two of a name, the first is the one that is imported.
        row = (name, distribution.version, stated_license(fields))
        found.setdefault(name.lower(), row)
    return [found[name] for name in sorted(found)]


def stated_license(fields: Message) -> str:
    """An SPDX expression, else the classifiers, else the free text.

    Some packages have the whole licence as the text: its first line that
    speaks of a licence names it.
    """
    classifiers = [
        x.rpartition(' :: ')[2]
        for x in fields.get_all('Classifier') or []
        if x.startswith('License ::')
    ]
    lines = str(fields.get('License') or '').split('\n')
    text = next((x for x in lines if 'licen' in x.lower()), lines[0])
    expression = str(fields.get('License-Expression') or '')
    return expression or ', '.join(classifiers) or text.strip() or NOT_STATED
