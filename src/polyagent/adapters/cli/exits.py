"""Exit codes: 0, 1 it failed while running, 2 wrong usage, 3 wrong configuration or environment."""

import os
from typing import Any

import rich_click as click

from polyagent.domain.errors import (
    Conflict,
    Forbidden,
    Impossible,
    Invalid,
    Limited,
    NotFound,
    PolyAgentError,
    Unauthenticated,
)

FAILED = 1
WRONG_ENVIRONMENT = 3


class Failed(PolyAgentError):
    """It failed while running."""


_FAILURES = (
    *(Failed, Conflict, Forbidden, Impossible),
    *(Invalid, Limited, NotFound, Unauthenticated),
)


class Commands(click.RichGroup):
    """Tells an error of ours in one line on stderr and ends with the code that fits it."""

    def invoke(self, ctx: click.Context) -> Any:
        if os.environ.get("NO_COLOR"):  # https://no-color.org
            ctx.color = False
        try:
            return super().invoke(ctx)
        except PolyAgentError as error:
            click.echo(f"polyagent: {' '.join(error.detail.split())}", err=True)
            return ctx.exit(_code(error))


def _code(error: PolyAgentError) -> int:
    return FAILED if isinstance(error, _FAILURES) else WRONG_ENVIRONMENT
