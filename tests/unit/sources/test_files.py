"""Files, directories and patterns as partitions."""

import gzip
import json
import os
import threading
from pathlib import Path

import pytest

import flows.sources.files
from flows.sources.base import Partition
from flows.sources.files import FilesPartition, FilesSpec
from state.errors import SourceError

Read = list[tuple[str, int, bytes]]


def write(path: Path, *lines: str, end: str = "\n") -> str:
    data = ("\n".join(lines) + end).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path)


def read_all(partition: Partition, max_lines: int = 2) -> Read:
    out: Read = []
    while (read := partition.read(max_lines)) is not None:
        assert 0 < len(read.lines) == len(read.offsets) <= max_lines
        out += zip([read.source] * len(read.lines), read.offsets, read.lines, strict=True)
    return out


@pytest.fixture(params=[1 << 20, 5], ids=["large blocks", "tiny blocks"], autouse=True)
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs with blocks that hold whole files, and with blocks that cut lines."""
    monkeypatch.setattr(flows.sources.files, "_BLOCK_BYTES", request.param)


def test_files_in_sequence_are_one_partition_with_line_numbers_per_file(tmp_path: Path) -> None:
    """A day's file follows the other; plain and packed look alike; the last line may lack its end."""
    first = write(tmp_path / "day1.jsonl", "a", "bb", "", "c")
    second = write(tmp_path / "day2.jsonl.gz", "d", "e", end="")
    spec = FilesSpec((first, second))
    assert spec.partition_names() == ["files"]
    partition = spec.open("files")
    expected = [
        (first, 0, b"a"),
        (first, 1, b"bb"),
        (first, 3, b"c"),
        (second, 0, b"d"),
        (second, 1, b"e"),
    ]
    assert read_all(partition) == expected
    assert partition.done_bytes == partition.size_bytes == sum(Path(f).stat().st_size for f in (first, second))
    partition.close()


@pytest.mark.parametrize("follow", [False, True])
def test_blank_lines_are_none(tmp_path: Path, follow: bool) -> None:
    """They are counted nowhere but in the numbers of others; a position behind, before or between them is right."""
    file = write(tmp_path / "a.jsonl", "", "a", " \t", "", "b", "\r", "", "")
    expected = [(file, 1, b"a"), (file, 4, b"b")]
    for stop in range(9):
        first, second = (FilesPartition("p", [file], follow=follow) for _ in range(2))
        head = first.read(stop) if stop else None
        second.seek(json.loads(json.dumps(first.position())))
        tail: list[tuple[str, int, bytes]] = []
        for _ in range(9):
            read = second.read(3)
            tail += zip([file] * 9, read.offsets, read.lines, strict=False) if read else ()
        got = list(zip([file] * 9, head.offsets, head.lines, strict=False)) if head else []
        assert got + tail == expected
        first.close()
        second.close()


def test_nothing_but_blank_lines_is_nothing(tmp_path: Path) -> None:
    """The next file is read at once."""
    blank, full = write(tmp_path / "a.jsonl", *[""] * 50), write(tmp_path / "b.jsonl", "x")
    assert FilesPartition("p", [blank]).read(2) is None
    assert read_all(FilesPartition("p", [blank, full])) == [(full, 0, b"x")]


def test_each_file_can_be_a_partition_of_its_own(tmp_path: Path) -> None:
    """They are called by their paths, and opened one by one."""
    files = [write(tmp_path / f"{name}.jsonl", name) for name in "ba"]
    spec = FilesSpec((str(tmp_path),), partitions="per_file")
    assert spec.partition_names() == sorted(files)
    assert read_all(spec.open(files[0])) == [(files[0], 0, b"b")]


