"""Layers: what overrides what, and where a key was written."""

import tomllib

from flows.config.layers import Layer, Layers, line_numbers

_TOML = '''\
# a comment = not a key
[job]
name = "x"   # [not.a.header]

[features.plays]
kind = "count"
where = { type = "play", n = [
    "[features.fake]",
] }
note = """
[features.hidden]
key = 1
"""
"quoted key".inner = 2

[event]
columns.type = { kind = "enum" }

[[detectors.rules.params.rules]]
name = "first"
[[detectors.rules.params.rules]]
name = "second"
'''


def test_line_numbers_of_all_keys() -> None:
    """Every key and table is found on its line; brackets in texts, arrays and comments mislead nobody."""
    assert tomllib.loads(_TOML)
    lines = line_numbers(_TOML)
    assert lines[("job", "name")] == 3
    assert lines[("features", "plays")] == 5
    assert lines[("features", "plays", "where")] == 7
    assert lines[("features", "plays", "quoted key", "inner")] == 14
    assert lines[("event", "columns", "type")] == 17
    assert lines[("detectors", "rules", "params", "rules", "1", "name")] == 22
    assert ("features", "fake") not in lines
    assert ("features", "hidden") not in lines


def _merged(*tables: dict[str, object]) -> dict[str, object]:
    return Layers(tuple(Layer(str(i), table) for i, table in enumerate(tables))).merged()


def test_later_layers_change_single_keys() -> None:
    """A later layer's key wins, and the keys beside it stay."""
    assert _merged({"time": {"a": 1, "b": 2}}, {"time": {"b": 3}}) == {"time": {"a": 1, "b": 3}}


def test_named_entries_merge_key_by_key() -> None:
    """An entry of the same kind changes single keys, values as a whole; its params merge one level deeper."""
    below = {"detectors": {"d": {"type": "t", "windows": ["a", "b"], "params": {"x": 1, "y": 2}}}}
    above = {"detectors": {"d": {"windows": ["c"], "params": {"y": 3}}}}
    assert _merged(below, above) == {"detectors": {"d": {"type": "t", "windows": ["c"], "params": {"x": 1, "y": 3}}}}


def test_another_kind_replaces_the_entry() -> None:
    """A window that becomes tumbling does not keep its slide."""
    below = {"windows": {"w": {"kind": "sliding", "size": "1h", "slide": "5m"}}}
    above = {"windows": {"w": {"kind": "tumbling", "size": "1h"}}}
    assert _merged(below, above) == above


def test_false_removes_a_named_thing() -> None:
    """`name = false` takes an entry of a lower layer away, and only there."""
    assert _merged({"windows": {"w": {"size": 1}, "v": {}}}, {"windows": {"w": False}}) == {"windows": {"v": {}}}
    assert _merged({"job": {"x": True}}, {"job": {"x": False}}) == {"job": {"x": False}}


def test_sources_are_replaced_by_a_file_and_changed_by_a_setting() -> None:
    """A file's sources leave none of the shipped ones; a single key from outside changes just itself."""
    shipped = {"sources": {"main": {"kind": "simulator", "users": 5}}}
    own = {"sources": {"logs": {"kind": "stdin"}}}
    assert _merged(shipped, own) == own
    setting = Layer("--set", {"sources": {"main": {"users": 9}}}, single=True)
    merged = Layers((Layer("shipped", shipped), setting)).merged()
    assert merged == {"sources": {"main": {"kind": "simulator", "users": 9}}}


def test_place_is_the_last_layer_that_wrote_the_key() -> None:
    """A key's place is the layer that decided it; a key nobody wrote is placed at its table."""
    low = Layer("low.toml", {"time": {"a": 1, "b": 2}}, {("time",): 1, ("time", "a"): 2, ("time", "b"): 3})
    high = Layer("high.toml", {"time": {"b": 3}}, {("time",): 7, ("time", "b"): 8})
    layers = Layers((low, high))
    assert layers.place(("time", "a")) == "low.toml:2"
    assert layers.place(("time", "b")) == "high.toml:8"
    assert layers.place(("time", "missing")) == "high.toml:7"
    assert layers.place(("elsewhere",)) == "high.toml"
