"""Exemptions: subjects that are known, and not alerted while somebody vouches for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from state.types import START_OF_TIME_US


class Origin(StrEnum):
    """Who vouches: the list of the configuration, a command, a label that says genuine.  Or, of an account that is in a
    campaign which was told, the campaign says it already: that is never held here (detectors.alerting.campaigns).
    """

    FILE = "file"
    COMMAND = "command"
    LABEL = "label"
    CAMPAIGN = "campaign"


class Exemption(NamedTuple):
    """One subject is not alerted in rounds that end in [since_us, until_us).

    subject: 64-bit hash; name: its id as text.  reason, by: for those who read the audit.  worst: whether alerts of the
    worst severity are spared too.  withdrawn: it was in the list, and somebody commanded that it does not count.  kind:
    of the subject; "" for those that the stream is keyed by.
    """

    subject: int
    name: str
    origin: Origin
    until_us: int
    reason: str
    by: str = ""
    since_us: int = START_OF_TIME_US
    worst: bool = True
    withdrawn: bool = False
    kind: str = ""

    def holds(self, now_us: int) -> bool:
        """Whether it does in a round that ends now."""
        return self.since_us <= now_us < self.until_us and not self.withdrawn


@dataclass(frozen=True, slots=True)
class Change:
    """What became of an exemption: "applied", or "ended" with the reason why."""

    exemption: Exemption
    outcome: str
    detail: str = ""


_ORDER: Final = (Origin.FILE, Origin.COMMAND, Origin.LABEL)


class Exemptions:
    """All that hold now or later, at most one of each origin per subject.  Time is that of events: ends of rounds.

    capacity: of labels' exemptions; beyond it those that end first go.  Commands are refused at capacity, and the list
    is as long as it is.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._held: dict[tuple[int, Origin], Exemption] = {}
        self._spared: dict[int, int] = {}
        """Subject -> alerts that it was spared, while anything is held of it."""
        self._count = dict.fromkeys(Origin, 0)
        self._next_end_us: int | None = None

    def __len__(self) -> int:
        return len(self._held)

    def of(self, subject: int, now_us: int, *, worst: bool = False) -> Exemption | None:
        """Why the subject is spared an alert now, None where it is not.  worst: an alert of the worst severity."""
        if not self._held:
            return None
        found = (self._held.get((subject, origin)) for origin in _ORDER)
        return next((e for e in found if e is not None and e.holds(now_us) and (e.worst or not worst)), None)

    def full(self, origin: Origin) -> bool:
        """Whether there is no room for another one."""
        return self._count[origin] >= self._capacity

    def get(self, subject: int, origin: Origin) -> Exemption | None:
        """What is held."""
        return self._held.get((subject, origin))

    def put(self, exemption: Exemption) -> None:
        """Holds it, in the place of the one before of its origin."""
        key = exemption.subject, exemption.origin
        self._count[exemption.origin] += key not in self._held
        self._held[key] = exemption
        if self._next_end_us is None or exemption.until_us < self._next_end_us:
            self._next_end_us = exemption.until_us
        if exemption.origin is Origin.LABEL and self._count[Origin.LABEL] > self._capacity:
            # A tenth at once: the sort is paid once per many labels.
            labels = [e for e in self._held.values() if e.origin is Origin.LABEL]
            labels.sort(key=lambda e: (e.until_us, e.subject))
            for e in labels[: 1 + self._capacity // 10]:
                self._drop(e)

    def withdraw(self, subject: int, now_us: int) -> list[Change]:
        """Ends all that holds of a subject; what is in the list does not count until its line is another one."""
        changes = []
        for origin in _ORDER:
            held = self._held.get((subject, origin))
            if held is None or held.withdrawn or held.until_us <= now_us:
                continue
            changes.append(Change(held, "ended", "withdrawn"))
            if origin is Origin.FILE:
                self._held[subject, origin] = held._replace(withdrawn=True)
            else:
                self._drop(held)
        return changes

    def distrust(self, subject: int) -> None:
        """A label says fraud: one before it that said genuine is over."""
        held = self._held.get((subject, Origin.LABEL))
        if held is not None:
            self._drop(held)

    def settle(self, listed: Sequence[Exemption], now_us: int) -> list[Change]:
        """Takes the list as it is at the start of a run."""
        wanted = {e.subject: e for e in listed if e.until_us > now_us}
        changes = []
        for held in [e for e in self._held.values() if e.origin is Origin.FILE]:
            new = wanted.get(held.subject)
            if new == held._replace(withdrawn=False):
                del wanted[held.subject]
            elif new is None and held.until_us > now_us:
                self._drop(held)
                changes += [] if held.withdrawn else [Change(held, "ended", "no longer in the list")]
        for exemption in wanted.values():
            self.put(exemption)
            changes.append(Change(exemption, "applied"))
        return changes

    def expire(self, now_us: int) -> list[Change]:
        """Drops what is over."""
        if self._next_end_us is None or now_us < self._next_end_us:
            return []
        over = sorted((e for e in self._held.values() if e.until_us <= now_us), key=_in_order)
        for e in over:
            self._drop(e)
        self._next_end_us = min((e.until_us for e in self._held.values()), default=None)
        # Labels are on record as such, and may be many.
        told = (e for e in over if e.origin is not Origin.LABEL and not e.withdrawn)
        return [Change(e, "ended", "its time is over") for e in told]

    def spare(self, subject: int) -> None:
        """Counts an alert that was not told."""
        self._spared[subject] = self._spared.get(subject, 0) + 1

    def spared(self, subject: int) -> int:
        """How many alerts the subject was spared."""
        return self._spared.get(subject, 0)

    def forget(self, subject: int) -> None:
        """Drops all of one subject."""
        for e in self.of_subject(subject):
            self._drop(e)

    def of_subject(self, subject: int) -> list[Exemption]:
        """All that is held of one subject."""
        return [e for origin in _ORDER if (e := self._held.get((subject, origin))) is not None]

    def all(self) -> list[Exemption]:
        """All of them, by name."""
        return sorted(self._held.values(), key=_in_order)

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {"held": [list(e) for e in self.all()], "spared": sorted(self._spared.items())}

    def restore(self, state: dict[str, Any]) -> None:
        """Takes what `state` gave."""
        for subject, name, origin, *rest in state["held"]:
            self.put(Exemption(subject, name, Origin(origin), *rest))
        self._spared = {int(subject): int(n) for subject, n in state["spared"]}

    def _drop(self, exemption: Exemption) -> None:
        del self._held[exemption.subject, exemption.origin]
        self._count[exemption.origin] -= 1
        if not self.of_subject(exemption.subject):
            self._spared.pop(exemption.subject, None)


def _in_order(exemption: Exemption) -> tuple[str, str, int]:
    return exemption.name, exemption.origin, exemption.subject
