from typing import Annotated, Any

from msgspec import Meta

from polyagent.adapters.functions.function import Arguments, Function
from polyagent.adapters.functions.isolated.parent import Isolated
from polyagent.adapters.functions.isolated.requests import Action, Question
from polyagent.domain.tool import CallContext

DESCRIPTION = (
    "Reads a git repository on the server. Actions: `log` (commits up to `revision`, of `path` if "
    "given), `show` (a commit with its patch), `diff` (from `base` to `revision`), `branches`, "
    "`file` (the file or directory `path` as it was at `revision`). Nothing is ever changed."
)
NOT_ALLOWED = (
    "No repository may be read here. The operator allows directories in the setting "
    "tools.git_repositories, or POLYAGENT_TOOLS__GIT_REPOSITORIES in the environment."
)

Revision = Annotated[
    str, Meta(min_length=1, max_length=200, description="A branch, a tag or a commit; HEAD~2 too")
]


class Look(Arguments, frozen=True):
    action: Action
    repository: Annotated[
        str, Meta(max_length=1000, description="Its path, or its name below an allowed directory")
    ] = "."
    revision: Revision = "HEAD"
    base: Revision | None = None
    path: Annotated[str, Meta(max_length=1000)] | None = None
    limit: Annotated[int, Meta(ge=1, le=50, description="How many commits `log` shows")] = 10


class GitHelper:
    def __init__(self, isolated: Isolated, repositories: tuple[str, ...]) -> None:
        self._isolated = isolated
        self._repositories = repositories

    def function(self) -> Function:
        return Function(
            name="git_helper",
            description=DESCRIPTION,
            arguments=Look,
            call=self,
            effect="read",
            category="code",
            source="builtin",
            unavailable_reason=None if self._repositories else NOT_ALLOWED,
        )

    async def __call__(self, arguments: Look, _: CallContext) -> Any:
        question = Question(
            allowed=self._repositories,
            repository=arguments.repository,
            action=arguments.action,
            revision=arguments.revision,
            base=arguments.base,
            path=arguments.path,
            limit=arguments.limit,
        )
        return await self._isolated(question)
