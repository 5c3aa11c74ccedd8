"""load: layers in their order, and errors that name place, key, what was seen and what is allowed."""

from pathlib import Path

import pytest

from flows.config import load, loads
from flows.config.load import DEFAULTS
from flows.streams import Stream
from state.errors import ConfigError
from state.types import HOUR_US, MINUTE_US


def test_defaults_load() -> None:
    """Without a file, the shipped configuration is the effective one."""
    config = load(environ={})
    assert config.about.name == "user-fraud"
    assert config.windows["w1h"].slide == 5 * MINUTE_US


def test_file_environment_and_settings_override_in_this_order(tmp_path: Path) -> None:
    """A setting beats the environment, which beats the file, which beats the defaults."""
    file = tmp_path / "own.toml"
    file.write_text('[alerts]\nbudget_per_day = 10\nsuppress = "1h"\nline = 1e-6\n')
    environ = {
        "DRIFTNET_ALERTS__BUDGET_PER_DAY": "20",
        "DRIFTNET_ALERTS__SUPPRESS": "2h",
        "DRIFTNET_DATA": "/elsewhere",
    }
    config = load(file, environ, ["alerts.suppress=3h"])
    assert (config.alerts.budget_per_day, config.alerts.suppress_us, config.alerts.line) == (20, 3 * HOUR_US, 1e-6)


def test_environment_reaches_named_things() -> None:
    """Variables reach into named tables, whatever the case of the names."""
    environ = {"DRIFTNET_WINDOWS__W1H__FEATURES": '["plays"]', "DRIFTNET_EVENT__COLUMNS__TYPE__STRICT": "false"}
    config = load(None, environ)
    assert config.windows["w1h"].features == ("plays",)
    assert config.event.columns["type"].strict is False


def test_extends_none_starts_from_nothing() -> None:
    """A configuration for another stream inherits no columns, features, windows, detectors or sources."""
    config = loads('[job]\nextends = "none"\n[event]\nsubject = "card"\n')
    for table in (config.event.columns, config.features, config.windows, config.detectors, config.sources):
        assert not table
    assert config.event.subject == ("card",)
    again = load(environ={}, settings=["job.extends=none", "event.subject=card"])
    assert (again.event.subject, again.features) == (("card",), {})


@pytest.mark.parametrize("how", ["file", "setting"])
def test_campaigns_are_shipped_and_can_be_left_out(tmp_path: Path, how: str) -> None:
    """A file changes single keys of the section; false in its place removes it, and nothing else."""
    file = tmp_path / "own.toml"
    file.write_text("[job]\nname = 'own'\n[campaigns]\nmembers_min = 7\n")
    changed = load(file, {}).job()
    assert changed.campaigns is not None
    assert (changed.campaigns.objects, changed.campaigns.spec.members_min) == ((("track", "artist"),), 7)
    assert loads("").sinks.of(Stream.CAMPAIGNS)
    file.write_text("campaigns = false\n" if how == "file" else "")
    alone = load(file, {}, ["campaigns=false"] if how == "setting" else []).job()
    assert alone.campaigns is None
    assert alone.stream == changed.stream
    assert alone.judgement.detectors == changed.judgement.detectors


