"""The metrics of a worker, as Prometheus asks for them."""

import asyncio

import pytest

from polyagent.adapters.telemetry.metrics import PrometheusMeter
from polyagent.adapters.telemetry.page import CONNECTIONS, HEAD_BYTES, Page, serving
from polyagent.settings import SettingsError
from tests.e2e.server import free_port

LIMIT_S = 30


async def _open(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def _ask(address: str, request: str) -> str:
    reader, writer = await _open(address)
    writer.write(request.encode("latin-1"))
    async with asyncio.timeout(LIMIT_S):
        answer = await reader.read()
    writer.close()
    return answer.decode()


def _address() -> str:
    return f"127.0.0.1:{free_port()}"


def _get(path: str = "/metrics", *fields: str, method: str = "GET") -> str:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: x", *fields, "", ""))


async def test_what_was_counted_is_told() -> None:
    meter, address = PrometheusMeter(), _address()
    meter.run_ended("completed")

    async with serving(address, Page(meter.render, None)):
        answers = [await _ask(address, _get(path)) for path in ("/metrics", "/metrics?x=1")]

    for answer in answers:
        head, _, body = answer.partition("\r\n\r\n")
        assert head.startswith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4")
        assert f"Content-Length: {len(body)}" in head
        assert 'polyagent_runs_total{status="completed"} 1.0' in body
        assert "process_resident_memory_bytes" in body


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (_get("/"), "404 Not Found"),
        (_get("/metrics/"), "404 Not Found"),
        (_get(method="POST"), "405 Method Not Allowed"),
        (_get(), "401 Unauthorized"),
        (_get("/metrics", "Authorization: Bearer wrong"), "401 Unauthorized"),
        (_get("/metrics", *["Authorization: Bearer s3cret"] * 2), "401 Unauthorized"),
        (_get("/metrics", "authorization: Bearer s3cret"), "200 OK"),
        (_get("/metrics", "Authorization: Bearer s3cret", method="HEAD"), "200 OK"),
    ],
)
async def test_who_asks_otherwise_is_told_so(request_: str, status: str) -> None:
    address = _address()

    async with serving(address, Page(PrometheusMeter().render, "s3cret")):
        answer = await _ask(address, request_)

    assert answer.startswith(f"HTTP/1.1 {status}\r\n")
    assert answer.endswith("\r\n\r\n") is request_.startswith("HEAD")


@pytest.mark.parametrize(
    "request_", ["\r\n\r\n", "GET /metrics\r\n\r\n", "x" * (HEAD_BYTES * 4), "é \x00 \xff\r\n\r\n"]
)
async def test_what_is_no_request_gets_nothing_and_harms_nobody(request_: str) -> None:
    address = _address()

    async with serving(address, Page(PrometheusMeter().render, None)):
        try:
            answer = await _ask(address, request_)
        except ConnectionResetError:
            answer = ""
        after = await _ask(address, _get())

    assert answer.partition(" ")[2].partition(" ")[0] in ("", "404")
    assert after.startswith("HTTP/1.1 200")


async def test_the_silent_shut_nobody_out_for_long() -> None:
    address = _address()

    async with serving(address, Page(PrometheusMeter().render, None)):
        silent = [await _open(address) for _ in range(CONNECTIONS)]
        try:
            refused = await _ask(address, _get())
        except ConnectionError:
            refused = ""
        async with asyncio.timeout(LIMIT_S):
            for reader, writer in silent:
                assert await reader.read() == b""
                writer.close()
        after = await _ask(address, _get())

    assert refused == ""
    assert after.startswith("HTTP/1.1 200")


async def test_who_is_being_answered_in_the_end_is_let_go() -> None:
    address = _address()

    async with serving(address, Page(PrometheusMeter().render, None)):
        reader, writer = await _open(address)
        await _ask(address, _get())

    async with asyncio.timeout(LIMIT_S):
        assert await reader.read() == b""
    writer.close()


async def test_an_address_that_is_taken_stops_the_start() -> None:
    address = _address()

    async with serving(address, Page(PrometheusMeter().render, None)):
        with pytest.raises(SettingsError, match=r"telemetry\.worker_metrics: cannot listen on"):
            async with serving(address, Page(PrometheusMeter().render, None)):
                pass
