"""Addresses to the networks that they are in: an id column that keeps less than the address."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

from flows.wire.columns import IdConverter
from flows.wire.hashing import IdPiece, id_piece, id_texts
from flows.wire.paths import Cells
from flows.wire.spec import FieldSpec

_KNOWN_MAX: Final = 65_536
"""Addresses whose networks are remembered: they come again and again."""


class NetworkConverter(IdConverter):
    """Text that is an IP address to its network, other ids as they are.  An IPv4 address in IPv6 is one of IPv4."""

    def __init__(self, spec: FieldSpec, chars_max: int) -> None:
        super().__init__(spec.path, spec.required, chars_max)
        self._of = _Networks(*spec.network)

    def piece(self, values: Cells) -> IdPiece:
        return id_piece(self.texts(values))

    def texts(self, values: Sequence[Any]) -> list[str]:
        known = self._of
        if len(known) > _KNOWN_MAX:
            known.clear()
        return [known[text] for text in id_texts(values)]


class _Networks(dict[str, str]):
    """Address -> its network, as text such as "203.0.113.0/24".  bits4, bits6: that count, of IPv4 and of IPv6."""

    def __init__(self, bits4: int, bits6: int) -> None:
        super().__init__({"": ""})
        self._bits4, self._bits6 = bits4, bits6

    def __missing__(self, text: str) -> str:
        self[text] = found = self._network(text)
        return found

    def clear(self) -> None:
        super().clear()
        self[""] = ""

    def _network(self, text: str) -> str:
        try:
            address: IPv4Address | IPv6Address = ip_address(text)
        except ValueError:
            return text
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or IPv6Address(int(address))  # without its zone
        bits = self._bits4 if address.version == 4 else self._bits6
        return str(ip_network((address, bits), strict=False))
