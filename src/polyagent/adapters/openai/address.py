"""Where a model service is."""

import re
from typing import Self

import httpx
import msgspec

from polyagent.domain.errors import Invalid

_VERSION = re.compile(r"/v\d+[a-z0-9]*(/|\Z)")


class Address(msgspec.Struct, frozen=True):
    """`base` ends before `/chat/completions`; `socket` is set for a service on this machine's file system."""

    base: httpx.URL
    socket: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `unix:/path.sock`, or an http(s) address with or without /v1. Raises `Invalid`."""
        text = text.strip()
        if text.startswith("unix:"):
            return cls(httpx.URL("http://localhost/v1"), text.removeprefix("unix:"))
        try:
            url = httpx.URL(text)
        except (httpx.InvalidURL, ValueError) as error:
            raise Invalid(f"ai.url is no address: {error}") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise Invalid("ai.url begins with http://, https:// or unix:/")
        if url.userinfo:
            raise Invalid("ai.url holds a user name or a password: put the key into ai.key")
        return cls(url.copy_with(path=_base_path(url.path), fragment=None))

    @property
    def host(self) -> str:
        """Return what may be shown of it: neither path nor query, which may hold secrets."""
        if self.socket:
            return "unix"
        return f"{self.base.host}:{self.base.port}" if self.base.port else self.base.host

    def url(self, path: str) -> httpx.URL:
        return self.base.copy_with(path=self.base.path.rstrip("/") + path)


def _base_path(path: str) -> str:
    path = path.rstrip("/").removesuffix("/chat/completions")
    return path if _VERSION.search(path) else f"{path}/v1"
