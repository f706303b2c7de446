"""Which addresses are public, private, loopback or never to be reached."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specql_jobs.core.addresses import AddressClass, classify, parse_address


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        *[(text, "public") for text in ("8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111")],
        *[(text, "loopback") for text in ("127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1")],
        *[(text, "private") for text in ("10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fc00::1", "fd12::1")],
        *[(text, "private") for text in ("::ffff:10.0.0.1",)],
        *[(text, "forbidden") for text in ("169.254.169.254", "0.0.0.0", "255.255.255.255", "224.0.0.1")],
        *[(text, "forbidden") for text in ("168.63.129.16", "100.100.100.200", "192.0.0.192", "198.18.0.1")],
        *[(text, "forbidden") for text in ("::", "fe80::1", "fe80::1%eth0", "ff02::1", "fec0::1", "fd00:ec2::254")],
        *[(text, "forbidden") for text in ("64:ff9b::7f00:1", "::127.0.0.1", "2002:7f00:1::", "2001:0:1::1")],
        *[(text, "forbidden") for text in ("2001:db8::1", "5f00::1", "::ffff:169.254.169.254")],
    ],
)
def test_each_address_has_its_class(address: str, kind: str) -> None:
    """The table holds for every special range, in IPv4, IPv6 and IPv4 inside IPv6."""
    parsed = parse_address(address)
    assert parsed is not None
    assert classify(parsed) is AddressClass(kind)


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.1.", "[::1]", "", "a.com", "１.1.1.1"],
)
def test_what_is_no_plain_address_is_a_name(host: str) -> None:
    """Old and odd spellings are not addresses here: a resolver's answer is judged instead."""
    assert parse_address(host) is None


@given(st.ip_addresses(v=4))
def test_mapped_addresses_are_what_they_carry(address: IPv4Address) -> None:
    """An IPv4 address inside an IPv6 one has the class of the IPv4 address."""
    assert classify(IPv6Address(f"::ffff:{address}")) is classify(address)


@given(st.ip_addresses(v=6))
def test_ipv6_is_public_only_inside_global_unicast(address: IPv6Address) -> None:
    """What is not 2000::/3 is never public unless it carries a public IPv4 address."""
    if classify(address) is AddressClass.PUBLIC and address.ipv4_mapped is None:
        assert int(address) >> 125 == 1
