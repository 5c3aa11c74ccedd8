"""Config.job(): the configuration as a whole."""

import pytest

from detectors.features.declare import Condition
from flows.config import load, loads
from flows.evolution.fates import shape_of
from flows.evolution.renames import Renames
from flows.judgement import CohortSpec
from flows.streams import Stream
from state.errors import ConfigError
from state.schema import Kind
from state.types import DAY_US, HOUR_US

_CARDS = """
[job]
name = "cards"
extends = "none"
[event]
id = "tx"
subject = "card.id"
time = { path = "at", unit = "iso8601" }
[event.columns]
amount = { kind = "number", unit = "EUR", min = 0, required = true }
terminal = { kind = "id" }
kind = { kind = "enum", values = ["chip", "online"] }
[sequences]
gap = { kind = "gap", cap = "1d" }
[features]
count = { kind = "count", log = true }
spent = { kind = "sum", column = "amount", where = { kind = { not = "chip" } } }
gap_cv = { kind = "gap_cv", sequence = "gap", direction = "low" }
[windows]
day = { kind = "tumbling", size = "1d" }
[detectors]
extremes = { type = "ecod" }
"""


def test_another_stream_compiles() -> None:
    """A configuration from nothing gives the specs it says: columns, paths, features, windows, detectors."""
    job = loads(_CARDS).job()
    assert job.name == "cards"
    assert job.stream.wire.subject == ("card", "id")
    assert job.stream.wire.time_unit == "iso8601"
    amount = job.stream.wire.fields[0]
    assert (amount.path, amount.required, amount.low, amount.column.unit) == (("amount",), True, 0.0, "EUR")
    assert job.stream.schema.column("terminal").kind is Kind.ID
    assert job.stream.features[1].where == (Condition("kind", excluded=("chip",)),)
    assert job.stream.sequences[0].cap_us == DAY_US
    assert job.stream.windows[0].window.size_us == DAY_US
    assert job.stream.windows[0].features == ("count", "spent", "gap_cv")
    assert job.judgement.detectors[0].windows == ("day",)
    assert job.judgement.cohorts == CohortSpec()


def test_values_stand_for_words() -> None:
    """Where the words are not listed they are those that values stand for; one that is not listed is a mistake."""
    column = '[event.columns.page]\nkind = "enum"\nmap = { NextSong = "play", Repeat = "play", Help = "other" }\n'
    field = loads(_CARDS + column).job().stream.wire.fields[-1]
    assert field.column.values == ("play", "other")
    assert field.words == (("Help", "other"), ("NextSong", "play"), ("Repeat", "play"))
    with pytest.raises(
        ConfigError, match=r"page.map.Help: seen 'other', allowed: words of values: play, others; did you"
    ):
        loads(_CARDS + column + 'values = ["play", "others"]\n')


def test_shipped_job_compiles() -> None:
    """The shipped configuration is a job whose plan can be built, on panes of five minutes."""
    job = load(environ={}).job()
    assert job.stream.pane_us == HOUR_US // 12
    assert len(job.stream.plan.windows) == len(job.stream.windows)
    assert {name for d in job.judgement.detectors for name in d.windows} <= {w.window.name for w in job.stream.windows}


