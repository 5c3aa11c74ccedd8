"""Labels and commands as they are written, and why one is refused."""

from typing import Any

import orjson
import pytest

from detectors.alerting.exempt import Exemption, Origin
from flows.wire.hashing import hash_pieces, id_piece
from flows.wire.reject import BadLineError
from flows.wire.told import Command, Kinds, Label, read_command, read_exempt, read_label, told_from, told_state
from state.types import START_OF_TIME_US

AT = 1_700_000_000_000


def label(**changes: Any) -> tuple[int, Label]:
    line = {"subject": "ann", "label": 1, "at": AT} | changes
    return read_label(orjson.dumps({k: v for k, v in line.items() if v is not ...}))


def command(**changes: Any) -> tuple[int, Command]:
    line = {"command": "pause", "detector": "trees", "at": AT} | changes
    return read_command(orjson.dumps({k: v for k, v in line.items() if v is not ...}), "control/0", 7)


def test_kinds_of_subjects() -> None:
    """Ids of a further kind are others; the stream's own kind may be said, or not; a kind that there is not is none."""
    kinds = Kinds("user", frozenset({"artist"}))
    line = {"subject": "x", "label": 1, "at": AT}
    told = {kind: read_label(orjson.dumps(line | {"kind": kind}), kinds)[1] for kind in ("user", "artist")}
    plain = read_label(orjson.dumps(line), kinds)[1]
    assert told["user"] == plain
    assert (told["artist"].kind, plain.kind) == ("artist", "")
    assert told["artist"].subject != plain.subject
    with pytest.raises(BadLineError, match="kind"):
        read_label(orjson.dumps(line | {"kind": "device"}), kinds)
    exempt = {"command": "exempt", "subject": "x", "until": AT + 1, "reason": "r", "at": AT, "kind": "artist"}
    assert read_command(orjson.dumps(exempt), "c", 0, kinds)[1].subject == told["artist"].subject


EXEMPT = {"command": "exempt", "detector": ..., "subject": "ann", "until": "2023-12-01T00:00:00Z", "reason": "staff"}


def test_label() -> None:
    """It is about the subject's whole past up to its own time, unless it says otherwise."""
    at_us, found = label()
    assert at_us == AT * 1000
    assert found.subject == int(hash_pieces([id_piece(["ann"])])[0][0])
    assert (found.fraud, found.since_us, found.until_us) == (1.0, START_OF_TIME_US, AT * 1000)
    _, about = label(since="2023-11-14T00:00:00Z", until=AT + 5, subject=7)
    assert (about.since_us, about.until_us) == (1_699_920_000_000_000, (AT + 5) * 1000)
    assert about.subject == label(subject="7")[1].subject


@pytest.mark.parametrize(
    ("given", "fraud"), [(1, 1.0), (0, 0.0), (True, 1.0), (False, 0.0), ("fraud", 1.0), ("genuine", 0.0)]
)
def test_ways_to_say_it(given: Any, fraud: float) -> None:
    """Numbers, truth values and words."""
    assert label(label=given)[1].fraud == fraud


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        ({"subject": ...}, "missing_field", "subject"),
        ({"subject": ""}, "wrong_type", "subject"),
        ({"label": 2}, "out_of_range", "expected 0, 1"),
        ({"label": "maybe"}, "wrong_type", "label"),
        ({"at": "yesterday"}, "wrong_type", "at"),
        ({"at": -5}, "time_out_of_range", "at"),
        ({"at": None}, "wrong_type", "at"),
    ],
)
def test_bad_label(changes: dict[str, Any], reason: str, said: str) -> None:
    """Each has a reason, and says which member is wrong."""
    with pytest.raises(BadLineError) as caught:
        label(**changes)
    assert caught.value.why[0] == reason
    assert said in caught.value.why[1]


