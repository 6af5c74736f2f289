"""The OpenAPI 3.1 document, made from the same declarations that serve the requests."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from sautikitd import __version__
from sautikitd.errors import Invalid, Refusal
from sautikitd.http.aliases import ALIASES
from sautikitd.http.endpoint import Endpoint
from sautikitd.http.errors import (
    AccountSuspended,
    BodyTooLarge,
    CredentialsMissing,
    ErrorEnvelope,
    IdempotencyConflict,
    IdempotencyInProgress,
    IdempotencyKeyInvalid,
    MalformedJson,
    RateLimited,
    ScopeDenied,
    UnsupportedMediaType,
)

_REF = "#/components/schemas/{name}"
_PATH_PARAMETER = re.compile(r"\{(\w+)\}")


def document(endpoints: Sequence[Endpoint], server: str) -> dict[str, Any]:
    endpoints = [endpoint for endpoint in endpoints if endpoint.documented]
    types = [kind for endpoint in endpoints for kind in _types(endpoint)]
    schemas, components = msgspec.json.schema_components([*types, ErrorEnvelope], ref_template=_REF)
    _add_aliases(components)
    schema_of = dict(zip(map(_key, [*types, ErrorEnvelope]), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    names: set[str] = set()
    for endpoint in endpoints:
        operation = _operation(endpoint, schema_of) | {"operationId": _operation_id(endpoint, names)}
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sautikit API",
            "version": __version__,
            "summary": "Programmable voice for Kenya.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "tags": [{"name": tag} for tag in dict.fromkeys(endpoint.tag for endpoint in endpoints)],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "apiKey": {"type": "http", "scheme": "bearer", "bearerFormat": "tsk_live_… or tsk_test_…"}
            },
        },
    }


def _add_aliases(components: dict[str, dict[str, Any]]) -> None:
    """Older spellings are taken too; the document marks them deprecated."""
    for name, aliases in ALIASES.items():
        properties = components.get(name, {}).get("properties", {})
        for older, field in aliases.items():
            if field in properties:
                properties[older] = properties[field] | {
                    "deprecated": True,
                    "description": f"Older spelling of `{field}`.",
                }


def _types(endpoint: Endpoint) -> Iterable[Any]:
    if endpoint.body:
        yield endpoint.body
    if endpoint.query:
        yield endpoint.query
    for answer in endpoint.answers.values():
        if answer is not None and not isinstance(answer, str):
            yield answer


def _key(kind: Any) -> str:
    return repr(kind)


def _operation(endpoint: Endpoint, schema_of: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint), *_headers(endpoint)],
        "responses": _responses(endpoint, schema_of),
        "security": [{"apiKey": []}] if endpoint.authenticated else [],
    }
    if endpoint.description:
        operation["description"] = endpoint.description
    if endpoint.scope:
        operation["x-scope"] = endpoint.scope
    if endpoint.body:
        content = {"application/json": {"schema": schema_of[_key(endpoint.body)]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _operation_id(endpoint: Endpoint, taken: set[str]) -> str:
    """`calls_place`; where one method serves a second address, `calls_place_at_originate`."""
    name = f"{endpoint.tag.lower().replace(' ', '_')}_{endpoint.name}"
    if name in taken:
        name += f"_at_{endpoint.path.rstrip('}').rsplit('/', 1)[-1].strip('{')}"
    taken.add(name)
    return name


def _path_parameters(endpoint: Endpoint) -> Iterable[dict[str, Any]]:
    for name in _PATH_PARAMETER.findall(endpoint.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameters(endpoint: Endpoint) -> Iterable[dict[str, Any]]:
    if not endpoint.query:
        return
    for field in msgspec.structs.fields(endpoint.query):
        (schema,), _ = msgspec.json.schema_components([field.type], ref_template=_REF)
        if isinstance(field.default, bool | int | str):
            schema["default"] = field.default
        yield {
            "name": field.encode_name,
            "in": "query",
            "required": field.required,
            "description": schema.pop("description", ""),
            "schema": schema,
        }


def _headers(endpoint: Endpoint) -> Iterable[dict[str, Any]]:
    if endpoint.method == "POST" and endpoint.authenticated:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "1 to 255 visible ASCII characters. The same key and body within 24 hours get the first answer again.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        }


def _responses(endpoint: Endpoint, schema_of: dict[str, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, answer in endpoint.answers.items():
        responses[str(status)] = {"description": _DESCRIPTIONS.get(status, "Done.")}
        if isinstance(answer, str):
            responses[str(status)]["content"] = {answer: {}}
        elif answer is not None:
            responses[str(status)]["content"] = {"application/json": {"schema": schema_of[_key(answer)]}}
    refusals: dict[int, list[type[Refusal]]] = {}
    for error in _refusals(endpoint):
        refusals.setdefault(error.status, []).append(error)
    for status, errors in sorted(refusals.items()):
        responses[str(status)] = {
            "description": "\n\n".join(f"`{error.code}`: {error.message}" for error in errors),
            "content": {"application/json": {"schema": {"$ref": _REF.format(name="ErrorEnvelope")}}},
        }
    return responses


def _refusals(endpoint: Endpoint) -> Iterable[type[Refusal]]:
    seen = list(endpoint.errors)
    if endpoint.authenticated:
        seen += [CredentialsMissing, RateLimited]
        seen += [ScopeDenied] if endpoint.scope else []
        seen += [AccountSuspended] if endpoint.changes and not endpoint.allowed_while_suspended else []
    if endpoint.body:
        seen += [MalformedJson, Invalid, BodyTooLarge, UnsupportedMediaType]
    if endpoint.query:
        seen += [Invalid]
    if endpoint.method == "POST" and endpoint.authenticated:
        seen += [IdempotencyKeyInvalid, IdempotencyConflict, IdempotencyInProgress]
    return dict.fromkeys(seen)


_DESCRIPTIONS = {
    200: "Done.",
    201: "Made. `Location` says where it is.",
    202: "Accepted; not ready yet.",
    204: "Done; nothing to say.",
    302: "Found at `Location`.",
}
