"""An agent that talks on the telephone: the ears, the mouth and the manners. The mind is yours, in `Agent`.

The call's audio comes over a WebSocket, and what we send is heard at once. Who speaks is judged by loudness: half a
second of silence ends a turn, and a caller who begins while the agent speaks cuts it short.
"""

import asyncio
import json
import math
import os
from array import array
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import WSMsgType, web

from voice_app import Sautikit, Settings, flow, run, say, voice_app

RATE = 16_000  # samples a second, 16 bit each, both ways
LOUD = 500  # of 32,767: the mean of a frame that has speech in it
STARTS_AFTER_S, ENDS_AFTER_S = 0.08, 0.5


class Agent:
    """One conversation. This one is a parrot (kasuku): it repeats what it hears. Put your model here.

    Audio is raw 16-bit little-endian mono at `RATE`. Both methods are stopped in the middle when the caller interrupts.
    """

    def __init__(self, call: dict[str, Any]) -> None:
        """`call` says who calls: `callId`, `from`, `to`, `direction`, and the `metadata` of the flow."""
        self.call = call
        self.done = False  # True hangs up, or hands over to a person, after what is being said

    async def greet(self) -> AsyncIterator[bytes]:
        """What is said first: text to speech, in as many pieces as they come."""
        for hertz in (440, 660):
            yield tone(hertz, 0.2)

    async def answer(self, speech: bytes) -> AsyncIterator[bytes]:
        """Transcribe the speech, think, and yield the reply piece by piece as it is spoken."""
        yield speech


class Ear:
    """Finds where the caller begins to speak, and where he has ended."""

    def __init__(self) -> None:
        self._turn = bytearray()
        self._loud = self._quiet = 0.0

    def hear(self, frame: bytes) -> tuple[bool, bytes]:
        """Whether he has begun just now; and the whole turn, if this frame ends it."""
        length = len(frame) / 2 / RATE
        speaking = self._loud >= STARTS_AFTER_S
        if loudness(frame) >= LOUD:
            self._loud, self._quiet = self._loud + length, 0.0
        elif speaking:
            self._quiet += length
        else:
            self._loud = 0.0
            self._turn.clear()
        self._turn += frame
        if self._quiet < ENDS_AFTER_S:
            return not speaking and self._loud >= STARTS_AFTER_S, b""
        turn = bytes(self._turn)
        self._turn.clear()
        self._loud = self._quiet = 0.0
        return False, turn


class Conversation:
    def __init__(self, socket: web.WebSocketResponse, agent: Agent) -> None:
        self._socket = socket
        self._agent = agent
        self._ear = Ear()
        self._speaking: asyncio.Task[None] | None = None
        self._heard_out = asyncio.Event()

    async def run(self) -> None:
        self._speak(self._agent.greet())
        try:
            async for message in self._socket:
                if message.type is WSMsgType.BINARY:
                    await self._hear(message.data)
                elif message.type is WSMsgType.TEXT and is_heard_out(json.loads(message.data)):
                    self._heard_out.set()
        finally:
            if self._speaking is not None:
                self._speaking.cancel()

    async def _hear(self, frame: bytes) -> None:
        began, turn = self._ear.hear(frame)
        if began and self._speaking is not None and not self._speaking.done():
            self._speaking.cancel()
            await self._socket.send_json({"type": "killAudio"})  # forgets what we sent and is not played yet
        if turn:
            self._speak(self._agent.answer(turn))

    def _speak(self, speech: AsyncIterator[bytes]) -> None:
        if self._speaking is not None:
            self._speaking.cancel()
        self._speaking = asyncio.create_task(self._say(speech))

    async def _say(self, speech: AsyncIterator[bytes]) -> None:
        """Sends faster than it is played; the mark comes back when the caller has heard all of it."""
        self._heard_out.clear()
        async for piece in speech:
            await self._socket.send_bytes(piece)
        await self._socket.send_json({"type": "mark", "data": {"name": "said"}})
        await self._heard_out.wait()
        if self._agent.done:
            await self._socket.send_json({"type": "disconnect"})


def is_heard_out(message: dict[str, Any]) -> bool:
    """Whether it is our mark, back because all before it was played (and not because it was forgotten)."""
    return message.get("type") == "mark" and message["data"]["event"] == "playout"


def loudness(frame: bytes) -> float:
    samples = array("h", frame)
    return math.sqrt(sum(sample * sample for sample in samples) / max(1, len(samples)))


def tone(hertz: float, seconds: float) -> bytes:
    waves = (math.sin(2 * math.pi * hertz * at / RATE) for at in range(int(RATE * seconds)))
    return array("h", (int(8000 * one) for one in waves)).tobytes()


def serving(
    api: Sautikit, settings: Settings, agent: Callable[[dict[str, Any]], Agent], person: str
) -> web.Application:
    """`person` is the telephone number that a call goes to when the agent is done; empty: it ends."""

    async def voice(_: web.Request) -> web.Response:
        url = settings.public_url.replace("http", "ws", 1) + "/talk"
        stream = {"url": url, "outputSamplingRate": RATE, "bidirectionalSamplingRate": RATE}
        after = [{"dial": {"number": person}}] if person else [say("Goodbye.")]
        return flow({"stream": stream}, *after)

    async def talk(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=["audio.drachtio.org"])
        await socket.prepare(request)
        start = await socket.receive_json()
        await Conversation(socket, agent(start)).run()
        return socket

    app = voice_app(api)
    app.router.add_post("/voice", voice)
    app.router.add_get("/talk", talk)
    return app


def make(api: Sautikit, settings: Settings) -> web.Application:
    return serving(api, settings, Agent, os.environ.get("PERSON", ""))


if __name__ == "__main__":
    run(make)
