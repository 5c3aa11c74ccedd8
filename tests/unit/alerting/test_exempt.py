"""Who is exempt from alerts, one rule per test."""

import numpy as np
import pytest

from detectors.alerting.alert import Alert
from detectors.alerting.exempt import Exemption, Exemptions, Origin
from detectors.alerting.policy import AlertPolicy
from flows.operators.alerts.exempt import heed
from flows.wire.told import Label
from state.types import DAY_US, HOUR_US, MINUTE_US
from tests.unit.alerting.test_policy import T0, candidate, policy


def exemption(subject: int, until_us: int, origin: Origin = Origin.FILE, **terms: object) -> Exemption:
    return Exemption(subject, f"u{subject}", origin, until_us, "staff", "ann", **terms)  # type: ignore[arg-type]


def exempting(*held: Exemption, **settings: object) -> AlertPolicy:
    p = policy(**settings)
    for e in held:
        p.exemptions.put(e)
    return p


def told(alerts: list[Alert]) -> list[int]:
    return [a.candidate.subject for a in alerts if a.spared_by is None]


def spared(alerts: list[Alert]) -> list[int]:
    return [a.candidate.subject for a in alerts if a.spared_by is not None]


def test_the_exempt_are_spared_at_any_severity_and_cost_nothing() -> None:
    """Two slots: the exempt one, which is the most improbable, takes neither."""
    p = exempting(exemption(1, T0 + DAY_US), budget_per_day=2, critical_reserve=0.0)
    alerts = p.round(T0, [candidate(1, 1e-12), candidate(2, 1e-8), candidate(3, 1e-8)])
    assert (told(alerts), spared(alerts)) == ([2, 3], [1])
    assert (p.counts["spared.file"], p.exemptions.spared(1), p.waiting) == (1, 1, 0)
    assert [a.severity for a in alerts if a.spared_by] == ["critical"]


def test_who_waits_for_the_budget_and_is_exempted_waits_no_longer() -> None:
    """And is not counted as released."""
    p = policy(budget_per_day=1, critical_reserve=0.0)
    assert told(p.round(T0, [candidate(1, 1e-8), candidate(2, 1e-7)])) == [1]
    assert p.waiting == 1
    p.exemptions.put(exemption(2, T0 + DAY_US))
    assert spared(p.round(T0 + HOUR_US, [])) == [2]
    assert (p.waiting, p.counts["released"]) == (0, 0)


def test_time_of_the_exemption_is_that_of_rounds() -> None:
    """From `since` on, and not in the round that ends at `until`."""
    for end_us, is_spared in ((T0 - 1, False), (T0, True), (T0 + HOUR_US - 1, True), (T0 + HOUR_US, False)):
        p = exempting(exemption(1, T0 + HOUR_US, since_us=T0))
        assert bool(spared(p.round(end_us, [candidate(1, 1e-8, end_us)]))) is is_spared


def test_repeats_are_kept_back_once_and_alerted_when_the_exemption_is_over() -> None:
    """What was spared does not silence: an hour after the end the subject is told as if it were new."""
    p = exempting(exemption(1, T0 + 2 * HOUR_US))
    ends = [T0 + i * HOUR_US for i in range(4)]
    rounds = [p.round(end, [candidate(1, 1e-8, end)]) for end in ends]
    assert [spared(alerts) for alerts in rounds] == [[1], [], [], []]
    assert [told(alerts) for alerts in rounds] == [[], [], [1], []]


def test_whoever_was_alerted_is_not_on_record_again() -> None:
    """An alert an hour before is one that repeats are folded into, exempt or not; the worst severity is new."""
    p = policy()
    p.round(T0, [candidate(1, 1e-8)])
    p.exemptions.put(exemption(1, T0 + DAY_US))
    assert p.round(T0 + HOUR_US, [candidate(1, 1e-8, T0 + HOUR_US)]) == []
    assert spared(p.round(T0 + 2 * HOUR_US, [candidate(1, 1e-12, T0 + 2 * HOUR_US)])) == [1]


