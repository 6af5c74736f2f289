"""`/v1/calls/{id}`, live: replace the flow, send digits, start a recording."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from sautikitd.calls import commands, search
from sautikitd.calls.errors import CallNotFound, CallNotLive, Controlled, NodeSilent, NoFlow, NotAnswered
from sautikitd.calls.live_control import ControlCall
from sautikitd.calls.models import Call, CallRecord
from sautikitd.calls.requests import Actions, Url
from sautikitd.calls.search import CallSearch
from sautikitd.database.wake import Waker
from sautikitd.http.checks import Circumstances, Fault, present, rule
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.identity.principal import Scope


class PatchCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new flow: `actions` that run at once, or a `voice_callback_url` that is asked at once. With both, the actions
    run, and the URL is where `getDigits` asks by default."""

    actions: Actions | None = None
    voice_callback_url: Url | None = None

    @rule
    def says_something(self, _: Circumstances) -> Iterator[Fault]:
        if not present(self, ["actions", "voice_callback_url"]):
            yield Fault("", "give `actions`, `voice_callback_url` or both")


class SendDigits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """0-9 * # A-D; `w` waits half a second, `W` a whole one."""

    digits: Annotated[str, msgspec.Meta(pattern=r"^[0-9*#A-DwW]+$(?!\n)", min_length=1, max_length=100)]


class StartRecording(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`dual` has the far end on the left and our side on the right."""

    channels: Literal["mono", "dual"] = "mono"


class PatchedCall(msgspec.Struct, frozen=True):
    call: Call


class SentDigits(msgspec.Struct, frozen=True):
    """Handed to the node that runs the call, which sends them within a fraction of a second."""

    call_id: UUID
    count: int


class StartedRecording(msgspec.Struct, frozen=True):
    """Handed to the node that runs the call. The recording is at `/v1/recordings/{recording_id}` once it has begun."""

    call_id: UUID
    recording_id: UUID


class LiveCallRoutes:
    tag = "Calls"

    def __init__(self, control: ControlCall, finding: CallSearch, waker: Waker) -> None:
        self._control = control
        self._finding = finding
        self._waker = waker

    @endpoint(
        "PATCH",
        "/v1/calls/{call_id}",
        scope=Scope.CALLS_WRITE,
        body=PatchCall,
        answers={200: PatchedCall},
        errors=(CallNotFound, CallNotLive, NoFlow, Controlled, NodeSilent),
    )
    async def patch(self, request: ApiRequest[PatchCall, None]) -> Answer:
        """Replace the flow of a live call, inbound or outbound.

        What it does stops at once (a prompt is cut, a dialled leg is hung up) and the new flow begins; a call that
        waits or rings begins with it when it is answered.
        """
        wish, call = request.body, await _find(request)
        changed = await self._control.replace_flow(
            request.connection,
            call.id,
            actions=wish.actions,
            voice_callback_url=wish.voice_callback_url,
            now=request.now,
        )
        self._wake_node(request)
        return Answer(body=PatchedCall(await self._finding.whole(request.connection, changed)))

    @endpoint(
        "POST",
        "/v1/calls/{call_id}/dtmf",
        scope=Scope.CALLS_WRITE,
        body=SendDigits,
        answers={202: SentDigits},
        errors=(CallNotFound, CallNotLive, NotAnswered, NodeSilent),
    )
    async def dtmf(self, request: ApiRequest[SendDigits, None]) -> Answer:
        """Send key presses to the far end of an answered call, whatever it is doing.

        On a bridged call the path says to whom: the call itself to its own far end, the dialled leg to its.
        """
        call, digits = await _find(request), request.body.digits
        await self._control.send_digits(request.connection, call.id, digits, request.now)
        self._wake_node(request)
        return Answer(status=202, body=SentDigits(call.id, sum(digit not in "wW" for digit in digits)))

    @endpoint(
        "POST",
        "/v1/calls/{call_id}/recordings",
        scope=Scope.CALLS_WRITE,
        body=StartRecording,
        body_optional=True,
        answers={202: StartedRecording},
        errors=(CallNotFound, CallNotLive, NotAnswered, NodeSilent),
    )
    async def start_recording(self, request: ApiRequest[StartRecording, None]) -> Answer:
        """Start recording an answered call, both sides; pause, resume and stop it by its own id."""
        call = await _find(request)
        recording_id = await self._control.start_recording(
            request.connection, call.id, request.body.channels, request.now
        )
        self._wake_node(request)
        return Answer(
            status=202,
            body=StartedRecording(call.id, recording_id),
            headers={"Location": f"/v1/recordings/{recording_id}"},
        )

    def _wake_node(self, request: ApiRequest[Any, Any]) -> None:
        request.after_commit.append(lambda: self._waker.wake(commands.CHANNEL))


async def _find(request: ApiRequest[Any, Any]) -> CallRecord:
    principal, reference = request.principal, request.path["call_id"]
    call = await search.find(request.connection, principal.workspace_id, principal.mode, reference)
    if not principal.may_use_number(call.number_id):
        raise CallNotFound(reference=reference[:64])
    return call
