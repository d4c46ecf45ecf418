"""Who is at the other end: the peer, or whom a proxy of ours says that it speaks for.

https://www.rfc-editor.org/rfc/rfc7239
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from polyagent.adapters.http.edge.head import Head

MAX_HOPS = 32

_FOR = re.compile(r'(?:^|;)\s*for\s*=\s*("[^"]*"|[^;\s]*)', re.IGNORECASE)
_NODE = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\w+)?|([0-9.]+)(?::\w+)?|([0-9A-Fa-f:.]+)")

Address = IPv4Address | IPv6Address


class Proxies:
    """`networks`: whoever is in them is believed."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = tuple(ip_network(network, strict=False) for network in networks)
        self._known = lru_cache(maxsize=4096)(_address)

    def client(self, peer: str, head: Head) -> str:
        """Return the address of the client.

        What proxies wrote is read from the right, as far as they are ours: to the left of that stands
        what anybody may have made up.
        """
        address = self._known(peer)
        if address is None:
            return peer
        if self._networks and self._is_ours(address):
            for hop in _hops(head):
                if (before := self._known(hop)) is None:
                    break
                address = before
                if not self._is_ours(address):
                    break
        return str(address)

    def _is_ours(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _hops(head: Head) -> Iterator[str]:
    """Yield what proxies said, the nearest first; `Forwarded` counts where the older header is absent."""
    given = head.get(b"x-forwarded-for")
    if given is not None:
        yield from _from_right(given)
        return
    for element in _from_right(head.get(b"forwarded", b"")):
        node = _FOR.search(element)
        yield node[1].strip('"') if node else ""


def _from_right(header: bytes) -> Sequence[str]:
    parts = header.decode("latin-1").rsplit(",", MAX_HOPS)
    return [part.strip() for part in reversed(parts)][:MAX_HOPS]


def _address(node: str) -> Address | None:
    """Return the address in `192.0.2.1:80`, `[2001:db8::1]:80` or either without a port; of a mapped one its own."""
    parsed = _NODE.fullmatch(node)
    try:
        address = ip_address(next(filter(None, parsed.groups()))) if parsed else None
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
