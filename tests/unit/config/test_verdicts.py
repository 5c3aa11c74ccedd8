"""Labels that carry columns, and features of features: what is allowed, and how mistakes are told."""

import pytest

from detectors.features.declare import Condition, FeatureDecl, FeatureKind
from detectors.features.verdicts import WORDS, feature_apart
from flows.config import loads
from state.errors import ConfigError

SHOPS = """
[job]
extends = "none"
[event]
subject = "card"
kind = "card"
time = { path = "t" }
[event.columns]
shop = { kind = "id" }
till = { kind = "id" }
amount = { kind = "number" }
[labels]
columns = ["shop"]
[features]
n = { kind = "count" }
spent = { kind = "sum", column = "amount" }
each = { kind = "quotient", feature = "spent", by = "n", floor = 0.5 }
[windows.day]
kind = "sliding"
size = "24h"
slide = "1h"
[subjects.shop]
key = "shop"
[subjects.shop.features]
frauds = { kind = "count", where = { verdict = "fraud" } }
ever = { kind = "total", feature = "frauds" }
since = { kind = "since", feature = "frauds" }
mean = { kind = "difference", feature = "ever", by = "since" }
[subjects.shop.windows.hour]
kind = "tumbling"
size = "1h"
"""


def mistakes(text: str) -> list[str]:
    try:
        loads(text, "a.toml").job()
    except ConfigError as error:
        return str(error).splitlines()
    return []


def test_it_compiles() -> None:
    """And says the same after a round trip."""
    config = loads(SHOPS)
    assert loads(config.to_toml()).job() == config.job()
    assert mistakes(SHOPS) == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('columns = ["shop"]', 'columns = ["shops"]', "labels.columns: seen 'shops', allowed: an event column"),
        ('columns = ["shop"]', 'columns = ["till"]', "subjects.shop.key: seen 'shop', allowed: with conditions on"),
        ('shop = { kind = "id" }', 'shop = { kind = "id", path = "by" }', "labels.columns: seen 'shop', allowed: a "),
        ('till = { kind = "id" }', 'verdict = { kind = "id" }', "event.columns.verdict: seen 'verdict'"),
        ('verdict = "fraud"', 'verdict = "frauds"', "subjects.shop.features.frauds.where.verdict: seen 'frauds'"),
        ('by = "n"', 'by = "m"', "features.each.by: seen 'm', allowed: a feature"),
        ('by = "n", ', "", "features.each.by: seen nothing"),
        ('feature = "spent", by = "n"', 'feature = "each", by = "n"', "seen a circle each -> each"),
        ('slide = "1h"', 'slide = "1h"\\nfeatures = ["spent", "each"]', "seen by = 'n', which the window 'day'"),
        ('"quotient", feature = "spent", by = "n", floor = 0.5', '"total", feature = "spent"', "several times"),
    ],
)  # fmt: skip
def test_mistakes(before: str, after: str, said: str) -> None:
    """Where, what was seen, what is allowed."""
    assert before in SHOPS
    found = mistakes(SHOPS.replace(before, after.replace("\\n", "\n")))
    assert any(said in line for line in found), found


def test_features_are_about_events_unless_they_speak_of_verdicts() -> None:
    """A share of verdicts is one of all verdicts."""
    fraud, none = Condition("verdict", words=("fraud",)), Condition("verdict", excluded=WORDS)
    play = Condition("type", words=("play",))
    share = FeatureDecl("s", FeatureKind.SHARE, where=(fraud,))
    assert feature_apart(FeatureDecl("c", FeatureKind.COUNT, where=(play,))).where == (play, none)
    assert feature_apart(FeatureDecl("c", FeatureKind.COUNT, where=(fraud,))).where == (fraud,)
    assert feature_apart(share).of == (Condition("verdict", present=True),)
    plain = feature_apart(FeatureDecl("s", FeatureKind.SHARE, where=(play,)))
    assert (plain.where, plain.of) == ((play, none), (none,))
    mixed = feature_apart(FeatureDecl("r", FeatureKind.RATIO, where=(fraud,), of=(play,)))
    assert (mixed.where, mixed.of) == ((fraud,), (play, none))
    capped = FeatureDecl("k", FeatureKind.CAPPED)
    assert feature_apart(capped) is capped


def test_problems_are_told_together() -> None:
    """`mistakes` of a configuration that is not whole finds these too."""
    text = SHOPS.replace('columns = ["shop"]', 'columns = ["shops"]').replace('by = "n"', 'by = "m"')
    found = mistakes(text)
    assert [sum(said in line for line in found) for said in ("labels.columns: ", "features.each.by: ")] == [1, 1]
