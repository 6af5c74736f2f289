"""The one hierarchy of refusals. A room's own are in its `errors.py`; each says what to do."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec


class FieldProblem(msgspec.Struct, frozen=True):
    """One bad field: `pointer` is a JSON pointer (RFC 6901) into the body, `?name` for a query parameter, or the name of
    a header."""

    pointer: str
    problem: str


class ToldBy(StrEnum):
    """Where a code is met."""

    ANSWER = "answer"  # of the API
    CALL = "call"  # why a leg or a device's call was not placed: in events, callbacks and SIP
    OPERATOR = "operator"  # by the commands of those who run the platform


class Refusal(Exception):
    """A request refused: nothing was changed. Shown to clients as `{"error": {code, message, …}}`.

    Subclasses set `code` (dotted, stable, one page each in the docs), `status` (HTTP) and `message`,
    which says what is wrong and what to do about it. `message` may hold `{placeholders}` filled from
    keyword arguments. `told_first`: of several things wrong with a request, this one gives the code.
    """

    told_by = ToldBy.ANSWER
    told_first = False
    code = "internal_error"
    status = 500
    message = (
        "Something went wrong on our side. Nothing was changed; please try again, or send us the request id."
    )

    def __init__(
        self,
        *,
        fields: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
        **values: object,
    ) -> None:
        self.fields = tuple(fields)
        self.headers = dict(headers or {})
        self.text = self.message.format(**values) if values else self.message
        super().__init__(self.text)


class Invalid(Refusal):
    code = "request.invalid"
    status = 422
    message = "Some fields of the request are not valid; `fields` says which and why."
