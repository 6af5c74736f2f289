"""Refusals of the HTTP layer itself, and the envelope every refusal travels in."""

from collections.abc import Sequence

import msgspec

from sautikitd.errors import FieldProblem, Refusal


class ErrorBody(msgspec.Struct, omit_defaults=True):
    code: str
    message: str
    request_id: str
    docs_url: str
    fields: Sequence[FieldProblem] = ()


class ErrorEnvelope(msgspec.Struct):
    """What every refusal looks like."""

    error: ErrorBody


class MalformedRequest(Refusal):
    code = "request.malformed"
    status = 400
    message = "This is no whole HTTP request: {reason}."


class MalformedJson(Refusal):
    code = "request.malformed_json"
    status = 400
    message = "The body is not valid JSON: {reason}. Send one JSON object, UTF-8, without duplicate keys."


class NotFound(Refusal):
    code = "request.not_found"
    status = 404
    message = "There is nothing at this address. The paths of the API are listed in /openapi.json."


class MethodNotAllowed(Refusal):
    code = "request.method_not_allowed"
    status = 405
    message = "This address does not take {method}. It takes {allowed}."


class NotAcceptable(Refusal):
    code = "request.not_acceptable"
    status = 406
    message = "This address answers with {offered}; the Accept header asks for something else."


class BodyTooSlow(Refusal):
    code = "request.timeout"
    status = 408
    message = "The body did not arrive within {seconds} seconds. Send it again."


class BodyTooLarge(Refusal):
    code = "request.too_large"
    status = 413
    message = "The body is larger than {limit} bytes, the most this address takes."


class UnsupportedMediaType(Refusal):
    code = "request.unsupported_media_type"
    status = 415
    message = "Send the body as application/json, in UTF-8 and not compressed."


class InvalidCursor(Refusal):
    code = "request.invalid_cursor"
    status = 422
    message = "This cursor is not one of this list. Take `next_cursor` from the page before, or leave it out to start over."


class CredentialsMissing(Refusal):
    code = "api_key.missing"
    status = 401
    message = "Send your API key as `Authorization: Bearer tsk_…`."

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


class ScopeDenied(Refusal):
    code = "api_key.scope_denied"
    status = 403
    message = "This key lacks the scope `{scope}`. Make one that has it, or ask the owner of the workspace."


class AccountSuspended(Refusal):
    code = "account.suspended"
    status = 403
    message = "This workspace is suspended: records stay readable, nothing can be changed. Write to support to have it lifted."


class RateLimited(Refusal):
    code = "rate_limited"
    status = 429
    message = "Too many requests for this key. Wait for the seconds of Retry-After, then go on."


class IdempotencyKeyInvalid(Refusal):
    code = "idempotency.invalid_key"
    status = 400
    message = "An Idempotency-Key is 1 to 255 visible ASCII characters."


class IdempotencyConflict(Refusal):
    code = "idempotency.conflict"
    status = 409
    message = "This Idempotency-Key was used for another request in the last 24 hours. Use a new key for a new request."


class IdempotencyInProgress(Refusal):
    code = "idempotency.in_progress"
    status = 409
    message = (
        "A request with this Idempotency-Key is still running. Ask again after the seconds of Retry-After."
    )

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class ServiceUnavailable(Refusal):
    code = "service_unavailable"
    status = 503
    message = "The database cannot be reached right now. Nothing was changed; please try again in a moment."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "2"})


def envelope(refusal: Refusal, request_id: str, docs_base: str) -> ErrorEnvelope:
    docs_url = docs_url_of(refusal.code, docs_base)
    return ErrorEnvelope(ErrorBody(refusal.code, refusal.text, request_id, docs_url, refusal.fields))


def docs_url_of(code: str, docs_base: str) -> str:
    """The page about an error."""
    return f"{docs_base}/developers/errors/{code}"
