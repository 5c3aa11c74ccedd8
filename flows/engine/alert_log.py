"""A line of the log for each alert, with the ids by which it is found elsewhere."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from flows.metrics.happening import trace_of_alert
from flows.sinks.base import Record

_log: Final = logging.getLogger("driftnet.alerts")


@dataclass(frozen=True, slots=True)
class AlertLog:
    """run: its name.  traced: whether traces of alerts are exported: then the line has the trace's id."""

    run: str
    traced: bool

    def tell(self, alerts: Sequence[Record]) -> None:
        """After the sinks were given them.  Subjects are not named: logs go where alerts may not."""
        for alert in alerts:
            ids = {"alert_id": alert["alert_id"], "severity": alert["severity"], "window": alert["window"]}
            if self.traced:
                ids["trace_id"] = f"{trace_of_alert(self.run, alert['alert_id']):032x}"
            _log.info("alert %s: %s, %s", alert["alert_id"], alert["severity"], alert["window"], extra=ids)
