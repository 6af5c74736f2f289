"""A transcription service on loopback, and a handler of a customer. The service reads the form as any such service
does, and hears what it was told to hear."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Heard:
    """One request: the fields of its form, the file's name and size, its credential."""

    fields: dict[str, str]
    file_name: str
    size: int
    credential: str | None


@dataclass
class HearingService:
    url: str = ""
    text: str = "habari ya asubuhi"
    status: int = 200
    heard: list[Heard] = field(default_factory=list)

    async def transcribe(self, request: web.Request) -> web.Response:
        fields, name, size = {}, "", 0
        async for part in await request.multipart():
            data = await part.read(decode=False)  # type: ignore[union-attr]  # no part of ours is nested
            if part.name == "file":  # type: ignore[union-attr]
                name, size = part.filename or "", len(data)  # type: ignore[union-attr]
            else:
                fields[part.name or ""] = data.decode()  # type: ignore[union-attr]
        self.heard.append(Heard(fields, name, size, request.headers.get("Authorization")))
        if self.status != 200:
            return web.Response(status=self.status)
        return web.json_response({"text": self.text, "language": "swahili"})


@asynccontextmanager
async def hearing_service() -> AsyncIterator[HearingService]:
    service = HearingService()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/audio/transcriptions", service.transcribe)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/audio/transcriptions"
    yield service
    await runner.cleanup()


@dataclass
class Handler:
    """Keeps what was posted to it: body and headers."""

    url: str = ""
    status: int = 200
    taken: list[tuple[bytes, Mapping[str, str]]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.taken.append((await request.read(), request.headers))
        return web.Response(status=self.status)


@asynccontextmanager
async def handler_of_a_customer() -> AsyncIterator[Handler]:
    handler = Handler()
    app = web.Application()
    app.router.add_post("/heard", handler.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    handler.url = f"http://127.0.0.1:{runner.addresses[0][1]}/heard"
    yield handler
    await runner.cleanup()
