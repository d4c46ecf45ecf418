"""The public names of docs/library.md with their signatures, as text: read off the source, so that every Python tells the same.

python -m tests.docs.names      writes the snapshot anew
"""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/library.md"
SNAPSHOT = Path(__file__).with_name("public_names.txt")


def promised() -> dict[str, list[str]]:
    """Return the names that the page lists, by module."""
    rows = re.findall(r"^\| `(polyagent[\w.]*)` \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    return {module: re.findall(r"`(\w+)`", names) for module, names in rows}


def outline() -> str:
    lines = [
        line
        for module, names in promised().items()
        for name in names
        for line in _told(module, name)
    ]
    return "\n".join(lines) + "\n"


def _told(module: str, name: str) -> Iterator[str]:
    home = getattr(getattr(importlib.import_module(module), name), "__module__", module)
    file = importlib.import_module(home if home.startswith("polyagent") else module).__file__
    node = _definition(ast.parse(Path(str(file)).read_text()), name)
    match node:
        case ast.ClassDef():
            yield f"{module}.{_head(node)}"
            yield from (f"    {line}" for line in _members(node))
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield f"{module}.{name}{_signature(node)}"
        case _:
            yield f"{module}.{ast.unparse(node)}"


def _definition(tree: ast.Module, name: str) -> ast.stmt:
    for node in tree.body:
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef() if node.name == name:
                return node
            case ast.Assign(targets=[ast.Name(id=found)]) if found == name:
                return node
    raise AssertionError(f"{name} is defined nowhere")


def _head(node: ast.ClassDef) -> str:
    return f"{node.name}({', '.join(map(ast.unparse, [*node.bases, *node.keywords]))})"


def _members(node: ast.ClassDef) -> Iterator[str]:
    for member in node.body:
        match member:
            case ast.AnnAssign() | ast.Assign() if not ast.unparse(member).startswith("_"):
                yield ast.unparse(member)
            case ast.FunctionDef() | ast.AsyncFunctionDef() if _is_public(member.name):
                yield f"{_marks(member)}{member.name}{_signature(member)}"


def _is_public(name: str) -> bool:
    return not name.startswith("_") or name in ("__call__", "__init__")


def _marks(member: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    marks = [ast.unparse(mark) for mark in member.decorator_list]
    return "".join(f"@{mark} " for mark in marks) + (
        "async " if isinstance(member, ast.AsyncFunctionDef) else ""
    )


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"({ast.unparse(node.args)}){returned}"


if __name__ == "__main__":
    SNAPSHOT.write_text(outline())
