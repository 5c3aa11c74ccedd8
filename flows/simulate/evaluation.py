"""evaluate: the alerts of a simulated run against the simulator's truth."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from flows.printing import shown
from flows.streams.lines import members_of
from flows.summary import two_columns
from state.times import from_iso

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, slots=True)
class CampaignResult:
    """One attack.  accounts: its attackers.  found: those alerted.

    detection_s: median time from an account's first event of the attack to its first alert, None if none was found.
    """

    name: str
    accounts: int
    found: int
    detection_s: float | None


@dataclass(frozen=True, slots=True)
class RoleResult:
    """One kind of genuine account, or of crowd.

    alerted: those accused, urgent: those accused at the two worst severities.
    """

    name: str
    accounts: int
    alerted: int
    urgent: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How good the alerts are.

    An attacker is found by an alert whose window ends after the account's first event of the attack; a campaign's alert
    is one of each of its members. Any other alert is false, and so is a campaign's of whose members half or more are
    no attackers that were found by it; told again it is no further alert. precision: true alerts / alerts.
    account_precision: found attackers / alerted accounts.  recall: found attackers / attackers.  None where there is
    nothing to divide by.
    """

    alerts: int
    true_alerts: int
    attackers: int
    found: int
    accused: int
    campaigns: tuple[CampaignResult, ...]
    roles: tuple[RoleResult, ...]

    @property
    def precision(self) -> float | None:
        """Share of the alerts that are true."""
        return _share(self.true_alerts, self.alerts)

    @property
    def account_precision(self) -> float | None:
        """Share of the alerted accounts that are attackers."""
        return _share(self.found, self.found + self.accused)

    @property
    def recall(self) -> float | None:
        """Share of the attackers that were found."""
        return _share(self.found, self.attackers)

    def to_json(self) -> dict[str, Any]:
        """All figures as JSON values."""
        derived = {"precision": self.precision, "account_precision": self.account_precision, "recall": self.recall}
        return asdict(self) | derived

    def table(self) -> "RenderableType":
        """The same for people."""
        from rich.console import Group
        from rich.table import Table

        head = two_columns("Against the simulator's truth")
        head.add_row(
            "precision", f"{_percent(self.precision)}: {self.true_alerts:,} of {self.alerts:,} alerts are true"
        )
        head.add_row(
            "accounts", f"{_percent(self.account_precision)}: {self.accused:,} genuine ones among those alerted"
        )
        head.add_row("recall", f"{_percent(self.recall)}: {self.found:,} of {self.attackers:,} attackers found")
        campaigns = Table("campaign", box=None, padding=(0, 2, 0, 0), title_justify="left")
        for title in ("accounts", "found", "median time to detection"):
            campaigns.add_column(title, justify="right")
        for c in self.campaigns:
            found = f"[red]{c.found}[/]" if not c.found else str(c.found)
            campaigns.add_row(shown(c.name), f"{c.accounts:,}", found, _time(c.detection_s))
        roles = Table("genuine accounts", box=None, padding=(0, 2, 0, 0))
        for title in ("accounts", "alerted", "critical or high"):
            roles.add_column(title, justify="right")
        for r in self.roles:
            roles.add_row(shown(r.name), f"{r.accounts:,}", f"{r.alerted:,}", f"{r.urgent:,}")
        return Group(head, "", campaigns, "", roles)


def evaluate(alerts: Iterable[Mapping[str, Any]], truth: Iterable[Mapping[str, Any]]) -> Evaluation:
    """Joins alert records with truth records (user_id, role, is_attacker, start_us, maybe crowd), by account."""
    accounts = {str(t["user_id"]): t for t in truth}
    first_us: dict[str, int] = {}
    accused: dict[str, bool] = {}
    count = true = 0
    told: dict[str, bool] = {}
    for alert in alerts:
        end_us, raised_us = from_iso(alert["end"]), from_iso(alert["raised"])
        names = members_of(alert)
        right = [n for n in names if (t := accounts.get(n)) and t["is_attacker"] and end_us > t["start_us"]]
        if "campaign" in alert:
            told[alert["alert_id"]] = told.get(alert["alert_id"], False) or 2 * len(right) > len(names)
        else:
            count += 1
            true += bool(right)
        for name in right:
            first_us[name] = min(raised_us, first_us.get(name, raised_us))
        for name in set(names) - set(right):
            accused[name] = accused.get(name, False) or alert["severity"] in ("critical", "high")
    count, true = count + len(told), true + sum(told.values())
    by_role: dict[str, list[str]] = {}
    for name, who in accounts.items():
        by_role.setdefault(_kind(who), []).append(name)
    campaigns, roles = [], []
    for role, names in by_role.items():
        if accounts[names[0]]["is_attacker"]:
            waits = [(first_us[n] - accounts[n]["start_us"]) / 1e6 for n in names if n in first_us]
            campaigns.append(CampaignResult(role, len(names), len(waits), median(waits) if waits else None))
        else:
            roles.append(
                RoleResult(
                    role, len(names), sum(n in accused for n in names), sum(accused.get(n, False) for n in names)
                )
            )
    return Evaluation(
        alerts=count,
        true_alerts=true,
        attackers=sum(c.accounts for c in campaigns),
        found=len(first_us),
        accused=len(accused.keys() - first_us.keys()),
        campaigns=tuple(sorted(campaigns, key=lambda c: c.name)),
        roles=tuple(sorted(roles, key=lambda r: r.name)),
    )


def _kind(record: Mapping[str, Any]) -> str:
    """The role; of people in a crowd the kind of the crowd: shop_chain of shop_chain-2, listeners of listeners of X."""
    crowd = record.get("crowd")
    return str(crowd).split(" of ")[0].rsplit("-", 1)[0] if crowd else str(record["role"])


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
