"""Who is not alerted: what commands and labels do about it, and what is put on record."""

from collections.abc import Iterable
from typing import Any

from detectors.alerting.alert import Alert
from detectors.alerting.campaigns import CampaignAlert
from detectors.alerting.exempt import Change, Exemption, Exemptions, Origin
from detectors.alerting.policy import AlertPolicy
from flows.wire.told import Command, Label
from state.ids import stable_id
from state.times import iso

Record = dict[str, Any]


def heed(policy: AlertPolicy, told: Iterable[Label | Command], trust_us: int) -> list[Record]:
    """Does what people said of subjects in one round, commands in their order, then labels; the audit of the commands.

    trust_us: how long a label genuine lasts.
    """
    told = list(told)
    commands = sorted((item for item in told if isinstance(item, Command)), key=lambda c: (c.source, c.offset))
    records = [_obey(policy.exemptions, command) for command in commands]
    for label in in_order(item for item in told if isinstance(item, Label)):
        if label.fraud:
            policy.exemptions.distrust(label.subject)
        else:
            until_us = min(label.until_us, label.end_us) + trust_us
            policy.vouch(label.subject, label.name, until_us, label.reason, label.by, label.kind)
    return records


def in_order(labels: Iterable[Label]) -> list[Label]:
    """The labels of one round, the last of which counts: of those that contradict each other, fraud."""
    return sorted(labels, key=lambda label: (label.fraud, label))


def _obey(exemptions: Exemptions, command: Command) -> Record:
    """Does it, or says why not."""
    before, after, refused = exemptions.get(command.subject, Origin.COMMAND), None, ""
    if command.verb == "unexempt":
        ended = exemptions.withdraw(command.subject, command.end_us)
        before = ended[0].exemption if ended else None
        refused = "" if ended else "it was not exempt"
    elif command.until_us <= command.end_us:
        refused = f"until: found {iso(command.until_us)}, which is over before it begins"
    elif before is None and exemptions.full(Origin.COMMAND):
        refused = "there are as many exemptions as there is room for (alerts.capacity): use the list instead"
    else:
        after = Exemption(
            command.subject,
            command.name,
            Origin.COMMAND,
            command.until_us,
            command.reason,
            command.by,
            since_us=command.end_us,
            kind=command.kind,
        )
        exemptions.put(after)
    return {
        "audit_id": stable_id("command", command.source, command.offset),
        "at": iso(command.at_us),
        "effective": iso(command.end_us),
        **_about(command.kind, command.name, "", command.verb, "refused" if refused else "applied", refused),
        "origin": Origin.COMMAND.value,
        "before": _terms(before),
        "after": _terms(after),
        "by": command.by,
        "reason": command.reason,
        "source": command.source,
        "offset": command.offset,
    }


def changed(change: Change, now_us: int) -> Record:
    """The record of an exemption that came from the list, or ended.  now_us: the round in which that was seen."""
    exemption, began = change.exemption, change.outcome == "applied"
    terms = _terms(exemption)
    at_us = min(exemption.until_us, now_us)
    return {
        "audit_id": stable_id("exempt", exemption.origin, exemption.name, exemption.until_us, change.outcome, at_us),
        "at": iso(at_us),
        "effective": iso(at_us),
        **_about(exemption.kind, exemption.name, "", "exempt", change.outcome, change.detail),
        "origin": exemption.origin.value,
        "before": {} if began else terms,
        "after": terms if began else {},
        "by": exemption.by,
        "reason": exemption.reason,
    }


def spared(alert: Alert | CampaignAlert) -> Record:
    """The record of an alert that an exemption, or a campaign that was told, kept back."""
    exemption, told = alert.spared_by, alert.to_record()
    assert exemption is not None
    return {
        "audit_id": stable_id("spared", alert.alert_id),
        "at": told["raised"],
        "effective": told["raised"],
        **_about(told["kind"], told["subject"], told["cohort"], "exempt", "spared", ""),
        "origin": exemption.origin.value,
        "before": _terms(exemption),
        "after": _terms(exemption),
        "by": exemption.by,
        "reason": exemption.reason,
        "alert": told,
    }


def describe(exemptions: Exemptions, held: Iterable[Exemption]) -> list[Record]:
    """Some of them, as JSON values."""
    return [
        {"kind": e.kind, "subject": e.name, "origin": e.origin.value, **_terms(e)}
        | {"by": e.by, "reason": e.reason, "withdrawn": e.withdrawn, "spared": exemptions.spared(e.subject)}
        for e in held
    ]


def _about(kind: str, subject: str, cohort: str, command: str, outcome: str, detail: str) -> Record:
    return {
        "kind": kind,
        "command": command,
        "detector": "",
        "subject": subject,
        "cohort": cohort,
        "outcome": outcome,
        "detail": detail,
    }


def _terms(exemption: Exemption | None) -> Record:
    if exemption is None:
        return {}
    since = {"since": iso(exemption.since_us)} if exemption.since_us > 0 else {}
    return since | {"until": iso(exemption.until_us)}
