"""The built-in voice engine: SIP and media put together. It speaks in calls, legs, audio and events."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import structlog

from sautikitd.clock import Clock
from sautikitd.voice.inbound_leg import AnswerBook, InboundLeg
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.media.client import MediaClient
from sautikitd.voice.media_encryption import MediaEncryption
from sautikitd.voice.media_pool import MediaPool
from sautikitd.voice.negotiation import MediaProfile, codecs_of
from sautikitd.voice.number_forms import Addressing, written
from sautikitd.voice.outbound_leg import OutboundLeg
from sautikitd.voice.prompts import PromptRenderer
from sautikitd.voice.recording_book import RecordingBook
from sautikitd.voice.rerouting import Sent, WayFinder, failure_of_the_way
from sautikitd.voice.sip import events
from sautikitd.voice.sip.address import NameAddr, sip_uri
from sautikitd.voice.sip.dialog import DialogState
from sautikitd.voice.sip.digest import Credentials
from sautikitd.voice.sip.hops import Hop
from sautikitd.voice.sip.inbound import InboundCall
from sautikitd.voice.sip.invites import PreparedInvite
from sautikitd.voice.sip.user_agent import UserAgent

log = structlog.get_logger(__name__)
L = TypeVar("L", bound=MediaLeg)
_GONE = 481  # a device's connection went with the process that held it, and so for the device did the call


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """The way to a trunk: where, as whom, with which codecs in order of liking.

    `uri` is host and port of its URIs, where those are not the hop's: behind an outbound proxy. `target` is the whole
    Request-URI, where that is no number at the trunk: a device's Contact. `holder` is the node that holds the connection
    which the hop is, where that is another one.
    """

    hop: Hop
    uri: tuple[str, int] | None = None
    target: str | None = None
    holder: tuple[str, int] | None = None
    addressing: Addressing = Addressing()
    credentials: Credentials | None = None
    codecs: Sequence[str] = ("PCMU", "PCMA")
    srtp: MediaEncryption = MediaEncryption.NONE


class VoiceEngine:
    """`addresses` are where our media is reached, one of each IP family, the usual one first; `inside` is where other
    nodes reach it, if not at the usual one. Start it with the handler of inbound calls in the user agent."""

    def __init__(
        self,
        agent: UserAgent,
        media: MediaPool,
        *,
        addresses: Sequence[str],
        inside: str = "",
        domain: str,
        book: RecordingBook,
        clock: Clock,
    ) -> None:
        self._agent = agent
        self._media = media
        self._addresses = tuple(addresses)
        self.inside = inside or self._addresses[0]
        self._domain = domain
        self._book = book
        self._clock = clock
        self._legs: dict[UUID, tuple[MediaLeg, MediaClient]] = {}
        self._tasks: set[asyncio.Future[None]] = set()

    async def start(self) -> None:
        await self._media.start(self._on_media_lost)

    async def close(self) -> None:
        """Waits for the last BYEs, a few seconds, then stops the media."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=3)
        for task in self._tasks:
            task.cancel()
        await self._media.close()

    @property
    def media(self) -> MediaPool:
        return self._media

    @property
    def legs(self) -> int:
        return len(self._legs)

    def prepare(
        self, route: Route, *, caller: str, callee: str, headers: Sequence[tuple[str, str]] = ()
    ) -> dict[str, Any]:
        """Chooses the identifiers of a call from `caller` to `callee` (E.164), as JSON to be stored before it is
        dialled: `dial` takes it, and from another process `end_detached`.

        From and P-Asserted-Identity both carry `caller` (contract §3), unless the trunk wants another in From.
        """
        wanted = route.addressing
        called = written(callee, wanted.called, wanted.called_prefix)
        calling = written(caller, wanted.caller)
        domain = wanted.from_domain or self._domain
        host, port = route.uri or (route.hop.host, route.hop.port)
        named_port = None if port == route.hop.transport.default_port else port
        prepared = self._agent.prepare_invite(
            target=route.target or sip_uri(called, host, named_port),
            hop=route.hop,
            local=NameAddr(sip_uri(wanted.from_user or calling, domain)),
            asserted_identity=sip_uri(calling, domain),
            headers=headers,
            holder=route.holder,
        )
        stored = {"invite": msgspec.to_builtins(prepared)}
        if route.holder is not None:
            stored["device"] = msgspec.to_builtins(route.hop)
        return stored

    async def dial(
        self,
        call_id: UUID,
        stored: dict[str, Any],
        route: Route,
        prompts: PromptRenderer,
        on_alert: Callable[[datetime], None],
        *,
        beside: MediaLeg | None = None,
        ways: WayFinder | None = None,
    ) -> OutboundLeg:
        """Sends the INVITE. Raises `MediaLost` or `MediaRefused` when there is no place for its media.

        `beside` is a leg that it is to be bridged with. When the trunk fails before anything rings, `ways` finds it
        another, and it goes on as the same leg.
        """
        media = beside.media if beside else self._media.pick()
        leg = self._make(OutboundLeg, call_id, media, prompts)
        local = await leg.open_media()
        patience = ways.patience_s if ways else None

        async def send(stored: dict[str, Any], route: Route) -> Sent:
            prepared = PreparedInvite.restore(stored["invite"])
            offer = self._profile(route.codecs, route.srtp, route.hop.host).offer(local)
            call = await self._agent.send_invite(
                prepared, offer.encode(), credentials=route.credentials, patience=patience
            )
            return call, offer

        async def detour(event: events.Event) -> Sent | None:
            failed = failure_of_the_way(event)
            way = await ways.another(failed) if ways and failed else None
            if way is not None:
                leg.left_behind = way[0].get("left", [])
            return None if way is None or leg.ended else await send(*way)

        leg.attach(await send(stored, route), on_alert, detour)
        self._hold(leg, media)
        return leg

    def accept(
        self,
        call_id: UUID,
        call: InboundCall,
        codecs: Sequence[str],
        prompts: PromptRenderer,
        answers: AnswerBook,
        srtp: MediaEncryption = MediaEncryption.NONE,
    ) -> InboundLeg:
        """Takes an inbound call as a leg, unanswered."""
        media = self._media.pick()
        leg = self._make(InboundLeg, call_id, media, prompts)
        leg.attach(call, self._profile(codecs, srtp), answers)
        self._hold(leg, media)
        return leg

    def _profile(self, codecs: Sequence[str], srtp: MediaEncryption, far: str = "") -> MediaProfile:
        return MediaProfile(addresses=self._addresses, far=far, codecs=codecs_of(codecs), encryption=srtp)

    async def end_detached(
        self, stored: dict[str, Any], credentials: Credentials | None = None
    ) -> int | None:
        """Ends the carrier's leg of a call that another process ran, from what was stored of it. Calls off the INVITEs
        that it had left behind at silent trunks, or had not seen the end of, and repeats its unanswered BYEs.

        The final status of the BYE or CANCEL; None when nobody answered it, and it is to be tried again.
        """
        left = [PreparedInvite.restore(one).state for one in stored.get("left", [])]
        parted = [msgspec.convert(one, DialogState) for one in stored.get("dialogs", [])]
        code, *others = await asyncio.gather(
            self._end_last(stored, credentials),
            *(self._agent.cancel_detached(state) for state in left),
            *(self._agent.bye_detached(state, credentials=credentials) for state in parted),
        )
        if "dialog" in stored or "invite" in stored or not others:
            return code
        return None if None in others else others[-1]  # it had ended, but for those

    async def _end_last(self, stored: dict[str, Any], credentials: Credentials | None) -> int | None:
        if "dialog" in stored:
            state = msgspec.convert(stored["dialog"], DialogState)
            if state.hop.dies_with_process:
                return _GONE
            return await self._agent.bye_detached(state, credentials=credentials)
        if "invite" not in stored:
            return _GONE
        prepared = PreparedInvite.restore(stored["invite"])
        if prepared.state.hop.dies_with_process:
            return _GONE
        return await self._agent.cancel_detached(prepared.state)

    def _make(self, kind: type[L], call_id: UUID, media: MediaClient, prompts: PromptRenderer) -> L:
        return kind(
            call_id, media=media, prompts=prompts, book=self._book, clock=self._clock, spawn=self._spawn
        )

    def _hold(self, leg: MediaLeg, media: MediaClient) -> None:
        """Knows the leg from now on, until it has ended. Only a leg with a SIP call can be told of lost media."""
        self._legs[leg.call_id] = (leg, media)
        self._spawn(self._forget_when_gone(leg))
        if media.lost:  # meanwhile
            leg.media_lost()

    async def _forget_when_gone(self, leg: MediaLeg) -> None:
        await leg.gone()
        await leg.quality()
        self._legs.pop(leg.call_id, None)

    def _on_media_lost(self, lost: MediaClient) -> None:
        for leg, media in list(self._legs.values()):
            if media is lost:
                leg.media_lost()

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Future[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("voice.task_failed", exc_info=error)
