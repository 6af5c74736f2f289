"""A leg with the far end of the tests at its other side."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sautikitd.voice.media.client import MediaClient, MediaLost, MediaRefused
from sautikitd.voice.media.g711 import Codec
from sautikitd.voice.media.protocol import Event, LegStats, LocalMedia, RemoteMedia
from voice.media.rtp_peer import Peer

_Event = TypeVar("_Event")
_PATIENCE_S = 5.0


@dataclass
class Call:
    """One leg: what the far end is, and what the media process told about it."""

    media: MediaClient
    leg_id: str
    local: LocalMedia
    peer: Peer
    remote: RemoteMedia
    events: list[Event] = field(default_factory=list)

    async def until(self, met: Callable[[], bool]) -> None:
        """Waits for something to become true of the far end or the events."""
        async with asyncio.timeout(_PATIENCE_S):
            while not met():  # of sockets and a process outside: there is no event to await
                await asyncio.sleep(0.005)

    async def counted(self, packets: int) -> LegStats:
        """The figures once so many packets have been taken, which happens at the tick after they came."""
        async with asyncio.timeout(_PATIENCE_S):
            while (stats := await self.media.stats(self.leg_id)).packets_received < packets:
                await asyncio.sleep(0.005)
        return stats

    async def event(self, kind: type[_Event]) -> _Event:
        """The first event of a kind, when it has come."""
        await self.until(lambda: any(isinstance(event, kind) for event in self.events))
        return self.all(kind)[0]

    def all(self, kind: type[_Event]) -> list[_Event]:
        return [event for event in self.events if isinstance(event, kind)]


class Calls:
    def __init__(self, media: MediaClient) -> None:
        self.media = media
        self._peers: list[Peer] = []
        self._legs: list[str] = []

    def peer(self, codec: str = "PCMU") -> Peer:
        peer = Peer(codec=codec, payload_type=8 if codec == "PCMA" else 0)
        self._peers.append(peer)
        return peer

    async def call(
        self,
        *,
        codec: str = "PCMU",
        dtmf: int | None = 101,
        send: bool = True,
        receive: bool = True,
        announced_port: int | None = None,
    ) -> Call:
        """A configured leg. `announced_port` is what the SDP says, when the far end sends from elsewhere."""
        peer = self.peer(codec)
        if dtmf is not None:
            peer.dtmf_type = dtmf
        remote = RemoteMedia(
            address="127.0.0.1",
            rtp_port=announced_port or peer.port,
            rtcp_port=peer.rtcp_port,
            codec=Codec(codec),
            payload_type=peer.payload_type,
            dtmf_payload_type=dtmf,
            send=send,
            receive=receive,
        )
        return await self._connect(peer, remote)

    def keep(self, peer: Peer) -> None:
        """Closes it with the others."""
        self._peers.append(peer)

    async def meet(self, peer: Peer, **agreed: Any) -> Call:
        """A leg with a far end of the test's own making; `agreed` are fields of `RemoteMedia`."""
        self.keep(peer)
        described = {"address": peer.host, "rtp_port": peer.port, "rtcp_port": peer.rtcp_port, **agreed}
        return await self._connect(peer, RemoteMedia(**described))

    async def _connect(self, peer: Peer, remote: RemoteMedia) -> Call:
        leg_id = f"leg-{peer.port}"
        events: list[Event] = []
        local = await self.media.open_leg(leg_id, events.append)
        self._legs.append(leg_id)
        peer.to = (peer.host if local.address == "::" else local.address, local.rtp_port)
        await self.media.configure_leg(leg_id, remote)
        return Call(self.media, leg_id, local, peer, remote, events)

    async def close(self) -> None:
        for peer in self._peers:
            peer.close()
        for leg_id in self._legs:
            with suppress(MediaLost, MediaRefused):  # the test closed it, or killed the process
                await self.media.close_leg(leg_id)
