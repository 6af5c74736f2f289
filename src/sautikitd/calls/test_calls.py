"""`POST /v1/test/calls`: a simulated caller rings a number of the workspace (contract §9)."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from sautikitd.calls import queue, repository
from sautikitd.calls.errors import NumberInactive, NumberNotFound
from sautikitd.calls.models import Call, CallRecord
from sautikitd.calls.session_ids import SessionIds
from sautikitd.calls.views import show_call
from sautikitd.clock import Clock
from sautikitd.database.pool import Connection
from sautikitd.database.wake import Waker
from sautikitd.errors import FieldProblem, Invalid, Refusal
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.identity.principal import Principal, Scope
from sautikitd.ids import uuid7
from sautikitd.numbering.parse import parse_number
from sautikitd.numbering.problems import BadNumber
from sautikitd.numbers.repository import find_owned

DEFAULT_CALLER = "+254711000001"


class TestModeOnly(Refusal):
    __test__ = False  # no test class of pytest's, though its name begins so
    code = "test.live_key"
    status = 403
    message = "This address works with a test key (tsk_test_…) only: no phone is rung, no money moves."


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing the simulated caller does; exactly one of the fields, and `language` beside `say`."""

    wait: Annotated[float, msgspec.Meta(ge=0, le=600)] | None = None
    press: Annotated[str, msgspec.Meta(pattern="^[0-9*#A-DwW]{1,64}$")] | None = None
    say: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)] | None = None
    language: Literal["en-KE", "sw-KE"] | None = None
    listen: Annotated[float, msgspec.Meta(ge=0, le=600)] | None = None
    hangup: Literal[True] | None = None

    def problems(self) -> Iterator[tuple[str, str]]:
        given = [
            name for name in ("wait", "press", "say", "listen", "hangup") if getattr(self, name) is not None
        ]
        if len(given) != 1:
            yield "", f"a step is exactly one of wait, press, say, listen, hangup; this one has {len(given)}"


class RingNumber(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}
):
    """Rings `to`, a claimed test number. Without a script the caller listens until he is hung up on."""

    to: str
    from_: str = DEFAULT_CALLER
    script: Annotated[list[Step], msgspec.Meta(max_length=50)] = []


class RungCall(msgspec.Struct, frozen=True):
    call_id: UUID
    session_id: str
    status: str
    call: Call


class TestCalls:
    """Makes inbound calls that a voice node claims like any other, and has the carrier place."""

    __test__ = False

    def __init__(self, sessions: SessionIds, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    async def ring(self, connection: Connection, principal: Principal, wish: RingNumber) -> CallRecord:
        if principal.mode != "test":
            raise TestModeOnly
        called, caller = self._parsed(wish.to, "/to"), self._parsed(wish.from_, "/from")
        number = await find_owned(connection, principal.workspace_id, principal.mode, called)
        if number is None or not principal.may_use_number(number.id):
            raise NumberNotFound(number=called)
        if number.status not in ("active", "past_due"):
            raise NumberInactive(number=called, state=number.status)
        now = self._clock.now()
        values: dict[str, Any] = {
            "id": uuid7(),
            "session_id": self._sessions.of(await repository.next_session_number(connection)),
            "workspace_id": principal.workspace_id,
            "mode": principal.mode,
            "number_id": number.id,
            "direction": "inbound",
            "from_address": caller,
            "to_address": called,
            "local_e164": called,
            "remote_e164": caller,
            "country": "KE",
            "events_url": number.events_url,
            "voice_callback_url": number.voice_callback_url,
            "voice_method": number.voice_method,
            "fallback_url": number.fallback_url,
            "callback_format": number.callback_format,
            "forward_to": number.forward_to,
            "record": "mono" if number.record_calls else None,
            "test_script": [msgspec.to_builtins(step) for step in wish.script],
            "api_key_id": principal.id,
            "created_at": now,
            "updated_at": now,
        }
        return await repository.insert(connection, values)

    @staticmethod
    def _parsed(raw: str, pointer: str) -> str:
        parsed = parse_number(raw, test_mode=True)
        if isinstance(parsed, BadNumber):
            raise Invalid(fields=[FieldProblem(pointer, parsed.reason)])
        return parsed.e164


class TestCallRoutes:
    __test__ = False
    tag = "Test mode"

    def __init__(self, test_calls: TestCalls, waker: Waker) -> None:
        self._test_calls = test_calls
        self._waker = waker

    @endpoint(
        "POST",
        "/v1/test/calls",
        scope=Scope.CALLS_WRITE,
        body=RingNumber,
        answers={201: RungCall},
        errors=(TestModeOnly, NumberNotFound, NumberInactive),
    )
    async def ring(self, request: ApiRequest[RingNumber, None]) -> Answer:
        """Ring one of your test numbers from a simulated caller.

        The call is real in every part: your voice callback is asked, the flow runs, events are sent. The caller
        follows `script`: waits, presses keys, speaks, listens, hangs up.
        """
        call = await self._test_calls.ring(request.connection, request.principal, request.body)
        request.after_commit.append(lambda: self._waker.wake(queue.CHANNEL))
        rung = RungCall(call.id, call.session_id, call.status, show_call(call))
        return Answer(status=201, body=rung, headers={"Location": f"/v1/calls/{call.id}"})
