import json

import pytest

from convmae_mm.demo.records import (
    Records,
    StepRecord,
    settings_key,
    write_json,
)


def test_finishing_replaces_the_unfinished_trace(tmp_path):
    records = Records(tmp_path / 'steps')
    assert records.unfinished('data') is None
    first = StepRecord('key', ((10.0, 12.0),))
    records.keep_unfinished('data', first)
    assert records.unfinished('data') == first
    assert records.finished('data') is None

    record = StepRecord('key', ((10.0, 12.0), (20.0, 23.5)))
    assert (record.seconds, record.finished) == (5.5, 23.5)
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
