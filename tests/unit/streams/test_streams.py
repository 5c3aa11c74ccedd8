"""The catalogue of output streams: whole in itself, and read by all that handle streams."""

import pickle

import pytest

from flows.config import loads
from flows.config.endpoints import BUILT_IN_SINKS
from flows.config.plugged import word_of
from flows.streams import STREAMS, Stream
from flows.streams.fields import Field, Named, Text, columns_of
from state.errors import ConfigError

WITH_PATH = [word_of(table) for table in BUILT_IN_SINKS if "path" in table.model_fields]


@pytest.mark.parametrize("stream", STREAMS)
def test_what_is_said_of_records_is_said_of_their_fields(stream: Stream) -> None:
    """Ids, keys, times, and the store's columns and indexes are fields; an index is of a column."""
    told = stream.records
    fields = {field.name for field in told.fields}
    assert {*filter(None, (told.id, told.time)), *told.key} <= fields
    if stream.stored is not None:
        assert set(stream.stored.indexed) <= set(stream.stored.columns) <= fields


def test_a_stream_is_a_text_that_survives_processes() -> None:
    """Workers send each other streams; counters and files are called by their names."""
    assert pickle.loads(pickle.dumps(Stream.ALERTS)) is Stream.ALERTS
    assert f"out.{Stream.ALERTS}" == "out.alerts"


@pytest.mark.parametrize("stream", STREAMS)
def test_every_stream_can_be_configured(stream: Stream) -> None:
    """As a list or as a single sink; what does not suit is refused with the reason."""
    for kind in WITH_PATH:
        toml = f'[sinks]\n{stream} = [{{ kind = "{kind}", path = "x" }}]\n'
        if why := stream.records.refuses.get(kind):
            with pytest.raises(ConfigError, match=rf"sinks\.{stream}\.0\.kind: seen 'kind {kind}'.*{why}"):
                loads(toml)
        else:
            assert [sink.kind for sink in loads(toml).sinks.of(stream)] == [kind]


def test_two_columns_of_one_name_are_refused_with_the_configuration() -> None:
    """Before a run begins, where a feature takes the name of a field."""
    window = '[windows.own]\nkind = "tumbling"\nsize = "10m"\nfeatures = ["cohort"]\n'
    toml = window + '[features.cohort]\nkind = "count"\n[sinks]\n'
    with pytest.raises(ConfigError, match=r"sinks\.features\.0: .*two columns are called 'cohort'"):
        loads(toml + 'features = { kind = "parquet", path = "x" }\n').job()
    assert loads(toml + 'features = { kind = "jsonl", path = "x" }\n').job().judgement.asked >= {Stream.FEATURES}


def test_names_of_a_job_become_columns() -> None:
    """In the order of the fields; a prefix keeps those of detectors apart from those of features."""
    fields = Field("subject", Text()), Field("scores", Named("detectors", "score.")), Field("values", Named("features"))
    found = columns_of(fields, {"features": ["a", "b"], "detectors": ["a"]})
    assert [column.name for column in found] == ["subject", "score.a", "a", "b"]
    assert [column.path for column in found] == [("subject",), ("scores", "a"), ("values", "a"), ("values", "b")]
