"""Which record it is: the id under which sinks keep a record once."""

import hashlib

from flows.sinks.base import Record
from flows.streams import Stream


def record_id(stream: Stream, record: Record, text: bytes) -> str:
    """The record's own id where its stream has one, else a hash of the whole record.  text: the record as JSON."""
    named = record.get(stream.records.id) if stream.records.id else None
    return str(named or _hash(text))


def told_id(stream: Stream, record: Record, text: bytes) -> str:
    """The id of what is said once in a log: where a record takes the place of an earlier one, as of a standing and of a
    campaign, a hash of the whole.
    """
    again = stream.records.latest or stream is Stream.CAMPAIGNS or "campaign" in record
    return _hash(text) if again else record_id(stream, record, text)


def _hash(text: bytes) -> str:
    return hashlib.blake2b(text, digest_size=16).hexdigest()
