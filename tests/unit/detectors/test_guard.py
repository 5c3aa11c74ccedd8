"""What a detector does wrong harms it alone."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from detectors import guard as guard_module
from detectors.guard import Guard
from detectors.watchdog import OvertimeError, call_within
from state.types import F64


def raising(*_: object) -> Any:
    raise ZeroDivisionError("by zero")


class PanicError(BaseException):
    """As River's Rust code raises it: no Exception."""


def panicking() -> Any:
    raise PanicError("called `unwrap()` on nothing")


@pytest.mark.parametrize(
    ("ask", "detail"),
    [
        (raising, "ZeroDivisionError: by zero at .*test_guard.py:.*, in raising"),
        (panicking, "PanicError: called"),
        (lambda: None, r"returned a NoneType, expected float64 of shape \(3,\)"),
        (lambda: [1.0, 2.0, 3.0], "returned a list"),
        (lambda: np.zeros((3, 1)), r"returned float64 of shape \(3, 1\)"),
        (lambda: np.zeros(2), r"returned float64 of shape \(2,\)"),
        (lambda: np.zeros(3, np.float32), r"returned float32 of shape \(3,\)"),
        (lambda: np.array([0.0, np.inf, 0.0]), "returned infinite values"),
    ],
)
def test_an_answer_that_is_none_becomes_not_yet(ask: Any, detail: str) -> None:
    """Whatever it is, the caller gets an array of the right shape, and the fault says what was seen."""
    guard = Guard()
    answer = guard.array("score", ask, (3,), np.nan)
    assert answer.shape == (3,)
    assert np.isnan(answer).all()
    (fault,) = guard.faults()
    assert fault.call == "score"
    assert not fault.off
    with pytest.raises(AssertionError, match=detail):
        raise AssertionError(fault.detail)


def test_a_good_answer_passes() -> None:
    """The very array; nan is "not yet" and no fault."""
    guard, answer = Guard(), np.array([np.nan, 1.0])
    assert guard.array("score", lambda: answer, (2,), 0.0) is answer
    guard.tell("learn", lambda: None)
    assert guard.faults() == []


def test_after_a_fault_it_is_left_alone_until_the_round_is_over() -> None:
    """Its state may be half of something."""
    guard, called = Guard(), []
    guard.array("score", raising, (1,), np.nan)
    guard.tell("learn", lambda: called.append(1))
    assert len(guard.faults()) == 1
    assert called == []
    guard.tell("learn", lambda: called.append(2))
    assert called == [2]


def test_what_cannot_be_saved_is_told() -> None:
    """Its error, or that it gave something else than bytes; and once it is off nothing of it is saved."""
    guard = Guard()
    assert guard.saved(lambda: b"state") == b"state"
    assert guard.saved(lambda: b"") == b""
    assert guard.faults() == []
    for save, words in ((raising, "by zero"), (lambda: {"a": 1}, "returned a dict, expected bytes")):
        assert guard.saved(save) is None
        (fault,) = guard.faults()
        assert fault.call == "snapshot"
        assert words in fault.detail
    assert Guard(0.0, [3, 1]).saved(lambda: b"state") is None


def test_three_bad_rounds_in_a_row_and_it_is_off() -> None:
    """A good round in between starts the count again; once off it stays off, also after a restart."""
    guard = Guard()

    def round_(work: Any) -> list[bool]:
        guard.tell("learn", work)
        return [fault.off for fault in guard.faults()]

    assert [round_(raising), round_(raising), round_(lambda: None)] == [[False], [False], []]
    assert [round_(raising), round_(raising)] == [[False], [False]]
    guard = Guard(0.0, guard.state())
    assert round_(raising) == [True]
    called: list[int] = []
    for _ in range(3):
        assert round_(lambda: called.append(1)) == []
        guard = Guard(0.0, guard.state())
    assert called == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_what_is_not_the_detectors_passes(error: type[BaseException]) -> None:
    """A stop, or a process without memory, is not swallowed."""

    def work() -> None:
        raise error

    with pytest.raises(error):
        Guard().tell("learn", work)


def test_what_never_returns_is_interrupted() -> None:
    """A loop without end is over soon after its budget; the thread goes on, undisturbed."""

    def forever() -> Any:
        while True:
            pass

    guard = Guard(budget_s=0.1)
    assert np.isnan(guard.array("score", forever, (2,), np.nan)).all()
    (fault,) = guard.faults()
    assert fault.detail.startswith("OvertimeError")
    assert guard.array("score", lambda: np.zeros(2), (2,), np.nan).tolist() == [0.0, 0.0]
    assert guard.faults() == []


