"""Calls that devices make: looked at, entered in the books, and put through to whom they dialled."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog

from sautikitd.calls.errors import CallsPerSecondReached, ConcurrencyReached
from sautikitd.calls.from_devices import DeviceDialled, PlaceDeviceCall
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus, HangupBy, HangupCause
from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.devices.credentials import SipCredentials
from sautikitd.errors import Refusal
from sautikitd.flow.port import DialRecording, DialSpec, DialStatus, LegGone
from sautikitd.flow.verbs.play import CADENCES, ToneName
from sautikitd.node.answer_entry import AnswerEntry
from sautikitd.node.devices.answers import DeviceAnswer, of_dialled, of_refusal
from sautikitd.node.devices.media import codecs_for, encryption_for
from sautikitd.node.dialling.dial import CallDialler
from sautikitd.node.dialling.legs import ending_of
from sautikitd.node.dialling.means import Dialling
from sautikitd.node.emergency_notice import EmergencyNotice
from sautikitd.numbering.errors import EmergencyUnsupported
from sautikitd.voice.inbound_leg import InboundLeg
from sautikitd.voice.leg import LegEnd, MediaLeg
from sautikitd.voice.media.client import MediaLost
from sautikitd.voice.prompts import PromptRenderer
from sautikitd.voice.sip.inbound import InboundCall as SipCall

log = structlog.get_logger(__name__)

_RING_S = 60
_WAIT_FOR_ROOM_S = 3.0
_LOOK_AGAIN_S = 0.25


class DeviceCall:
    """Runs one call of a device whose row exists; also the `AnswerBook` of its leg."""

    def __init__(self, call: CallRecord, sip: SipCall, dialling: Dialling, host: str) -> None:
        self.call = call
        self._dialling = dialling
        self._answer = AnswerEntry(dialling.books, call.id)
        self._host = host
        dialling.recordings.know(call.id, call)
        transport = sip.source.transport
        self.leg = dialling.engine.accept(
            call.id,
            sip,
            codecs_for(transport),
            dialling.prompting.of(call),
            self,
            srtp=encryption_for(transport),
        )

    @property
    def legs(self) -> Sequence[MediaLeg]:
        return [self.leg]

    def end(self, cause: HangupCause, by: HangupBy = HangupBy.PLATFORM) -> None:
        self.leg.end(cause, by=by)

    async def answered(self, leg: InboundLeg, dialog: dict[str, Any]) -> None:
        await self._answer.enter(leg, dialog)

    async def run(self) -> None:
        """Returns when the call has ended in the database."""
        try:
            await self._put_through()
        except LegGone as gone:
            log.debug("node.device_gone", call_id=str(self.call.id), cause=gone.cause)
        finally:
            if not self.leg.ended:
                self.leg.end(HangupCause.NORMAL_CLEARING)
            end = await self.leg.gone()
            quality = await self.leg.quality()
            await self._answer.settled()
            self._dialling.recordings.forget(self.call.id)
            await self._dialling.books.ended(self.call.id, ending_of(end, quality), leg=self.leg)

    async def _put_through(self) -> None:
        spec = DialSpec(
            numbers=(self.call.to_address,),
            ring_tone=(CADENCES[ToneName.RINGBACK],),
            timeout_s=_RING_S,
            max_duration_s=self.call.max_duration_seconds,
            record=DialRecording.FROM_ANSWER if self.call.record else None,
        )
        dialled = await CallDialler(self._dialling, self.call, self.leg).dial(spec)
        if dialled.status is DialStatus.COMPLETED or self.leg.answered:
            await self.leg.hang_up()
        answer = of_dialled(dialled)
        self.leg.refuse(
            LegEnd(
                cause=answer.cause,
                by=HangupBy.CALLEE if answer.status is CallStatus.BUSY else HangupBy.PLATFORM,
                at=self._dialling.clock.now(),
                status=answer.status,
                sip_code=answer.code,
            ),
            headers=answer.headers(self._host),
        )


class DeviceDesk:
    """Takes the INVITEs of devices. `announcer` speaks for the platform; `host` is our name in what refused devices
    are told."""

    def __init__(
        self,
        dialling: Dialling,
        credentials: SipCredentials,
        placing: PlaceDeviceCall,
        announcer: PromptRenderer,
        host: str,
    ) -> None:
        self._dialling = dialling
        self._announcer = announcer
        self._credentials = credentials
        self._placing = placing
        self._host = host

    async def receive(self, sip: SipCall, credential_id: UUID) -> DeviceCall | None:
        """The call, to be run; None when it was refused, with the reason in words."""
        call = None
        try:
            call = await self._place(sip, credential_id)
            if call is None or sip.events.ended:  # he gave up while there was no room
                await self._abandon(call)
                return None
            return DeviceCall(call, sip, self._dialling, self._host)
        except EmergencyUnsupported as refusal:
            await EmergencyNotice(self._dialling.engine, self._announcer, sip).play()
            self._refuse(sip, of_refusal(refusal))
        except Refusal as refusal:
            log.info("node.device_refused", credential_id=str(credential_id), code=refusal.code)
            self._refuse(sip, of_refusal(refusal))
        except DatabaseUnavailable as exc:
            log.warning("node.device_refused", error=repr(exc))
            self._refuse(sip, DeviceAnswer(code=503, text="the platform is out of order", retry_after_s=5))
        except MediaLost:
            await self._abandon(call)
            self._refuse(sip, DeviceAnswer(code=503, text="no room for the media", retry_after_s=5))
        return None

    async def _place(self, sip: SipCall, credential_id: UUID) -> CallRecord | None:
        """Waits a moment for room; a person with a phone at his ear would not wait for long (contract §4.2)."""
        clock = self._dialling.clock
        deadline = clock.monotonic() + _WAIT_FOR_ROOM_S
        while not sip.events.ended:
            try:
                async with self._dialling.database.transaction() as connection:
                    number_id = await self._credentials.number_of(connection, credential_id, clock.now())
                    wish = DeviceDialled(number_id=number_id, dialled=sip.called)
                    return await self._placing.place(connection, wish, self._dialling.node_id)
            except (ConcurrencyReached, CallsPerSecondReached):
                if clock.monotonic() >= deadline:
                    raise
            await clock.sleep(_LOOK_AGAIN_S)
        return None

    async def _abandon(self, call: CallRecord | None) -> None:
        if call is not None:
            now = self._dialling.clock.now()
            end = LegEnd(cause=HangupCause.CANCELED, by=HangupBy.CALLER, at=now, status=CallStatus.CANCELED)
            await self._dialling.books.ended(call.id, ending_of(end))

    def _refuse(self, sip: SipCall, answer: DeviceAnswer) -> None:
        sip.reject(answer.code, headers=answer.headers(self._host))