def test_command() -> None:
    """Who wants what, why, and where it stands."""
    _, found = command(command="tune", settings={"weight": 2.5}, by="ann", reason="too loud")
    assert found[1:9] == ("control/0", 7, "tune", "trees", {"weight": 2.5}, AT * 1000, "ann", "too loud")


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        ({"command": "explode"}, "wrong_type", "explode"),
        ({"detector": ...}, "missing_field", "detector"),
        ({"command": "tune"}, "missing_field", "settings"),
        ({"settings": {"weight": 1}}, "wrong_type", "settings"),
        ({"command": "tune", "settings": {"weight": [1]}}, "wrong_type", "settings"),
        ({"subject": "ann"}, "wrong_type", "subject"),
        (EXEMPT | {"subject": ...}, "missing_field", "subject"),
        (EXEMPT | {"until": ...}, "missing_field", "until"),
        (EXEMPT | {"reason": ""}, "missing_field", "reason"),
        (EXEMPT | {"detector": "trees"}, "wrong_type", "detector"),
        (EXEMPT | {"command": "unexempt"}, "wrong_type", "until"),
        (EXEMPT | {"until": "soon"}, "wrong_type", "until"),
    ],
)
def test_bad_command(changes: dict[str, Any], reason: str, said: str) -> None:
    """Each has a reason, and says which member is wrong."""
    with pytest.raises(BadLineError) as caught:
        command(**changes)
    assert caught.value.why[0] == reason
    assert said in caught.value.why[1]


def test_command_about_a_subject() -> None:
    """It names the subject, an end and a reason, and no detector; its hash is that of events and labels."""
    _, found = command(**EXEMPT, by="ann")
    assert (found.verb, found.detector, found.by, found.reason) == ("exempt", "", "ann", "staff")
    assert (found.subject, found.name, found.until_us) == (label()[1].subject, "ann", 1_701_388_800_000_000)
    _, ended = command(command="unexempt", detector=..., subject=7)
    assert (ended.subject, ended.name) == (label(subject="7")[1].subject, "7")
    assert [c.is_of_subject for c in (found, ended, command()[1])] == [True, True, False]


def test_label_says_who_and_why() -> None:
    """What is no text there is ignored, as it always was."""
    assert label(by="ann", reason="by phone")[1][5:] == ("ann", "ann", "by phone", "")
    assert label(by=7, reason=[])[1][5:] == ("ann", "", "", "")


def test_line_of_the_list() -> None:
    """Subject, end and reason; since and by if one likes; nothing that is misspelt."""
    line = {"subject": "ann", "until": AT, "reason": "staff"}
    found = read_exempt(orjson.dumps(line | {"since": AT - 5, "by": "bob"}))
    assert found == Exemption(label()[1].subject, "ann", Origin.FILE, AT * 1000, "staff", "bob", (AT - 5) * 1000)
    for wrong in ({"until": None}, {"reason": ""}, {"since": AT}, {"untill": AT}, {"subject": ""}):
        with pytest.raises(BadLineError):
            read_exempt(orjson.dumps(line | wrong))


def test_subject_beyond_64_bits() -> None:
    """It is no id that events could have."""
    with pytest.raises(BadLineError, match="huge_integer"):
        read_label(b'{"subject": %d, "label": 1, "at": 1}' % (1 << 70))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"subject": "\xff", "label": 1, "at": 1}', "invalid_utf8"),
        (b'{"subject": "a", "label": 1, "at": 1e308}', "time_out_of_range"),
        (b'{"subject": "a", "label": 1, "at": 1, "until": -1e308}', "time_out_of_range"),
    ],
)
def test_what_no_decoder_expects(line: bytes, reason: str) -> None:
    """Broken text inside, and a number beyond all times, are bad lines like any other."""
    with pytest.raises(BadLineError) as caught:
        read_label(line)
    assert caught.value.why[0] == reason


@pytest.mark.parametrize("line", [b"", b"{", b"[1]", b'"x"', b"\xff"])
def test_no_object(line: bytes) -> None:
    """Lines that are no JSON object are refused as such."""
    with pytest.raises(BadLineError):
        read_label(line)
    with pytest.raises(BadLineError):
        read_command(line, "control/0", 7)


def test_state_and_back() -> None:
    """What waits is saved as JSON values."""
    told = [label()[1], command()[1], command(**EXEMPT)[1]]
    assert told_from(orjson.loads(orjson.dumps(told_state(told)))) == told
    assert told_from({}) == []


def test_state_of_before() -> None:
    """Labels and commands of before had fewer members."""
    (given,), (asked,) = [label()[1]], [command()[1]]
    state = {"labels": [list(given[:5])], "commands": [list(asked[:9])]}
    assert told_from(state) == [given._replace(name=""), asked]
