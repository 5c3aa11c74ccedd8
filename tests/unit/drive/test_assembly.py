"""Sinks and the names under which their positions are saved."""

from pathlib import Path

from flows.config import loads
from flows.drive.assembly import Assembly
from flows.sinks import ConsoleSink, SinkSpec
from flows.streams import Stream


def _assembly(sinks: str, extra: tuple[SinkSpec, ...] = ()) -> Assembly:
    return Assembly(
        loads(f"[sinks]\nalerts = [{sinks}]\ndrift = []\nrejects = []\nlate = []\naudit = []\ncampaigns = []\n"),
        {Stream.ALERTS: extra},
    )


def test_a_new_sink_leaves_the_names_of_the_others_alone() -> None:
    """A sink is named by stream, kind and place, so another one before it does not change its name."""
    old, new = '{ kind = "jsonl", path = "b.jsonl" }', '{ kind = "jsonl", path = "a.jsonl" }'
    before = _assembly(f'{old}, {{ kind = "sqlite" }}').openers()
    after = _assembly(f'{new}, {old}, {{ kind = "sqlite" }}').openers()
    assert list(before) == ["alerts.jsonl.b.jsonl", "alerts.sqlite.driftnet.db"]
    assert list(after) == ["alerts.jsonl.a.jsonl", *before]
    assert {name: (stream, opener.spec) for name, (stream, opener) in before.items()}.items() <= {
        name: (stream, opener.spec) for name, (stream, opener) in after.items()
    }.items()


def test_two_sinks_at_one_place_have_two_names() -> None:
    """The console that a command adds to a configured one gets an index; none is lost."""
    names = list(_assembly('{ kind = "console" }', (ConsoleSink(), ConsoleSink("stderr"))).openers())
    assert names == ["alerts.console.stdout", "alerts.console.stdout.1", "alerts.console.stderr"]


def test_a_saved_position_cuts_only_its_own_file(tmp_path: Path) -> None:
    """With a sink inserted before it, a file resumes at its position, and the new sink's file keeps what it has."""
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    old.write_text('{"n": 1}\n{"n": 2}\n')
    new.write_text('{"kept": true}\n{"kept": true}\n')
    one = f'{{ kind = "jsonl", path = "{old}" }}'
    positions = {name: {"bytes": 9} for name in _assembly(one).openers()}
    for name, (_, opener) in _assembly(f'{{ kind = "jsonl", path = "{new}" }}, {one}').openers().items():
        opener(positions.get(name)).close()
    assert old.read_text() == '{"n": 1}\n'
    assert new.read_text() == '{"kept": true}\n' * 2
