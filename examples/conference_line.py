"""A conference line: dial in, key in your PIN, talk. Guests wait with music for the host, and go when the host goes."""

import hmac
from dataclasses import dataclass

from aiohttp import web

from voice_app import Sautikit, Settings, flow, run, say, voice_app

MOST_ATTEMPTS = 3


@dataclass(frozen=True)
class Invitation:
    """What a PIN opens."""

    pin: str
    room: str
    host: bool = False


INVITATIONS = [
    Invitation("482913", "chama", host=True),
    Invitation("571204", "chama"),
    Invitation("660318", "harambee", host=True),
    Invitation("935527", "harambee"),
]


def invited_by(pin: str) -> Invitation | None:
    """Compares with every PIN, so that the time it takes tells nothing."""
    found = None
    for invitation in INVITATIONS:
        if hmac.compare_digest(invitation.pin.encode(), pin.encode()):
            found = invitation
    return found


def ask(text: str, attempt: int) -> web.Response:
    gather = {
        "numDigits": 6,
        "timeout": 8,
        "nested": [say(text)],
        "retries": 1,
        "sensitive": True,  # the PIN appears in no log and no event
        "action": f"/pin?attempt={attempt}",
    }
    return flow({"getDigits": gather}, say("Goodbye."))


async def answer(_: web.Request) -> web.Response:
    return ask("Karibu. Please enter your six digit PIN.", 1)


async def enter(request: web.Request) -> web.Response:
    attempt = int(request.query["attempt"])
    invitation = invited_by(str((await request.post())["Digits"]))
    if invitation is None:
        if attempt >= MOST_ATTEMPTS:
            return flow(say("That PIN is not known either. Goodbye."))
        return ask("That PIN is not known. Please try again.", attempt + 1)
    conference = {
        "name": invitation.room,
        "startOnEnter": invitation.host,
        "endOnExit": invitation.host,
        "beep": True,
        "maxParticipants": 50,
    }
    return flow(
        say("You are the host." if invitation.host else "You are joining as a guest."),
        {"conference": conference},
        say("The conference is over. Goodbye."),
    )


def make(api: Sautikit, _: Settings) -> web.Application:
    app = voice_app(api)
    app.router.add_post("/voice", answer)
    app.router.add_post("/pin", enter)
    return app


if __name__ == "__main__":
    run(make)
