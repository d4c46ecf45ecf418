"""Whether the document says what the server does: every answer that a test sees is held against it."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import jsonschema_rs
import msgspec
from litestar import Litestar
from litestar.di import Provide

Said = dict[str, Any]

PATTERNS = {"model_id": ".+"}
"""What a parameter can be, where it can have slashes."""


class Documented:
    """The operations of a document. Raises `AssertionError` for what it does not say."""

    def __init__(self, doc: Said) -> None:
        self._doc = doc
        self._validators: dict[str, jsonschema_rs.Validator] = {}

    def check_head(self, method: str, path: str, status: int, headers: Mapping[str, str]) -> None:
        found = self._response(method, path, status)
        if found is None:
            return
        at, response = found
        told = {name.lower() for name in response.get("headers", ())}
        wanted = {
            name.lower()
            for name in response.get("headers", ())
            if self._doc["components"]["headers"][name].get("required")
        }
        assert not (self._names & headers.keys()) - told, (at, headers)
        assert wanted <= headers.keys(), (at, headers)
        if "content-type" in headers:
            assert _media_type(headers) in response.get("content", {}), (at, headers)

    def check_answer(
        self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        found = self._response(method, path, status)
        if found is None or not body or method == "HEAD":
            return
        at, response = found
        media_type = _media_type(headers)
        content = response["content"][media_type]
        if media_type.endswith("json"):
            value = json.loads(body)
            self._require(at, content["schema"], value)
            if status >= 400:
                code = value["code"] if "code" in value else value["error"]["code"]
                assert code in self._codes(content), (at, code)
        elif media_type == "text/event-stream" and not path.startswith("/v1/"):
            for line in re.findall(rb"^data: (.*)$", body, re.MULTILINE):
                self._require(at, {"$ref": "#/components/schemas/Event"}, json.loads(line))

    def check_request(self, method: str, path: str, status: int, sent: bytes) -> None:
        """Hold what was taken against what the document says is taken."""
        operation = self._operation(method, path)
        if operation is None or status >= 400 or not sent or "requestBody" not in operation:
            return
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        self._require(f"the body of {operation['operationId']}", schema, json.loads(sent))

    @cached_property
    def _names(self) -> set[str]:
        return {name.lower() for name in self._doc["components"]["headers"]}

    def _codes(self, content: Said) -> set[str]:
        examples = self._doc["components"]["examples"]
        found = (examples[each["$ref"].rpartition("/")[2]] for each in content["examples"].values())
        values = [example["value"] for example in found]
        return {value.get("code") or value["error"]["code"] for value in values}

    def _response(self, method: str, path: str, status: int) -> tuple[str, Said] | None:
        operation = self._operation(method, path)
        if operation is None:
            return None
        at = f"{operation['operationId']} {status}"
        responses = operation["responses"]
        if status == 500:
            return at, responses["default"]
        assert str(status) in responses, f"{at} is not documented"
        return at, responses[str(status)]

    def _operation(self, method: str, path: str) -> Said | None:
        path = path.partition("?")[0].rstrip("/")
        for pattern, operations in self._paths:
            if pattern.fullmatch(path):
                found: Said | None = operations.get({"HEAD": "get"}.get(method, method.lower()))
                return found
        return None

    @cached_property
    def _paths(self) -> list[tuple[re.Pattern[str], Said]]:
        """Those without parameters first."""
        templates = sorted(self._doc["paths"], key=lambda path: path.count("{"))
        return [(re.compile(_pattern(each)), self._doc["paths"][each]) for each in templates]

    def _require(self, at: str, schema: Said, value: Any) -> None:
        key = json.dumps(schema)
        if key not in self._validators:
            whole = {**schema, "components": {"schemas": self._doc["components"]["schemas"]}}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        faults = [
            f"{fault.message} at {fault.instance_path}"
            for fault in _faults(self._validators[key], value)
        ]
        assert not faults, (at, faults)


def _faults(validator: jsonschema_rs.Validator, value: Any) -> Iterator[Any]:
    return iter(list(validator.iter_errors(value))[:3])


def _media_type(headers: Mapping[str, str]) -> str:
    return headers["content-type"].partition(";")[0].strip()


def _pattern(template: str) -> str:
    parts = re.split(r"\{(\w+)\}", template)
    return "".join(
        PATTERNS.get(part, "[^/]+") if n % 2 else re.escape(part) for n, part in enumerate(parts)
    )


def document_of(app: Litestar) -> Any:
    """Return the document as the application gives it."""
    provided = app.dependencies["document"]
    assert isinstance(provided, Provide)
    document = provided.dependency()
    return msgspec.json.decode(document.json)


_known: list[Documented] = []


def documented(app: Litestar) -> Documented:
    """Return what the document of such applications says; all of a process have the same."""
    if not _known:
        _known.append(Documented(document_of(app)))
    return _known[0]
