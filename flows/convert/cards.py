"""Card transactions of the Fraud Detection Handbook."""

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from flows.convert.files import Record, read_lines, read_parquet, write_lines
from state.errors import SourceError

_NAMES: Final = {
    "tx_id": "TRANSACTION_ID",
    "ts": "TX_DATETIME",
    "customer": "CUSTOMER_ID",
    "terminal": "TERMINAL_ID",
    "amount": "TX_AMOUNT",
    "fraud": "TX_FRAUD",
    "scenario": "TX_FRAUD_SCENARIO",
}
"""Short column names of some copies -> the handbook's names."""


def convert_cards(path: Path, out: Path) -> int:
    """Card transactions to lines with the handbook's names; the number of lines.

    path: parquet or CSV (.gz or not), with the handbook's column names or the short ones (ts in seconds since 1970).
    The labels TX_FRAUD and TX_FRAUD_SCENARIO stay in the lines for those who evaluate; no configuration reads them.
    Raises SourceError for input that cannot be read or is something else, SinkError when out cannot be written.
    Source: Le Borgne, Siblini, Lebichot & Bontempi 2022, Reproducible Machine Learning for Credit Card Fraud Detection.
    """
    if path.suffix != ".parquet":
        lines = [_line(row, path) for row in csv.DictReader(read_lines(path))]
        return write_lines(out, sorted(lines, key=lambda line: str(line["TX_DATETIME"])))
    table = read_parquet(path)
    for name in ("ts", "TX_DATETIME"):
        if name in table.column_names:
            table = table.sort_by(name)
    batches = table.to_batches(max_chunksize=10_000)
    return write_lines(out, (_line(row, path) for batch in batches for row in batch.to_pylist()))


def _line(row: Record, path: Path) -> Record:
    renamed = {_NAMES.get(name, name): value for name, value in row.items()}
    try:
        return {
            "TRANSACTION_ID": int(renamed["TRANSACTION_ID"]),
            "TX_DATETIME": _time(renamed["TX_DATETIME"]).isoformat(timespec="seconds") + "Z",
            "CUSTOMER_ID": int(renamed["CUSTOMER_ID"]),
            "TERMINAL_ID": int(renamed["TERMINAL_ID"]),
            "TX_AMOUNT": round(float(renamed["TX_AMOUNT"]), 2),
            **{name: int(renamed[name]) for name in ("TX_FRAUD", "TX_FRAUD_SCENARIO") if name in renamed},
        }
    except (KeyError, ValueError, TypeError) as error:
        expected = ", ".join(_NAMES.values())
        raise SourceError(
            f"{path}: not card transactions: {error!r} in {row}; expected the columns {expected}"
        ) from None


def _time(value: object) -> datetime:
    """UTC without saying so: the handbook's times have no offset."""
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, str) and not value.isdigit():
        moment = datetime.fromisoformat(value)
    else:
        moment = datetime.fromtimestamp(int(str(value)), UTC)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