def test_cohorts_are_the_words_of_a_column() -> None:
    """A cohort column gives one cohort per word, and one for subjects without a word."""
    job = loads(_CARDS.replace("[job]\n", '[job]\ncohorts = { column = "kind" }\n', 1)).job()
    assert job.judgement.cohorts.names == ("chip", "online", "other")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            '[features.x]\nkind = "sum"\ncolumn = "ammount"\n',
            ["x.toml:3: features.x.column: seen 'ammount'", "'amount'?"],
        ),
        (
            '[features.x]\nkind = "gap_mean"\nsequence = "gop"\n',
            ["x.toml:3: features.x.sequence: seen 'gop'", "'gap'?"],
        ),
        ('[features.x]\nkind = "mean"\ncolumn = "terminal"\n', ["features.x", "needs a number or time column"]),
        ('[features.x]\nkind = "count"\nwhere = { kin = "chip" }\n', ["features.x.where.kin: seen 'kin'", "'kind'?"]),
        ('[features.x]\nkind = "count"\nwhere = { kind = "chp" }\n', ["features.x.where.kind: seen 'chp'", "'chip'?"]),
        ('[features.x]\nkind = "count"\nwhere = { kind = { not = "chp" } }\n', ["features.x.where.kind: seen 'chp'"]),
        (
            '[features.x]\nkind = "count"\nwhere = { terminal = "a" }\n',
            ["features.x.where.terminal", "words on enum columns"],
        ),
        ('[features.x]\nkind = "count"\nwhere = { kind = { min = 1 } }\n', ["features.x.where.kind", "kind enum"]),
        (
            '[features.x]\nkind = "count"\nlow = 2\nhigh = 1\n',
            ["features.x.low: seen 2.0, allowed: a number below high (1)"],
        ),
        (
            '[sequences.x]\nkind = "novel"\ncolumn = "amount"\n',
            ["sequences.x", "cannot read column 'amount', of kind number"],
        ),
        ('[sequences.amount]\nkind = "gap"\n', ["sequences.amount", "a name that no event column has"]),
        (
            '[windows.x]\nkind = "sliding"\nsize = "1h"\nslide = "7m"\n',
            ["windows.x", "must be a multiple of its slide"],
        ),
        (
            '[windows.x]\nkind = "tumbling"\nsize = "1h"\nfeatures = ["cont"]\n',
            ["windows.x.features: seen 'cont'", "'count'?"],
        ),
        ('[windows.x]\nkind = "tumbling"\nsize = "1h"\nfeatures = ["count", "count"]\n', ["each name once"]),
        ('[windows.x]\nkind = "tumbling"\nsize = "60d"\n', ["state.ttl: seen '30d', allowed: at least 60d", "'x'"]),
        ('[detectors.x]\ntype = "ekod"\n', ["x.toml:2: detectors.x.type: seen 'ekod'", "did you mean 'ecod'?"]),
        ('[detectors.x]\ntype = "ecod"\nwindows = ["dy"]\n', ["detectors.x.windows: seen 'dy'", "did you mean 'day'?"]),
        ('[detectors.x]\ntype = "ecod"\nfeatures = ["spend"]\n', ["detectors.x.features: seen 'spend'", "'spent'?"]),
        ('[detectors.x]\ntype = "ecod"\nparams = { redy = 3 }\n', ["x.toml:3: detectors.x.params.redy", "ready"]),
        ('[detectors.x]\ntype = "ecod"\nparams = { ready = 0 }\n', ["x.toml:3: detectors.x", "ready"]),
        (
            '[event.columns.x]\nkind = "id"\npath = "a..b"\n',
            ["x.toml:3: event.columns.x.path: seen 'a..b'", "a path such"],
        ),
        (
            '[event.columns.x]\nkind = "id"\npath = [0, "b"]\n',
            ["event.columns.x.path: seen [0, 'b']", "begins with a key"],
        ),
        (
            '[event.columns.x]\nkind = "id"\npath = "card"\n',
            [
                "x.toml:1: event.columns.x: seen a path card, which takes card for a plain value",
                "event.subject",
                "an object",
            ],
        ),
        (
            '[event.columns.x]\nkind = "id"\npath = "at"\n[event.columns.y]\nkind = "number"\npath = "at"\n',
            ["event.columns.y: seen a path at to a float or an integer, allowed", "beside event.time.path: a text"],
        ),
        (
            '[features.x]\nkind = "count"\nrenamed_from = "spent"\n',
            ["x.toml:3: features.x.renamed_from: seen 'spent', allowed: a name that nothing in [features] has now"],
        ),
        (
            '[detectors.x]\ntype = "ecod"\nrenamed_from = "a"\n[detectors.y]\ntype = "ecod"\nrenamed_from = "a"\n',
            ["x.toml:6: detectors.y.renamed_from: seen 'a', allowed: each name once; 'x' has it too"],
        ),
        ('[time]\ndedup_horizon = "1s"\n', ["x.toml:2: time.dedup_horizon: seen '1s', allowed: at least"]),
        (
            '[job]\ncohorts = { column = "terminal" }\n',
            ["job.cohorts.column: seen 'terminal', allowed: an enum column: kind"],
        ),
        ('[job]\ncohorts = { column = "kind", values = ["online"] }\n', ["job.cohorts.values", "chip, online"]),
    ],
)
def test_cross_checks(change: str, expected: list[str]) -> None:
    """What only shows when all tables are seen together is reported with its place, its key and what is allowed."""
    toml = change + (_CARDS.replace("[job]\n", "", 1) if "[job]" in change else _CARDS)
    with pytest.raises(ConfigError) as caught:
        loads(toml, "x.toml").job()
    for part in expected:
        assert part in str(caught.value)


