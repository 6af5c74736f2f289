"""The OpenAPI 3.1 document, made from the same declarations that serve the requests."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from sautikitd import __version__
from sautikitd.errors import Invalid, Refusal
from sautikitd.http.aliases import ALIASES
from sautikitd.http.conventions import ANY_ORIGIN
from sautikitd.http.endpoint import Endpoint, contents_of
from sautikitd.http.errors import (
    AccountSuspended,
    BodyTooLarge,
    BodyTooSlow,
    CredentialsMissing,
    ErrorEnvelope,
    IdempotencyConflict,
    IdempotencyInProgress,
    IdempotencyKeyInvalid,
    InvalidCursor,
    MalformedJson,
    MalformedRequest,
    NotAcceptable,
    NotFound,
    RateLimited,
    ScopeDenied,
    ServiceUnavailable,
    UnsupportedMediaType,
)
from sautikitd.http.openapi_answers import add_examples
from sautikitd.http.openapi_errors import codes_of, table_of_codes
from sautikitd.http.openapi_examples import examples_of
from sautikitd.http.openapi_files import file_contents
from sautikitd.http.openapi_glossary import describe
from sautikitd.http.openapi_links import add_links
from sautikitd.http.openapi_parameters import REF as _REF
from sautikitd.http.openapi_parameters import parameters_of
from sautikitd.http.openapi_webhooks import TYPES, webhooks
from sautikitd.identity.keys.errors import KeyExpired, KeyInvalid, KeyRevoked, SourceDenied, TooManyBadKeys

_AUTHENTICATION = (
    *(CredentialsMissing, KeyInvalid, KeyRevoked, KeyExpired),
    *(SourceDenied, TooManyBadKeys, RateLimited),
)


def document(endpoints: Sequence[Endpoint], server: str) -> dict[str, Any]:
    endpoints = [endpoint for endpoint in endpoints if endpoint.documented]
    types = [kind for endpoint in endpoints for kind in _types(endpoint)]
    types += [*TYPES, ErrorEnvelope]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    _add_aliases(components)
    describe(components)
    schema_of = dict(zip(map(_key, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    names: set[str] = set()
    for endpoint in endpoints:
        operation = _operation(endpoint, schema_of) | {"operationId": _operation_id(endpoint, names)}
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    add_links(endpoints, paths)
    events = webhooks()
    add_examples(paths, events, components)
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
        "webhooks": events,
        "x-error-codes": table_of_codes(server),
        "components": {
            "schemas": components,
            "headers": _HEADERS,
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "tsk_live_… or tsk_test_…",
                    "description": "An API key. Its mode decides what it sees: live and test share nothing.",
                }
            },
        },
    }


def _add_aliases(components: dict[str, dict[str, Any]]) -> None:
    """Older spellings are taken too; the document marks them deprecated."""
    for name, aliases in ALIASES.items():
        properties = components.get(name, {}).get("properties", {})
        not_both = []
        for older, field in aliases.items():
            if field in properties:
                properties[older] = properties[field] | {
                    "deprecated": True,
                    "description": f"Older spelling of `{field}`; give one of them.",
                }
                not_both.append({"not": {"required": [older, field]}})
        if not_both:
            components[name]["allOf"] = not_both


def _types(endpoint: Endpoint) -> Iterable[Any]:
    if endpoint.body:
        yield endpoint.body
    if endpoint.query:
        yield endpoint.query
    for answer in endpoint.answers.values():
        for _, kind in contents_of(answer):
            if kind is not None:
                yield kind


def _key(kind: Any) -> str:
    return repr(kind)


def _operation(endpoint: Endpoint, schema_of: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "parameters": list(parameters_of(endpoint)),
        "responses": _responses(endpoint, schema_of),
        "security": [{"apiKey": []}] if endpoint.authenticated else [],
    }
    if endpoint.description:
        operation["description"] = endpoint.description
    if endpoint.scope:
        operation["x-scope"] = endpoint.scope
    if endpoint.body:
        described = {"schema": schema_of[_key(endpoint.body)], "examples": examples_of(endpoint.body)}
        content = {"application/json": described}
        operation["requestBody"] = {"required": not endpoint.body_optional, "content": content}
    if endpoint.takes_files:
        operation["requestBody"] = {"required": True, "content": file_contents(endpoint.takes_files)}
    return operation


def _operation_id(endpoint: Endpoint, taken: set[str]) -> str:
    """`calls_place`; where one method serves a second address, `calls_place_at_originate`."""
    name = f"{endpoint.tag.lower().replace(' ', '_')}_{endpoint.name}"
    if name in taken:
        name += f"_at_{endpoint.path.rstrip('}').rsplit('/', 1)[-1].strip('{')}"
    taken.add(name)
    return name


def _responses(endpoint: Endpoint, schema_of: dict[str, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, answer in endpoint.answers.items():
        response: dict[str, Any] = {"description": _DESCRIPTIONS.get(status, "Done.")}
        contents = contents_of(answer)
        if contents:
            response["content"] = {
                media_type: {"schema": schema_of[_key(kind)]} if kind is not None else {}
                for media_type, kind in contents
            }
        response["headers"] = _headers_of(endpoint, status)
        responses[str(status)] = response
    if endpoint.is_single_object:
        responses.setdefault("304", {"description": "Unchanged.", "headers": _headers_of(endpoint, 304)})
    refusals: dict[int, list[type[Refusal]]] = {}
    for error in _refusals(endpoint):
        refusals.setdefault(error.status, []).append(error)
    for status, errors in sorted(refusals.items()):
        responses[str(status)] = {
            "description": "\n\n".join(f"`{error.code}`: {error.message}" for error in errors),
            "x-error-codes": codes_of(errors),
            "content": {"application/json": {"schema": {"$ref": _REF.format(name="ErrorEnvelope")}}},
            "headers": _headers_of(endpoint, status),
        }
    return responses


def _headers_of(endpoint: Endpoint, status: int) -> dict[str, Any]:
    names = ["X-Request-Id"]
    if (endpoint.authenticated and status != 401) or endpoint.browser_safe:
        names += ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]
    if endpoint.browser_safe:
        names += ANY_ORIGIN
    if status == 201 or (status == 302 and 302 in endpoint.answers):
        names.append("Location")
    if endpoint.is_single_object and status in (200, 304):
        names.append("ETag")
    if endpoint.method == "POST" and endpoint.authenticated and status < 300:
        names.append("Idempotent-Replay")
    if status in (202, 409, 429, 503):
        names.append("Retry-After")
    if status == 401:
        names.append("WWW-Authenticate")
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names if name in _HEADERS}


def _refusals(endpoint: Endpoint) -> Iterable[type[Refusal]]:
    seen = list(endpoint.errors)
    if endpoint.needs_connection or endpoint.authenticated:
        seen += [ServiceUnavailable]
    if endpoint.media_types:
        seen += [NotAcceptable]
    if "{" in endpoint.path:
        seen += [NotFound]
    if endpoint.browser_safe:
        seen += [RateLimited]
    if endpoint.authenticated:
        seen += _AUTHENTICATION
        seen += [ScopeDenied] if endpoint.scope else []
        seen += [AccountSuspended] if endpoint.changes and not endpoint.allowed_while_suspended else []
    if endpoint.read_body:
        seen += [MalformedJson, Invalid, UnsupportedMediaType]
    if endpoint.changes:
        seen += [BodyTooLarge, BodyTooSlow, MalformedRequest]
    if endpoint.read_query:
        seen += [Invalid]
        seen += [InvalidCursor] if "cursor" in getattr(endpoint.query, "__struct_fields__", ()) else []
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


def _header(description: str, kind: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}


_HEADERS = {
    "X-Request-Id": _header("Names this request; tell us when something went wrong."),
    "RateLimit-Limit": _header("Requests that may come at once.", "integer"),
    "RateLimit-Remaining": _header("How many of them are left.", "integer"),
    "RateLimit-Reset": _header("Seconds until all are there again.", "integer"),
    "Retry-After": _header("Seconds to wait before asking again.", "integer"),
    "Location": _header("Where it is."),
    "ETag": _header("Changes when the answer does; for If-None-Match."),
    "Idempotent-Replay": _header("`true` where an Idempotency-Key brought the first answer again."),
    "WWW-Authenticate": _header("`Bearer`."),
    "Access-Control-Allow-Origin": _header("`*`: pages of any origin may read it."),
}
