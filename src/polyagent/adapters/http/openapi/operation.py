"""One operation: what it says in the document, and what the framework knows of its handler."""

from collections.abc import Iterator
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from polyagent.adapters.http.front.routes import FrontController


class Operation(msgspec.Struct, frozen=True):
    """`said` is its place in the document: what is changed there is changed in it."""

    path: str
    method: str
    handler: HTTPRouteHandler
    said: dict[str, Any]

    @property
    def permission(self) -> str:
        return str(self.handler.opt["permission"])

    @property
    def is_fronted(self) -> bool:
        return bool(self.said["tags"] == [*FrontController.tags])

    @property
    def takes(self) -> frozenset[str]:
        """Return the names of its parameters."""
        return frozenset(each["name"] for each in self.said.get("parameters", ()))

    @property
    def answers_once(self) -> bool:
        """Say whether its handler is marked `once`."""
        injected = self.handler.fn
        handler = getattr(injected, "__dishka_orig_func__", injected)
        return bool(getattr(handler, "answers_once", False))


def operations(app: Litestar, doc: dict[str, Any]) -> Iterator[Operation]:
    for route in app.routes:
        if isinstance(route, HTTPRoute) and route.path_format in doc["paths"]:
            for handler in route.route_handlers:
                for method in handler.http_methods:
                    said = doc["paths"][route.path_format].get(method.lower())
                    if said is not None:
                        yield Operation(route.path_format, method, handler, said)
