"""The operations of the OpenAPI document, and the objects that their bodies take."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.api.client import Answer
from tests.api.house import House

Path = tuple[str | int, ...]


class Operation(NamedTuple):
    """`body` is the schema of its JSON body, None without one; `good` are the statuses of success."""

    id: str
    method: str
    path: str
    good: frozenset[int]
    body: Any
    speaks_openai: bool

    def is_refused(self, answer: Answer, status: int, code: str) -> bool:
        """Say whether the answer is this refusal, as its front tells it."""
        if self.speaks_openai:
            told = "invalid_api_key" if status == 401 else code
            return (answer.status, answer.json["error"]["code"]) == (status, told)
        return (answer.status, answer.json["code"]) == (status, code)


class Document:
    def __init__(self, document: Any) -> None:
        self._schemas = document["components"]["schemas"]
        self.operations = {
            each.id: each
            for path, methods in document["paths"].items()
            for each in (_operation(path, *item) for item in methods.items())
        }

    @classmethod
    async def of(cls, house: House) -> "Document":
        return cls((await house.nobody.get("/openapi.json")).json)

    def closed(self, schema: Any, value: Any, at: Path = ()) -> Iterator[tuple[Path, set[str]]]:
        """Find the objects in `value` that take no other fields than their schema's, which are told too."""
        for kind in self._kinds(schema, value):
            if isinstance(value, dict):
                if kind.get("additionalProperties") is False:
                    yield at, set(kind["properties"])
                for name, field in kind.get("properties", {}).items():
                    if name in value:
                        yield from self.closed(field, value[name], (*at, name))
            if isinstance(value, list):
                for n, item in enumerate(value):
                    yield from self.closed(kind.get("items", {}), item, (*at, n))

    def _kinds(self, schema: Any, value: Any) -> Iterator[Any]:
        """Return what the schema may mean for this value: references followed, unions taken apart."""
        if "$ref" in schema:
            yield from self._kinds(self._schemas[schema["$ref"].rpartition("/")[2]], value)
            return
        for other in schema.get("anyOf", ()):
            yield from self._kinds(other, value)
        if "anyOf" not in schema and _fits(schema, value):
            yield schema


def _operation(path: str, method: str, given: Any) -> Operation:
    content = given.get("requestBody", {}).get("content", {})
    return Operation(
        id=given["operationId"],
        method=method.upper(),
        path=path,
        good=frozenset(int(s) for s in given["responses"] if s.isdecimal() and s < "300"),
        body=content.get("application/json", {}).get("schema"),
        speaks_openai=given["tags"] == ["OpenAI"],
    )


_TYPES: dict[type, str] = {dict: "object", list: "array"}


def _fits(schema: Any, value: Any) -> bool:
    """Say whether this may be the schema of the value, by its type and by its tags."""
    if schema.get("type") not in (None, _TYPES.get(type(value))):
        return False
    tags = {n: f["enum"] for n, f in schema.get("properties", {}).items() if "enum" in f}
    return not isinstance(value, dict) or all(
        value[name] in enum for name, enum in tags.items() if name in value
    )
