"""What children are asked. The server imports this, and none of the libraries that they use."""

from typing import ClassVar, Literal

import msgspec

Action = Literal["log", "show", "diff", "branches", "file"]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """`MODULE` is run to answer it."""

    MODULE: ClassVar[str]


class Source(Request, frozen=True, kw_only=True):
    """`language`, or else the name of its file, says how to read `code`."""

    MODULE: ClassVar[str] = "polyagent.adapters.functions.isolated.code_metrics"

    code: str
    language: str | None
    filename: str | None


class Question(Request, frozen=True, kw_only=True):
    """`allowed` are the operator's directories, all else is the model's. `base` None: the first parent."""

    MODULE: ClassVar[str] = "polyagent.adapters.functions.isolated.git_reading"

    allowed: tuple[str, ...]
    repository: str
    action: Action
    revision: str
    base: str | None
    path: str | None
    limit: int
