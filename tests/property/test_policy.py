"""Laws of the alert policy, for rounds nobody thought of."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.alerting.alert import Candidate
from detectors.alerting.policy import AlertPolicy, PolicySpec
from state.types import DAY_US, HOUR_US, MINUTE_US

T0 = 1_767_225_600_000_000

WEIGHTS = {"w1h": 0.5, "w24h": 1.0, "w5m": 0.0}

specs = st.builds(
    PolicySpec,
    budget_per_day=st.integers(1, 30),
    suppress_us=st.sampled_from([0, HOUR_US, DAY_US]),
    false_discovery=st.sampled_from([0.0, 0.1]),
    critical_reserve=st.sampled_from([0.0, 0.3, 1.0]),
    capacity=st.sampled_from([5, 1000]),
)
evidence = st.tuples(st.integers(0, 12), st.sampled_from(["w5m", "w1h", "w24h"]), st.floats(1.0, 12.0))
steps = st.tuples(st.integers(0, 400), st.lists(evidence, max_size=8))


@st.composite
def rounds(draw: st.DrawFn) -> list[tuple[int, list[Candidate]]]:
    out: list[tuple[int, list[Candidate]]] = []
    end_us = T0
    for minutes, found in draw(st.lists(steps, min_size=1, max_size=40)):
        end_us += minutes * MINUTE_US
        out.append(
            (
                end_us,
                [
                    Candidate(
                        s,
                        f"u{s}",
                        "all",
                        0,
                        w,
                        end_us - HOUR_US,
                        end_us,
                        end_us,
                        end_us - HOUR_US,
                        end_us + (HOUR_US if w == "w24h" else DAY_US),
                        10.0**-x,
                    )
                    for s, w, x in found
                ],
            )
        )
    return out


Round = tuple[int, list[Candidate]]


def records(policy: AlertPolicy, played: list[Round]) -> list[dict[str, object]]:
    return [alert.to_record() for end_us, found in played for alert in policy.round(end_us, found)]


@settings(max_examples=60, deadline=None)
@given(specs, rounds())
def test_no_24_hours_hold_more_than_the_budget(spec: PolicySpec, played: list[Round]) -> None:
    """The promise to the analysts: in any 24 hours at most budget_per_day alerts are raised, beside those that only say
    of a subject alerted before that it has reached the worst severity.
    """
    policy = spec.build("job", "digest", {"": WEIGHTS})
    raised: list[int] = []
    last: dict[int, int] = {}
    for end_us, found in played:
        for alert in policy.round(end_us, found):
            s = alert.candidate.subject
            if end_us >= last.get(s, -DAY_US) + spec.suppress_us or spec.rank(alert.tail_probability):
                raised.append(end_us)
                last[s] = end_us
    for start_us in raised:
        assert sum(start_us <= t < start_us + DAY_US for t in raised) <= spec.budget_per_day


@settings(max_examples=60, deadline=None)
@given(specs, rounds(), st.integers(0, 2**32))
def test_the_order_of_the_candidates_in_a_round_does_not_matter(
    spec: PolicySpec, played: list[Round], seed: int
) -> None:
    """Cohorts may finish a round in any order."""
    shuffled = [(end_us, random.Random(seed).sample(found, len(found))) for end_us, found in played]
    assert records(spec.build("job", "digest", {"": WEIGHTS}), shuffled) == records(
        spec.build("job", "digest", {"": WEIGHTS}), played
    )


@settings(max_examples=60, deadline=None)
@given(specs, rounds(), st.data())
def test_a_resumed_policy_goes_on_as_if_it_had_never_stopped(
    spec: PolicySpec, played: list[Round], data: st.DataObject
) -> None:
    """Snapshot, restore, continue: the same alerts, the same counts, the same bytes."""
    cut = data.draw(st.integers(0, len(played)))
    whole, first = spec.build("job", "digest", {"": WEIGHTS}), spec.build("job", "digest", {"": WEIGHTS})
    expected = records(whole, played)
    head = records(first, played[:cut])
    second = spec.build("job", "digest", {"": WEIGHTS}, first.snapshot())
    assert head + records(second, played[cut:]) == expected
    assert second.counts == whole.counts
    assert second.snapshot() == whole.snapshot()


@settings(max_examples=60, deadline=None)
@given(specs, rounds())
def test_an_alert_is_raised_once_and_by_evidence_below_the_line(spec: PolicySpec, played: list[Round]) -> None:
    """No id is raised twice, each alert is at or below the line, and within suppress_us only for the worst severity."""
    policy = spec.build("job", "digest", {"": WEIGHTS})
    last: dict[int, tuple[int, int]] = {}
    seen: set[tuple[int, str, int]] = set()
    for end_us, found in played:
        for alert in policy.round(end_us, found):
            assert alert.tail_probability <= (spec.candidate_line if spec.false_discovery else spec.line)
            c = alert.candidate
            if spec.capacity > 12 and c.subject in last:
                at_us, rank = last[c.subject]
                assert end_us >= at_us + spec.suppress_us or spec.rank(alert.tail_probability) == 0 < rank
                at_us = end_us if end_us >= at_us + spec.suppress_us else at_us
            else:
                at_us = end_us
            last[c.subject] = (at_us, spec.rank(alert.tail_probability))
            if len({x.end_us for _, f in played for x in f}) == len(played):
                assert (c.subject, c.window, c.end_us) not in seen
            seen.add((c.subject, c.window, c.end_us))
