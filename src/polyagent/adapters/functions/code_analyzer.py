from typing import Annotated, Any

from msgspec import Meta

from polyagent.adapters.functions.function import Arguments, Function
from polyagent.adapters.functions.isolated.parent import Isolated
from polyagent.adapters.functions.isolated.requests import Source
from polyagent.domain.tool import CallContext

DESCRIPTION = (
    "Measures source code: for each function its lines, cyclomatic complexity and parameters, and "
    "warnings about what is too complex or too long. Say the language, or the name of the file."
)


class Code(Arguments, frozen=True):
    code: Annotated[str, Meta(max_length=200_000, description="The source text itself")]
    language: Annotated[str, Meta(max_length=50, description="For example python")] | None = None
    filename: Annotated[str, Meta(max_length=500, description="For example main.go")] | None = None


class CodeAnalyzer:
    def __init__(self, isolated: Isolated) -> None:
        self._isolated = isolated

    def function(self) -> Function:
        return Function(
            name="code_analyzer",
            description=DESCRIPTION,
            arguments=Code,
            call=self,
            effect="read",
            category="code",
            source="builtin",
        )

    async def __call__(self, arguments: Code, _: CallContext) -> Any:
        source = Source(
            code=arguments.code, language=arguments.language, filename=arguments.filename
        )
        return await self._isolated(source)