def test_round_trip_through_toml() -> None:
    """The TOML of the effective configuration is complete: it loads to an equal configuration and the same job."""
    config = loads("[alerts]\nbudget_per_day = 7\n[detectors]\nhistory = false\n")
    again = loads(config.to_toml())
    assert again.to_table() == config.to_table()
    assert again.job() == config.job()


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("[alrts]\nx = 1\n", ["own.toml:1: alrts: seen the key 'alrts'", "did you mean 'alerts'?"]),
        ("[time]\nidle_timeot = 3\n", ["own.toml:2: time.idle_timeot: seen the key", "did you mean 'idle_timeout'?"]),
        (
            '[time]\nidle_timeout = "5 minutes"\n',
            ["own.toml:2: time.idle_timeout: seen '5 minutes', allowed: a duration"],
        ),
        ("[job]\nkey_groups = 0\n", ["own.toml:2: job.key_groups: seen 0, allowed: greater than or equal to 1"]),
        ('[job]\nseed = "x"\n', ["own.toml:2: job.seed: seen 'x', allowed: a valid integer"]),
        ("time = 3\n", ["own.toml:1: time: seen 3, allowed: a table"]),
        (
            '[windows.w1h]\nkind = "slidng"\n',
            ["own.toml:2: windows.w1h.kind: seen 'slidng'", "did you mean 'sliding'?"],
        ),
        (
            '[windows.x]\nkind = "sliding"\nsize = "1h"\n',
            ["own.toml:1: windows.x.slide: seen nothing", "needs this key"],
        ),
        ('[windows.x]\nkind = "session"\ngap = 60\nsize = 9\n', ["own.toml:4: windows.x.size: seen the key 'size'"]),
        ("[windows.x]\nsize = 60\n", ["own.toml:1: windows.x.kind: seen nothing, allowed: a value"]),
        (
            '[sequences.x]\nkind = "age"\nsign_up = {}\n',
            ["own.toml:1: sequences.x.column: seen nothing, allowed: column, sign_up or several of them for kind age"],
        ),
        ('[features.x]\nkind = "sum"\n', ["features.x.column", "exactly one of column and sequence"]),
        ('[features.x]\nkind = "count"\nwhere = { type = 3 }\n', ["own.toml:3: features.x.where.type: seen 3"]),
        ('[features.x]\nkind = "count"\nwhere = { ms_played = { mn = 3 } }\n', ["features.x.where.ms_played", "'min'"]),
        (
            '[features.x]\nkind = "count"\nwhere = { ms_played = { min = 3, max = 2 } }\n',
            ["a min (inclusive) below the max"],
        ),
        ("[event.columns.type]\nvalues = []\n", ["own.toml:2: event.columns.type.values: seen []"]),
        ('[event.columns.x]\nkind = "id"\nmin = 3\n', ["own.toml:3: event.columns.x.min", "number or time"]),
        ('[event.columns.x]\nkind = "time"\nunit = "h"\n', ["own.toml:3: event.columns.x.unit: seen 'h'", "iso8601"]),
        (
            '[sources.a]\nkind = "kinesis"\n',
            ["own.toml:2: sources.a.kind: seen 'kinesis', allowed: files, kafka, simulator, stdin; others"],
        ),
        ("[sources.a]\nusers = 5\n", ["sources.a.kind: seen nothing"]),
        ('[sources.a]\nkind = "files"\n', ["own.toml:1: sources.a.paths: seen nothing"]),
        (
            '[sources.a]\nkind = "simulator"\ncampaigns = ["loop_bots"]\n',
            ["sources.a.campaigns", "did you mean 'loop_bot'?"],
        ),
        (
            '[sinks]\nrejects = [{ kind = "sqlite", keep = "90 days" }]\n',
            ["own.toml:2: sinks.rejects.0.keep: seen '90 days'", "a duration such as"],
        ),
        (
            '[sinks]\nrejects = [{ kind = "sqlite", keep = "90d" }]\n',
            ["own.toml:2: sinks.rejects.0.keep: seen '90d', allowed: none: rejects have no time"],
        ),
        (
            '[sinks]\nrejects = [{ kind = "sqlite", keep = "9d" }, { kind = "parquet", path = "x" }]\n',
            ["sinks.rejects.0.keep: seen '9d'", "sinks.rejects.1.kind: seen 'kind parquet', allowed: another kind of"],
        ),
        ('[sinks]\nalerts = [{ kind = "jsonl" }]\n', ["own.toml:2: sinks.alerts.0.path: seen nothing"]),
        ("[alerts]\nline = 2.0\n", ["own.toml:2: alerts.line: seen 2.0, allowed: above 0 and at most 1"]),
        ("[alerts]\nbudget = 2\n", ["own.toml:2: alerts.budget: seen the key 'budget'"]),
        ('[alerts.severities]\nhigh = "x"\n', ["own.toml:2: alerts.severities.high: seen 'x'"]),
        ("[drift.monitors]\nfeatur = {}\n", ["own.toml:2: drift.monitors.featur", "did you mean 'feature'?"]),
        (
            '[drift.monitors]\nfeature = { tests = ["adwn"] }\n',
            ["drift.monitors.feature.tests", "did you mean 'adwin'?"],
        ),
        (
            '[drift]\nreaction = "shout"\n',
            ["own.toml:2: drift.reaction: seen 'shout', allowed: notify, freeze, retrain"],
        ),
        ("[calibration]\nremember = -1.5\n", ["own.toml:2: calibration.remember"]),
    ],
)
def test_error_messages(tmp_path: Path, toml: str, expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of mistake is reported with its file and line, its key, what was seen and what is allowed."""
    monkeypatch.chdir(tmp_path)
    Path("own.toml").write_text(toml)
    with pytest.raises(ConfigError) as caught:
        load("own.toml", {})
    for part in expected:
        assert part in str(caught.value)


def test_all_mistakes_at_once() -> None:
    """Mistakes in several places are reported together, one line each."""
    with pytest.raises(ConfigError) as caught:
        loads("[job]\nseed = -1\n[time]\nidle_timeout = -1\n[state]\ncapacity = 0\n", "x.toml")
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == ["x.toml:2", "x.toml:4", "x.toml:6"]


def test_mistakes_of_all_kinds_at_once() -> None:
    """Keys, values, what a kind needs, a specification's own rules, names that there are not, a feature that cannot
    read its column: one round tells all, and nothing that only follows from another mistake.
    """
    toml = """[jobb]
seed = 1
[job]
sed = 2
seed = "x"
[event.columns.words]
kind = "enum"
values = []
scale = 2
[features.a]
kind = "count"
where = { words = "w", typ = "play" }
[features.b]
kind = "mean"
column = "track"
[features.c]
kind = "sum"
min_rows = "x"
[windows.w]
kind = "sliding"
size = "1 hour"
features = ["a", "b", "plais"]
[windows.v]
kind = "tumbling"
size = "1h"
features = ["b"]
[detectors.d]
type = "ecod"
windows = ["w", "x"]
params = { remember = "x", redy = 1 }
[calibration]
ready = 1
tail_share = 7
[alerts]
line = 2.0
capacity = 0
budget = 3
[drift.monitors]
featur = {}
"""
    with pytest.raises(ConfigError) as caught:
        loads(toml, "x.toml")
    assert sorted(line.split(": seen")[0] for line in str(caught.value).splitlines()) == sorted(
        [
            "x.toml:1: jobb",
            "x.toml:4: job.sed",
            "x.toml:5: job.seed",
            "x.toml:9: event.columns.words.scale",
            "x.toml:8: event.columns.words.values",
            "x.toml:16: features.c.column",
            "x.toml:18: features.c.min_rows",
            "x.toml:19: windows.w.slide",
            "x.toml:21: windows.w.size",
            "x.toml:22: windows.w.features",
            "x.toml:32: calibration.ready",
            "x.toml:33: calibration.tail_share",
            "x.toml:39: drift.monitors.featur",
            "x.toml:35: alerts.line",
            "x.toml:36: alerts.capacity",
            "x.toml:37: alerts.budget",
            "x.toml:12: features.a.where.typ",
            "x.toml:13: features.b: feature 'b': kind mean needs a number or time column; 'track' is of kind id",
            "x.toml:29: detectors.d.windows",
            "x.toml:30: detectors.d.params.remember",
            "x.toml:30: detectors.d.params.redy",
        ]
    )


def test_environment_and_settings_are_named_in_errors() -> None:
    """An error in a variable or a setting names it instead of a file."""
    with pytest.raises(ConfigError, match=r"^environment variable DRIFTNET_JOB__SEED: job.seed: seen 'x'"):
        load(None, {"DRIFTNET_JOB__SEED": "x"})
    with pytest.raises(ConfigError, match=r"^--set job.seed: job.seed: seen 'x'"):
        load(None, {}, ["job.seed=x"])
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        load(None, {}, ["job.seed"])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, broken TOML and bytes that are no text are each told from the others."""
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "none.toml", {})
    (tmp_path / "broken.toml").write_text("[job]\nname = \n")
    with pytest.raises(ConfigError, match=r"broken.toml:2: not valid TOML"):
        load(tmp_path / "broken.toml", {})
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "binary.toml", {})


def test_shipped_file_is_named_when_it_is_what_remains() -> None:
    """Removing what another shipped table needs is reported at the shipped table."""
    with pytest.raises(ConfigError, match=rf"{DEFAULTS}:\d+: detectors\.\w+\.windows: seen 'session'"):
        loads("[windows]\nsession = false\n").job()
