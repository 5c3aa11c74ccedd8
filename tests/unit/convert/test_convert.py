"""Converters: each public format gives the lines that the example configurations read."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.convert import convert_cards, convert_eventsim, convert_lastfm, convert_spotify, convert_table
from state.errors import SinkError, SourceError

MINUTE = 60_000
MONDAY = 1_704_067_200_000


def lines(path: Path) -> list[dict[str, Any]]:
    """The events of a converted file."""
    data = path.read_bytes()
    return [json.loads(line) for line in (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()]


def history(folder: Path, *plays: tuple[str, int], name: str = "StreamingHistory0.json") -> Path:
    """A file of Spotify's account data with these (end time, milliseconds played)."""
    folder.mkdir(exist_ok=True)
    entries = [{"endTime": t, "artistName": "Can", "trackName": "Halleluhwah", "msPlayed": ms} for t, ms in plays]
    (folder / name).write_text(json.dumps(entries))
    return folder / name


def test_account_data(tmp_path: Path) -> None:
    """A play of Spotify's account data becomes a line; the user is called after the folder."""
    file = history(tmp_path / "ada", ("2024-05-01 10:00", 1000))
    assert convert_spotify(file, tmp_path / "out.jsonl") == 1
    assert lines(tmp_path / "out.jsonl") == [
        {
            "id": "ada-0",
            "ts": 1_714_557_600_000,
            "user": "ada",
            "artist": "Can",
            "track": "Can / Halleluhwah",
            "ms_played": 1000,
        }
    ]


def test_ends_within_their_minute(tmp_path: Path) -> None:
    """Plays heard in one go stay gapless where the rounding to minutes allows it, and keep their order.

    recorded   10:00     10:03     10:03     10:03     10:09
    played        -      200 s     2 s       70 s      60 s
    becomes    10:00:00  10:03:20  10:03:22  10:03:59  10:09:00
    """
    plays = [("10:00", 0), ("10:03", 200_000), ("10:03", 2_000), ("10:03", 70_000), ("10:09", 60_000)]
    file = history(tmp_path / "ada", *((f"2024-05-01 {t}", ms) for t, ms in plays))
    convert_spotify(file, tmp_path / "out.jsonl")
    ends = [line["ts"] - 1_714_557_600_000 for line in lines(tmp_path / "out.jsonl")]
    assert ends == [0, 200_000, 202_000, 4 * MINUTE - 1, 9 * MINUTE]


def test_extended_history(tmp_path: Path) -> None:
    """Extended histories keep their seconds and say more; a podcast's show stands where the artist does."""
    song = {
        "ts": "2024-05-01T10:00:07Z",
        "username": "ada",
        "ms_played": 5,
        "master_metadata_album_artist_name": "Can",
        "master_metadata_track_name": "Mushroom",
        "conn_country": "DE",
        "offline": False,
        "ip_addr_decrypted": "192.0.2.1",
    }
    episode = {
        "ts": "2024-05-01T09:00:00Z",
        "username": "ada",
        "ms_played": 9,
        "master_metadata_album_artist_name": None,
        "master_metadata_track_name": None,
        "episode_name": "One",
        "episode_show_name": "Show",
    }
    (tmp_path / "endsong_0.json").write_text(json.dumps([song, episode]))
    assert convert_spotify(tmp_path, tmp_path / "out.jsonl") == 2
    first, second = lines(tmp_path / "out.jsonl")
    assert (first["artist"], first["track"], first["ts"]) == ("Show", "Show / One", 1_714_554_000_000)
    assert second == {
        "id": "ada-1",
        "ts": 1_714_557_607_000,
        "user": "ada",
        "artist": "Can",
        "track": "Can / Mushroom",
        "ms_played": 5,
        "conn_country": "DE",
        "offline": False,
    }


