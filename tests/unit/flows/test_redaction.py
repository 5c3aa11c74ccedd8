"""What is a secret by its name, by its shape or by its value is not shown, whoever prints it."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from flows.config import load, loads
from flows.kafka.connection import Connection
from flows.kafka.properties import CLIENT, REGISTRY
from flows.placeholders import expanded, redacted
from flows.redaction import hidden, is_secret, remember
from state.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("http://ann:hunter2@registry:8081/x", "http://[redacted]@registry:8081/x"),
        ("url: seen 'ann:hunter2@registry:8081'", "seen '[redacted]@registry:8081'"),
        ("http//ann:hunter2@[::1]:8081", "http//[redacted]@[::1]:8081"),
        ("http://ann:hunter2/3@registry", "[redacted]@registry"),
        ('{ "sasl.password" = "hunter2", "acks" = 1 }', '{ "sasl.password" = [redacted], "acks" = 1 }'),
        ("""{'sasl.pasword': 'hunter2'}""", """{'sasl.pasword': [redacted]}"""),
        ('ScramLoginModule required username="ann" password="hunter2";', 'username="ann" password=[redacted];'),
        ('{ "sasl.password" = "hunter2', '{ "sasl.password" = [redacted]'),
        ("client_secret=hunter2&x=1", "client_secret=[redacted]"),
        ("Authorization: Bearer hunter2hunter2", "Authorization: Bearer [redacted]"),
        ("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY----- x", "[redacted] x"),
        ("-----BEGIN EC PRIVATE KEY-----\nhunter2", "[redacted]"),
    ],
)
def test_shapes(text: str, left: str) -> None:
    """Whatever the name, and with quotes or brackets missing."""
    assert left in hidden(text)
    assert "hunter2" not in hidden(text)


@pytest.mark.parametrize(
    "text",
    [
        "d: names the environment variable NO_SUCH, which is not set",
        "sources.main.client.sasl.password: seen 'a list', allowed: a text",
        "kafka://host:9092/topic",
        "http://host:8080/@scope/package",
        "2026-03-02T12:30:00Z ann@example.org, driftnet: bob@example.org",
        "plays 419 (cohort 7), tokens 5",
    ],
)
def test_what_stays(text: str) -> None:
    """Messages are still of use."""
    assert hidden(text) == text


def test_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came out of the environment is a secret in every text from then on, in whichever property it was."""
    monkeypatch.setattr("flows.redaction._values", set())
    monkeypatch.setenv("WHO", "ann-of-billing")
    monkeypatch.setenv("WHERE", "http://ann:ann-of-town@h")
    expanded({"sasl.username": "${WHO}", "sasl.password": "plain-words", "client.id": "driftnet", "url": "${WHERE}"})
    said = hidden("invalid: ann-of-billing, plain-words, ann:ann-of-town, driftnet")
    assert said == "invalid: [redacted], [redacted], [redacted], driftnet"
    remember("no")
    assert hidden("nothing") == "nothing"


def test_properties() -> None:
    """Names that are known to hold secrets, and addresses with a password in them."""
    shown = redacted(
        {
            "url": "http://ann:hunter2@h:1",
            "basic.auth.user.info": "ann:hunter2",
            "bearer.auth.token": "hunter2",
            "ssl.key.location": "/etc/key.pem",
            "ssl.key.password": "${KEY}",
        }
    )
    assert shown == {
        "url": "http://[redacted]@h:1",
        "basic.auth.user.info": "[redacted]",
        "bearer.auth.token": "[redacted]",
        "ssl.key.location": "/etc/key.pem",
        "ssl.key.password": "${KEY}",
    }
    with pytest.raises(ConfigError, match=r"where a secret was not written down"):
        expanded(shown)


def test_every_property_with_a_secret_is_known_as_one() -> None:
    """Of those that the clients know: read through by hand, so that a new one is looked at."""
    found = {name for name in CLIENT | REGISTRY if is_secret(name)}
    assert {"sasl.password", "ssl.key.pem", "ssl.keystore.password", "basic.auth.user.info"} <= found
    assert {"sasl.oauthbearer.client.secret", "sasl.oauthbearer.assertion.private.key.passphrase"} <= found
    assert not {"sasl.username", "ssl.ca.location", "sasl.oauthbearer.token.endpoint.url", "enable.idempotence"} & found


def test_the_client_knows_them_all() -> None:
    """Each name is one of librdkafka's, so that nothing is refused or offered that is not there."""
    kafka = import_module("confluent_kafka")
    for name in sorted(CLIENT):
        said = ""
        try:
            kafka.Producer({name: "x"})
        except (kafka.KafkaException, TypeError, ValueError) as error:
            said = str(error)
        assert "No such configuration property" not in said, name


def test_the_client_does_not_say_them() -> None:
    """Librdkafka's own words repeat what it was given."""
    connection = Connection("localhost:9092", (("security.protocol", "password=hunter2"), ("sasl.password", "abcd")))
    with pytest.raises(ConfigError, match="do not fit") as error:
        connection.consumer({"group.id": "x"})
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    "environ",
    [
        {"DRIFTNET_SOURCES__MAIN__CLIENT": '{ "sasl.password" = "hunter2"'},
        {"DRIFTNET_SOURCES__MAIN__CLIENT": '"sasl.password=hunter2"'},
        {"DRIFTNET_SOURCES__MAIN__CLIENT__SASL__PASWORD": "hunter2"},
        {"DRIFTNET_SOURCES__MAIN": '{ kind = "kafka", client = { "sasl.password" = "hunter2" }'},
        {"DRIFTNET_SOURCES__MAIN": '{ kind = "kafak", client = { "sasl.password" = "hunter2" } }'},
        {"DRIFTNET_SOURCES__MAIN__REGISTRY": "http://ann:hunter2@h"},
        {"DRIFTNET_SOURCES__MAIN__REGISTRY": "[1, 'hunter2']"},
        {"DRIFTNET_SOURCES__MAIN__BROKERS": "ann:hunter2@h:9092"},
    ],
)
def test_environment_values(environ: dict[str, str], tmp_path: Path) -> None:
    """A malformed one is refused without being repeated; `--set` is the same."""
    file = tmp_path / "job.toml"
    file.write_text('[sources.main]\nkind = "kafka"\ntopics = "t"\n')
    (name, value) = next(iter(environ.items()))
    key = name.removeprefix("DRIFTNET_").replace("__", ".").lower()
    for how in ({"environ": environ}, {"environ": {}, "settings": [f"{key}={value}"]}):
        with pytest.raises(ConfigError) as error:
            load(file, **how)  # type: ignore[arg-type]
        assert re.search("allowed: ", str(error.value))
        assert "hunter2" not in str(error.value)


def test_saved_and_shown_configurations() -> None:
    """The registry's address is kept without who asks there."""
    format_ = 'format = { kind = "avro", registry = { url = "http://ann:hunter2@h:1" } }'
    toml = f'[sources.main]\nkind = "kafka"\ntopics = "t"\n{format_}\n'
    found = loads(toml)
    assert "hunter2" not in found.to_toml() + repr(found) + str(found.to_table())
    assert "http://[redacted]@h:1" in found.to_toml()
