"""Looking at whether our server answers, or could listen."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec

from polyagent.adapters.engines.errors import EngineError
from polyagent.adapters.engines.family import READY_PATH
from polyagent.adapters.engines.host import port
from polyagent.domain.finding import Finding, ok, problem, warning
from polyagent.domain.health import Health
from polyagent.settings import Server


def running(url: str) -> Finding:
    """Tell the server of a running `up`."""
    parts = urlsplit(url)
    if port.is_ready(parts.hostname or "", parts.port or 80, READY_PATH):
        return ok("server", f"{url} is ready")
    advice = "wait until it has started; its terminal and the logs say more"
    return problem("server", f"{url} is not ready", advice)


def health(url: str, token: str) -> Health | None:
    """Return what the server of a running `up` tells an administrator of itself, if it says anything."""
    parts = urlsplit(url)
    told = port.answer(parts.hostname or "", parts.port or 80, "/health", token=token)
    body = told.partition(b"\r\n\r\n")[2]
    try:
        return msgspec.json.decode(body, type=Health)
    except msgspec.DecodeError:
        return None


def listening(server: Server) -> Finding:
    """Tell who listens where a gateway of these settings would."""
    where = f"{server.host} port {server.port}"
    if server.port == 0:
        return ok("server", "any free port will do")
    if port.is_ready(server.host, server.port, READY_PATH):
        return ok("server", f"a server is ready on {where}")
    try:
        port.require_free(server.host, server.port, wait_s=0)
    except EngineError as error:
        return problem("server", error.detail)
    return ok("server", f"{where} is free")


def exposed(server: Server) -> Iterator[Finding]:
    if server.host not in ("127.0.0.1", "::1", "localhost") and not server.hosts:
        text = f"it listens on {server.host}, and server.hosts is empty"
        yield warning("server", text, "name there what its users call it, else they are refused")