def test_align(tmp_path: Path) -> None:
    """Aligned, everybody's first day is one Monday, and times of day and distances in time stay."""
    history(tmp_path / "ada", ("2024-05-01 10:00", 0), ("2024-05-03 23:59", 0))
    history(tmp_path / "bob", ("2019-02-11 08:30", 0))
    assert convert_spotify(tmp_path, tmp_path / "out.jsonl", align=True) == 3
    hour = 60 * MINUTE
    assert [(line["user"], line["ts"] - MONDAY) for line in lines(tmp_path / "out.jsonl")] == [
        ("bob", 8 * hour + 30 * MINUTE),
        ("ada", 10 * hour),
        ("ada", 72 * hour - MINUTE),
    ]


def test_spotify_parquet(tmp_path: Path) -> None:
    """A parquet table of plays gives the lines that account data gives."""
    table = pa.table(
        {"user": ["a", "b"], "end_ts": [60, 0], "artist": ["x", "y"], "track": ["t", "u"], "ms_played": [1, 2]}
    )
    pq.write_table(table, tmp_path / "plays.parquet")
    assert convert_spotify(tmp_path / "plays.parquet", tmp_path / "out.jsonl.gz") == 2
    assert [(e["user"], e["ts"], e["track"]) for e in lines(tmp_path / "out.jsonl.gz")] == [
        ("b", 0, "y / u"),
        ("a", 60_000, "x / t"),
    ]


def test_same_input_same_bytes(tmp_path: Path) -> None:
    """Compressed output is a function of the input alone."""
    file = history(tmp_path / "ada", ("2024-05-01 10:00", 1000))
    for name in ("one.gz", "two.gz"):
        convert_spotify(file, tmp_path / name)
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()


def test_lastfm(tmp_path: Path) -> None:
    """Scrobbles come out in order of time, without a duration."""
    text = "u1\t2009-05-04T23:08:57Z\tid\tCan\t\tVitamin C\nu1\t2009-05-04T13:54:10Z\tid\tCan\t\tSpoon\n"
    (tmp_path / "table.tsv").write_text(text)
    assert convert_lastfm(tmp_path / "table.tsv", tmp_path / "out.jsonl") == 2
    assert lines(tmp_path / "out.jsonl")[0] == {
        "id": "u1-0",
        "ts": 1_241_445_250_000,
        "user": "u1",
        "artist": "Can",
        "track": "Can / Spoon",
    }


def test_eventsim(tmp_path: Path) -> None:
    """Pages become events of the platform schema; pages without meaning and visitors without a name are left out."""
    page = {"ts": 5, "userId": "8", "level": "paid", "registration": 3.0, "artist": None, "song": None, "length": None}
    pages = [
        page | {"page": "NextSong", "artist": "Can", "song": "Spoon", "length": 183.5},
        page | {"page": "Home"},
        page | {"page": "Thumbs Up", "userId": ""},
        page | {"page": "Submit Downgrade", "level": "free", "ts": 4},
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(p) + "\n" for p in pages))
    assert convert_eventsim(tmp_path / "log.jsonl", tmp_path / "out.jsonl") == 2
    common = {"user_id": "8", "account_created": 3}
    assert lines(tmp_path / "out.jsonl") == [
        {"event_id": "8-0", "event_time": 4, "type": "plan_change", "plan": "free", **common},
        {
            "event_id": "8-1",
            "event_time": 5,
            "type": "play",
            "plan": "premium",
            "artist_id": "Can",
            "track_id": "Can / Spoon",
            "track_ms": 183_500,
            **common,
        },
    ]


CARD = {
    "TRANSACTION_ID": 1,
    "TX_DATETIME": "2018-04-01T00:00:31Z",
    "CUSTOMER_ID": 596,
    "TERMINAL_ID": 3156,
    "TX_AMOUNT": 57.16,
    "TX_FRAUD": 1,
    "TX_FRAUD_SCENARIO": 3,
}


