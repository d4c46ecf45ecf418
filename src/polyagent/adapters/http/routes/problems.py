from html import escape

import msgspec
from litestar import Controller, Response, get
from litestar.params import FromPath

from polyagent.adapters.http.call import Call
from polyagent.adapters.http.catalogue import CATALOGUE, title
from polyagent.domain.errors import NotFound

CSP = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


class ProblemKind(msgspec.Struct, frozen=True):
    """What a `code` of a problem means."""

    type: str
    code: str
    title: str
    status: int
    advice: str


class ProblemController(Controller):
    path = "/problems"
    tags = ("Operation",)

    @get("/{code:str}", permission="public", operation_id="get_problem")
    async def read(self, request: Call, code: FromPath[str]) -> Response[ProblemKind | str]:
        """Read what an error's code means

        The `type` of a problem leads here. JSON, or a page for `Accept: text/html`.
        """
        if code not in CATALOGUE:
            raise NotFound("There is no such code.")
        found = CATALOGUE[code]
        kind = ProblemKind(f"/problems/{code}", code, title(code), found.status, found.advice)
        wanted = request.accept.best_match(["application/json", "text/html"])
        if wanted != "text/html":
            return Response(kind, media_type="application/json")
        return Response(
            _page(kind), media_type="text/html", headers={"Content-Security-Policy": CSP}
        )


def _page(kind: ProblemKind) -> str:
    name = escape(kind.title)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title>'
        f"<h1>{name}</h1><p><code>{escape(kind.code)}</code>, status {kind.status}</p>"
        f"<p>{escape(kind.advice)}</p></html>"
    )
