"""Measures source text with lizard. https://github.com/terryyin/lizard"""

from collections.abc import Iterator
from typing import Any

import lizard
import msgspec

from polyagent.adapters.functions.isolated.child import serve
from polyagent.adapters.functions.isolated.requests import Source
from polyagent.domain.errors import ToolFailed

ALSO_CALLED = {"c++": "cpp", "c#": "csharp", "golang": "go"}
MAX_FUNCTIONS = 200
MAX_NAME = 200
MAX_COMPLEXITY = 15
MAX_LINES = 100
MAX_PARAMETERS = 7


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """`nloc`: lines of code without comments and blank ones."""

    name: str
    start_line: int
    end_line: int
    nloc: int
    cyclomatic_complexity: int
    parameters: list[str]


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """`functions` are in the order of the text; where there are too many, the most complex ones."""

    language: str
    nloc: int
    function_count: int
    functions: list[Measured]
    warnings: list[str]


def measure(source: Source) -> Metrics:
    """Raises `ToolFailed` if the language is not known."""
    reader = _reader(source)
    found = lizard.analyze_file.analyze_source_code(f"source.{reader.ext[0]}", source.code)
    by_complexity = sorted(found.function_list, key=lambda f: -f.cyclomatic_complexity)
    kept = sorted(by_complexity[:MAX_FUNCTIONS], key=lambda f: f.start_line)
    functions = [_measured(function) for function in kept]
    return Metrics(
        language=reader.language_names[0],
        nloc=found.nloc,
        function_count=len(found.function_list),
        functions=functions,
        warnings=[warning for function in functions for warning in _warnings(function)],
    )


def _reader(source: Source) -> Any:
    if source.language is not None:
        said = source.language.strip().lower()
        wanted = ALSO_CALLED.get(said, said)
        for reader in lizard.languages():
            if wanted in {name.lower() for name in (*reader.language_names, *reader.ext)}:
                return reader
    elif source.filename is not None and (found := lizard.get_reader_for(source.filename)):
        return found
    known = ", ".join(reader.language_names[0] for reader in lizard.languages())
    raise ToolFailed(f"Give a `language` or a `filename` that says one; known are {known}.")


def _measured(function: Any) -> Measured:
    return Measured(
        name=function.name[:MAX_NAME],
        start_line=function.start_line,
        end_line=function.end_line,
        nloc=function.nloc,
        cyclomatic_complexity=function.cyclomatic_complexity,
        parameters=[name[:MAX_NAME] for name in function.parameters[:50]],
    )


def _warnings(function: Measured) -> Iterator[str]:
    where = f"{function.name} (line {function.start_line})"
    if function.cyclomatic_complexity > MAX_COMPLEXITY:
        yield f"{where}: complexity {function.cyclomatic_complexity}, over {MAX_COMPLEXITY}."
    if function.nloc > MAX_LINES:
        yield f"{where}: {function.nloc} lines, over {MAX_LINES}."
    if len(function.parameters) > MAX_PARAMETERS:
        yield f"{where}: {len(function.parameters)} parameters, over {MAX_PARAMETERS}."


if __name__ == "__main__":
    serve(measure, Source)
