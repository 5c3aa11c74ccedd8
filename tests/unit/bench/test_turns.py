"""Turns: all bodies in each round, every other one in reverse."""

from bench.measure.turns import Turns


def test_rounds_alternate() -> None:
    """Round 0 ends with the main body, round 1 begins with it."""
    said: list[str] = []
    turns = Turns({"a": lambda: said.append("a"), "b": lambda: said.append("b")}, lambda: said.append("whole"))
    for _ in range(3):
        turns.before()
        turns.main()
        turns.after()
    assert said == ["a", "b", "whole", "whole", "b", "a", "a", "b", "whole"]
    assert {name: len(taken) for name, taken in turns.cpu_s.items()} == {"a": 3, "b": 3, "whole": 3}
    assert len(turns.wall_s) == len(turns.results) == 3


def test_ratios_are_of_the_smallest_times() -> None:
    """One slow round changes nothing."""
    turns = Turns({"a": lambda: None}, lambda: None)
    turns.cpu_s = {"a": [2.0, 1.0, 9.0], "whole": [7.0, 3.0, 4.0]}
    assert turns.ratios("a") == {"whole": 3.0}
