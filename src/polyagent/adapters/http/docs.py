"""The documentation: the OpenAPI and AsyncAPI documents, and a page that reads it and contacts no other host."""

from pathlib import Path

from litestar import Controller, Response, Router, get
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency
from litestar.static_files import create_static_files_router

from polyagent.adapters.http.asyncapi.document import asyncapi
from polyagent.adapters.http.openapi.document import Document

STATIC = Path(__file__).parent / "static"
FILES_S = 3600

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


class DocsController(Controller):
    include_in_schema = False

    @get("/openapi.json", permission="public")
    async def document(self, document: NamedDependency[Document]) -> Response[bytes]:
        return Response(document.json, media_type="application/json")

    @get("/asyncapi.json", permission="public")
    async def sockets(self) -> Response[bytes]:
        return Response(asyncapi(), media_type="application/json")

    @get("/docs", permission="public")
    async def page(self) -> Response[bytes]:
        page = (STATIC / "index.html").read_bytes()
        headers = {"Content-Security-Policy": CSP}
        return Response(page, media_type="text/html", headers=headers)


def docs_files() -> Router:
    return create_static_files_router(
        "/docs/assets",
        [STATIC],
        opt={"permission": "public"},
        cache_control=CacheControlHeader(max_age=FILES_S),
    )
