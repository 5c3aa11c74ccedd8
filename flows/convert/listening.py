"""Listening histories: Spotify account exports and the Last.fm 1K table."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson

from flows.convert.files import Record, iso_ms, read_lines, read_parquet, write_lines
from state.errors import SourceError

_DAY_MS: Final = 86_400_000
ALIGNED_DAY_MS: Final = 1_704_067_200_000
"""2024-01-01 00:00 UTC, a Monday: where every user's first day goes when histories are aligned."""


@dataclass(slots=True)
class Play:
    """One play.  end_ms: when it ended, milliseconds since 1970 UTC.  more: further fields of its line."""

    user: str
    end_ms: int
    artist: str | None
    track: str | None
    ms_played: int | None
    more: Record = field(default_factory=dict)


def convert_spotify(path: Path, out: Path, align: bool = False) -> int:
    """Spotify account exports to listening lines; the number of lines.

    path: a file, or a folder that is searched for them: StreamingHistory*.json ("account data", where the user is
    called after the file's folder), endsong*.json and Streaming_History_Audio*.json ("extended"), and *.parquet with
    the columns user, end_ts (s), artist, track, ms_played.
    align: moves each user's first day to one Monday, keeping the time of day, so that all listen side by side.

    Account data and parquet know a play's end by the minute. It is put at the end of the play before plus its own
    duration, within that minute: what was heard in one go stays gapless, and the order stays the file's.
    Raises SourceError for input that cannot be read or is something else, SinkError when out cannot be written.
    """
    return _write(_spotify_plays(path), out, align)


def convert_lastfm(path: Path, out: Path, align: bool = False) -> int:
    """The Last.fm 1K table (user, ISO time, artist id, artist, track id, track; tab-separated, .gz or not), likewise.

    The time is that of the scrobble; how long a track was heard is not known.
    """
    plays = []
    for number, line in enumerate(read_lines(path), 1):
        try:
            user, time, _, artist, _, title = line.rstrip("\r\n").split("\t")
            plays.append(Play(user, iso_ms(time), artist or None, track_id(artist, title), None))
        except ValueError as error:
            expected = "user, ISO time, artist id, artist, track id, track"
            raise SourceError(f"{path}:{number}: {error}; expected 6 tab-separated columns: {expected}") from None
    return _write(plays, out, align)


def track_id(artist: str | None, title: str | None) -> str | None:
    """Titles repeat from artist to artist; the pair tells tracks apart."""
    return f"{artist or ''} / {title}" if title else None


def _spotify_plays(path: Path) -> list[Play]:
    files = sorted(f for f in path.rglob("*") if _is_history(f)) if path.is_dir() else [path]
    if not files:
        known = "StreamingHistory*.json, endsong*.json, Streaming_History_Audio*.json, *.parquet"
        raise SourceError(f"{path}: none of {known} in this folder")
    return [play for file in files for play in (_parquet(file) if file.suffix == ".parquet" else _json(file))]


def _is_history(file: Path) -> bool:
    named = file.name.startswith(("StreamingHistory", "endsong", "Streaming_History_Audio"))
    return file.suffix == ".parquet" or (file.suffix == ".json" and named)


def _parquet(file: Path) -> list[Play]:
    table = read_parquet(file, "user", "end_ts", "artist", "track", "ms_played")
    columns = [column.to_pylist() for column in table.columns]
    return _within_minutes(
        Play(user, end_s * 1000, artist, track_id(artist, title), ms_played)
        for user, end_s, artist, title, ms_played in zip(*columns, strict=True)
    )


def _json(file: Path) -> list[Play]:
    try:
        entries = orjson.loads(file.read_bytes())
        if entries and "endTime" in entries[0]:
            user = file.resolve().parent.name
            return _within_minutes(_account_data(entry, user) for entry in entries)
        return [_extended(entry, file) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(
            f"{file}: not a Spotify streaming history: {error!r}; expected a list of objects with endTime, artistName,"
            " trackName and msPlayed (StreamingHistory*.json), or with ts, ms_played, master_metadata_track_name and"
            " master_metadata_album_artist_name (endsong*.json, Streaming_History_Audio*.json)"
        ) from None


def _account_data(e: Record, user: str) -> Play:
    return Play(user, iso_ms(e["endTime"]), e["artistName"], track_id(e["artistName"], e["trackName"]), e["msPlayed"])


def _extended(e: Record, file: Path) -> Play:
    artist = e["master_metadata_album_artist_name"] or e.get("episode_show_name")
    title = e["master_metadata_track_name"] or e.get("episode_name")
    user = e.get("username") or file.resolve().parent.name
    more = {name: e.get(name) for name in ("platform", "conn_country", "reason_end", "skipped", "offline")}
    return Play(user, iso_ms(e["ts"]), artist, track_id(artist, title), e["ms_played"], more)


def _within_minutes(plays: Iterable[Play]) -> list[Play]:
    """Ends known by the minute, put where the play before and the duration say, as far as their minute allows."""
    out: list[Play] = []
    before_ms: dict[str, int] = {}
    for play in plays:
        if play.user in before_ms:
            expected_ms = before_ms[play.user] + (play.ms_played or 0)
            play.end_ms = min(max(expected_ms, play.end_ms), play.end_ms + 59_999)
        before_ms[play.user] = play.end_ms
        out.append(play)
    return out


def _write(plays: list[Play], out: Path, align: bool) -> int:
    if align:
        first_ms: dict[str, int] = {}
        for play in plays:
            first_ms[play.user] = min(play.end_ms, first_ms.get(play.user, play.end_ms))
        for play in plays:
            play.end_ms += ALIGNED_DAY_MS - first_ms[play.user] // _DAY_MS * _DAY_MS
    plays.sort(key=lambda play: play.end_ms)
    return write_lines(out, (_line(i, play) for i, play in enumerate(plays)))


def _line(number: int, play: Play) -> Record:
    return {
        "id": f"{play.user}-{number}",
        "ts": play.end_ms,
        "user": play.user,
        "artist": play.artist,
        "track": play.track,
        "ms_played": play.ms_played,
    } | play.more
