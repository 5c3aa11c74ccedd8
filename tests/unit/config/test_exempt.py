"""The list of accounts that are not alerted, as people keep it."""

from pathlib import Path

import pytest

from flows.config import load, loads
from flows.config.saved import load_saved
from state.errors import ConfigError

_LIST = b"""\
# the house's own
{"subject": "ann", "until": "2027-01-01T00:00:00Z", "reason": "staff"}

{"subject": 7, "until": "2026-06-01T00:00:00Z", "since": "2026-01-01T00:00:00Z", "reason": "load tests", "by": "bob"}
"""


def write(place: Path, text: bytes) -> str:
    (place / "known.jsonl").write_bytes(text)
    return f'[exempt]\nfile = "{place / "known.jsonl"}"\n'


def test_list_is_part_of_the_job_and_not_of_its_digest(tmp_path: Path) -> None:
    """Comments and empty lines say nothing; who is exempt does not make it another job."""
    job = loads(write(tmp_path, _LIST)).job()
    assert [(e.name, e.reason, e.by) for e in job.judgement.exempt] == [
        ("ann", "staff", ""),
        ("7", "load tests", "bob"),
    ]
    assert job.judgement.exempt[1].since_us < job.judgement.exempt[1].until_us
    assert job.digest == loads("").job().digest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"subject": "ann", "until": "2027-01-01T00:00:00Z"}', r"known.jsonl:1: missing_field: .*reason"),
        (b'\n{"subject": "ann", "until": 5, "since": 6, "reason": "x"}', r"known.jsonl:2: out_of_range: until"),
        (_LIST + _LIST, r"known.jsonl:6: 'ann' is in line 2 already, allowed: once"),
        (b"ann;staff", r"known.jsonl:1: not_json"),
        (b'{"subject": "\xff", "until": 5, "reason": "x"}', r"known.jsonl:1: invalid_utf8"),
    ],
)
def test_a_line_that_is_no_entry_is_refused_with_its_place(tmp_path: Path, text: bytes, said: str) -> None:
    """Nobody should believe that an account is exempt which is not."""
    with pytest.raises(ConfigError, match=said):
        loads(write(tmp_path, text)).job()


def test_a_list_that_is_not_there_is_refused() -> None:
    """A typo in its name would alert everybody who is in it."""
    with pytest.raises(ConfigError, match=r"exempt.file: nowhere.jsonl cannot be read: No such file"):
        loads('[exempt]\nfile = "nowhere.jsonl"\n').job()


def test_a_configuration_beside_saved_state_opens_no_list(tmp_path: Path) -> None:
    """Anybody may have written it; who is exempt is in the state."""
    config = loads(write(tmp_path, _LIST))
    (tmp_path / "known.jsonl").unlink()
    assert load_saved(config.to_toml(), "config.toml", load(environ={})).job().judgement.exempt == ()