def test_cards_short_names(tmp_path: Path) -> None:
    """Short column names get the handbook's, times become texts, amounts lose the noise of 32-bit floats."""
    columns = {
        "tx_id": [2, 1],
        "ts": [1_522_540_832, 1_522_540_831],
        "customer": [596, 596],
        "terminal": [3156, 3156],
        "amount": pa.array([1, 57.16], pa.float32()),
        "fraud": [0, 1],
        "scenario": [0, 3],
    }
    pq.write_table(pa.table(columns), tmp_path / "cards.parquet")
    assert convert_cards(tmp_path / "cards.parquet", tmp_path / "out.jsonl") == 2
    assert lines(tmp_path / "out.jsonl")[0] == CARD


def test_cards_csv(tmp_path: Path) -> None:
    """The handbook's own columns are read from CSV, further ones are left out, and labels may be missing."""
    (tmp_path / "cards.csv").write_text(
        "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_TIME_DAYS\n"
        "1,2018-04-01 00:00:31,596,3156,57.16,0\n"
    )
    convert_cards(tmp_path / "cards.csv", tmp_path / "out.jsonl")
    assert lines(tmp_path / "out.jsonl") == [{k: v for k, v in CARD.items() if "FRAUD" not in k}]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("endsong_0.json", '[{"when": 1}]', "expected a list of objects with endTime"),
        ("endsong_0.json", "[{", "not a Spotify streaming history"),
        ("StreamingHistory0.json", '[{"endTime": "noon"}]', "noon"),
        ("x.parquet", "PAR1", "cannot be read as parquet"),
    ],
)
def test_not_a_history(tmp_path: Path, name: str, text: str, expected: str) -> None:
    """A file of another format is refused with what was seen and what was expected."""
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=f"{re.escape(name)}.*{expected}"):
        convert_spotify(tmp_path, tmp_path / "out.jsonl")


def test_not_other_formats(tmp_path: Path) -> None:
    """The other converters name the line or the row that they could not read."""
    (tmp_path / "t").write_text("a\tb\n1\t2\n")
    with pytest.raises(SourceError, match=r"t:1: .*expected 6"):
        convert_lastfm(tmp_path / "t", tmp_path / "out")
    with pytest.raises(SourceError, match="t:1: not a line of eventsim"):
        convert_eventsim(tmp_path / "t", tmp_path / "out")
    with pytest.raises(SourceError, match="TERMINAL_ID"):
        convert_cards(tmp_path / "t", tmp_path / "out")
    with pytest.raises(SourceError, match="cannot be read"):
        convert_cards(tmp_path / "absent.csv", tmp_path / "out")
    with pytest.raises(SourceError, match=r"none of StreamingHistory\*\.json"):
        convert_spotify(tmp_path, tmp_path / "out")
    (tmp_path / "plays.parquet").touch()
    pq.write_table(pa.table({"user": ["a"]}), tmp_path / "plays.parquet")
    with pytest.raises(SourceError, match="no column end_ts, artist"):
        convert_spotify(tmp_path, tmp_path / "out")


def test_unwritable(tmp_path: Path) -> None:
    """An output that cannot be written is named."""
    file = history(tmp_path / "ada", ("2024-05-01 10:00", 1000))
    with pytest.raises(SinkError, match="absent"):
        convert_spotify(file, tmp_path / "absent" / "out.jsonl")


def test_any_csv(tmp_path: Path) -> None:
    """Columns of numbers and of true and false become JSON's; an id that looks like a number once stays a text; lines
    come in the order asked for; empty cells are left out.
    """
    source, out = tmp_path / "t.csv", tmp_path / "t.jsonl"
    source.write_text("when,id,ok,x\n2,1e5,true,\n1,ab,false,2.5\n")
    assert convert_table(source, out, sort_by="when").lines == 2
    assert [json.loads(line) for line in out.read_bytes().splitlines()] == [
        {"when": 1, "id": "ab", "ok": False, "x": 2.5},
        {"when": 2, "id": "1e5", "ok": True},
    ]
    source.write_text("3,4\n")
    convert_table(source, out, ("a", "b"))
    assert json.loads(out.read_bytes()) == {"a": 3, "b": 4}
    with pytest.raises(SourceError, match="no column 'c'; there are a, b"):
        convert_table(source, out, ("a", "b"), "c")
    source.write_text("a,b\n1,2\n1,2,3\n")
    with pytest.raises(SourceError, match="row 2 has 3 columns, expected a, b"):
        convert_table(source, out)


