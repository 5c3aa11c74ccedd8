"""Restarts, with a clock that is turned by hand."""

import pytest

from flows.engine.shutdown import Stop
from flows.engine.supervise import Restarts, WorkerError, supervised
from state.errors import CheckpointError, ConfigError, DriftnetError, SinkError, SnapshotError


class World(Stop):
    """A stop whose waiting is noted and takes no time; a run of some seconds that fails until it does not."""

    def __init__(self, failures: list[tuple[float, Exception]]) -> None:
        super().__init__()
        self.failures = failures
        self.now_s = 0.0
        self.pauses_s: list[float] = []
        self.stopped_in_pause = False
        self.wait = self._wait  # type: ignore[method-assign]

    def _wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.pauses_s.append(timeout)
        self.now_s += timeout
        return self.stopped_in_pause

    def run(self) -> str:
        if not self.failures:
            return "done"
        lasted_s, error = self.failures.pop(0)
        self.now_s += lasted_s
        raise error

    def supervised(self, restarts: Restarts) -> str:
        return supervised(self.run, restarts, self, lambda: self.now_s)


@pytest.mark.parametrize("kind", [WorkerError, SinkError, CheckpointError])
def test_what_may_pass_is_tried_again(kind: type[DriftnetError], caplog: pytest.LogCaptureFixture) -> None:
    """Pauses double up to a limit, and each restart is logged with its cause."""
    world = World([(1.0, kind(f"failure {i}")) for i in range(5)])
    assert world.supervised(Restarts(9, pause_s=1.0, pause_s_max=6.0)) == "done"
    assert world.pauses_s == [1.0, 2.0, 4.0, 6.0, 6.0]
    assert caplog.messages[1].startswith(
        "failure 1. Restart 2 of at most 9 in 3600 s, in 2 s, from the last checkpoint"
    )


def test_a_healthy_stretch_starts_over() -> None:
    """After a run that lasted, the next pause is the first one again."""
    world = World([(1.0, WorkerError("a")), (1.0, WorkerError("b")), (500.0, WorkerError("c"))])
    world.supervised(Restarts(9, pause_s=1.0, healthy_s=300.0))
    assert world.pauses_s == [1.0, 2.0, 1.0]


def test_it_gives_up() -> None:
    """More failures than allowed within the period end the run, with the last cause; older ones do not count."""
    world = World([(1.0, WorkerError(f"failure {i}")) for i in range(9)])
    with pytest.raises(WorkerError, match="failure 3; gave up after 3 restarts in 60 s"):
        world.supervised(Restarts(3, within_s=60.0))
    world = World([(50.0, WorkerError("slow")) for _ in range(9)])
    assert world.supervised(Restarts(3, within_s=100.0, pause_s_max=1.0)) == "done"


@pytest.mark.parametrize("kind", [ConfigError, SnapshotError])
def test_what_stays_wrong_is_not_tried_again(kind: type[DriftnetError]) -> None:
    """A person has to fix it."""
    world = World([(1.0, kind("wrong"))])
    with pytest.raises(kind, match=r"^wrong$"):
        world.supervised(Restarts(9))
    assert world.pauses_s == []


def test_a_stop_ends_the_waiting() -> None:
    """A run that is asked to stop is not started again."""
    world = World([(1.0, WorkerError("first")), (1.0, WorkerError("never"))])
    world.stopped_in_pause = True
    with pytest.raises(WorkerError, match=r"^first$"):
        world.supervised(Restarts(9))
    assert len(world.failures) == 1


def test_no_restarts_unless_asked() -> None:
    """The plain error, as it was."""
    with pytest.raises(SinkError, match=r"^down$"):
        World([(1.0, SinkError("down"))]).supervised(Restarts())
