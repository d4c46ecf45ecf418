"""Whom a request comes from."""

import pytest

from polyagent.adapters.http.edge.proxies import Proxies

PROXY = "10.0.0.1"
STRANGER = "198.51.100.9"
TRUSTED = ("10.0.0.0/8", "fd00::/8")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        (STRANGER, "203.0.113.5", STRANGER),
        (PROXY, "203.0.113.5", "203.0.113.5"),
        (PROXY, "203.0.113.5, 10.0.0.7", "203.0.113.5"),
        (PROXY, "127.0.0.1, 203.0.113.5", "203.0.113.5"),
        (PROXY, "10.9.9.9, 203.0.113.5, 10.0.0.2", "203.0.113.5"),
        (PROXY, "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        (PROXY, "203.0.113.5:41234", "203.0.113.5"),
        (PROXY, "[2001:db8::1]:443", "2001:db8::1"),
        (PROXY, "2001:DB8::1", "2001:db8::1"),
        (PROXY, "::ffff:203.0.113.5", "203.0.113.5"),
        ("::ffff:10.0.0.1", "203.0.113.5", "203.0.113.5"),
        ("fd00::1", "203.0.113.5", "203.0.113.5"),
        (PROXY, "", PROXY),
        (PROXY, "unknown", PROXY),
        (PROXY, "203.0.113.5, unknown", PROXY),
        (PROXY, "203.0.113.5, nonsense, 10.0.0.2", "10.0.0.2"),
        (PROXY, "999.1.1.1", PROXY),
        (PROXY, "203.0.113.5" + ", 10.0.0.2" * 1000, "10.0.0.2"),
    ],
)
def test_what_proxies_of_ours_say_is_read_from_the_right(
    peer: str, forwarded: str, client: str
) -> None:
    assert Proxies(TRUSTED).client(peer, {b"x-forwarded-for": forwarded.encode()}) == client


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("for=203.0.113.5", "203.0.113.5"),
        ('For="[2001:db8::1]:4711";proto=https', "2001:db8::1"),
        ('proto=http;by=10.0.0.1;for="203.0.113.5:80"', "203.0.113.5"),
        ("for=127.0.0.1, for=203.0.113.5;host=x, for=10.0.0.2", "203.0.113.5"),
        ("for=_hidden", PROXY),
        ("by=203.0.113.5", PROXY),
    ],
)
def test_the_newer_header_says_it_too(forwarded: str, client: str) -> None:
    assert Proxies(TRUSTED).client(PROXY, {b"forwarded": forwarded.encode()}) == client


def test_where_both_are_given_the_one_that_proxies_write_counts() -> None:
    head = {b"x-forwarded-for": b"203.0.113.5", b"forwarded": b"for=192.0.2.1"}

    assert Proxies(TRUSTED).client(PROXY, head) == "203.0.113.5"


def test_nobody_is_believed_by_default() -> None:
    assert Proxies(()).client(PROXY, {b"x-forwarded-for": b"203.0.113.5"}) == PROXY
