"""A support line. A caller first rings the softphone on the desk; when nobody takes it he waits in a queue with music,
and agents are rung on their mobile phones, who take whoever has waited longest. Conversations are recorded, on two
channels, and a supervisor can listen, whisper to the agent, or join.

    POST /supervise {"call_id": …, "mode": "listen" | "whisper" | "barge", "supervisor": {"type": "phone", "number": …}}

is for your own back end. `DESK` is the username of a SIP credential of the number (see the README).
"""

import asyncio
import io
import math
import os
import struct
import time
import wave

from aiohttp import web

from voice_app import Action, Refused, Sautikit, Settings, flow, run, say, voice_app

QUEUE = "support"
RING_EVERY_S = 35
NOTES_HZ = (262, 330, 392, 523, 392, 330)


def music() -> bytes:
    """Six notes as a WAV file of telephone quality, so that the example needs no file of yours."""
    notes = [
        8000 * math.sin(math.pi * at / 3200) * math.sin(2 * math.pi * hertz * at / 8000)
        for hertz in NOTES_HZ
        for at in range(3200)
    ]
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(struct.pack(f"<{len(notes)}h", *map(int, notes)))
    return written.getvalue()


class SupportLine:
    def __init__(self, api: Sautikit, settings: Settings, *, desk: str, agents: list[str]) -> None:
        """`desk` is a SIP username, or empty; `agents` are telephone numbers."""
        self._api = api
        self._settings = settings
        self._desk = desk
        self._agents = agents
        self._music = music()
        self._ring_after = 0.0
        self._ringing: asyncio.Task[None] | None = None

    async def voice(self, _: web.Request) -> web.Response:
        """A call comes in."""
        hello = say("Karibu. This call is recorded.")
        if not self._desk:
            return flow(hello, *self._wait())
        desk = {
            "client": self._desk,
            "timeout": 10,
            "ringTone": "/music.wav",
            "record": "record-from-answer",
            "action": "/after-desk",
        }
        return flow(hello, {"dial": desk})

    async def after_desk(self, request: web.Request) -> web.Response:
        spoken = (await request.post())["dialStatus"] == "completed"
        return flow(say("Goodbye.")) if spoken else flow(say("All are busy."), *self._wait())

    def _wait(self) -> list[Action]:
        return [{"enqueue": {"name": QUEUE, "waitUrl": "/waiting", "maxWait": 600, "action": "/left"}}]

    async def waiting(self, request: web.Request) -> web.Response:
        """Asked again and again while somebody waits: music, and where he stands."""
        form = await request.post()
        self._ring_agents()
        position = str(form["queuePosition"])
        place = say(f"You are number {position}. Please hold the line.")
        return flow({"play": {"url": "/music.wav", "loop": 3}}, place)

    async def left(self, request: web.Request) -> web.Response:
        """Out of the queue: after a conversation, or because nobody had time."""
        if (await request.post())["queueResult"] == "bridged":
            return flow(say("Goodbye."))
        return flow(
            say("Nobody is free. Please leave a message after the tone."), {"record": {"maxLength": 120}}
        )

    def _ring_agents(self) -> None:
        """At most every so often: no agent is rung while he is being rung."""
        if time.monotonic() >= self._ring_after:
            self._ring_after = time.monotonic() + RING_EVERY_S
            self._ringing = asyncio.create_task(self._ring())

    async def _ring(self) -> None:
        """All agents at once; the first to answer takes the caller who has waited longest."""
        call = {
            "from": self._settings.number,
            "to": self._agents,
            "timeout_seconds": RING_EVERY_S - 5,
            "record": {"channels": "dual"},
            "actions": [
                say("A caller is waiting."),
                {"dequeue": {"name": QUEUE, "maxWait": 5}},
                say("The caller has gone."),
            ],
        }
        try:
            await self._api.request("POST", "/v1/calls", call)
        except Refused as refusal:
            print(f"No agent was rung: {refusal}", flush=True)

    async def supervise(self, request: web.Request) -> web.Response:
        wish = await request.json()
        supervision = {"mode": wish["mode"], "supervisor": wish["supervisor"]}
        path = f"/v1/calls/{wish['call_id']}/supervision"
        try:
            return web.json_response(await self._api.request("POST", path, supervision), status=201)
        except Refused as refusal:
            return web.json_response({"error": refusal.code, "message": str(refusal)}, status=refusal.status)

    async def play(self, _: web.Request) -> web.Response:
        return web.Response(body=self._music, content_type="audio/wav")


def serving(api: Sautikit, line: SupportLine) -> web.Application:
    app = voice_app(api, open_to_all={"/music.wav", "/supervise"})
    app.router.add_post("/voice", line.voice)
    app.router.add_post("/after-desk", line.after_desk)
    app.router.add_post("/waiting", line.waiting)
    app.router.add_post("/left", line.left)
    app.router.add_post("/supervise", line.supervise)
    app.router.add_get("/music.wav", line.play)
    return app


def make(api: Sautikit, settings: Settings) -> web.Application:
    agents = os.environ.get("AGENTS", "+254712000101").split(",")
    return serving(api, SupportLine(api, settings, desk=os.environ.get("DESK", ""), agents=agents))


if __name__ == "__main__":
    run(make)
