"""What all the examples share: the API of Sautikit, and a web server that answers nobody but Sautikit. Copy it along."""

import hashlib
import hmac
import os
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

Action = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Settings:
    """Where Sautikit is, and where we are. `make run` prints a test key; the rest fits it as it stands."""

    api_url: str
    api_key: str
    number: str
    port: int
    public_url: str  # where Sautikit reaches this program

    @classmethod
    def from_environment(cls, env: Mapping[str, str] = os.environ) -> "Settings":
        if "SAUTIKIT_API_KEY" not in env:
            sys.exit("Set SAUTIKIT_API_KEY first: `make run` prints one.")
        port = int(env.get("PORT", "8090"))
        return cls(
            api_url=env.get("SAUTIKIT_URL", "http://127.0.0.1:8080"),
            api_key=env["SAUTIKIT_API_KEY"],
            number=env.get("SAUTIKIT_NUMBER", "+254200000002"),
            port=port,
            public_url=env.get("PUBLIC_URL", f"http://127.0.0.1:{port}").rstrip("/"),
        )


class Refused(Exception):
    """The API said no. `code` is stable, `wallet.insufficient_funds` for example; the message says what to do."""

    def __init__(self, status: int, error: Mapping[str, Any]) -> None:
        super().__init__(f"{error['message']} ({error['code']})")
        self.status = status
        self.code: str = error["code"]


class Sautikit:
    """The API, and the secrets that it signs with: the signing secret of your workspace, and only while it is being
    changed the one before as well. A test key may ask for it; of a live workspace an owner copies it from the console."""

    def __init__(self, url: str, key: str, secrets: Sequence[str] = ()) -> None:
        self.secrets = list(secrets)
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}

    async def request(self, method: str, path: str, body: Any = None, *, once: str = "") -> Any:
        """The JSON of an answer. A POST repeated with the same `once` is done once, and answered the same again."""
        headers = self._headers | ({"Idempotency-Key": once} if once else {})
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.request(method, self._url + path, json=body) as response,
        ):
            answer: Any = await response.json() if response.content_length != 0 else None
            if response.status >= 400:
                raise Refused(response.status, answer["error"])
            return answer

    async def learn_secrets(self) -> None:
        if not self.secrets:
            found = await self.request("GET", "/v1/signing-secret")
            self.secrets = [found["secret"], *found["overlapping"]]

    async def answer_with(self, e164: str, voice_url: str) -> str:
        """Has calls to one of our numbers, claimed first if need be, answered by `voice_url`; the number's id."""
        numbers = (await self.request("GET", "/v1/numbers?limit=100"))["data"]
        owned = [number for number in numbers if number["e164"] == e164]
        if not owned:
            owned = [(await self.request("POST", "/v1/numbers/claim", {"e164": e164}))["number"]]
        number_id: str = owned[0]["id"]
        routing = {"voice_callback_url": voice_url}
        await self.request("PATCH", f"/v1/numbers/{number_id}/routing", routing)
        return number_id

    def vouches_for(self, payload: bytes, header: str) -> bool:
        """Whether `X-Sautikit-Signature` is theirs and fresh: HMAC-SHA256 over the payload, a dot and the time."""
        fields = [part.partition("=")[::2] for part in header.split(",")]
        moment = dict(fields).get("t", "")
        if not (moment.isascii() and moment.isdigit()) or abs(time.time() - int(moment)) > 300:
            return False
        signed = payload + b"." + moment.encode()
        wanted = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in self.secrets]
        given = [value for name, value in fields if name == "v1"]
        return any(hmac.compare_digest(one.encode(), other.encode()) for one in given for other in wanted)


def voice_app(api: Sautikit, *, open_to_all: Collection[str] = ()) -> web.Application:
    """A web server that refuses every request without Sautikit's signature, but for the paths `open_to_all`."""

    @web.middleware
    async def only_sautikit(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        if resource is not None and resource.canonical in open_to_all:
            return await handler(request)
        # A GET (a WebSocket begins as one) has no body: its query is signed.
        payload = (
            request.rel_url.raw_query_string.encode() if request.method == "GET" else await request.read()
        )
        if not api.vouches_for(payload, request.headers.get("X-Sautikit-Signature", "")):
            raise web.HTTPForbidden(text="not signed by Sautikit")
        return await handler(request)

    return web.Application(middlewares=[only_sautikit])


def say(text: str, language: str = "en-KE") -> Action:
    return {"say": {"text": text, "language": language}}


def flow(*actions: Action) -> web.Response:
    """What the call does next; when nothing is left to do, it is hung up."""
    return web.json_response({"actions": actions})


def run(make: Callable[[Sautikit, Settings], web.Application], *, answers: bool = True) -> None:
    """Serves an example until Ctrl-C; with `answers`, calls to our number come to its `/voice`."""
    settings = Settings.from_environment()
    secrets = os.environ.get("SAUTIKIT_SIGNING_SECRET", "")
    api = Sautikit(settings.api_url, settings.api_key, secrets.split(",") if secrets else ())

    async def assembled() -> web.Application:
        await api.learn_secrets()
        if answers:
            await api.answer_with(settings.number, f"{settings.public_url}/voice")
            print(f"Calls to {settings.number} are answered here.", flush=True)
        return make(api, settings)

    web.run_app(assembled(), host=os.environ.get("HOST", "127.0.0.1"), port=settings.port)