@pytest.mark.parametrize("name", ["events.jsonl", "events.jsonl.gz"])
@pytest.mark.parametrize("end", ["\n", ""])
def test_a_reader_can_go_on_from_any_position(tmp_path: Path, name: str, end: str) -> None:
    """Positions survive JSON; what was read before and after is the whole file, once."""
    files = (write(tmp_path / f"0{name}", *map(str, range(95, 103)), end=end), write(tmp_path / f"1{name}", "x", "y"))
    whole = read_all(FilesPartition("p", files))
    for stop in range(len(whole) + 1):
        first, head = FilesPartition("p", files), []
        while len(head) < stop:
            read = first.read(min(3, stop - len(head)))
            assert read is not None
            head += list(zip([read.source] * len(read.lines), read.offsets, read.lines, strict=True))
        first.close()
        second = FilesPartition("p", files)
        second.seek(json.loads(json.dumps(first.position())))
        assert head + read_all(second) == whole


def test_a_position_in_a_file_that_is_gone_or_shorter_is_an_error(tmp_path: Path) -> None:
    """The message names the file and what to do."""
    file = write(tmp_path / "a.jsonl", "1", "2", "3")
    reader = FilesPartition("p", [file])
    reader.read(3)
    position = reader.position()
    reader.close()
    with pytest.raises(
        SourceError, match=r"'.*a\.jsonl', which is not among the 1 input files any more; bring it back"
    ):
        FilesPartition("p", [write(tmp_path / "b.jsonl", "1")]).seek(position)
    write(tmp_path / "a.jsonl", end="")
    with pytest.raises(SourceError, match=r"a\.jsonl: what was read of it is not there any more; was it replaced\?"):
        FilesPartition("p", [file]).seek(position)


def test_paths_are_files_directories_and_patterns_each_file_once(tmp_path: Path) -> None:
    """In the order given, sorted inside; other files, hidden ones and folders of a directory are left out."""
    a, b = write(tmp_path / "a.ndjson", "1"), write(tmp_path / "b.json.gz", "2")
    write(tmp_path / "notes.txt", "x")
    write(tmp_path / ".hidden.jsonl", "x")
    (tmp_path / "folder.jsonl").mkdir()
    deep = write(tmp_path / "folder.jsonl" / "c.log", "3")
    paths = (b, str(tmp_path), str(tmp_path / "**" / "*.log"))
    assert FilesSpec(paths).files() == [b, a, deep]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("missing.jsonl", r"missing\.jsonl: no such file or directory; .* holds empty/, events\.csv"),
        ("no/such/*.jsonl", r"\*\.jsonl: no file matches this pattern; .* holds empty/, events\.csv"),
        ("empty", r"empty: no event files here, looked for \*\.jsonl, .*; .*empty holds nothing"),
    ],
)
def test_a_path_that_matches_nothing_says_what_was_looked_for_and_what_is_there(
    tmp_path: Path, path: str, says: str
) -> None:
    """The reader sees the typing mistake without listing the directory."""
    (tmp_path / "empty").mkdir()
    write(tmp_path / "events.csv", "x")
    with pytest.raises(SourceError, match=says):
        FilesSpec((str(tmp_path / path),)).partition_names()


def test_no_paths_at_all_is_an_error() -> None:
    """An empty list in a configuration is not an empty input."""
    with pytest.raises(SourceError, match="no paths given"):
        FilesSpec(()).partition_names()


def test_empty_files_end_at_once(tmp_path: Path) -> None:
    """They are no error, also between others."""
    files = [write(tmp_path / f"{n}.jsonl", *text, end="") for n, text in enumerate(["", "a", "", ""])]
    assert [line for _, _, line in read_all(FilesPartition("p", files))] == [b"a"]


def test_a_damaged_gz_file_is_an_error_with_its_name(tmp_path: Path) -> None:
    """What could be unpacked before the damage is read first."""
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"line\n" * 9, mtime=0)[:-4])
    partition = FilesPartition("p", [str(path)])
    assert sum(len(partition.read(2).lines) for _ in range(4)) >= 7  # type: ignore[union-attr]
    with pytest.raises(SourceError, match=r"a\.jsonl\.gz: cannot be read at byte 45"):
        read_all(partition)


