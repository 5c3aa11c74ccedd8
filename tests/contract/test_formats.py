"""Every format of ours keeps the contract that plug-ins are held to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2

from flows.config.formats import AvroConfig, JsonFormat, ProtobufConfig
from flows.contract.trial import FormatTrial
from flows.formats.base import decode
from flows.wire.reject import Reason, Why
from state.errors import SourceError
from tests.contract.trials import Places, ids, trials
from tests.unit.formats.test_formats import PLAY, Registry, definition, framed, play

SECRET = "hunter2-of-the-registry"


class Registered(Places):
    """With a registry of schemas."""

    registry = "http://127.0.0.1:1"


def json_lines(place: Places) -> FormatTrial:
    """Taken as they are: what is no JSON is refused by the decoder."""
    record = {"id": "1", "user": "ann", "at": 5}
    return FormatTrial(JsonFormat(kind="json"), [(json.dumps(record).encode(), record)])


def avro(place: Registered) -> FormatTrial:
    """Framed, of a registry."""
    told = {"user": "ann", "ms": 5, "at": "2024-05-01T12:00:00.250000+00:00", "price": 1.25, "raw": "/w=="}
    settings = AvroConfig(kind="avro", registry={"url": place.registry, "basic.auth.user.info": f"ann:{SECRET}"})
    return FormatTrial(
        settings,
        [(framed(PLAY), told | {"device": {"id": "d"}}), (framed(PLAY | {"ms": None}), told | {"ms": None} | DEVICE)],
        SECRET,
    )


DEVICE = {"device": {"id": "d"}}
EMPTY = {"user": "", "ms": 0, "kind": "PLAY", "device": None, "tags": [], "raw": "", "counts": {}}


def protobuf(place: Places) -> FormatTrial:
    """Of a descriptor."""
    file = place.new() / "play.desc"
    file.write_bytes(descriptor_pb2.FileDescriptorSet(file=[definition()]).SerializeToString())
    settings = ProtobufConfig(kind="protobuf", descriptor=str(file), message="music.Play")
    return FormatTrial(
        settings,
        [
            (
                play(user="ann", ms=2**40, kind=1, **DEVICE),
                EMPTY | DEVICE | {"user": "ann", "ms": 2**40, "kind": "SKIP"},
            ),
            (play(user="Zoë 東京"), EMPTY | {"user": "Zoë 東京"}),
        ],
    )


@contextmanager
def a_registry() -> Iterator[str]:
    server = Registry(("127.0.0.1", 0), Registry.handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("check", trials(json_lines, avro, protobuf, place=Registered), ids=ids)
def test_contract(check: Any, tmp_path: Path) -> None:
    """What a job relies on."""
    place = Registered(tmp_path)
    with a_registry() as place.registry:
        check(place)


class Faulty:
    """A stranger's format: what it raises is in the value."""

    def line(self, value: bytes) -> bytes:
        if value == b"away":
            raise SourceError("nobody answers")
        raise ZeroDivisionError(value.decode())


def test_what_a_format_raises_is_a_reject() -> None:
    """With the kind of error and its words, cut short; what is refused already is not looked at; who does not answer
    makes no value a bad one.
    """
    values, refused = [b"x" * 1000, b"kept"], dict[int, Why]({1: (Reason.TOMBSTONE, "no value")})
    decode(Faulty(), values, refused)
    assert refused[0][0] is Reason.UNDECODABLE
    assert refused[0][1].startswith("ZeroDivisionError: xxx")
    assert len(refused[0][1]) == 300
    assert refused[1] == (Reason.TOMBSTONE, "no value")
    assert values == [b"x" * 1000, b"kept"]
    with pytest.raises(SourceError):
        decode(Faulty(), [b"away"], {})
