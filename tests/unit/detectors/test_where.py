"""Conditions that do not fit their columns, all of them and with what would fit."""

import pytest

from detectors.features.declare import Condition
from detectors.features.where import check, misfits
from state.errors import ConfigError
from state.schema import Column, Kind, Schema

SCHEMA = Schema((Column("type", Kind.ENUM, values=("play", "skip")), Column("ip", Kind.ID), Column("ms", Kind.NUMBER)))


def test_conditions_that_fit() -> None:
    """Words of enums, bounds of numbers, presence of anything."""
    fit = (
        Condition("type", words=("play",)),
        Condition("type", excluded=("skip",)),
        Condition("ms", low=1.0, high=2.0),
        *(Condition(name, present=True) for name in ("type", "ip", "ms")),
    )
    assert list(misfits(SCHEMA, fit)) == []
    check(SCHEMA, fit, "feature 'x'")


def test_every_misfit_is_told() -> None:
    """With where it is, and the words or columns that there are."""
    wrong = (
        Condition("typ", words=("play",)),
        Condition("ip", words=("a",)),
        Condition("type", low=1.0),
        Condition("type", excluded=("ply", "skip")),
    )
    assert [(m.column, m.seen, m.known) for m in misfits(SCHEMA, wrong)] == [
        ("typ", "typ", ("type", "ip", "ms")),
        ("ip", ["a"], ()),
        ("type", "min or max", ()),
        ("type", "ply", ("play", "skip")),
    ]


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        (Condition("typ", present=True), "where.typ: seen 'typ', allowed: an event column: type, ip, ms"),
        (Condition("ip", words=("a",)), "where.ip: seen ['a'], allowed: words on enum columns; 'ip' is of kind id"),
        (Condition("ip", high=1.0), "where.ip: seen 'min or max', allowed: min, max on number and time columns"),
        (Condition("type", words=("ply",)), "where.type: seen 'ply', allowed: a word of 'type': play, skip"),
    ],
)
def test_a_plan_refuses_them(condition: Condition, told: str) -> None:
    """With the name of whose condition it is."""
    with pytest.raises(ConfigError) as caught:
        check(SCHEMA, (condition,), "feature 'x'")
    assert str(caught.value).startswith(f"feature 'x': {told}")


def test_a_plan_tells_all_of_them() -> None:
    """A line each, with the name of whose conditions they are."""
    with pytest.raises(ConfigError) as caught:
        check(
            SCHEMA, (Condition("typ", present=True), Condition("ms", low=1.0), Condition("ip", high=1.0)), "feature 'x'"
        )
    lines = str(caught.value).splitlines()
    assert [line.split(" seen ")[0] for line in lines] == ["feature 'x': where.typ:", "feature 'x': where.ip:"]
