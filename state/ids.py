"""Ids of records: functions of what a record is about, so that one that comes twice is one."""

import hashlib
import json


def stable_id(*parts: str | int) -> str:
    """16 hexadecimal digits: a hash of these parts and of nothing else (8 bytes of BLAKE2b over their JSON)."""
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).hexdigest()
