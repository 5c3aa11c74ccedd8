"""The campaigns stage: coincidences of all objects in, records of campaigns out, and how they stand to the policy."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final

import numpy as np

from detectors.alerting.campaigns import Account, Campaign
from detectors.campaigns.coincidence import Coincidences
from detectors.campaigns.communities import Found, review
from detectors.campaigns.lives import Change, Life, Lives, Told
from flows.campaigns import Campaigns
from flows.metrics import catalogue as c
from flows.metrics.catalogue import Numbers, seconds
from flows.operators.campaigns.records import account_names, evidence_of, object_names, record_of, shared_objects
from flows.operators.messages import CAMPAIGNS_SENDER, CoactionInput, Leaving, Output, PolicyInput, coaction_name
from flows.operators.rounds import Rounds
from flows.steps import Step
from flows.streams import Stream
from state.chunks import Chunks, Saved, Sealed, table_of
from state.snapshot import pack, unpack
from state.times import iso

_VERSION: Final = 1
_ARRAYS: Final = (
    "account", "account_name", "object", "object_name", "parent", "visits", "low", "high", "on",
)  # fmt: skip


class CampaignOperator:
    """Waits for all key groups of objects, keeps what has not expired, and reviews it from time to time.

    A review is a function of the coincidences that have not expired; what it finds is compared with the campaigns that
    there are (detectors.campaigns.lives).  The alert policy hears of all of them after each review.
    """

    def __init__(self, campaigns: Campaigns, groups: int, job: str, digest: str, resume: Saved | None = None) -> None:
        """groups: key groups of each column's objects.  job, digest: as in records."""
        self._campaigns = campaigns
        self._spec = campaigns.spec
        self._about = {"job": job, "config_digest": digest}
        self._rounds: Rounds[Coincidences] = Rounds(
            coaction_name(column, group) for column, _ in campaigns.objects for group in range(groups)
        )
        self._segments: list[Coincidences] = []
        """In the order of time and sender, each as it came."""
        self._unseen_us: int | None = None
        """The end of the last bucket that no review has seen."""
        self._sealed = Sealed(_frame)
        self._lives = Lives(job, self._spec.stay_us)
        if resume is not None:
            self._restore(resume)

    def process(self, message: CoactionInput) -> list[Leaving | PolicyInput]:
        """Collects; reviews what every group has told, at the ends of the review interval."""
        for told in message.told:
            self._rounds.add(told.end_us, told)
        rounds = self._rounds.advance(message.sender, message.watermark_us)
        if rounds is None:
            return []
        out: list[Leaving | PolicyInput] = []
        to_policy = PolicyInput(CAMPAIGNS_SENDER, self._rounds.watermark_us)
        for end_us, items in rounds:
            out += self._review_before(end_us - 1, to_policy)
            self._segments += sorted(items, key=_ORDER)
            self._unseen_us = end_us
        return [*out, *self._review_before(self._rounds.watermark_us, to_policy), to_policy]

    def _review_before(self, watermark_us: int, to_policy: PolicyInput) -> list[Leaving]:
        """The review that is due, if time has come so far."""
        if self._unseen_us is None:
            return []
        due_us = -(-self._unseen_us // self._spec.review_us) * self._spec.review_us
        if due_us > watermark_us:
            return []
        self._unseen_us = None
        self._segments = [s for s in self._segments if s.end_us > due_us - self._spec.expire_us]
        found = review(self._segments, self._spec)
        groups = [found.evidence.account[c.members] for c in found.communities]
        names = account_names(self._segments, np.concatenate([_NOTHING, *groups]))
        told = self._lives.review(due_us, [{who: names[who] for who in group.tolist()} for group in groups])
        evidence = self._evidence(found)
        to_policy.campaigns += self._standing(due_us, told, evidence)
        about = {"kind": self._campaigns.own_kind, **self._about}
        records = [record_of(t, due_us, found, evidence) | about for t in told]
        return [Output(Stream.CAMPAIGNS, records)] if records else []

    def _evidence(self, found: Found) -> list[dict[str, Any]]:
        """Of each community."""
        objects = [found.evidence.object[shared_objects(community)] for community in found.communities]
        names = object_names(self._segments, np.unique(np.concatenate([_NOTHING, *objects])))
        return [evidence_of(found, community, names) for community in found.communities]

    def _standing(self, end_us: int, told: Sequence[Told], evidence: Sequence[dict[str, Any]]) -> list[Campaign]:
        """All campaigns that go on, and those that no longer do since this review."""
        absorbed = {t.life.id: t.absorbed for t in told}
        standing = [self._campaign(end_us, life, absorbed.get(life.id, ()), evidence) for life in self._lives.lives]
        over = [t for t in told if t.change in (Change.MERGED, Change.ENDED)]
        about = end_us + self._spec.stay_us, (), self._campaigns.own_kind
        return standing + [Campaign(t.life.id, end_us, t.life.since_us, *about, into=t.into) for t in over]

    def _campaign(
        self, end_us: int, life: Life, absorbed: tuple[str, ...], evidence: Sequence[dict[str, Any]]
    ) -> Campaign:
        members = tuple(Account(who, m.name, m.joined_us) for who, m in sorted(life.members.items()))
        number = self._lives.seen.get(life.id)
        shared = dict(evidence[number]) if number is not None else {}
        return Campaign(
            life.id,
            end_us,
            life.since_us,
            end_us + self._spec.stay_us,
            members,
            self._campaigns.own_kind,
            shared.pop("tail_probability", None),
            absorbed,
            evidence=shared,
        )

    def observe(self, numbers: Numbers) -> None:
        """Its part of what a run tells of itself."""
        lives = self._lives.lives
        c.add(numbers, c.CAMPAIGNS, len(lives))
        c.add(numbers, c.SUBJECTS, sum(len(life.members) for life in lives), Step.CAMPAIGNS)
        c.add(numbers, c.STAGE_BOUNDARY, seconds(self._rounds.watermark_us), Step.CAMPAIGNS)

    def describe(self) -> dict[str, Any]:
        """What there is, as JSON values."""
        return {
            "watermark_us": self._rounds.watermark_us,
            "coincidences": sum(len(s.low) for s in self._segments),
            "campaigns": [
                {"campaign_id": life.id, "since": iso(life.since_us), "size": len(life.members)}
                for life in self._lives.lives
            ],
        }

    def look_up(self, campaign: str) -> dict[str, Any] | None:
        """What is known of one campaign, as JSON values; None where there is none of that id."""
        life = next((life for life in self._lives.lives if life.id == campaign), None)
        if life is None:
            return None
        return {
            "campaign_id": life.id,
            "since": iso(life.since_us),
            "members": [
                {"subject": m.name, "joined": iso(m.joined_us), "confirmed": iso(m.seen_us)}
                for m in sorted(life.members.values(), key=lambda m: (m.joined_us, m.name))
            ],
        }

    def campaigns_of(self, subject: int) -> list[str]:
        """The ids of the campaigns that an account is a member of.  subject: the hash of its id."""
        return [life.id for life in self._lives.lives if subject in life.members]

    def forget(self, subject: int) -> int:
        """Drops all that is known of one account; in how many campaigns it was."""
        self._segments = [s.without(subject) for s in self._segments]
        self._rounds.filter(lambda told: told.without(subject))
        return self._lives.forget(subject)

    def snapshot(self, chunks: Chunks) -> bytes:
        """The root frame of the state; coincidences are written once."""
        waiting = [told for end in sorted(self._rounds.waiting) for told in self._rounds.waiting[end]]
        meta = {
            "meaning": self._campaigns.meaning,
            "watermarks": self._rounds.watermarks.state(),
            "watermark_us": self._rounds.watermark_us,
            "unseen_us": self._unseen_us,
            "segments": len(self._segments),
            "lives": [life.to_json() for life in self._lives.lives],
        }
        refs = self._sealed.put(chunks, [*self._segments, *waiting])
        return pack("campaigns", _VERSION, meta, {"refs": table_of(refs)})

    def _restore(self, saved: Saved) -> None:
        _, meta, arrays = unpack(saved.root, "campaigns", (_VERSION,))
        self._rounds.watermarks.restore(meta["watermarks"])
        self._rounds.watermark_us = meta["watermark_us"]
        self._lives.lives = [Life.from_json(life) for life in meta["lives"]]
        if meta["meaning"] != self._campaigns.meaning:
            return
        self._unseen_us = meta["unseen_us"]
        refs = saved.chunks.refs(arrays["refs"])
        parts = [_of_frame(saved.chunks.get(ref)) for ref in refs]
        self._sealed.know(parts, refs)
        self._segments = parts[: meta["segments"]]
        for told in parts[meta["segments"] :]:
            self._rounds.add(told.end_us, told)


_NOTHING: Final = np.zeros(0, np.uint64)
_ORDER: Final = attrgetter("column", "sender")


def _frame(told: Coincidences) -> bytes:
    meta = {"end_us": told.end_us, "column": told.column, "sender": told.sender}
    return pack("coincidences", _VERSION, meta, {name: getattr(told, name) for name in _ARRAYS})


def _of_frame(frame: bytes) -> Coincidences:
    _, meta, arrays = unpack(frame, "coincidences", (_VERSION,))
    return Coincidences(meta["end_us"], meta["sender"], meta["column"], *(arrays[name] for name in _ARRAYS))
