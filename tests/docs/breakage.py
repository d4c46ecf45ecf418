"""What of a document breaks clients that were made from another: of the kinds that the contract rules out.

Operations, answers' fields and values that went; requests' fields that are new and required; types,
values and bounds of requests that became narrower; media types and parameters that went.
"""

from collections.abc import Iterator
from typing import Any

Said = dict[str, Any]

LEAST = ("minLength", "minItems", "minimum", "exclusiveMinimum")
MOST = ("maxLength", "maxItems", "maximum", "exclusiveMaximum")


def breakages(before: Said, after: Said) -> list[str]:
    found = dict.fromkeys(_documents(before, after))
    return list(found)


def _documents(before: Said, after: Said) -> Iterator[str]:
    for path, item in before["paths"].items():
        for method, operation in item.items():
            name = f"{method.upper()} {path}"
            now = after["paths"].get(path, {}).get(method)
            if now is None:
                yield f"{name} is gone"
            else:
                yield from _operations(name, operation, now, _Pair(before, after))


class _Pair:
    """Schemas of both documents beside each other; those that lead back to themselves are compared once."""

    def __init__(self, before: Said, after: Said) -> None:
        self._documents = before, after
        self._seen: set[tuple[str, str, bool]] = set()

    def compare(self, at: str, old: Said, new: Said, *, sent: bool) -> Iterator[str]:
        """`sent`: clients send it; else they get it."""
        pair = (str(old.get("$ref")), str(new.get("$ref")), sent)
        if "$ref" in old and pair in self._seen:
            return
        self._seen.add(pair)
        old, new = _found(self._documents[0], old), _found(self._documents[1], new)
        yield from _values(at, old, new, sent=sent)
        yield from _fields(at, old, new, sent=sent)
        if sent:
            yield from _bounds(at, old, new)
        for name, field in old.get("properties", {}).items():
            if name in new.get("properties", {}):
                yield from self.compare(f"{at}.{name}", field, new["properties"][name], sent=sent)
        if "items" in old and "items" in new:
            yield from self.compare(f"{at}[]", old["items"], new["items"], sent=sent)
        yield from self._options(at, _options(old), _options(new), sent=sent)

    def _options(
        self, at: str, old: dict[str, Said], new: dict[str, Said], *, sent: bool
    ) -> Iterator[str]:
        for name, option in old.items():
            if name in new:
                yield from self.compare(at, option, new[name], sent=sent)
            elif new:
                yield f"{at} is no more {name}"


def _operations(at: str, old: Said, new: Said, pair: _Pair) -> Iterator[str]:
    if old["operationId"] != new["operationId"]:
        yield f"{at} is called {new['operationId']} now"
    yield from _parameters(at, old, new, pair)
    yield from _contents(
        f"{at} body", old.get("requestBody"), new.get("requestBody"), pair, sent=True
    )
    for status, response in old["responses"].items():
        if status < "300" and status not in new["responses"]:
            yield f"{at} answers {status} no more"
        elif status < "300":
            yield from _contents(
                f"{at} {status}", response, new["responses"][status], pair, sent=False
            )
            gone = (
                response.get("headers", {}).keys()
                - new["responses"][status].get("headers", {}).keys()
            )
            yield from (f"{at} {status} has no header {name} any more" for name in sorted(gone))


def _parameters(at: str, old: Said, new: Said, pair: _Pair) -> Iterator[str]:
    was, now = ({(p["in"], p["name"]): p for p in op.get("parameters", ())} for op in (old, new))
    for key, parameter in was.items():
        if key not in now:
            yield f"{at} takes no {key[1]} any more"
        else:
            yield from pair.compare(
                f"{at} {key[1]}", parameter["schema"], now[key]["schema"], sent=True
            )
    for key, parameter in now.items():
        if parameter.get("required") and not was.get(key, {}).get("required"):
            yield f"{at} needs {key[1]} now"


def _contents(
    at: str, old: Said | None, new: Said | None, pair: _Pair, *, sent: bool
) -> Iterator[str]:
    if old is None:
        if new is not None and new.get("required"):
            yield f"{at} is needed now"
        return
    contents = (new or {}).get("content", {})
    for media_type, content in old.get("content", {}).items():
        if media_type not in contents:
            yield f"{at} is no more {media_type}"
        else:
            yield from pair.compare(
                at, content["schema"], contents[media_type]["schema"], sent=sent
            )


def _values(at: str, old: Said, new: Said, *, sent: bool) -> Iterator[str]:
    """A request's types and values may grow, an answer's types may shrink, and its values grow too."""
    was, now = _types(old), _types(new)
    if was and now:
        lost = was - now if sent else now - was
        yield from (f"{at} {'takes no' if sent else 'may be'} {kind} now" for kind in sorted(lost))
    before, after = (_enum(schema) for schema in (old, new))
    if after and before and (gone := before - after):
        yield f"{at} is no more any of {', '.join(sorted(map(str, gone)))}"
    if sent and after and not before:
        yield f"{at} is one of a few now"
    if not sent and before and not after:
        yield f"{at} is anything now"


def _fields(at: str, old: Said, new: Said, *, sent: bool) -> Iterator[str]:
    if old.get("properties", {}).keys() and "properties" in new:
        gone = old["properties"].keys() - new["properties"].keys()
        yield from (f"{at}.{name} is gone" for name in sorted(gone))
    was, now = set(old.get("required", ())), set(new.get("required", ()))
    if sent:
        yield from (f"{at}.{name} is needed now" for name in sorted(now - was))
    else:
        yield from (f"{at}.{name} may be absent now" for name in sorted(was - now))


def _bounds(at: str, old: Said, new: Said) -> Iterator[str]:
    for key in (*LEAST, *MOST, "pattern", "format", "additionalProperties"):
        was, now = old.get(key), new.get(key)
        if isinstance(was, dict) or isinstance(now, dict) or now is None or was == now:
            continue
        if key in LEAST and was is not None and now < was:
            continue
        if key in MOST and was is not None and now > was:
            continue
        if key == "additionalProperties" and now is not False:
            continue
        yield f"{at} has {key} {now} now"


def _options(schema: Said) -> dict[str, Said]:
    options = [each for key in ("anyOf", "oneOf") for each in schema.get(key, ())]
    return {str(each.get("$ref") or each.get("type")): each for each in options}


def _types(schema: Said) -> set[str]:
    kind = schema.get("type", [])
    return {kind} if isinstance(kind, str) else set(kind)


def _enum(schema: Said) -> set[Any]:
    return {schema["const"]} if "const" in schema else set(schema.get("enum", ()))


def _found(document: Said, schema: Said) -> Said:
    while "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        schema = document["components"]["schemas"][name]
    return schema
