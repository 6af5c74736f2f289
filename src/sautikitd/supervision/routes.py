"""`/v1/calls/{id}/supervision`: listen to a call, whisper to its agent, or join it."""

from typing import Annotated, Any, Literal

import msgspec

from sautikitd.calls import commands, search
from sautikitd.calls.adding import AddLeg
from sautikitd.calls.charging import account_of
from sautikitd.calls.errors import CallNotFound, CallNotLive, NodeSilent, NotAnswered, NoTariff
from sautikitd.calls.lifecycle import first_seconds
from sautikitd.calls.live import lock_answered
from sautikitd.calls.models import CallRecord
from sautikitd.clock import Clock
from sautikitd.database.pool import Connection
from sautikitd.database.wake import Waker
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.http.fields import Dialled
from sautikitd.identity.principal import Scope
from sautikitd.numbering.errors import DestinationForbidden, EmergencyUnsupported
from sautikitd.numbers.errors import NumberInactive, NumberNotFound
from sautikitd.supervision.errors import NotSupervised, SupervisionInProgress, SupervisorNotConnected
from sautikitd.supervision.legs import supervisor_leg
from sautikitd.supervision.models import Supervision, SupervisionMode, SupervisorType, show_supervision
from sautikitd.supervision.service import Supervisions
from sautikitd.wallet.errors import InsufficientFunds
from sautikitd.wallet.prices import hold_amount
from sautikitd.wallet.service import Wallets

_PATH = "/v1/calls/{call_id}/supervision"
Mode = Literal["listen", "whisper", "barge"]
Label = Annotated[str, msgspec.Meta(max_length=64)]


class PhoneSupervisor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="phone"):
    """A telephone; its leg costs what a call to it costs, from answer to leave."""

    number: Annotated[Dialled, msgspec.Meta(min_length=1, max_length=64)]
    label: Label | None = None

    @property
    def address(self) -> str:
        return self.number


class ClientSupervisor(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="client"
):
    """A browser or app, by the identity of its token."""

    identity: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    label: Label | None = None

    @property
    def address(self) -> str:
        return self.identity


class SipSupervisor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="sip"):
    """A registered device, by its SIP address."""

    identity: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    label: Label | None = None

    @property
    def address(self) -> str:
        return self.identity


