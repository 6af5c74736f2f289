"""What who dials 999, 112 or 911 from a device hears before the call is refused (contract §3)."""

import asyncio
from contextlib import suppress
from typing import Any

import structlog

from sautikitd.flow.port import LegGone, PromptUnavailable, Say
from sautikitd.ids import uuid7
from sautikitd.node.devices.media import codecs_for, encryption_for
from sautikitd.voice.engine import VoiceEngine
from sautikitd.voice.inbound_leg import InboundLeg
from sautikitd.voice.media.client import MediaLost, MediaRefused
from sautikitd.voice.prompts import PromptRenderer
from sautikitd.voice.sip.inbound import InboundCall as SipCall

log = structlog.get_logger(__name__)

_TEXT = "Emergency services cannot be reached from here. Dial 9 9 9 from an ordinary mobile phone."
_LONGEST_S = 20.0


class EmergencyNotice:
    """Said in early media, which costs nothing and is no answer: nobody should take it for a dispatcher."""

    def __init__(self, engine: VoiceEngine, announcer: PromptRenderer, sip: SipCall) -> None:
        self._engine = engine
        self._announcer = announcer
        self._sip = sip

    async def play(self) -> None:
        """Returns when it has been said, or cannot be; the INVITE has no final answer yet."""
        transport = self._sip.source.transport
        with suppress(LegGone, PromptUnavailable, MediaLost, MediaRefused, TimeoutError):
            leg = self._engine.accept(
                uuid7(),
                self._sip,
                codecs_for(transport),
                self._announcer,
                self,
                srtp=encryption_for(transport),
            )
            async with asyncio.timeout(_LONGEST_S):
                await leg.early_media()
                await leg.play([Say(text=_TEXT)])

    async def answered(self, leg: InboundLeg, dialog: dict[str, Any]) -> None:
        """It never is."""