def test_a_named_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    """`driftnet replay <(zcat ...)` works; how far it has come is unknown until its end."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b"a\nb\n",))
    writer.start()
    partition = FilesPartition("p", [str(path)])
    read = partition.read(1)
    assert read is not None
    assert (list(read.lines), partition.done_bytes) == ([b"a"], 0)
    assert [line for _, _, line in read_all(partition)] == [b"b"]
    writer.join()


def test_over_long_lines_are_cut_to_one_byte_too_many(tmp_path: Path) -> None:
    """The lines around them are whole, and numbered as in the file."""
    file = write(tmp_path / "a.jsonl", "a" * 8, "b" * 50, "c")
    lines = read_all(FilesPartition("p", [file], line_bytes_max=10))
    assert lines == [(file, 0, b"a" * 8), (file, 1, b"b" * 11), (file, 2, b"c")]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_a_file_that_was_replaced_is_not_gone_on_with(tmp_path: Path, name: str) -> None:
    """Also by a larger one; a file that only grew is the same file."""
    lines = [f"{i}" for i in range(1000)]
    for stop in (3, 500, 1000):
        partition = FilesPartition("p", [write(tmp_path / name, *lines)])
        partition.read(stop)
        position = json.loads(json.dumps(partition.position()))
        partition.close()
        if name.endswith("l"):
            write(tmp_path / name, *lines, "new", "lines")
            again = FilesPartition("p", [str(tmp_path / name)])
            again.seek(position)
            assert [line for _, _, line in read_all(again)][-1] == b"lines"
        (tmp_path / name).unlink()
        other = [f"9{i}" for i in range(2000)]
        replaced = FilesPartition("p", [write(tmp_path / name, *other)])
        with pytest.raises(SourceError, match="was it replaced"):
            replaced.seek(position)


def test_numbers_in_names_sort_as_numbers(tmp_path: Path) -> None:
    """In directories and patterns; a name without numbers, and numbers with zeros before them, as people expect."""
    names = ["day-1", "day-2", "day-9", "day-10", "day-11", "day-100", "day", "night-1", "day-02"]
    for name in names:
        write(tmp_path / f"{name}.jsonl", name)
    expected = ["day-1", "day-02", "day-2", "day-9", "day-10", "day-11", "day-100", "day", "night-1"]
    for path in (tmp_path, tmp_path / "*.jsonl"):
        assert [Path(file).stem for file in FilesSpec((str(path),)).files()] == expected


def test_a_byte_order_mark_costs_no_line(tmp_path: Path) -> None:
    """At the beginning of each file; anywhere else it is what it is."""
    files = []
    for name in ("a.jsonl", "b.jsonl"):
        files.append(str(tmp_path / name))
        Path(files[-1]).write_bytes(b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\nthree\n")
    expected = [b"one", b"\xef\xbb\xbftwo", b"three"] * 2
    assert [line for _, _, line in read_all(FilesPartition("p", files))] == expected
    for stop in range(6):
        first = FilesPartition("p", files)
        for _ in range(stop):
            first.read(1)
        position = first.position()
        first.close()
        again = FilesPartition("p", files)
        again.seek(position)
        assert [line for _, _, line in read_all(again)] == expected[stop:]


def read_now(part: FilesPartition, most: int = 100) -> list[bytes]:
    """What is there of a file that is followed."""
    lines = part.read(most)
    assert lines is not None
    return list(lines.lines)


def test_a_file_that_is_followed_has_no_end(tmp_path: Path) -> None:
    """It need not be there, goes on as others write, and a line counts when it is whole."""
    file = tmp_path / "labels.jsonl"
    spec = FilesSpec((str(file),), name="labels", follow=True)
    assert spec.partition_names() == ["labels"]
    part = spec.open("labels")
    assert read_now(part) == []
    file.write_bytes(b"")
    assert read_now(part) == []
    with file.open("ab", 0) as writer:
        for piece, whole in ((b"one\ntw", [b"one"]), (b"o", []), (b"\nthree\n", [b"two", b"three"]), (b"", [])):
            writer.write(piece)
            assert read_now(part) == whole
    assert part.size_bytes is None
    part.close()


def test_a_followed_file_goes_on_at_a_position(tmp_path: Path) -> None:
    """Also at one from before the file was there, and in the middle of what was read at once."""
    file = tmp_path / "labels.jsonl"
    part = FilesPartition("p", [str(file)], follow=True)
    before = part.position()
    file.write_bytes(b"one\ntwo\nthr")
    assert read_now(part, 1) == [b"one"]
    middle = part.position()
    assert read_now(part) == [b"two"]
    after = part.position()
    with file.open("ab") as writer:
        writer.write(b"ee\nfour\n")
    for position, rest in ((before, 4), (middle, 3), (after, 2)):
        again = FilesPartition("p", [str(file)], follow=True)
        again.seek(position)
        assert read_now(again) == [b"one", b"two", b"three", b"four"][4 - rest :]
        again.close()
    part.close()


@pytest.mark.parametrize("what", ["cut", "replaced", "removed"])
def test_a_followed_file_that_is_another_is_an_error(tmp_path: Path, what: str) -> None:
    """What was read is not there any more: nobody should believe that all of it was read."""
    file = tmp_path / "labels.jsonl"
    file.write_bytes(b"one\ntwo\n")
    part = FilesPartition("p", [str(file)], follow=True)
    assert read_now(part) == [b"one", b"two"]
    if what == "cut":
        file.write_bytes(b"x\n")
    else:
        file.rename(tmp_path / "old.jsonl")
        if what == "replaced":
            file.write_bytes(b"one\ntwo\nthree\n")
    with pytest.raises(SourceError, match=r"labels.jsonl: was (replaced or cut|removed) while it was followed"):
        part.read(10)


def test_a_directory_cannot_be_followed(tmp_path: Path) -> None:
    """There is one file that grows."""
    with pytest.raises(SourceError, match="is a directory, expected a file to follow"):
        FilesSpec((str(tmp_path),), follow=True).partition_names()


def test_a_line_that_is_being_written_is_left_for_later(tmp_path: Path) -> None:
    """Where more is expected, a last line without its end waits for the rest, unless it is whole already."""
    path = tmp_path / "day.jsonl"
    for begun, read in ((b'{"a":1}\n{"a":2', 1), (b'{"a":1}\n{"a":2}', 2)):
        path.write_bytes(begun)
        first = FilesSpec((str(path),)).open("files")
        first.expect_more()
        assert len(read_all(first)) == read
        path.write_bytes(b'{"a":1}\n{"a":2}\n{"a":3}\n')
        second = FilesSpec((str(path),)).open("files")
        second.expect_more()
        second.seek(first.position())
        assert [line for _, _, line in read_all(second)] == [b'{"a":2}', b'{"a":3}'][read - 1 :]
    assert [line for _, _, line in read_all(opened_at_once(path, b'{"a"'))] == [b'{"a"']


def opened_at_once(path: Path, text: bytes) -> FilesPartition:
    path.write_bytes(text)
    return FilesSpec((str(path),)).open("files")


def test_files_that_are_new_are_read_wherever_they_sort(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A later reader knows which files were read to their end, whatever was added; what is not read of them is said."""
    for day in (1, 3):
        write(tmp_path / f"day-{day}.jsonl", f"{day}")
    spec = FilesSpec((str(tmp_path),))
    first = spec.open("files")
    read_all(first)
    write(tmp_path / "day-2.jsonl", "2")
    write(tmp_path / "day-3.jsonl", "3", "3 more")
    write(tmp_path / "day-4.jsonl", "4")
    second = spec.open("files")
    second.seek(first.position())
    assert [line for _, _, line in read_all(second)] == [b"3 more", b"2", b"4"]
    assert "day-2.jsonl is new, and sorts before" in caplog.text
    write(tmp_path / "day-1.jsonl", "1", "1 more")
    caplog.clear()
    third = spec.open("files")
    third.seek(second.position())
    assert read_all(third) == []
    assert "day-1.jsonl is not as it was" in caplog.text
    assert "day-2" not in caplog.text
