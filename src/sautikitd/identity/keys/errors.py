"""Refusals of API keys."""

from sautikitd.errors import Refusal


class _Unauthenticated(Refusal):
    status = 401

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


class KeyInvalid(_Unauthenticated):
    code = "api_key.invalid"
    message = (
        "This is not a valid API key. Check that it was copied whole; keys start with tsk_live_ or tsk_test_."
    )


class KeyRevoked(_Unauthenticated):
    code = "api_key.revoked"
    message = "This API key has been revoked. Use another one, or make a new one."


class KeyExpired(_Unauthenticated):
    code = "api_key.expired"
    message = "This API key has expired. Use another one, or make a new one."


class SourceDenied(Refusal):
    code = "api_key.source_denied"
    status = 403
    message = (
        "This API key may not be used from the address {source}. Its owner can add the address to the key."
    )


class TooManyBadKeys(Refusal):
    code = "rate_limited"
    status = 429
    message = (
        "Too many requests with a wrong API key came from this address. A right key is never refused for it."
    )

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "10", "WWW-Authenticate": "Bearer"})


class KeyNotFound(Refusal):
    code = "api_key.not_found"
    status = 404
    message = "There is no API key with this id in this workspace and mode."


class KeyNotActive(Refusal):
    code = "api_key.not_active"
    status = 409
    message = "Only a key that is in force can be rolled; this one is {state}."


class BeyondOwnRights(Refusal):
    code = "api_key.beyond_own_rights"
    status = 403
    message = "A key cannot make or roll a key with more rights than its own: {what}."
