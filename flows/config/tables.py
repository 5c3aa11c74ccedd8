"""Spec fields that TOML writes as tables: drift monitors by what they watch, severities by name."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from detectors.drift.event import Reaction, Watch
from detectors.drift.spec import TESTS, MonitorSpec
from flows.config.section import problem
from state.words import did_you_mean, one_of


def _parse_monitors(value: object) -> tuple[MonitorSpec, ...]:
    if isinstance(value, tuple):
        return value
    if not isinstance(value, Mapping):
        raise problem(value, 'a table of monitors such as { feature = { tests = ["adwin"] } }')
    return tuple(_monitor(watch, asked) for watch, asked in value.items() if asked is not False)


def _monitor(watch: str, asked: object) -> MonitorSpec:
    _choose(watch, list(Watch), (watch,))
    if not isinstance(asked, Mapping):
        raise problem(asked, "a table, or false for no such monitor", watch)
    for key in asked:
        _choose(key, ["tests", "reaction"], (watch, key))
    tests, reaction = asked.get("tests", list(TESTS)), asked.get("reaction")
    if not isinstance(tests, list) or not tests:
        raise problem(tests, f"a list of tests: {one_of(TESTS)}", (watch, "tests"))
    for test in tests:
        _choose(test, TESTS, (watch, "tests"))
    if reaction is not None:
        _choose(reaction, list(Reaction), (watch, "reaction"))
    return MonitorSpec(Watch(watch), tuple(tests), None if reaction is None else Reaction(reaction))


def _choose(seen: object, known: Any, key: tuple[str, ...]) -> None:
    if seen not in known:
        raise problem(seen, one_of(known), key, did_you_mean(seen, known))


def _monitors_table(monitors: tuple[MonitorSpec, ...]) -> dict[str, Any]:
    table: dict[str, Any] = {watch.value: False for watch in Watch}
    for m in monitors:
        table[m.watch.value] = {"tests": list(m.tests)} | ({} if m.reaction is None else {"reaction": m.reaction.value})
    return table


Monitors = Annotated[tuple[MonitorSpec, ...], BeforeValidator(_parse_monitors), PlainSerializer(_monitors_table)]


def _parse_severities(value: object) -> tuple[tuple[str, float], ...]:
    if isinstance(value, tuple):
        return value
    if not isinstance(value, Mapping) or not value:
        raise problem(value, "a table of names and largest tail probabilities such as { high = 1e-7, low = 1.0 }")
    for name, bound in value.items():
        if isinstance(bound, bool) or not isinstance(bound, (int, float)):
            raise problem(bound, "a tail probability above 0 and at most 1", name)
    return tuple(sorted(((name, float(bound)) for name, bound in value.items()), key=lambda item: item[1]))


Severities = Annotated[tuple[tuple[str, float], ...], BeforeValidator(_parse_severities), PlainSerializer(dict)]