@pytest.mark.parametrize(
    "texts",
    [
        ["007", "7"],
        ["+4915112345678", "4915112345678"],
        ["1_0", "10"],
        ["\u0661\u0662", "12"],
        ["nan", "1.5"],
        ["inf", "1"],
        ["1e5", "100000"],
        ["9007199254740993", "1.5"],
        ["99999999999999999999", "1"],
        ["9" * 5000, "1"],
        ["-0", "0"],
        [" 1", "1"],
        ["5.50", "5.5"],
    ],
)
def test_ids_stay_as_they_are(tmp_path: Path, texts: list[str]) -> None:
    """What would print otherwise is text, and so is its whole column."""
    (tmp_path / "t.csv").write_text("id,n\n" + "".join(f"{text},{i}\n" for i, text in enumerate(texts)))
    convert_table(tmp_path / "t.csv", tmp_path / "o.jsonl")
    found = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert found == [{"id": text, "n": i} for i, text in enumerate(texts)]


def test_numbers(tmp_path: Path) -> None:
    """What prints as it stands is a number, integers beside fractions too; --text and --numbers have the last word."""
    (tmp_path / "t.csv").write_text("\ufeffa,b,c,d\n1,1.5,5.50,7\n-20,3,,7\n9007199254740992,1e+16,6.00,7\n")
    done = convert_table(tmp_path / "t.csv", tmp_path / "o.jsonl", text=("d",))
    assert done == (3, {"c": "5.50"})
    first, second, _ = (json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines())
    assert first == {"a": 1, "b": 1.5, "c": "5.50", "d": "7"}
    assert second == {"a": -20, "b": 3, "d": "7"}
    convert_table(tmp_path / "t.csv", tmp_path / "o.jsonl", numbers=("c",))
    assert json.loads((tmp_path / "o.jsonl").read_text().splitlines()[0])["c"] == 5.5


@pytest.mark.parametrize(
    ("text", "how", "said"),
    [
        ("id,at\na,1\nb,\n", {"sort_by": "at"}, "row 2 has nothing in 'at'"),
        ("id,id\na,b\n", {}, "two columns are called 'id'"),
        ("id;at\na;1\n", {}, "seen one column, 'id;at'.*--separator"),
        ("id,at\na\n", {}, "row 1 has 1 columns, expected id, at"),
        ("id\n" + "x" * (1 << 24) + "y\n", {}, "cannot be read as CSV: field larger"),
        ("id\na\n", {"text": ("x",)}, "no column 'x'; there are id"),
        ("n\n1\nx\n", {"numbers": ("n",)}, "column 'n' has 'x', expected numbers"),
        ("n\n9007199254740993\n", {"numbers": ("n",)}, "expected numbers of at most"),
    ],
)
def test_tables_that_are_not(tmp_path: Path, text: str, how: dict[str, Any], said: str) -> None:
    """One line says what and where."""
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(SourceError, match=said):
        convert_table(tmp_path / "t.csv", tmp_path / "o.jsonl", **how)


def test_long_cells_and_other_separators(tmp_path: Path) -> None:
    """A cell may be as long as a page; semicolons are asked for."""
    (tmp_path / "t.csv").write_text("id;text\n1;" + "x" * 200_000 + "\n")
    assert convert_table(tmp_path / "t.csv", tmp_path / "o.jsonl", separator=";").lines == 1
    assert len(json.loads((tmp_path / "o.jsonl").read_text())["text"]) == 200_000
    (tmp_path / "empty.csv").write_text("")
    assert convert_table(tmp_path / "empty.csv", tmp_path / "o.jsonl") == (0, {})
