from __future__ import annotations

from email.message import Message

import pytest

from convmae_mm.cli import main
from convmae_mm.environment.licenses import stated_license


@pytest.mark.parametrize(
    ('fields', 'said'),
    [
        ({'License-Expression': 'MIT', 'License': 'other'}, 'MIT'),
        (
            {
                'Classifier': 'License :: OSI Approved :: BSD License',
                'License': 'new BSD',
            },
            'BSD License',
        ),
        (
            {'License': 'Copyright 2020\n\n   Apache License\n'},
            'Apache License',
        ),
        ({'License': 'BSD'}, 'BSD'),
        ({}, 'not stated'),
    ],
)
def test_the_most_exact_statement_counts(
    fields: dict[str, str], said: str
) -> None:
    message = Message()
    for name, value in fields.items():
        message[name] = value
    assert stated_license(message) == said


def test_every_package_is_listed_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(['doctor', '--licenses']) == 0
    rows = [x.split('\t') for x in capsys.readouterr().out.splitlines()]
    names = [row[0].lower() for row in rows]
    assert names == sorted(set(names))
    assert {'torch', 'numpy', 'pillow'} <= set(names)
    assert all(len(row) == 3 and row[2] for row in rows)
