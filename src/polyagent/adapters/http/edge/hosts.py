"""The names under which this server lets itself be called.

A page of another site whose name was made to lead here (DNS rebinding) would else be one of ours to
a browser. https://www.rfc-editor.org/rfc/rfc9110#section-7.2
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from polyagent.adapters.http.errors import HostRefused
from polyagent.settings import Server

LOCAL = ("localhost", "127.0.0.1", "[::1]")

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:/@,\s\[\]]+)(?::[0-9]{1,5})?")


class Hosts:
    """Whatever the port: what stands before this server may have another."""

    def __init__(self, settings: Server) -> None:
        self._names = frozenset(_names(settings))
        self._is_ours = lru_cache(maxsize=256)(self._judge)

    def check(self, host: bytes | None) -> None:
        """Raises `HostRefused`."""
        if host is None or not self._is_ours(host):
            raise HostRefused(
                "The header Host names no host of this server: its operator lists them in server.hosts."
            )

    def _judge(self, host: bytes) -> bool:
        parsed = _HOST.fullmatch(host.decode("latin-1").lower())
        return parsed is not None and parsed[1] in self._names


def _names(settings: Server) -> Iterable[str]:
    bound = settings.host
    return map(str.lower, (*LOCAL, f"[{bound}]" if ":" in bound else bound, *settings.hosts))