def test_late_but_done_is_late() -> None:
    """C code cannot be interrupted; that it took too long is found afterwards."""
    with pytest.raises(OvertimeError, match=r"took longer than 0\.1 s"):
        call_within(0.1, lambda: time.sleep(1.2))


def test_the_error_is_not_taken_for_one_of_the_work() -> None:
    """Work that goes on whatever fails is interrupted all the same."""

    def stubborn() -> None:
        while True:
            with contextlib.suppress(Exception):
                time.sleep(0.01)

    with pytest.raises(OvertimeError):
        call_within(0.1, stubborn)


def test_swallowed_is_late_too() -> None:
    """Work that catches everything, but ends, is late; its thread does not wait for an error that has come before."""

    def deaf() -> None:
        until_s = time.monotonic() + 1.2
        while time.monotonic() < until_s:
            with contextlib.suppress(BaseException):
                time.sleep(0.01)

    with pytest.raises(OvertimeError):
        call_within(0.1, deaf)
    assert call_within(30.0, lambda: 3) == 3


def test_nothing_of_it_stays() -> None:
    """A thread that was late is as fast as before, and can be traced: the interpreter does not go on looking."""
    for _ in range(2):
        with pytest.raises(OvertimeError):
            call_within(0.05, lambda: time.sleep(0.7))
    seen: list[str] = []
    sys.setprofile(lambda frame, event, _: seen.append(event))
    try:
        assert sorted([3, 1, 2]) == [1, 2, 3]
        test_a_good_answer_passes()
    finally:
        sys.setprofile(None)
    assert "call" in seen


def test_another_error_passes() -> None:
    """What the work raises in time is what the caller sees."""
    with pytest.raises(ZeroDivisionError):
        call_within(30.0, raising)


def test_threads_have_limits_of_their_own() -> None:
    """One that is over its limit does not disturb another."""
    outcomes: dict[str, str] = {}

    def run(name: str, budget_s: float) -> None:
        until_s = time.monotonic() + 1.5

        def spin() -> None:
            while time.monotonic() < until_s:
                pass

        try:
            call_within(budget_s, spin)
            outcomes[name] = "done"
        except OvertimeError:
            outcomes[name] = "late"

    threads = [threading.Thread(target=run, args=args) for args in (("short", 0.1), ("long", 30.0), ("none", 0.0))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {"short": "late", "long": "done", "none": "done"}


def test_what_costs_too_much_is_sampled_and_then_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Averaged over 2,000 rows; one that keeps to its cost is left alone; the state of it survives."""
    clock_ns = 0
    monkeypatch.setattr(guard_module.time, "thread_time_ns", lambda: clock_ns)

    def work(us: float) -> Callable[[], F64]:
        def ask() -> F64:
            nonlocal clock_ns
            clock_ns += round(us * 1000 * 1000)
            return np.zeros(1000)

        return ask

    guard = Guard(cost_us=50.0)
    for _ in range(4):
        guard.array("score", work(40.0), (1000,), 0.0)
        assert guard.faults(1000) == []
    told = []
    for _ in range(2):
        guard.array("score", work(60.0), (1000,), 0.0)
        told += guard.faults(1000)
    ((fault,), sampled) = told, guard.sampled
    assert sampled
    assert (fault.call, fault.off) == ("cost", False)
    assert "took 60 us of CPU per row, allowed 50: asked for one subject in 8 only" in fault.detail
    guard = Guard(cost_us=50.0, state=guard.state())
    assert guard.sampled
    for _ in range(2):
        guard.array("score", work(60.0), (1000,), 0.0)
        told += guard.faults(1000)
    assert told[-1].off
    assert np.isnan(guard.array("score", work(1.0), (1000,), np.nan)).all()


def test_blame_counts_like_a_failure() -> None:
    """Three rounds in a row, and it is off."""
    guard = Guard()
    for expected in (False, False, True):
        guard.blame("flood", "finds everybody")
        (fault,) = guard.faults()
        assert (fault.call, fault.off) == ("flood", expected)


def test_saving_is_no_cost_of_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """How often a run is checkpointed must not switch a detector off."""
    clock_ns = iter(range(0, 10**12, 10**9))
    monkeypatch.setattr(guard_module.time, "thread_time_ns", lambda: next(clock_ns))
    guard = Guard(cost_us=50.0)
    assert guard.saved(lambda: b"state") == b"state"
    assert guard.faults(2_000) == []
    assert guard.spent_s == 0.0
