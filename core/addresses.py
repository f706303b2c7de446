"""Which IP addresses a job may reach: an explicit table, because `ipaddress.is_global` differs between Pythons."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

IPAddress = IPv4Address | IPv6Address


class AddressClass(StrEnum):
    """What an address is, as far as policy cares."""

    PUBLIC = "public"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    FORBIDDEN = "forbidden"  # link-local, cloud metadata, multicast, reserved: never, whatever the policy says


def _networks(*texts: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(text) for text in texts)


# IANA special-purpose registries (RFC 6890 and successors) plus the cloud metadata addresses.
LOOPBACK = _networks("127.0.0.0/8", "::1/128")
PRIVATE = _networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
FORBIDDEN = _networks(
    "0.0.0.0/8",
    "169.254.0.0/16",
    "168.63.129.16/32",  # Azure's host agent
    "100.100.100.200/32",  # Alibaba's metadata service, inside the shared address space
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "fd00:ec2::/32",  # AWS metadata over IPv6
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",  # 6to4 carries an IPv4 address
    "3fff::/20",
)
GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")


@lru_cache(maxsize=4096)
def parse_address(host: str) -> IPAddress | None:
    """Return the IP address that `host` literally is, or None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _unwrap(address: IPAddress) -> IPAddress:
    """Return the IPv4 address inside a mapped IPv6 address, else the address itself."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _within(address: IPAddress, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


@lru_cache(maxsize=4096)
def classify(address: IPAddress) -> AddressClass:
    """Return the class of `address`; anything not known to be public, private or loopback is forbidden."""
    plain = _unwrap(address)
    if _within(plain, FORBIDDEN):
        return AddressClass.FORBIDDEN
    if _within(plain, LOOPBACK):
        return AddressClass.LOOPBACK
    if _within(plain, PRIVATE):
        return AddressClass.PRIVATE
    if isinstance(plain, IPv6Address) and plain not in GLOBAL_UNICAST_V6:
        return AddressClass.FORBIDDEN
    return AddressClass.PUBLIC