def test_the_exempt_do_not_raise_the_line() -> None:
    """Twenty test accounts that play fraud would make the line rise for a person who is a little odd."""
    settings = {"false_discovery": 0.05, "budget_per_day": 1000}
    odd = [candidate(i, 1e-5) for i in range(20)] + [candidate(99, 1.5e-4)]
    assert 99 in told(policy(**settings).round(T0, odd, 1000))
    p = exempting(*(exemption(i, T0 + DAY_US) for i in range(20)), **settings)
    assert told(p.round(T0, odd, 1000)) == []


def test_a_label_spares_all_but_the_worst() -> None:
    """A label says that a model was wrong, not that nobody can take the account over."""
    p = policy()
    p.vouch(1, "u1", T0 + DAY_US, "by phone", "ann")
    assert spared(p.round(T0, [candidate(1, 1e-8)])) == [1]
    assert told(p.round(T0 + HOUR_US, [candidate(1, 1e-12, T0 + HOUR_US)])) == [1]
    assert p.counts["spared.label"] == 1


def test_a_label_about_a_worst_alert_spares_that_too() -> None:
    """Who was told that such an alert was wrong is not told it again; nor after a further label."""
    p = policy(suppress_us=HOUR_US)
    assert told(p.round(T0, [candidate(1, 1e-12)])) == [1]
    p.vouch(1, "u1", T0 + DAY_US, "", "")
    later = T0 + 3 * HOUR_US
    assert spared(p.round(later, [candidate(1, 1e-12, later)])) == [1]
    p.vouch(1, "u1", T0 + 9 * DAY_US, "", "")
    for day in (4, 5):  # of the alert itself nothing is remembered then
        p.round(T0 + day * DAY_US, [candidate(2, 1e-8, T0 + day * DAY_US)])
    p.vouch(1, "u1", T0 + 9 * DAY_US, "", "")
    later = T0 + 6 * DAY_US
    assert spared(p.round(later, [candidate(1, 1e-12, later)])) == [1]


def label(fraud: float, until_us: int = T0, **said: str) -> Label:
    return Label(T0, 1, fraud, 0, until_us, "u1", **said)


@pytest.mark.parametrize("order", [1, -1])
def test_of_labels_that_contradict_each_other_fraud_counts(order: int) -> None:
    """Told in one round, in whatever order."""
    p = policy()
    heed(p, [label(0.0), label(1.0)][::order], DAY_US)
    assert told(p.round(T0, [candidate(1, 1e-8)])) == [1]


@pytest.mark.parametrize(("until_us", "ends_us"), [(T0 - HOUR_US, T0 + 23 * HOUR_US), (T0 + HOUR_US, T0 + DAY_US)])
def test_a_label_spares_from_when_it_was_told(until_us: int, ends_us: int) -> None:
    """One about the past from then; one that claims to be about the future from now."""
    p = policy()
    assert heed(p, [label(0.0, until_us, by="ann", reason="by phone")], DAY_US) == []
    held = p.exemptions.get(1, Origin.LABEL)
    assert held is not None
    assert (held.until_us, held.by, held.reason) == (ends_us, "ann", "by phone")


def test_a_label_fraud_ends_a_label_genuine_alone() -> None:
    """What the list says stays."""
    p = exempting(exemption(1, T0 + DAY_US), exemption(1, T0 + DAY_US, Origin.LABEL))
    p.exemptions.distrust(1)
    assert [e.origin for e in p.exemptions.all()] == [Origin.FILE]


def test_the_list_is_taken_at_each_start() -> None:
    """Lines that stay say nothing; those that come, go or change are on record; those that are over are not."""
    held = Exemptions(10)
    first = [exemption(1, T0 + DAY_US), exemption(2, T0 + DAY_US), exemption(3, T0)]
    assert [(c.exemption.subject, c.outcome) for c in held.settle(first, T0)] == [(1, "applied"), (2, "applied")]
    assert held.settle(first, T0 + HOUR_US) == []
    second = [exemption(1, T0 + 2 * DAY_US)]
    changes = held.settle(second, T0 + HOUR_US)
    assert [(c.exemption.subject, c.outcome) for c in changes] == [(2, "ended"), (1, "applied")]
    assert [e.until_us for e in held.all()] == [T0 + 2 * DAY_US]


