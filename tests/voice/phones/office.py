"""The engine with real sockets, and baresip as the phone at the other end: no database, no flow."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from ports import free_port
from sautikitd.calls.outcomes import HangupCause
from sautikitd.clock import SystemClock
from sautikitd.voice.engine import Route, VoiceEngine
from sautikitd.voice.inbound_leg import InboundLeg
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.media.protocol import LegStats, Tone
from sautikitd.voice.media_encryption import MediaEncryption
from sautikitd.voice.media_pool import MediaPool
from sautikitd.voice.outbound_leg import OutboundLeg
from sautikitd.voice.sip.hops import Hop, Transport
from system.baresip import Baresip, sip_port
from system.sound import power_at, read_wav
from voice.sip.far_end import user_agent
from voice.sip.parties import Callee

OUR_TONE, THEIR_TONE = 700, 1000
HEARD_S = 0.8


class Answers:
    async def answered(self, leg: InboundLeg, dialog: dict[str, Any]) -> None:
        """Nothing to store."""


class Office:
    def __init__(self, engine: VoiceEngine, callee: Callee, port: int, folder: Path) -> None:
        self._engine, self._callee, self._folder = engine, callee, folder
        self.port = port

    async def call(
        self, phone: Baresip, codecs: Sequence[str], srtp: MediaEncryption = MediaEncryption.NONE
    ) -> OutboundLeg:
        """We call the phone, which answers."""
        hop = Hop(host="127.0.0.1", port=phone.sip, transport=Transport.UDP)
        return await self.call_at(hop, codecs, srtp)

    async def call_at(
        self,
        hop: Hop,
        codecs: Sequence[str],
        srtp: MediaEncryption = MediaEncryption.NONE,
        *,
        beside: MediaLeg | None = None,
    ) -> OutboundLeg:
        """We call whoever is there, who answers."""
        route = Route(hop=hop, codecs=codecs, srtp=srtp)
        stored = self._engine.prepare(route, caller="+254709000001", callee="+254711000001")
        prompts: Any = None  # nothing is said by the flow
        leg = await self._engine.dial(uuid4(), stored, route, prompts, lambda _: None, beside=beside)
        await leg.answer_of(8)
        return leg

    async def called(
        self, phone: Baresip, codecs: Sequence[str], srtp: MediaEncryption = MediaEncryption.NONE
    ) -> InboundLeg:
        """The phone calls us, and we answer."""
        await phone.dial(f"sip:+254709000001@127.0.0.1:{self.port}")
        return await self.answered(codecs, srtp)

    async def answered(
        self, codecs: Sequence[str], srtp: MediaEncryption = MediaEncryption.NONE
    ) -> InboundLeg:
        """The next call in, answered."""
        prompts: Any = None
        leg = self._engine.accept(uuid4(), await self._callee.call(), codecs, prompts, Answers(), srtp)
        await leg.answer()
        return leg

    async def talk(self, leg: MediaLeg, phone: Baresip) -> tuple[LegStats, float, float]:
        """Both say their tone for a while, and the call ends: what was counted, and the shares of the sound that
        are the right tone, in the phone's ear and in ours."""
        path, leg_id = self._folder / f"{leg.call_id}.wav", str(leg.call_id)
        await leg.media.start_recording(leg_id, "r", path, max_ms=60_000)
        await leg.media.play(leg_id, "tone", [Tone(frequencies=(OUR_TONE,), duration_ms=60_000)])
        async with asyncio.timeout(8):
            while (await leg.media.stats(leg_id)).packets_received < HEARD_S * 50:
                await asyncio.sleep(0.05)
        await leg.media.stop_recording("r")
        stats = await leg.media.stats(leg_id)
        leg.end(HangupCause.NORMAL_CLEARING)
        await phone.until("CALL_CLOSED")
        ours, rate = read_wav(path)
        theirs, their_rate = read_wav(phone.heard()[-1])
        return stats, power_at(theirs[:, 0], their_rate, OUR_TONE), power_at(ours[:, 0], rate, THEIR_TONE)


@asynccontextmanager
async def office(folder: Path) -> AsyncIterator[Office]:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        book: Any = None  # recordings are the tests' own
        engine = VoiceEngine(
            agent,
            MediaPool(bind_address="127.0.0.1", port_range=(0, 0)),
            addresses=("127.0.0.1",),
            domain="sautikit.example",
            book=book,
            clock=SystemClock(),
        )
        await engine.start()
        try:
            yield Office(engine, callee, agent.bound[1], folder)
        finally:
            await engine.close()


@asynccontextmanager
async def phone(folder: Path, *, modules: Sequence[str], account: str, rate: int) -> AsyncIterator[Baresip]:
    sip = sip_port()
    made = Baresip(
        *(folder / "phone", "+254711000001", sip, free_port()),
        tone=THEIR_TONE,
        modules=modules,
        account=account,
        rate=rate,
    )
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
