"""Campaigns: what the job declares of them, beside how they are judged."""

import hashlib
import json
from dataclasses import dataclass

from detectors.campaigns.spec import CampaignSpec
from detectors.features.declare import Where
from state.plain import plain


@dataclass(frozen=True, slots=True)
class Campaigns:
    """objects: id columns whose values accounts coincide on, each with the id column of what they belong to, "" for
    none.  where: which events count.  own_kind: what accounts are called.
    """

    objects: tuple[tuple[str, str], ...]
    where: Where
    spec: CampaignSpec
    own_kind: str

    @property
    def columns(self) -> frozenset[str]:
        """The event columns that must be decoded."""
        named = {column for pair in self.objects for column in pair if column}
        return frozenset(named | {condition.column for condition in self.where})

    def parent_of(self, column: str) -> str:
        """The column of what objects of a column belong to."""
        return dict(self.objects)[column]

    @property
    def meaning(self) -> str:
        """16 hexadecimal digits, of what the evidence is made of: with another one it begins anew."""
        about = [self.objects, self.where, self.spec.bucket_us, self.spec.accounts_max, self.spec.visits_max]
        text = json.dumps(plain([*about, self.spec.popularity_half_us]), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