def test_what_was_withdrawn_stays_so_until_its_line_is_another() -> None:
    """A command speaks against the list; the same line after a restart does not speak against the command."""
    held = Exemptions(10)
    line = exemption(1, T0 + DAY_US)
    held.settle([line], T0)
    held.put(exemption(1, T0 + DAY_US, Origin.COMMAND))
    assert [c.exemption.origin for c in held.withdraw(1, T0)] == [Origin.FILE, Origin.COMMAND]
    assert held.of(1, T0) is None
    assert held.withdraw(1, T0) == []
    assert held.settle([line], T0) == []
    assert held.of(1, T0) is None
    assert len(held.settle([exemption(1, T0 + 2 * DAY_US)], T0)) == 1
    assert held.of(1, T0) is not None


def test_what_is_over_leaves_and_is_on_record() -> None:
    """Those of labels without a word: the labels are on record as such."""
    held = Exemptions(10)
    for e in (exemption(1, T0), exemption(2, T0 + 1), exemption(1, T0, Origin.LABEL)):
        held.put(e)
    assert held.expire(T0 - 1) == []
    assert [(c.exemption.subject, c.exemption.origin) for c in held.expire(T0)] == [(1, Origin.FILE)]
    assert len(held) == 1
    assert held.expire(T0) == []
    assert len(held.expire(T0 + 1)) == 1


def test_labels_are_bounded() -> None:
    """Beyond the capacity those that end first leave; commands are refused before."""
    held = Exemptions(20)
    for i in range(1, 1000):
        held.put(exemption(i, T0 + i, Origin.LABEL))
        assert len(held) <= 20
    assert held.get(999, Origin.LABEL) is not None
    for i in range(20):
        assert not held.full(Origin.COMMAND)
        held.put(exemption(i, T0, Origin.COMMAND))
    assert held.full(Origin.COMMAND)


@pytest.mark.parametrize("cut", [1, 7, 30])
def test_a_policy_that_was_saved_goes_on_in_the_same_way(cut: int) -> None:
    """Exemptions that hold, end or were withdrawn, and what was spared."""

    def play(cut_at: int) -> list[tuple[int, int, bool, str]]:
        rng = np.random.default_rng(3)
        p, seen = policy(budget_per_day=20, suppress_us=HOUR_US), []
        for turn in range(60):
            end_us = T0 + turn * 10 * MINUTE_US
            if turn % 5 == 0:
                origin = (Origin.FILE, Origin.COMMAND)[turn % 2]
                p.exemptions.put(exemption(turn % 12, end_us + HOUR_US, origin))
                p.vouch(turn % 7, f"u{turn % 7}", end_us + 2 * HOUR_US, "", "")
            if turn % 11 == 0:
                p.exemptions.withdraw(turn % 12, end_us)
            p.exemptions.expire(end_us)
            few = [candidate(int(s), float(10 ** -rng.uniform(4, 13)), end_us) for s in rng.choice(12, 3, False)]
            seen += [(end_us, a.candidate.subject, a.spared_by is None, a.severity) for a in p.round(end_us, few)]
            if turn == cut_at:
                p = p.spec.build("job", "digest", {"": {"w1h": 1.0}}, p.snapshot())
        return [*seen, *((e.until_us, e.subject, e.withdrawn, e.origin) for e in p.exemptions.all())]

    whole = play(-1)
    assert {was_told for _, _, was_told, _ in whole} == {True, False}
    assert play(cut) == whole


def test_a_state_of_before_has_no_exemptions() -> None:
    """What was saved without them is read."""
    from state.snapshot import pack, unpack

    p = policy()
    p.round(T0, [candidate(1, 1e-8)])
    version, meta, _ = unpack(p.snapshot(), "policy", (2,))
    del meta["exempt"]
    meta["fields"], meta["tracks"] = meta["fields"][:-2], [row[:-2] for row in meta["tracks"]]
    again = p.spec.build("job", "digest", {"": {"w1h": 1.0}}, pack("policy", version, meta, {}))
    assert len(again.exemptions) == 0
    assert again.round(T0 + HOUR_US, [candidate(1, 1e-8, T0 + HOUR_US)]) == []


def test_a_subject_is_forgotten() -> None:
    """With all that exempts it."""
    p = exempting(exemption(1, T0 + DAY_US), exemption(2, T0 + DAY_US))
    p.forget(1)
    assert [e.subject for e in p.exemptions.all()] == [2]
