"""Labels as they were known when a window closed, and afterwards."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from flows.training import KnownLabels
from flows.wire.told import read_label
from state.errors import SourceError
from state.times import iso
from state.types import HOUR_US

T0 = 1_767_225_600_000_000


def hour(n: float) -> str:
    return iso(T0 + int(n * HOUR_US))


def known(*labels: dict[str, Any]) -> KnownLabels:
    return KnownLabels([read_label(orjson.dumps({"subject": "u", **label})) for label in labels])


def about(labels: KnownLabels, subject: str = "u") -> tuple[Any, ...]:
    """Of a window from 10:00 to 11:00 that closed at 11:00."""
    row = {"subject": subject, "start": hour(10), "stop": hour(11), "end": hour(11)}
    return tuple(labels.about(row).values())


NOTHING = (None, None, None, None)


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ([], NOTHING),
        ([{"label": 1, "at": hour(12)}], (1.0, hour(12), None, None)),
        ([{"label": 1, "at": hour(11)}], (None, None, 1.0, hour(11))),
        ([{"label": 0, "at": hour(10.5)}], (None, None, 0.0, hour(10.5))),
        ([{"label": 1, "at": hour(10)}], NOTHING),
        ([{"label": 1, "at": hour(9), "until": hour(20)}], (None, None, 1.0, hour(9))),
        ([{"label": 1, "at": hour(12), "since": hour(11)}], NOTHING),
        ([{"label": 1, "at": hour(12), "until": hour(10)}], NOTHING),
        (
            [{"label": 0, "at": hour(14)}, {"label": 1, "at": hour(12)}, {"label": 0, "at": hour(13)}],
            (1.0, hour(12), None, None),
        ),
        (
            [
                {"label": 1, "at": hour(9), "until": hour(20)},
                {"label": 0, "at": hour(10.5)},
                {"label": 1, "at": hour(12)},
            ],
            (1.0, hour(12), 0.0, hour(10.5)),
        ),
        ([{"label": 1, "at": hour(12)}, {"label": 0, "at": hour(12)}], (0.0, hour(12), None, None)),
    ],
    ids=["none", "later", "just then", "within", "before", "of the future", "since", "until", "first later one",
         "last earlier one", "contradiction"],
)  # fmt: skip
def test_label_of_a_window(labels: list[dict[str, Any]], found: tuple[Any, ...]) -> None:
    """The target is the first word said after the window closed; what had been said by then is apart from it."""
    assert about(known(*labels)) == found
    assert about(known(*reversed(labels))) == found
    assert about(known(*labels), "somebody else") == NOTHING


def test_what_is_known_later_changes_no_label() -> None:
    """With more labels, later ones, a label that is there stays."""
    labels = [{"label": n % 2, "at": hour(12 + n)} for n in range(5)]
    found = {about(known(*labels[:n]))[0] for n in range(1, 6)}
    assert found == {0.0}


def test_a_file_of_labels(tmp_path: Path) -> None:
    """As a job reads it, with empty lines; a line that is none is named."""
    file = tmp_path / "labels.jsonl"
    file.write_text(f'{{"subject": "u", "label": "fraud", "at": "{hour(12)}"}}\n\n')
    assert about(KnownLabels.read(file)) == (1.0, hour(12), None, None)
    with file.open("a") as more:
        more.write('{"subject": "u", "label": 2, "at": 1}\n')
    with pytest.raises(SourceError, match=r"labels.jsonl:2: no label \(out_of_range\): label: found 2.*docs/labels.md"):
        KnownLabels.read(file)
