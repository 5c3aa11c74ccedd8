"""Partitions that are added to an input while a run goes on."""

import logging
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from flows.engine.growth import Growth
from flows.engine.plan import Options, Plan
from flows.engine.run import execute
from flows.sources.base import Lines
from state.errors import SourceError
from tests.engine.fakes import Numbers, NumbersPartition, expected, found
from tests.engine.fakes import plan as fake_plan


@dataclass(frozen=True)
class Growing(Numbers):
    """As many partitions as a file says; no answer where there is none."""

    file: Path = Path()

    def partition_names(self) -> list[str]:
        try:
            return [f"p{i}" for i in range(int(self.file.read_text()))]
        except (FileNotFoundError, ValueError) as error:  # not there, or being written
            raise SourceError("no answer") from error

    def open(self, name: str) -> NumbersPartition:
        return UntilOver(name, self)


class UntilOver(NumbersPartition):
    """Live until a file beside the other one says that it is over."""

    def read(self, max_lines: int) -> Lines | None:
        assert isinstance(self.spec, Growing)
        over = self.spec.file.with_name("over").exists()
        return None if over else super().read(max_lines)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "partitions"
    path.write_text("1")
    return path


def growing_run(plan: Plan, file: Path) -> tuple[Growth, bool]:
    """Runs while partitions are added; whether it ended."""
    growth = Growth(plan.sources, 0.05)

    def add_one() -> None:
        while not file.with_name("out").exists():
            time.sleep(0.05)
        time.sleep(0.5)
        file.write_text("2")

    threading.Thread(target=add_one, daemon=True).start()
    thread = threading.Thread(target=execute, args=(plan, None, growth))
    thread.start()
    thread.join(5 if plan.options.state_dir is None else 40)
    ended = not thread.is_alive()
    file.with_name("over").touch()
    thread.join()
    file.with_name("over").unlink()
    return growth, ended


@pytest.mark.parametrize("processes", [1, 2])
def test_durable_run_drains_and_goes_on_with_them(tmp_path: Path, file: Path, processes: int) -> None:
    """It ends in good order, says which are new, and the next run reads those from their beginning, all else once."""
    live = Growing(1, count=100, live=True, file=file)
    options = Options(batch_lines=10, live=True, processes=processes, epoch_s=0.1, state_dir=tmp_path / "state")
    growth, ended = growing_run(fake_plan(live, tmp_path / "out", options, idle_s=3600), file)
    assert ended
    assert growth.found == ("p1",)
    assert len(found(tmp_path / "out")) < len(expected(live))
    end = replace(live, live=False)
    execute(fake_plan(end, tmp_path / "out", replace(options, live=False)))
    assert sorted(found(tmp_path / "out")) == sorted(expected(Numbers(2, count=100)))


def test_run_without_state_goes_on_without_them(tmp_path: Path, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It would have to forget what it knows, so it only tells."""
    live = Growing(1, count=10, live=True, file=file)
    plan = fake_plan(live, tmp_path / "out", Options(live=True))
    growth, ended = growing_run(plan, file)
    assert not ended
    assert growth.found == ()
    assert [r.message for r in caplog.records if r.levelno == logging.WARNING] == [
        "new partitions of the input are not read: p1; start the run again to read them"
    ]


def test_no_answer_is_no_growth(file: Path) -> None:
    """An input that cannot be asked just now is asked again."""
    source = Growing(1, file=file)
    growth = Growth({"p0": source}, 0.02)
    file.unlink()
    told: list[float] = []
    with growth.watching(lambda: told.append(time.monotonic())):
        time.sleep(0.1)
        assert not told
        file.write_text("3")
        time.sleep(0.2)
    assert len(told) == 1
    assert growth.found == ("p1", "p2")
