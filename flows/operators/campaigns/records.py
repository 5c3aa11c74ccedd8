"""Records of the campaigns stream."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from detectors.campaigns.coincidence import Coincidences
from detectors.campaigns.communities import Community, Found
from detectors.campaigns.lives import Life, Told
from state.cells import run_lengths, run_starts
from state.order import distinct
from state.times import iso
from state.types import I64, U64

_OBJECTS_MAX: Final = 20
"""In a record: those on which most members coincided."""
_LEAST: Final = 1e-300
"""A smaller probability is told as this."""


def account_names(segments: Sequence[Coincidences], accounts: U64) -> dict[int, str]:
    """Hash -> id as text of some accounts that coincided.  accounts: each once."""
    found: dict[int, str] = {}
    for s in reversed(segments):
        accounts, at = _looked_up(accounts, s.account)
        found |= zip(s.account[at].tolist(), s.account_name[at].tolist(), strict=True)
    return found


def object_names(segments: Sequence[Coincidences], objects: U64) -> dict[int, tuple[str, str]]:
    """Hash -> column and id as text of some objects.  objects: each once."""
    found: dict[int, tuple[str, str]] = {}
    for s in reversed(segments):
        objects, at = _looked_up(objects, s.object)
        found |= {key: (s.column, name) for key, name in zip(s.object[at].tolist(), s.object_name[at], strict=True)}
    return found


def _looked_up(wanted: U64, keys: U64) -> tuple[U64, I64]:
    """Those that are not there, and where the others are.  keys: sorted."""
    if not len(wanted) or not len(keys):
        return wanted, np.zeros(0, np.int64)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    there = keys[at] == wanted
    return wanted[~there], at[there]


def shared_objects(community: Community) -> I64:
    """Positions of the objects that a record names."""
    return community.objects[:_OBJECTS_MAX]


def record_of(told: Told, end_us: int, found: Found, evidence: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One record, without what says of which job it is.  evidence: of each community, as of `evidence_of`."""
    life = told.life
    community = found.communities[told.community] if told.community is not None else None
    return {
        "campaign_id": life.id,
        "change": told.change.value,
        "at": iso(end_us),
        "since": iso(life.since_us),
        "size": len(life.members),
        "members": _members(life, found, community),
        "joined": list(told.joined),
        "left": list(told.left),
        "absorbed": list(told.absorbed),
        "into": told.into,
        **(evidence[told.community] if told.community is not None else _NOTHING_SHARED),
    }


def _members(life: Life, found: Found, community: Community | None) -> list[dict[str, Any]]:
    partners: dict[int, int] = {}
    if community is not None:
        hashes = found.evidence.account[community.members].tolist()
        partners = dict(zip(hashes, community.partners.tolist(), strict=True))
    members = [
        {"subject": m.name, "joined": iso(m.joined_us), "confirmed": iso(m.seen_us), "partners": partners.get(who, 0)}
        for who, m in life.members.items()
    ]
    return sorted(members, key=lambda member: (member["joined"], member["subject"]))


_NOTHING_SHARED: Final[Mapping[str, Any]] = {
    "tail_probability": 1.0, "closure": 0.0, "coincidences": 0, "at_stake": 0, "shared": 0, "objects": [],
}  # fmt: skip


def evidence_of(found: Found, community: Community, texts: Mapping[int, tuple[str, str]]) -> dict[str, Any]:
    """What the members of a community have in common.  texts: of objects, as of `object_names`."""
    evidence, own = found.evidence, community.own
    on, accounts = np.tile(evidence.on[own], 2), np.concatenate([evidence.low[own], evidence.high[own]])
    visits = distinct(on * len(evidence.account) + accounts)
    start = run_starts(visits // len(evidence.account))
    of, members = visits[start] // len(evidence.account), run_lengths(start, len(visits))
    last_us = np.zeros(len(of), np.int64)
    np.maximum.at(last_us, np.searchsorted(of, evidence.on[own]), evidence.last_us[own])
    told = shared_objects(community)
    at = np.searchsorted(of, told)
    objects = []
    for hash_, pairs, count, last in zip(
        evidence.object[told].tolist(),
        community.pairs.tolist(),
        members[at].tolist(),
        last_us[at].tolist(),
        strict=False,
    ):
        column, name = texts[hash_]
        objects.append({"column": column, "object": name, "members": count, "pairs": pairs, "last": iso(last)})
    return {
        "tail_probability": max(10.0 ** max(community.chance, -300.0), _LEAST),
        "closure": community.closure,
        "coincidences": int(evidence.times[own].sum()),
        "at_stake": len(visits),
        "shared": len(community.objects),
        "objects": objects,
    }
