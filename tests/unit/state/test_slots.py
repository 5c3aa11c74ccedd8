"""SlotTable against a dict, and its ways out."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from state.chunks import Bundle
from state.slots import SlotTable


def enter(table: SlotTable, keys: list[int], seen_us: int) -> tuple[list[int], list[int]]:
    """Enters sorted keys at one time."""
    ordered = np.array(sorted(keys), np.uint64)
    names = np.array([f"n{k}" for k in ordered.tolist()], dtype=object)
    slots, evicted = table.enter(ordered, lambda at: names[at], np.full(len(ordered), seen_us))
    return slots.tolist(), evicted.tolist()


def test_a_subject_keeps_its_slot() -> None:
    """The same key finds the same slot, whatever came in between."""
    table = SlotTable(100, 10)
    first, _ = enter(table, [5, 9], 0)
    enter(table, [1, 2, 3], 1)
    again, _ = enter(table, [5, 9], 2)
    assert first == again
    assert table.name(np.array(again)).tolist() == ["n5", "n9"]


def test_the_longest_silent_subject_leaves_first() -> None:
    """A full table gives the slot of the longest-silent subject to the new one."""
    table = SlotTable(2, 1000)
    enter(table, [10], 1)
    enter(table, [20], 2)
    enter(table, [10], 3)
    slots, evicted = enter(table, [30], 4)
    assert evicted == slots == [1]
    assert table.evicted == 1


def test_subjects_of_one_pane_are_not_evicted_for_each_other() -> None:
    """More active subjects than capacity grow the table rather than lose one of them."""
    table = SlotTable(2, 1000)
    slots, evicted = enter(table, [1, 2, 3, 4], 1)
    assert sorted(slots) == [0, 1, 2, 3]
    assert evicted == []


def test_silence_beyond_the_ttl_frees_the_slot() -> None:
    """Expired slots are given out again, smallest first."""
    table = SlotTable(10, ttl_us=100)
    enter(table, [1, 2, 3], 0)
    enter(table, [2], 50)
    assert table.expire(101).tolist() == [0, 2]
    assert enter(table, [7], 120)[0] == [0]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sets(st.integers(1, 30), max_size=8), st.integers(0, 40)), max_size=25),
    st.integers(3, 12),
    st.booleans(),
)
def test_table_agrees_with_a_dict(steps: list[tuple[set[int], int]], capacity: int, resume: bool) -> None:
    """Live subjects, their slots and their times are those of a dict with the same rules, also after a restore."""
    table, model, now = SlotTable(capacity, ttl_us=60), dict[int, int](), 0
    slot_of: dict[int, int] = {}
    for keys, wait in steps:
        now += wait
        table.expire(now)
        model = {k: t for k, t in model.items() if t >= now - 60}
        slots, evicted = enter(table, list(keys), now)
        surplus = len(model.keys() | keys) - capacity
        idle = sorted((t, k) for k, t in model.items() if k not in keys)
        gone = [k for _, k in idle[: max(surplus, 0)]] if keys - model.keys() else []
        assert sorted(slot_of[k] for k in gone) == evicted
        for k in gone:
            del model[k]
        for k in set(slot_of) - set(model):
            del slot_of[k]
        model |= dict.fromkeys(keys, now)
        for key, slot in zip(sorted(keys), slots, strict=True):
            assert slot_of.setdefault(key, slot) == slot
        assert len(set(slot_of.values())) == len(slot_of) == len(table)
        if resume:
            fresh = SlotTable(capacity, ttl_us=60)
            chunks = Bundle()
            fresh.restore(table.snapshot(chunks), chunks)
            assert Bundle.of(fresh) == Bundle.of(table)
            table = fresh
