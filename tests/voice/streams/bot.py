"""A WebSocket server of the tests: it takes streams, keeps what they say, and talks back."""

import asyncio
import base64
import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from aiohttp import WSCloseCode, WSMsgType, web

from voice.media.rtp_peer import LINEAR, Samples, companded

PATIENCE_S = 20.0


@dataclass
class Visit:
    """One stream that came: its upgrade request, all frames in order with their time, and how it was closed."""

    request: web.Request
    socket: web.WebSocketResponse
    frames: list[tuple[float, str | bytes]] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    close_code: int | None = None

    @property
    def texts(self) -> list[dict[str, Any]]:
        return [json.loads(frame) for _, frame in self.frames if isinstance(frame, str)]

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [text for text in self.texts if text.get("event") == kind or text.get("type") == kind]

    def pcm(self) -> Samples:
        """All binary audio so far."""
        raw = b"".join(frame for _, frame in self.frames if isinstance(frame, bytes))
        return np.frombuffer(raw, "<i2").astype(np.float64)

    def mu_law(self, track: str = "inbound") -> Samples:
        """All audio of a track in Twilio's messages so far."""
        media = [text["media"] for text in self.events("media")]
        codes = b"".join(base64.b64decode(one["payload"]) for one in media if one["track"] == track)
        return LINEAR["PCMU"][np.frombuffer(codes, np.uint8)]

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not met():  # of another process, through sockets
                await asyncio.sleep(0.005)

    async def say(self, samples: Samples) -> None:
        """Raw samples, all at once."""
        await self.socket.send_bytes(samples.astype("<i2").tobytes())

    async def say_mu_law(self, samples: Samples, sid: str) -> None:
        payload = base64.b64encode(companded(samples, "PCMU")).decode()
        await self.tell({"event": "media", "streamSid": sid, "media": {"payload": payload}})

    async def tell(self, message: object) -> None:
        await self.socket.send_str(json.dumps(message))

    async def leave(self, code: int = WSCloseCode.OK) -> None:
        await self.socket.close(code=code)


class Bot:
    """`subprotocols` are those it takes; with `reads` false it never reads a frame; `status` refuses the upgrade."""

    def __init__(
        self,
        *,
        subprotocols: tuple[str, ...] = ("audio.drachtio.org",),
        reads: bool = True,
        status: int | None = None,
        redirect: str | None = None,
    ) -> None:
        self._subprotocols = subprotocols
        self._reads = reads
        self._status = status
        self._redirect = redirect
        self._visits: asyncio.Queue[Visit] = asyncio.Queue()
        self._over = asyncio.Event()
        self.asked = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        listening = socket.socket()
        if not self._reads:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        listening.bind(("127.0.0.1", 0))
        await web.SockSite(self._runner, listening).start()
        self.port: int = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/talk?shop=duka"

    async def visit(self) -> Visit:
        """The next stream that comes."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._visits.get()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        if self._redirect:
            raise web.HTTPFound(self._redirect)
        if self._status:
            return web.Response(status=self._status)
        made = web.WebSocketResponse(protocols=self._subprotocols, autoping=self._reads)
        await made.prepare(request)
        visit = Visit(request, made)
        self._visits.put_nowait(visit)
        if not self._reads:
            await self._over.wait()
            return made
        async for message in made:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                visit.frames.append((time.monotonic(), message.data))
        visit.close_code = made.close_code
        visit.closed.set()
        return made
