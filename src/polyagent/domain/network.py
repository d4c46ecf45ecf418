"""Which network addresses are public, and which others an administrator lets users reach.

What is not public is taken from the registries themselves, since `ipaddress` calls global what is
not, and other things from version to version.
https://www.iana.org/assignments/iana-ipv4-special-registry
https://www.iana.org/assignments/iana-ipv6-special-registry
"""

import re
from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)

import msgspec

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_V4_APART = tuple(
    map(
        IPv4Network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
            *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
            *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
            "168.63.129.16/32",  # the host of a virtual machine, in Azure
        ),
    )
)
_V6_PUBLIC = IPv6Network("2000::/3")
_V6_APART = tuple(
    map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "3ffe::/16"))
)
_NAT64 = IPv6Network("64:ff9b::/96")

_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.IGNORECASE)
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)


def plain(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one is written for, else the address itself."""
    return getattr(address, "ipv4_mapped", None) or address


def is_public(address: Address) -> bool:
    """Say whether an address is a host of the internet: no private, local, shared or group address.

    What carries an IPv4 address within is as public as that, and the tunnels of old are not.
    """
    address = plain(address)
    if isinstance(address, IPv6Address) and address in _NAT64:
        address = IPv4Address(int(address) & 0xFFFF_FFFF)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _V4_APART)
    return address in _V6_PUBLIC and not any(address in network for network in _V6_APART)


def literal(host: str) -> Address | None:
    """Return the address that a host is, None for a name.

    Raises `ValueError` for numbers that some programs take for an address: 127.1, 0x7f000001.
    """
    if ":" in host:
        return IPv6Address(host)
    last = host.rstrip(".").rpartition(".")[2]
    return IPv4Address(host) if _NUMBER.fullmatch(last) else None


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """What may be reached beside the public internet: networks, and hosts by their names."""

    networks: tuple[Network, ...] = ()
    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, entries: Iterable[str]) -> "Allowance":
        """Read networks (10.0.0.0/8), addresses and names. Raises `ValueError` for what is neither."""
        networks, names = [], set()
        for entry in entries:
            if "/" in entry or literal(entry) is not None:
                networks.append(ip_network(entry))
            elif _NAME.fullmatch(entry):
                names.add(entry.lower())
            else:
                raise ValueError(f"{entry} is neither a network nor the name of a host")
        return cls(networks=tuple(networks), names=frozenset(names))

    def admits_name(self, host: str) -> bool:
        return host.lower().removesuffix(".") in self.names

    def admits(self, address: Address) -> bool:
        address = plain(address)
        return is_public(address) or any(
            address in network for network in self.networks if network.version == address.version
        )
