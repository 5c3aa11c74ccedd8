"""The supervising process's picture: totals that only grow, readiness, what is the busiest, the accounting identity."""

from dataclasses import replace
from pathlib import Path

from flows import counters
from flows.counters import ACCEPTED, LATE, READ, REJECTED
from flows.metrics import catalogue as c
from flows.metrics.overview import Overview
from tests.unit.metrics.seen import PARTITIONS, Clock, begun, seen, shipped

READ_LINES = c.OF_COUNTERS["read"].key()


def test_totals_start_at_nothing_with_the_process() -> None:
    """What the state had counted before is no work of this run."""
    clock = Clock()
    overview = begun(clock, {"read": 1_000})
    assert overview.numbers()[READ_LINES] == 0
    overview.take(0, seen(clock, counts={"read": 1_010}))
    assert overview.numbers()[READ_LINES] == 10
    overview.begin(overview.facts, {"read": 1_020}, None, lambda: None)
    overview.take(0, seen(clock, counts={"read": 1_025}))
    assert overview.numbers()[READ_LINES] == 25


def test_a_restart_counts_nothing_twice() -> None:
    """Totals fall back to the checkpoint; the metric waits until they have passed what they were."""
    clock = Clock()
    overview = begun(clock)
    told = []
    for read, again in ((0, False), (50, False), (30, True), (49, False), (51, False)):
        if again:
            overview.gone()
            overview.start()
        overview.take(0, seen(clock, counts={"read": read}))
        told.append(overview.numbers()[READ_LINES])
    assert told == [0, 50, 50, 50, 51]
    assert overview.numbers()[c.RESTARTS.key()] == 1


def test_what_processes_counted_themselves_goes_on_too() -> None:
    """Each new process counts from 0; gauges are what the new ones say, and what the old said until then."""
    clock = Clock()
    overview = begun(clock)
    rows, memory = c.DETECTOR_ROWS.key("extremes", "w24h"), c.MEMORY.key("0")
    overview.take(0, seen(clock, numbers={rows: 7.0, memory: 100.0}))
    overview.gone()
    overview.start()
    assert (overview.numbers()[rows], overview.numbers()[memory]) == (7, 100)
    overview.take(0, seen(clock, numbers={rows: 2.0, memory: 60.0}))
    assert (overview.numbers()[rows], overview.numbers()[memory]) == (9, 60)
    overview.gone()
    overview.take(0, seen(clock, numbers={rows: 1.0}))
    assert overview.numbers()[rows] == 10


def test_a_state_that_is_over_is_not_told_on() -> None:
    """A detector that was paused in the process before is on in this one, and not both."""
    clock = Clock()
    overview = begun(clock)
    where = "extremes", "w24h"
    overview.take(0, seen(clock, numbers={c.DETECTOR_STATE.key(*where, "paused"): 1.0}))
    overview.gone()
    overview.take(0, seen(clock, numbers={c.DETECTOR_STATE.key(*where, "on"): 1.0}))
    numbers = overview.numbers()
    assert {state: numbers[c.DETECTOR_STATE.key(*where, state)] for state in c.FUSE} == {
        "on": 1.0,
        "sampled": 0.0,
        "paused": 0.0,
        "off": 0.0,
    }


def test_the_accounting_identity_is_a_metric() -> None:
    """Lines that were read, less those that have a fate, less those that wait."""
    clock = Clock()
    overview = begun(clock)
    counts = {READ.key(): 100, ACCEPTED.key(): 60, LATE.key(): 5, REJECTED.key("not_json"): 5}
    overview.take(0, seen(clock, counts=counts, waiting=20))
    overview.take(1, seen(clock, waiting=10))
    numbers = overview.numbers()
    assert numbers[c.OF_COUNTERS["open"].key()] == 30
    assert numbers[c.UNACCOUNTED.key()] == 0
    overview.take(1, seen(clock, waiting=8))
    assert overview.numbers()[c.UNACCOUNTED.key()] == 2
    overview.gone()
    assert overview.numbers()[c.UNACCOUNTED.key()] == 2, "as it was told last"


def test_ids_are_summed_up() -> None:
    """Totals by subject have no labels."""
    clock = Clock()
    overview = begun(clock)
    spared = counters.SPARED_SUBJECT
    overview.take(0, seen(clock, counts={spared.key("u.1"): 2, spared.key("u2"): 3}))
    assert overview.numbers()[c.OF_COUNTERS[spared.name].key()] == 5


def test_ready_when_state_is_restored_and_sources_are_assigned() -> None:
    """Each thing that is missing is a reason; so are a restart and a stop."""
    clock = Clock()
    overview = Overview(clock)
    assert overview.unready() == ["the run is not started yet"]
    overview = begun(clock)
    assert overview.unready() == ["process 0 has not begun", "process 1 has not begun"]
    overview.take(0, seen(clock, opened=set(list(PARTITIONS)[:5])))
    overview.take(1, seen(clock, begun=False))
    assert overview.unready() == ["process 1 has not begun"]
    overview.take(1, seen(clock))
    assert overview.unready() == ["source partition control/control/0 is not open"]
    assert overview.numbers()[c.READY.key()] == 0
    overview.take(1, seen(clock, opened={"control/control/0"}))
    assert overview.unready() == []
    assert overview.numbers()[c.READY.key()] == 1
    overview.gone()
    assert overview.unready()[0] == "process 0 has not begun", "also while nothing is started yet"
    overview.start()
    assert overview.unready()[0] == "process 0 has not begun (started again 1 times)"
    overview.stop()
    assert overview.unready() == ["the run is stopping"]


