"""Found campaigns against the truth: by hand, and against counting every pair."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from flows.simulate.campaign_quality import CampaignQuality, campaign_quality, first_alert_shares


def records(**campaign_of: str | None) -> list[dict[str, Any]]:
    """Truth: users and their campaigns; people are None, or their crowd after a "~"."""
    return [
        {
            "user_id": user,
            "is_attacker": bool(name) and not str(name).startswith("~"),
            "campaign": None if str(name).startswith("~") else name,
            "crowd": str(name)[1:] if str(name).startswith("~") else None,
        }
        for user, name in campaign_of.items()
    ]


TRUTH = records(a="x", b="x", c="x", d="y", e="y", f="~family-1", g="~family-1", h=None)


def slow(found: Sequence[Sequence[str]], truth: Sequence[Mapping[str, Any]], alerted: Sequence[str]) -> dict[str, Any]:
    """Every pair of accounts, every membership, one by one."""
    of = {t["user_id"]: t["campaign"] for t in truth if t["is_attacker"]}
    crowd = {t["user_id"]: t["crowd"] for t in truth}
    users = sorted({*(t["user_id"] for t in truth), *(u for group in found for u in group)})
    pairs = list(combinations(users, 2))
    together = {p for p in pairs if any(p[0] in group and p[1] in group for group in found)}
    true = {p for p in pairs if p[0] in of and p[1] in of and of[p[0]] == of[p[1]]}
    agree = members = 0
    falsely = []
    for number, group in enumerate(found):
        agree += max((sum(of.get(u) == name for u in group) for name in set(of.values())), default=0)
        members += len(group)
        people = [u for u in group if u not in of]
        if len(people) > len(group) / 2:
            crowds = [crowd.get(u) or "" for u in people]
            falsely.append((number, len(group), len(people), {c: crowds.count(c) for c in crowds}))
    caught = [u for u in of if u in alerted or any(u in group for group in found)]
    return {
        "pair_precision": len(together & true) / len(together) if together else None,
        "pair_recall": len(together & true) / len(true) if true else None,
        "purity": agree / members if members else None,
        "recall": len(caught) / len(of) if of else None,
        "falsely": falsely,
    }


def as_dict(quality: CampaignQuality) -> dict[str, Any]:
    """What `slow` answers."""
    falsely = [(f.number, f.members, f.people, f.crowds) for f in quality.falsely]
    names = ("pair_precision", "pair_recall", "purity", "recall")
    return {name: getattr(quality, name) for name in names} | {"falsely": falsely}


def test_by_hand() -> None:
    """Two of three and a stranger together; one campaign missed; a family taken for one."""
    quality = campaign_quality([{"a", "b", "d"}, {"f", "g"}], TRUTH, alerted={"e", "h"})
    assert quality.campaigns == 2
    assert quality.pair_precision == 1 / 4  # ab of ab, ad, bd, fg
    assert quality.pair_recall == 1 / 4  # of ab, ac, bc, de
    assert quality.pair_f1 == 1 / 4
    assert quality.purity == 2 / 5
    assert quality.recall == 4 / 5  # all but c
    assert [(f.number, f.crowds) for f in quality.falsely] == [(1, {"family-1": 2})]
    assert quality.to_json()["pair_f1"] == 1 / 4


def test_the_truth_itself_is_perfect() -> None:
    """And without people there is nothing to be falsely found."""
    quality = campaign_quality([{"a", "b", "c"}, {"d", "e"}], TRUTH)
    assert quality.pair_f1 == quality.purity == quality.recall == 1
    assert not quality.falsely


def test_nothing_to_divide_by() -> None:
    """No campaign found: what cannot be said is None, what was missed is 0."""
    nothing = campaign_quality([], TRUTH)
    assert (nothing.pair_precision, nothing.pair_recall, nothing.pair_f1) == (None, 0, 0)
    assert (nothing.purity, nothing.recall) == (None, 0)
    quiet = campaign_quality([], records(h=None))
    assert (quiet.pair_recall, quiet.pair_f1, quiet.recall) == (None, None, None)
    assert campaign_quality([{"f", "g"}], TRUTH).pair_f1 == 0


@pytest.mark.parametrize("seed", range(40))
def test_as_counting_every_pair(seed: int) -> None:
    """Random truths and campaigns, which overlap, hold people, strangers, one account or none."""
    rng = np.random.default_rng(seed)
    names = ["x", "y", "z", "~party-1", "~shop-1", None]
    truth = records(**{f"u{i}": names[rng.integers(len(names))] for i in range(rng.integers(1, 30))})
    users = [*(t["user_id"] for t in truth), "stranger"]
    found = [
        sorted({users[i] for i in rng.integers(0, len(users), rng.integers(0, 9))}) for _ in range(rng.integers(0, 7))
    ]
    alerted = [users[i] for i in rng.integers(0, len(users), rng.integers(0, 5))]
    assert as_dict(campaign_quality(found, truth, alerted)) == slow(found, truth, alerted)


def test_first_alert_as_a_share_of_the_plays() -> None:
    """A found campaign counts for the one it is mostly of, an account for its own, the earliest alert wins."""
    campaigns = [
        {"campaign": "x", "percentiles_us": list(range(1000, 2010, 10))},
        {"campaign": "y", "percentiles_us": list(range(101))},
        {"campaign": "unheard", "percentiles_us": []},
    ]
    alerts = [
        (1905, {"a"}),
        (1105, {"b", "c", "d"}),  # mostly x: ten percent and a half of its plays
        (10, {"f", "g", "d"}),  # mostly people
        (20, {"d", "h"}),  # as many people
    ]
    assert first_alert_shares(alerts, TRUTH, campaigns) == {"x": 0.10, "y": 1.0}
    assert first_alert_shares([(999, {"a"}), (100, ["e"])], TRUTH, campaigns) == {"x": 0.0, "y": 1.0}
    assert first_alert_shares([(50, ["e", "a"])], TRUTH, campaigns) == {"x": 0.0, "y": 0.5}
