"""Input that ends for now: with saved state a later run goes on with what has come since, as if it had not ended."""

import json
from pathlib import Path

import pytest

from flows.engine.plan import Options
from flows.sources.files import FilesSpec
from tests.engine.scenarios import SCENARIOS, Told, lines_of, run_bytewax, run_local, same, write_files

CUTS = (0.31, 0.32, 0.7, 1.0)
"""Shares of each file that are there when a run starts: in the middle of lines, and of windows."""


def pausing(tmp_path: Path, *, finish: bool = False, processes: int = 1) -> Options:
    return Options(processes=processes, batch_lines=200, epoch_s=0.05, state_dir=tmp_path / "state", finish=finish)


@pytest.mark.parametrize(("name", "processes"), [("hot_card", 1), ("troubled", 1), ("clocks_ahead", 2)])
def test_files_that_grow(tmp_path: Path, name: str, processes: int) -> None:
    """Files written side by side grow between runs: all records are those of one run over the whole of them."""
    job, whole = SCENARIOS[name].job(), tmp_path / "whole"
    whole.mkdir()
    reference = run_local(job, write_files(name, 2, whole), whole / "out", 8192)
    source = write_files(name, 2, tmp_path)
    texts = {path: Path(path).read_bytes() for path in source.paths}
    for cut in CUTS:
        for path, text in texts.items():
            Path(path).write_bytes(text[: int(len(text) * cut)])
        found = run_bytewax(job, source, tmp_path / "out", pausing(tmp_path, processes=processes))
        assert found[1]["balanced"]
        assert found[1]["open"] > 0
        assert found[1]["paused"] == 2
        assert not found[1]["nothing_new"]
    same(run_bytewax(job, source, tmp_path / "out", pausing(tmp_path, finish=True)), reference)


@pytest.mark.parametrize("partitions", ["sequence", "per_file"])
def test_files_that_are_added(tmp_path: Path, partitions: str) -> None:
    """A day's file comes after the other.  Where each is a partition, one that a whole run found as it was before holds
    no later ones back: its windows close with the next file, and not at the end of all.
    """
    job, lines = SCENARIOS["hot_card"].job(), lines_of("hot_card")
    days = [lines[at : at + 2000] for at in range(0, 6000, 2000)]
    for number, day in enumerate(days, 8):
        (tmp_path / f"day-{number}.jsonl").write_bytes(b"\n".join(day) + b"\n")
    source = FilesSpec((str(tmp_path),), partitions)  # type: ignore[arg-type]
    reference = run_local(job, source, tmp_path / "whole", 8192)
    later = [(tmp_path / f"day-{number}.jsonl", b"\n".join(days[number - 8]) + b"\n") for number in (9, 10)]
    for path, _ in later:
        path.unlink()
    ends: list[str] = []
    for path, text in [*later, (None, b"")]:
        found = run_bytewax(job, source, tmp_path / "out", pausing(tmp_path))
        assert found[1]["late"] == 0
        ends.append(last_window(found))
        if path is not None:
            path.write_bytes(text)
    assert ends == sorted(set(ends))
    again = run_bytewax(job, source, tmp_path / "out", pausing(tmp_path))
    assert again[1]["nothing_new"]
    assert last_window(again) == ends[-1]
    same(run_bytewax(job, source, tmp_path / "out", pausing(tmp_path, finish=True)), reference)


def last_window(found: Told) -> str:
    return max(json.loads(record)["end"] for record in found[0]["scores"])
