"""Bytes that no well-behaved client sends, to a real server."""

import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle

import pytest

from tests.api.test_server import LIMIT_S, Served, served

DRIP_S = 0.2
LAST = b"Connection: close\r\n"
HOST = b"Host: localhost\r\n"
POST = b"POST /api/v1/agents HTTP/1.1\r\n" + HOST
GET = b"GET /health/live HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
HIDDEN = GET + LAST + b"\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as server:
        yield server
        assert server.http.get("/health/live").status_code == 200


def statuses(server: Served, sent: bytes) -> list[int]:
    """Return the statuses of all answers up to the connection's end."""
    with socket.create_connection(("127.0.0.1", server.port), LIMIT_S) as client:
        received = b""
        with suppress(ConnectionError):
            client.sendall(sent)
        with suppress(ConnectionError):
            while piece := client.recv(65_536):
                received += piece
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", received)]


SMUGGLED = {
    "length and chunks": POST
    + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + HIDDEN,
    "chunks and length": POST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 100\r\n\r\n0\r\n\r\n"
    + HIDDEN,
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + HIDDEN,
    "a list of lengths": POST + b"Content-Length: 0, 44\r\n\r\n" + HIDDEN,
    "a signed length": POST + b"Content-Length: +0\r\n\r\n" + HIDDEN,
    "a negative length": POST + b"Content-Length: -1\r\n\r\n" + HIDDEN,
    "a coding that is none": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunks not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a disguised coding": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a space before the colon": POST + b"Content-Length : 0\r\n\r\n" + HIDDEN,
    "a folded header": POST + b"X: a\r\n Content-Length: 44\r\n\r\n" + HIDDEN,
    "a bare return": POST + b"X: a\rContent-Length: 44\r\n\r\n" + HIDDEN,
    "nul in a header": POST + b"X: a\x00b\r\n\r\n" + HIDDEN,
    "a negative chunk": CHUNKED + b"-1\r\n\r\n" + HIDDEN,
    "a chunk beyond all numbers": CHUNKED + b"F" * 17 + b"\r\n\r\n" + HIDDEN,
    "a chunk without an end": CHUNKED + b"2\r\n{}XX0\r\n\r\n" + HIDDEN,
    "an endless extension": CHUNKED + b"2;" + b"x" * 100_000 + b"\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a flood of trailers": CHUNKED + b"0\r\n" + b"x: y\r\n" * 20_000 + b"\r\n" + HIDDEN,
    "more than announced": POST + b"Content-Length: 2\r\n\r\n{}GARBAGE",
    "less than announced": POST + b"Content-Length: 20\r\n\r\n{}",
}


@pytest.mark.parametrize("sent", SMUGGLED.values(), ids=SMUGGLED)
def test_a_request_hides_no_other(server: Served, sent: bytes) -> None:
    answered = statuses(server, sent)

    assert all(400 <= status < 500 for status in answered), answered


def test_a_second_request_that_hides_nowhere_is_answered(server: Served) -> None:
    assert statuses(server, POST + b"Content-Length: 2\r\n\r\n{}" + HIDDEN) == [401, 200]


HEADS = {
    "no host": (b"GET / HTTP/1.1\r\n" + LAST + b"\r\n", 400),
    "two hosts": (
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n" + LAST + b"\r\n",
        400,
    ),
    "another's host": (b"GET / HTTP/1.1\r\nHost: evil.example\r\n" + LAST + b"\r\n", 400),
    "a tunnel": (
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n" + LAST + b"\r\n",
        400,
    ),
    "an address of 9 kB": (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n" + HOST + LAST + b"\r\n", 414),
    "an address of 100 kB": (
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n" + HOST + LAST + b"\r\n",
        None,
    ),
    "a header of 40 kB": (GET + LAST + b"X: " + b"x" * 40_000 + b"\r\n\r\n", 431),
    "a header of 500 kB": (GET + LAST + b"X: " + b"x" * 500_000 + b"\r\n\r\n", None),
    "1,000 headers": (GET + LAST + b"X: y\r\n" * 1000 + b"\r\n", 431),
    "10,000 headers": (GET + LAST + b"X: y\r\n" * 10_000 + b"\r\n", None),
    "a head that breaks off": (GET + LAST + b"X: y", None),
}


@pytest.mark.parametrize(("sent", "status"), HEADS.values(), ids=HEADS)
def test_heads_that_are_none_or_too_much(server: Served, sent: bytes, status: int | None) -> None:
    answered = statuses(server, sent)

    if status is None:  # the client may be cut off before it hears the answer
        assert all(400 <= each < 500 for each in answered), answered
    else:
        assert answered == [status]


def test_line_ends_in_names_make_no_headers(server: Served) -> None:
    name = "a%0d%0aSet-Cookie:%20x=y"
    answers = [
        server.http.get(f"/api/v1/agents/{name}"),
        server.http.get(f"/problems/{name}"),
        server.http.get("/health/live", headers={"X-Request-ID": name}),
        server.http.get(f"/api/v1/agents?cursor={name}"),
        server.http.post(
            "/api/v1/agents",
            json={"name": "a\r\nSet-Cookie: x=y"},
            headers={"Idempotency-Key": "k"},
        ),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 200, 400, 201]
    assert not any("set-cookie" in answer.headers for answer in answers)


def test_1100_silent_connections_keep_nobody_out(server: Served) -> None:
    silent = []
    try:
        for _ in range(1100):
            client = socket.create_connection(("127.0.0.1", server.port), LIMIT_S)
            client.sendall(b"G")
            silent.append(client)

        assert server.http.get("/health/live").status_code == 200
    finally:
        for client in silent:
            client.close()


DRIPPING = {
    "a header": (GET, b"X: y\r\n", []),
    "a body": (POST + b"AUTHORIZATION\r\nContent-Length: 1000\r\n\r\n", b"{", [b"408"]),
    "a chunk": (
        POST + b"AUTHORIZATION\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n",
        b"{",
        [b"408"],
    ),
}


@pytest.mark.parametrize(("first", "drips", "statuses"), DRIPPING.values(), ids=DRIPPING)
def test_a_byte_at_a_time_is_given_up(
    server: Served, first: bytes, drips: bytes, statuses: list[bytes]
) -> None:
    """However often something comes: the whole has its time."""
    authorization = f"Content-Type: application/json\r\nAuthorization: Bearer {server.token}"
    with socket.create_connection(("127.0.0.1", server.port), LIMIT_S) as client:
        client.sendall(first.replace(b"AUTHORIZATION", authorization.encode()))
        client.settimeout(DRIP_S)

        answered = dripped(client, cycle(drips))

    assert re.findall(rb"HTTP/1\.1 (\d{3}) ", answered) == statuses


def dripped(client: socket.socket, drips: Iterator[int]) -> bytes:
    """Send a byte whenever nothing comes, until the other side has closed."""
    received = b""
    with suppress(ConnectionError):
        while True:
            try:
                piece = client.recv(65_536)
            except TimeoutError:
                client.sendall(bytes((next(drips),)))
            else:
                if not piece:
                    break
                received += piece
    return received
