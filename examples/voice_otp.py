"""One-time codes by telephone, for customers whom an SMS does not reach.

    POST /otp {"phone": "+254712000007", "language": "sw"}   →  {"otp_id": …}
    GET  /otp/{otp_id}                                       →  {"status": "calling" | "told" | "not_reached"}
    POST /otp/{otp_id}/check {"code": "482913"}              →  {"correct": true}

These three are for your own back end: keep them away from the Internet. The code is told only once somebody has
pressed 1, so never to a voice mailbox. Where a call cannot be placed, the refusal's reason is passed on as 502.
"""

import hmac
import secrets
import time
from dataclasses import dataclass, field

from aiohttp import web

from voice_app import Action, Refused, Sautikit, Settings, flow, run, say, voice_app

GOOD_FOR_S = 300
MOST_ATTEMPTS = 3

HELLO = {
    "en": say("This is Duka with your code. Press 1 to hear it."),
    "sw": say("Hii ni Duka, na msimbo wako. Bonyeza 1 kuusikia.", "sw-KE"),
}
GOODBYE = {"en": say("Goodbye."), "sw": say("Kwaheri.", "sw-KE")}


@dataclass
class Otp:
    code: str
    language: str
    expires: float
    status: str = "calling"
    attempts: int = field(default=0)

    def check(self, code: str) -> bool:
        """Right once, in time, and within three attempts."""
        self.attempts += 1
        right = hmac.compare_digest(self.code.encode(), code.encode())
        if self.attempts > MOST_ATTEMPTS or time.monotonic() > self.expires or not right:
            return False
        self.attempts = MOST_ATTEMPTS  # used up
        return True

    def spoken(self) -> Action:
        digits = f'<break strength="strong"/><prosody rate="slow"><say-as interpret-as="digits">{self.code}</say-as></prosody>'
        if self.language == "sw":
            return say(f"<speak>Msimbo wako ni {digits}. Bonyeza 1 kuusikia tena.</speak>", "sw-KE")
        return say(f"<speak>Your code is {digits}. Press 1 to hear it again.</speak>")


class Otps:
    def __init__(self, api: Sautikit, settings: Settings) -> None:
        self._api = api
        self._settings = settings
        self._all: dict[str, Otp] = {}  # a process of its own forgets them: use your database

    async def create(self, request: web.Request) -> web.Response:
        wish = await request.json()
        otp_id = secrets.token_urlsafe(12)
        code = f"{secrets.randbelow(10**6):06}"
        language = wish.get("language", "en")
        if language not in HELLO:
            raise web.HTTPBadRequest(text=f"language is one of {', '.join(HELLO)}")
        self._all[otp_id] = Otp(code, language, time.monotonic() + GOOD_FOR_S)
        call = {
            "from": self._settings.number,
            "to": wish["phone"],
            "client_request_id": otp_id,
            "voice_callback_url": f"{self._settings.public_url}/voice",
            "webhook_url": f"{self._settings.public_url}/events",
            "timeout_seconds": 30,
            "max_duration_seconds": 90,
        }
        try:
            await self._api.request("POST", "/v1/calls", call, once=otp_id)
        except Refused as refusal:
            del self._all[otp_id]
            return web.json_response({"error": refusal.code, "message": str(refusal)}, status=502)
        return web.json_response({"otp_id": otp_id}, status=201)

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response({"status": self._of(request.match_info["otp_id"]).status})

    async def check(self, request: web.Request) -> web.Response:
        code = str((await request.json())["code"])
        return web.json_response({"correct": self._of(request.match_info["otp_id"]).check(code)})

    async def voice(self, request: web.Request) -> web.Response:
        """The call was answered, a key was pressed, or (`isActive` 0) it is over."""
        form = await request.post()
        otp = self._of(str(form["clientRequestId"]))
        if form["isActive"] == "0":
            return flow()
        if form.get("Digits") == "1":
            otp.status = "told"
            prompt = otp.spoken()
        else:
            prompt = HELLO[otp.language]
        # Without `action` the key is told to this very URL.
        return flow({"getDigits": {"numDigits": 1, "nested": [prompt], "retries": 1}}, GOODBYE[otp.language])

    async def event(self, request: web.Request) -> web.Response:
        """How the call ended. Whoever was not told hears nothing more from here: send an SMS."""
        event = await request.json()
        otp = self._of(event["data"]["client_request_id"])
        if event["kind"] in ("call.completed", "call.failed") and otp.status == "calling":
            otp.status = "not_reached"
        return web.Response(status=204)

    def _of(self, otp_id: str) -> Otp:
        if otp_id not in self._all:
            raise web.HTTPNotFound(text="no such code")
        return self._all[otp_id]


def make(api: Sautikit, settings: Settings) -> web.Application:
    otps = Otps(api, settings)
    app = voice_app(api, open_to_all={"/otp", "/otp/{otp_id}", "/otp/{otp_id}/check"})
    app.router.add_post("/otp", otps.create)
    app.router.add_get("/otp/{otp_id}", otps.show)
    app.router.add_post("/otp/{otp_id}/check", otps.check)
    app.router.add_post("/voice", otps.voice)
    app.router.add_post("/events", otps.event)
    return app


if __name__ == "__main__":
    run(make)