def test_names_of_before() -> None:
    """What was called otherwise is told the stages, and changes no alert."""
    was = _CARDS.replace("spent = { kind", 'spent = { renamed_from = "paid", kind')
    was = was.replace("day = { kind", 'day = { renamed_from = "d", kind').replace(
        "{ type", '{ renamed_from = "x", type'
    )
    job = loads(was).job()
    assert job.renamed == Renames((("paid", "spent"),), (("d", "day"),), (("x", "extremes"),))
    assert job.digest == loads(_CARDS).job().digest


def test_digest_is_what_alerts_depend_on() -> None:
    """Models and windows change the digest; sources, sinks and idle time-outs do not."""
    before = loads(_CARDS).job().digest
    same = '[sources.a]\nkind = "stdin"\n[sinks]\nscores = { kind = "console" }\n[time]\nidle_timeout = "1h"\n'
    assert loads(_CARDS + same).job().digest == before
    for change in (
        "[alerts]\nbudget_per_day = 5\n",
        "[detectors.extremes2]\ntype = 'ecod'\nparams = { ready = 128 }\n",
        "[state]\nttl = '10d'\n",
        '[learning]\nteach_every = "1h"\n',
    ):
        assert loads(_CARDS + change).job().digest != before


def test_a_key_at_its_default_changes_neither_digest_nor_state() -> None:
    """Whether it is said or not, and also where the build that saved did not know it yet."""
    plain = loads(_CARDS).job()
    assert plain.digest == "9c117bd097c052ec"
    said = _CARDS.replace('kind = "id" }', 'kind = "id", required = false }').replace(
        '"card.id"', '"card.id"\ntime_zone = "UTC"'
    )
    said = said.replace('"online"] }', '"online"], map = {}, strict = false }').replace('cap = "1d"', 'cap = "24h"')
    again = loads(said + '[alerts]\nsuppress = "1d"\n[labels]\ntrust = "7d"\n').job()
    assert again.digest == plain.digest
    assert shape_of(again) == shape_of(plain)
    changed = loads(_CARDS.replace('"online"] }', '"online"], map = { web = "online" } }')).job()
    assert changed.digest != plain.digest


def test_digest_does_not_move() -> None:
    """The digest is stable from process to process: it is stored with alerts."""
    job = loads(_CARDS).job()
    assert job.digest == loads(_CARDS.replace("[features]", "# a comment\n[features]")).job().digest
    assert job.with_judgement(digest="") != job


def test_scores_are_only_made_where_a_sink_takes_them() -> None:
    """The expensive stream of all scores is off without a sink for it."""
    none = loads(_CARDS).job()
    told = loads(_CARDS + '[sinks]\nscores = { kind = "jsonl", path = "s.jsonl" }\n').job()
    assert told.judgement.asked - none.judgement.asked == {Stream.SCORES}
    assert told.digest == none.digest