class BeginSupervision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`listen`: nobody hears the supervisor. `whisper`: the agent does, which is the leg that was dialled for the call
    (as long as there is none, nobody). `barge`: everybody does. `announce` tells the agent, or both parties, in
    words that somebody has come in. `notify_agent` is kept and told with the events."""

    mode: Mode
    supervisor: PhoneSupervisor | ClientSupervisor | SipSupervisor
    announce: Literal["none", "agent", "both"] = "none"
    label: Label | None = None
    notify_agent: bool = True


class ChangeSupervision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mode: Mode


class OneSupervision(msgspec.Struct, frozen=True):
    supervision: Supervision


class NewestSupervision(msgspec.Struct, frozen=True):
    """`supervision` is the newest there was, over or not; null when there was none."""

    supervision: Supervision | None


class SupervisionRoutes:
    tag = "Supervision"

    def __init__(
        self, supervisions: Supervisions, adding: AddLeg, wallets: Wallets, waker: Waker, clock: Clock
    ) -> None:
        self._supervisions = supervisions
        self._adding = adding
        self._wallets = wallets
        self._waker = waker
        self._clock = clock

    @endpoint(
        "POST",
        _PATH,
        scope=Scope.CALLS_SUPERVISE,
        body=BeginSupervision,
        answers={201: OneSupervision},
        errors=(
            *(CallNotFound, CallNotLive, NotAnswered, NodeSilent, SupervisionInProgress),
            *(DestinationForbidden, EmergencyUnsupported, NoTariff, InsufficientFunds),
            *(NumberNotFound, NumberInactive),
        ),
    )
    async def begin(self, request: ApiRequest[BeginSupervision, None]) -> Answer:
        """Have a supervisor called, who then hears an answered call.

        The supervisor's leg is a call of its own. It hears every party and what the platform plays to the caller, follows
        the call into and out of bridges, and ends with the call.
        """
        wish, call = request.body, await self._locked(request)
        kind = SupervisorType(str(type(wish.supervisor).__struct_config__.tag))
        await self._refuse_leg(request.connection, call, kind, wish.supervisor.address)
        columns: dict[str, Any] = {
            "supervision_mode": wish.mode,
            "announce": wish.announce,
            "notify_agent": wish.notify_agent,
            "label": wish.label or wish.supervisor.label,
            "supervisor_type": kind.value,
            "supervisor_address": wish.supervisor.address,
        }
        begun = await self._supervisions.begin(request.connection, call, columns, request.now)
        self._wake_node(request)
        return Answer(
            status=201,
            body=OneSupervision(show_supervision(begun, call.session_id)),
            headers={"Location": f"/v1/calls/{call.id}/supervision"},
        )

    @endpoint(
        "PATCH",
        _PATH,
        scope=Scope.CALLS_SUPERVISE,
        body=ChangeSupervision,
        answers={200: OneSupervision},
        errors=(CallNotFound, CallNotLive, NotAnswered, NodeSilent, NotSupervised, SupervisorNotConnected),
    )
    async def change(self, request: ApiRequest[ChangeSupervision, None]) -> Answer:
        """Change who hears the supervisor, at once."""
        call = await self._locked(request)
        mode = SupervisionMode(request.body.mode)
        changed = await self._supervisions.change(request.connection, call, mode, request.now)
        self._wake_node(request)
        return Answer(body=OneSupervision(show_supervision(changed, call.session_id)))

    @endpoint(
        "DELETE",
        _PATH,
        scope=Scope.CALLS_SUPERVISE,
        answers={200: NewestSupervision},
        errors=(CallNotFound,),
    )
    async def stop(self, request: ApiRequest[None, None]) -> Answer:
        """Hang up on the supervisor; the call goes on. Harmless when nobody supervises it."""
        call = await _supervised(request)
        newest = await self._supervisions.stop(request.connection, call, request.now)
        self._wake_node(request)
        shown = show_supervision(newest, call.session_id) if newest else None
        return Answer(body=NewestSupervision(shown))

    @endpoint(
        "GET",
        _PATH,
        scope=Scope.CALLS_READ,
        answers={200: NewestSupervision},
        errors=(CallNotFound,),
    )
    async def read(self, request: ApiRequest[None, None]) -> Answer:
        """Read the newest supervision of a call."""
        call = await _supervised(request)
        newest = await self._supervisions.newest(request.connection, call.id)
        return Answer(body=NewestSupervision(show_supervision(newest, call.session_id) if newest else None))

    async def _locked(self, request: ApiRequest[Any, Any]) -> CallRecord:
        call = await _supervised(request)
        return await lock_answered(request.connection, call.id, self._clock.now())

    async def _refuse_leg(
        self, connection: Connection, call: CallRecord, kind: SupervisorType, address: str
    ) -> None:
        """What speaks against the leg, as far as it is known before it is dialled."""
        wish = supervisor_leg(call, kind, address)
        rate = await self._adding.check(connection, call, wish)
        needed = hold_amount(first_seconds(wish.max_duration_s), rate)
        await self._wallets.check_funds(connection, account_of(call), needed)

    def _wake_node(self, request: ApiRequest[Any, Any]) -> None:
        request.after_commit.append(lambda: self._waker.wake(commands.CHANNEL))


async def _supervised(request: ApiRequest[Any, Any]) -> CallRecord:
    """The call the path names; for a leg of it, the call it was dialled for."""
    principal, reference = request.principal, request.path["call_id"]
    call = await search.find(request.connection, principal.workspace_id, principal.mode, reference)
    if not principal.may_use_number(call.number_id):
        raise CallNotFound(reference=reference[:64])
    if call.parent_call_id is None:
        return call
    return await search.find(
        request.connection, principal.workspace_id, principal.mode, str(call.parent_call_id)
    )
