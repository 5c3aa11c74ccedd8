"""Kafka in the configuration: what it stands for, and that its secrets stay where they are."""

import pickle
from typing import Any

import pytest

from flows.config import load, loads
from flows.config.kafka import KafkaConfig, KafkaSinkConfig
from flows.drive.assembly import Assembly
from flows.kafka.connection import Connection
from flows.placeholders import expanded
from flows.sinks.specs import KafkaSink
from flows.sources.kafka import KafkaSpec
from flows.streams import Stream
from state.errors import ConfigError

SECURE = """
[sources.main]
kind = "kafka"
brokers = "kafka-1:9093,kafka-2:9093"
topics = ["plays", "skips"]
start = "2024-05-01T00:00:00Z"
[sources.main.client]
"security.protocol" = "SASL_SSL"
sasl.mechanism = "SCRAM-SHA-512"
"sasl.username" = "driftnet"
"sasl.password" = "hunter2"
"ssl.key.password" = "${KEY_PASSWORD}"
[[sinks.alerts]]
kind = "kafka"
topic = "alerts"
transactional_id = "fraud"
client = { "sasl.password" = "hunter3" }
"""


def source(text: str) -> KafkaSpec:
    (spec,) = Assembly(loads(text, "test")).sources()
    assert isinstance(spec, KafkaSpec)
    return spec


def test_source() -> None:
    """Every key reaches the spec; a moment becomes microseconds; dots need no quotes."""
    spec = source(SECURE)
    assert spec.topics == ("plays", "skips")
    assert spec.start == 1_714_521_600_000_000
    assert spec.until is None
    assert spec.connection.brokers == "kafka-1:9093,kafka-2:9093"
    assert dict(spec.connection.properties)["sasl.mechanism"] == "SCRAM-SHA-512"


def test_sink() -> None:
    """Every key reaches the spec."""
    (sink,) = loads(SECURE, "test").sinks.of(Stream.ALERTS)
    assert isinstance(sink, KafkaSinkConfig)
    spec = sink.sink()
    assert spec == KafkaSink(Connection("localhost:9092", (("sasl.password", "hunter3"),)), "alerts", "fraud", 120.0)


def test_one_topic_needs_no_brackets() -> None:
    """Topics = "plays" is one topic."""
    assert source('[sources.a]\nkind = "kafka"\ntopics = "plays"\n').topics == ("plays",)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ('start = "yesterday"', "start: seen 'yesterday', allowed: earliest, latest, committed, a moment"),
        ('start = { "plays/0" = -1 }', "start.plays/0: seen -1, allowed: an offset, 0 or more"),
        ('start = { "plays" = 1 }', 'names such as "plays/0"'),
        ('until = "tomorrow"', "until: seen 'tomorrow', allowed: never, now"),
        ("topics = []", "topics: seen []"),
        ('client = { "group.id" = "x" }', "properties that Driftnet does not set itself"),
        ('client = { "sasl.password" = ["hunter2"] }', "seen 'a list', allowed: a text"),
        ('client = "hunter2"', "client: seen 'a str', allowed: a table such as"),
        (
            'client = { "sasl.pasword" = "hunter2" }',
            "allowed: properties that the client knows; did you mean 'sasl.pas",
        ),
        ('client = { "sasl.jaas.config" = "hunter2" }', "that is Java's: give sasl.username and sasl.password"),
        ('client = { "sasl.jaas.config" = ["hunter2"] }', "seen 'a list', allowed: a text"),
        (
            'format = { kind = "avro", registry = { url = "http://h", pasword = "hunter2" } }',
            "format.registry.pasword: seen the property 'pasword', allowed: properties",
        ),
        ('format = { kind = "avro", registry = "http://ann:hunter2@h" }', "format.registry: seen 'a str'"),
        ('format = "avro"\nregistry = { url = "http://ann:hunter2@h" }', "it stands inside of format, as in"),
        ('brokers = "ann:hunter2@kafka:9092"', "brokers: seen a text with an @, allowed: host:port"),
    ],
)
def test_mistakes(key: str, said: str) -> None:
    """Each is named with what is allowed."""
    topics = "" if key.startswith("topics") else 'topics = ["plays"]\n'
    with pytest.raises(ConfigError) as caught:
        loads(f'[sources.a]\nkind = "kafka"\n{topics}{key}\n', "test")
    assert said in str(caught.value)
    assert "hunter" not in str(caught.value)


def test_secrets_are_nowhere_to_be_seen() -> None:
    """Neither the effective configuration, nor any text of config, specs or openers tells a secret."""
    found = loads(SECURE, "test")
    assembly = Assembly(found)
    texts = [found.to_toml(), repr(found), repr(assembly), repr(assembly.sources()), repr(assembly.openers())]
    for text in texts:
        assert "hunter" not in text
    assert "[redacted]" in found.to_toml()
    assert "${KEY_PASSWORD}" in found.to_toml()
    assert pickle.loads(pickle.dumps(assembly.sources())) == assembly.sources()


def test_secret_that_was_not_saved_is_asked_for() -> None:
    """A saved configuration whose secret was left out says how to give it, instead of trying a wrong password."""
    again = loads(loads(SECURE, "test").to_toml(), "saved")
    with pytest.raises(ConfigError, match=r"sasl\.password: seen '\[redacted\]'.*\$\{NAME\}"):
        Assembly(again).sources()[0].partition_names()


def test_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """${NAME} is the environment variable, inside other text too; one that is not set is named."""
    monkeypatch.setenv("KEY_PASSWORD", "open")
    assert expanded({"a": "${KEY_PASSWORD}", "b": "x-${KEY_PASSWORD}-y", "c": 5}) == {
        "a": "open",
        "b": "x-open-y",
        "c": 5,
    }
    with pytest.raises(ConfigError, match="d: names the environment variable NO_SUCH, which is not set"):
        expanded({"d": "${NO_SUCH}"})


def test_set_from_outside(tmp_path: Any) -> None:
    """--set and environment variables reach properties whose names have dots."""
    file = tmp_path / "own.toml"
    file.write_text(SECURE)
    table = load(file, {}, ["sources.main.client.sasl.username=ann"]).sources["main"]
    assert isinstance(table, KafkaConfig)
    assert table.client["sasl.username"] == "ann"


@pytest.mark.parametrize(("path", "reads"), [('"@timestamp"', True), ('"@headers.when"', True), ('"at"', False)])
def test_metadata_is_added_where_a_path_reads_it(path: str, reads: bool) -> None:
    """Values are left as they are unless the event schema asks for what Kafka knows."""
    text = f'[event]\ntime = {{ path = {path} }}\n[sources.a]\nkind = "kafka"\ntopics = "plays"\n'
    assert source(text).metadata is reads


def test_live_unless_bounded() -> None:
    """Silence means that time passes, unless the source ends."""
    text = '[sources.a]\nkind = "kafka"\ntopics = "plays"\n'
    assert loads(text, "test").is_live
    assert not loads(text + 'until = "now"\n', "test").is_live
