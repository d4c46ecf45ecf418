"""The request as handlers get it: an actor, and a JSON body that was read strictly."""

import re
from functools import cache
from itertools import accumulate
from typing import Any

import msgspec
from litestar import Request
from litestar.datastructures import State

from polyagent.adapters.http.errors import MediaTypeUnsupported
from polyagent.domain.account import Actor, Claims
from polyagent.domain.errors import Invalid
from polyagent.domain.misfit import misfit

MAX_DEPTH = 64

# A text without an end counts as one: if it were none, each quote in it would be tried as a beginning.
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = dict(zip(b"[{]}", (1, 1, -1, -1), strict=True))
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Call(Request[Actor, Claims, State]):
    """`user` is the actor and `auth` its credentials, on every route but the public ones."""

    async def json(self) -> Any:
        """Decode the body as the type that the handler declares, without making numbers of texts.

        Raises `Invalid` with pointers to what is wrong, `MediaTypeUnsupported`.
        """
        self._require_json()
        field = self.route_handler.parsed_data_field
        return decoded(await self.body(), field.annotation if field else Any)

    def _require_json(self) -> None:
        media_type = self.headers.get("content-type", "application/json").partition(";")[0].strip()
        if media_type and not re.fullmatch(r"application/(?:[\w.-]+\+)?json", media_type.lower()):
            raise MediaTypeUnsupported(
                f"The body must be application/json, not {media_type[:100]}."
            )
        coding = self.headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            raise MediaTypeUnsupported(
                "The body must come as it is: leave Content-Encoding out.",
            )


def decoded(body: bytes, annotation: Any) -> Any:
    """Decode JSON that a client sent. Raises `Invalid` with pointers to what is wrong."""
    _require_shallow(body)
    if b"\\u0000" in body and _NUL.search(body):
        raise Invalid("The body has the character NUL in a text: it cannot be stored.")
    return _decode(body, annotation)


def _require_shallow(body: bytes) -> None:
    """Count without a loop of Python's over each byte; few bodies have so many brackets that it must be done."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return
    brackets = _TEXT.sub(b"", body).translate(None, _NO_BRACKETS)
    if max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > MAX_DEPTH:
        raise Invalid(f"The body is nested deeper than {MAX_DEPTH} levels.")


@cache
def _decoder(annotation: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(annotation)


def _decode(body: bytes, annotation: Any) -> Any:
    try:
        return _decoder(annotation).decode(body)
    except msgspec.ValidationError as error:
        raise misfit(error) from error
    except msgspec.DecodeError as error:
        raise Invalid(f"The body is no JSON: {error}.") from error
    except UnicodeDecodeError as error:
        raise Invalid("The body is not UTF-8.") from error
    except RecursionError as error:
        raise Invalid("The body is nested too deeply.") from error
