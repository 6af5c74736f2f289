"""What the numbers room refuses."""

from sautikitd.errors import Refusal


class NumberNotFound(Refusal):
    code = "numbers.not_found"
    status = 404
    message = (
        "There is no such number here. GET /v1/numbers lists yours, GET /v1/numbers/available those to claim."
    )


class NumberInactive(Refusal):
    code = "numbers.inactive"
    status = 409
    message = "{number} is {state} and cannot call. Top up the wallet, or use another number."


class AlreadyClaimed(Refusal):
    code = "numbers.already_claimed"
    status = 409
    message = "{e164} is not free (any more). GET /v1/numbers/available lists those that are."


class NoneAvailable(Refusal):
    code = "numbers.none_available"
    status = 409
    message = (
        "No number with the area code {area_code} is free at the moment. Try another area code, or later."
    )


class NotAssigned(Refusal):
    code = "numbers.not_assigned"
    status = 409
    message = "This number has been released; it cannot be changed any more."


class NumberDenied(Refusal):
    code = "api_key.number_denied"
    status = 403
    message = (
        "This key is limited to certain numbers, so it cannot claim others. Use a key without that limit."
    )
