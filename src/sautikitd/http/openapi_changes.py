"""What a new OpenAPI document breaks for clients that were written against an older one."""

from collections.abc import Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]
_METHODS = ("get", "put", "post", "patch", "delete")


def breaking_changes(old: Document, new: Document) -> list[str]:
    """One sentence per break: removed paths, operations, parameters, answers, fields, values; new duties; other types.

    New paths, optional fields and values are no breaks: clients tolerate what they do not know.
    """
    asked = _asked_schemas(new)
    return [
        *_operations(old["paths"], new["paths"]),
        *(
            f"webhook {name}: removed"
            for name in old.get("webhooks", {})
            if name not in new.get("webhooks", {})
        ),
        *_components(old["components"]["schemas"], new["components"]["schemas"], asked),
    ]


def _operations(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for path, item in old.items():
        for method in _METHODS:
            if method not in item:
                continue
            name = f"{method.upper()} {path}"
            if method not in new.get(path, {}):
                yield f"{name}: removed"
            else:
                yield from _operation(name, item[method], new[path][method])


def _operation(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if old["operationId"] != new["operationId"]:
        yield f"{name}: operationId is {new['operationId']}, was {old['operationId']}"
    before = {(one["in"], one["name"]): one for one in old["parameters"]}
    after = {(one["in"], one["name"]): one for one in new["parameters"]}
    yield from (f"{name}: parameter {key[1]} removed" for key in before if key not in after)
    for key, parameter in after.items():
        if parameter["required"] and not before.get(key, {}).get("required", False):
            yield f"{name}: parameter {key[1]} is required now"
        if key in before:
            yield from _schema(
                f"{name}: parameter {key[1]}", before[key]["schema"], parameter["schema"], True
            )
    for status, response in old["responses"].items():
        if status not in new["responses"]:
            if status.startswith("2") or status.startswith("3"):
                yield f"{name}: answer {status} removed"
            continue
        gone = set(response.get("content", {})) - set(new["responses"][status].get("content", {}))
        yield from (
            f"{name}: answer {status} is no longer sent as {media_type}" for media_type in sorted(gone)
        )
    if "requestBody" in new and "requestBody" not in old:
        yield f"{name}: a body is required now"


def _components(old: Mapping[str, Any], new: Mapping[str, Any], asked: set[str]) -> Iterator[str]:
    for name, schema in old.items():
        if name in new:
            yield from _schema(name, schema, new[name], name in asked)


def _schema(where: str, old: Mapping[str, Any], new: Mapping[str, Any], asked: bool) -> Iterator[str]:
    """`asked`: clients send it, so that a new duty breaks them; what we send may say more, never less."""
    if "type" in old and "type" in new and old["type"] != new["type"]:
        yield f"{where}: is {new['type']}, was {old['type']}"
    yield from (
        f"{where}: value {value!r} removed"
        for value in old.get("enum", ())
        if value not in new.get("enum", [value])
    )
    before, after = set(old.get("required", ())), set(new.get("required", ()))
    if asked:
        yield from (f"{where}.{name}: required now" for name in sorted(after - before))
    else:
        yield from (f"{where}.{name}: no longer always there" for name in sorted(before - after))
    for name, schema in old.get("properties", {}).items():
        if name not in new.get("properties", {}):
            yield f"{where}.{name}: removed"
        else:
            yield from _schema(f"{where}.{name}", schema, new["properties"][name], asked)
    if "items" in old and "items" in new:
        yield from _schema(f"{where}[]", old["items"], new["items"], asked)


def _asked_schemas(document: Document) -> set[str]:
    """The components that stand in request bodies, through any number of references."""
    bodies = [
        item[method].get("requestBody", {})
        for item in document["paths"].values()
        for method in _METHODS
        if method in item
    ]
    found: set[str] = set()
    waiting = list(_references(bodies))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _references(document["components"]["schemas"].get(name, {}))
    return found


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].rpartition("/")[2]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
