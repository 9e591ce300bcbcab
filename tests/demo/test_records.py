import json

import pytest

from convmae_mm.demo.records import (
    Records,
    StepRecord,
    UnfinishedStep,
    settings_key,
    write_json,
)


def test_finishing_replaces_the_unfinished_trace(tmp_path):
    records = Records(tmp_path / 'steps')
    assert records.unfinished('data') is None
    records.keep_unfinished('data', UnfinishedStep('key', 2.0, 1))
    assert records.unfinished('data') == UnfinishedStep('key', 2.0, 1)
    assert records.finished('data') is None

    record = StepRecord('key', 3.0, 1, '2026-01-01T00:00:00+00:00')
    records.finish('data', record)
    assert records.finished('data') == record
    assert records.unfinished('data') is None

    records.forget('data')
    assert records.finished('data') is None


def test_a_failed_write_leaves_the_old_file(tmp_path):
    file = tmp_path / 'record.json'
    write_json(file, {'old': 1})
    with pytest.raises(TypeError):
        write_json(file, {'new': object()})
    assert json.loads(file.read_text()) == {'old': 1}
    assert [path.name for path in tmp_path.iterdir()] == ['record.json']


def test_key_depends_on_content_and_not_on_order():
    assert settings_key({'a': 1, 'b': 2}) == settings_key({'b': 2, 'a': 1})
    assert settings_key({'a': 1}) != settings_key({'a': 2})
