"""One short line per record, for people who watch a run."""

from collections.abc import Mapping
from typing import Any, Final

from detectors.campaigns.lives import Change
from state.times import minute

Record = dict[str, Any]
_REASONS: Final = 3


def alert_line(record: Record) -> str:
    """Time, severity, subject, window, tail probability, and what tells most; of a campaign, what has become of it."""
    if "campaign" in record:
        return _campaign_alert_line(record)
    reasons = [
        f"{r['feature']} {_number(r['seen'])} ({_typical(r)})"
        if _typical(r)
        else f"{r['feature']} {_number(r['seen'])}"
        for r in record["reasons"][:_REASONS]
    ]
    why = ", ".join([*record["rules"], *reasons]) or "no reasons"
    head = f"{minute(record['raised'])}  {record['severity']:<8}  {who(record)}"
    return f"{head}  {record['window']}  p {record['tail_probability']:.1e}  {why}"


def _campaign_alert_line(record: Record) -> str:
    c = record["campaign"]
    moved = f" (+{len(c['joined'])} -{len(c['left'])})" if c["change"] != Change.FOUND else ""
    head = f"{minute(record['raised'])}  {record['severity']:<8}  {who(record)}  {c['change']}{moved}"
    return f"{head}  p {record['tail_probability']:.1e}  {campaign_why(record)}"


def campaign_why(record: Record) -> str:
    """What is said of a campaign in an alert, in a few words."""
    c = record["campaign"]
    rules = f", {', '.join(record['rules'])}" if record["rules"] else ""
    return (
        f"{c['size']} members, {c['suspicious']} of them suspicious alone; {c['coincidences']} coincidences on"
        f" {c['shared']} objects{rules}"
    )


def members_of(alert: Mapping[str, Any]) -> list[str]:
    """The ids of the subjects that an alert is about: one, or the members of a campaign."""
    if "campaign" in alert:
        return [member["subject"] for member in alert["campaign"]["members"]]
    return [alert["subject"]]


def who(record: Record) -> str:
    """The subject; of a further kind, or a campaign, it is "KIND:ID"."""
    kind: str = record.get("kind", "")
    named = "campaign" in record or (kind and record["cohort"].startswith(f"{kind}:"))
    return f"{kind}:{record['subject']}" if named else str(record["subject"])


def drift_line(r: Record) -> str:
    """What moved, where, from what to what, since when."""
    change = f"{_number(r['before'])} -> {_number(r['after'])} ({r['size']:+.2g} sd)"
    where = f"{r['cohort']}/{r['window']}"
    return f"{minute(r['at'])}  drift  {r['what']} {r['name']}  {where}  {change} since {minute(r['since'])}"


def late_line(r: Record) -> str:
    """Where it stands, whose it is, how late."""
    return f"late  {r.get('source', '')}:{r.get('offset', '')}  {r.get('subject', '')}  {r.get('lateness_s', 0):.0f} s"


def reject_line(r: Record) -> str:
    """Where it stands, and why."""
    return f"reject  {r.get('source', '')}:{r.get('offset', '')}  {r.get('reason', '')}  {r.get('detail', '')}"


def audit_line(r: Record) -> str:
    """What was commanded, and what came of it."""
    why = f"  {r['detail']}" if r["detail"] else ""
    by = f"  by {r['by']}" if r["by"] else ""
    return f"{minute(r['at'])}  {r['command']} {r['detector'] or r['subject']}  {r['cohort']}  {r['outcome']}{by}{why}"


def standing_line(r: Record) -> str:
    """Who it is, what speaks against it now, and what was said of it."""
    against = f"{r['severity']}  {r['window']}  p {_probability(r)}" if r["severity"] else "nothing against it"
    label = f"  labelled {r['label']['outcome']}" if "label" in r else ""
    campaign = f"  in campaign {r['campaign']}" if "campaign" in r else ""
    head = f"{minute(r['judged'])}  standing  {r['kind']}:{r['subject']}"
    return f"{head}  {against}  {len(r['open_alerts'])} open{label}{campaign}"


def campaign_line(r: Record) -> str:
    """What has become of which campaign, how large it is, and what its members have in common."""
    into = f" into {r['into']}" if r["into"] else ""
    moved = f" (+{len(r['joined'])} -{len(r['left'])})" if r["joined"] or r["left"] else ""
    found = f"  p {r['tail_probability']:.1e}  {r['shared']} objects" if r["objects"] else ""
    return f"{minute(r['at'])}  campaign {r['campaign_id']}  {r['change']}{into}  {r['size']} members{moved}{found}"


def score_line(r: Record) -> str:
    """Whose window it is, and how odd."""
    return f"{minute(r['end'])}  score  {who(r)}  {r['window']}  p {_probability(r)}"


def features_line(r: Record) -> str:
    """Whose window it is, how odd, and the values that there are."""
    values = ", ".join(f"{name} {_number(value)}" for name, value in r["values"].items() if value is not None)
    return f"{minute(r['end'])}  features  {who(r)}  {r['window']}  p {_probability(r)}  {values}"


def _probability(r: Record) -> str:
    p = r["tail_probability"]
    return "-" if p is None else format(p, ".1e")


def _typical(reason: Record) -> str:
    known = (("own", reason["typical_own"]), ("cohort", reason["typical_cohort"]))
    return ", ".join(f"{who} {_number(value)}" for who, value in known if value is not None)


def _number(value: Any) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