def test_state_is_restored_before_it_is_ready() -> None:
    """Of every operator that has any; those that are built beside them, anew, do no harm."""
    clock = Clock()
    overview = begun(clock, processes=(0, 1))
    overview.start(frozenset({("subject", "0"), ("subject", "1"), ("population", "0")}))
    overview.take(0, seen(clock, opened=set(PARTITIONS), built={("subject", "0"), ("subject", "7")}))
    overview.take(1, seen(clock))
    assert overview.unready() == ["state of 2 of 3 operators is not restored (started again 1 times)"]
    overview.take(1, seen(clock, built={("subject", "1"), ("population", "0")}))
    assert overview.unready() == []


def test_a_host_of_several_answers_for_itself() -> None:
    """Where the other partitions are, and the sinks, only the others know."""
    clock = Clock()
    overview = begun(clock, processes=(1,), elsewhere=True)
    assert overview.unready() == ["process 1 has not begun"]
    overview.take(1, seen(clock, waiting=5))
    assert overview.unready() == []
    assert overview.numbers()[c.UNACCOUNTED.key()] == 0, "this host does not know what the others hold"


def test_the_busiest_key_group() -> None:
    """Its share of the rows of the last minutes, over all processes; nothing is said of few rows."""
    clock = Clock()
    overview = begun(clock)
    overview.take(0, seen(clock, rows={("subject", 0): 300, ("subject", 1): 300}))
    assert overview.numbers()[c.BUSIEST.key()] == 0
    overview.take(1, seen(clock, rows={("subject", 1): 400, ("subject", 2): 200}))
    assert overview.numbers()[c.BUSIEST.key()] == 700 / 1_200
    clock.now_s += 3_600
    overview.take(0, seen(clock, rows={("subject", 0): 300 + 3_000, ("subject", 1): 300 + 1_000}))
    assert round(overview.numbers()[c.BUSIEST.key()], 6) == 0.75, "an hour ago is forgotten"


def test_checkpoints_are_those_that_are_complete() -> None:
    """Epochs of the recovery store: what a start would go on from."""
    saved: list[tuple[int, float] | None] = [None]
    overview = Overview(Clock())
    overview.begin(begun(Clock()).facts, {}, Path(), lambda: saved[0])
    assert overview.numbers()[c.CHECKPOINT_DONE.key()] == 0
    told = []
    for now in ((3, 50.0), (3, 60.0), (5, 70.0)):
        saved[0] = now
        numbers = overview.numbers()
        told.append((numbers[c.CHECKPOINTS.key()], numbers[c.CHECKPOINT_DONE.key()]))
    assert told == [(1, 50.0), (1, 50.0), (3, 70.0)]


def test_where_a_run_goes_on_it_has_a_checkpoint() -> None:
    """The one that it goes on from, which is not one of its own."""
    overview = Overview(Clock())
    overview.begin(begun(Clock()).facts, {}, Path(), lambda: (9, 40.0))
    numbers = overview.numbers()
    assert (numbers[c.CHECKPOINTS.key()], numbers[c.CHECKPOINT_DONE.key()]) == (0, 40.0)


def test_kinds_are_told_apart_or_together() -> None:
    """By a label where they have one; lines are those of the stream's own; all else is the sum."""
    clock = Clock()
    overview = Overview(clock)
    facts = replace(shipped(), kinds={"user": ("w1h",), "net": ("recent",)})
    overview.begin(facts, {"net_subject/evicted": 10}, None, lambda: None)
    overview.start()
    counts = {"evicted": 1, "rows.w1h": 2, "accepted": 3, "labelled.fraud_missed": 4, "detector_off.extremes": 1}
    others = {"evicted": 12, "rows.recent": 20, "accepted": 30}
    judged = {"labelled.fraud_missed": 40, "detector_off.extremes": 2, "scored": 50}
    counts |= {f"net_subject/{key}": n for key, n in others.items()}
    counts |= {f"net_population/{key}": n for key, n in judged.items()}
    overview.take(0, seen(clock, counts=counts))
    numbers = overview.numbers()
    found = {key: numbers[key] for key in numbers if key[0] in ("subjects_evicted", "rows", "rows_scored")}
    assert found == {
        ("subjects_evicted", "user"): 1,
        ("subjects_evicted", "net"): 2,
        ("rows", "user", "w1h"): 2,
        ("rows", "net", "recent"): 20,
        ("rows_scored", "user"): 0,
        ("rows_scored", "net"): 50,
    }
    assert numbers[c.OF_COUNTERS["accepted"].key()] == 3
    assert numbers[c.OF_COUNTERS["labelled"].key("fraud_missed")] == 44
    assert numbers[c.OF_COUNTERS["detector_off"].key("extremes")] == 3
