"""From a running platform to a first call on the screen."""

import asyncio
from typing import Any

import aiohttp

from sautikitd.app import open_platform
from sautikitd.demo.client import Api, ApiRefused
from sautikitd.demo.receiver import Receiver
from sautikitd.demo.screen import Screen
from sautikitd.demo.script import QUESTION
from sautikitd.demo.seed import Seed, seed
from sautikitd.settings import Settings
from sautikitd.wallet.money import written

FROM = "+254200000001"
TO = "+254712000008"  # …0008 presses 1 2 3 4 # (contract §9)
_PATIENCE_S = 60.0
_LOOK_EVERY_S = 0.08


async def demonstrate(settings: Settings, database_url: str, screen: Screen) -> None:
    """Seeds, places a call, tells how it goes, then keeps receiving webhooks until cancelled."""
    async with open_platform(settings, "demonstration", url=database_url, connections=2) as platform:
        seeded = await seed(platform)
    async with (
        Receiver(screen, settings.http.port + 1) as receiver,
        Api(settings.public_url, seeded.key) as api,
    ):
        try:
            receiver.secrets = await _signing_secrets(api)
            await _number(api, receiver)
            await _first_call(api, receiver, screen)
        except (ApiRefused, aiohttp.ClientError, TimeoutError) as exc:
            screen.problem(f"The first call did not work out: {_told(exc)}")
        _tell_what_is_here(settings, seeded, receiver, screen)
        await asyncio.Event().wait()


def _told(exc: Exception) -> str:
    return "nothing happened for a minute" if isinstance(exc, TimeoutError) else str(exc)


async def _signing_secrets(api: Api) -> list[str]:
    answer = await api.get("/v1/signing-secret")
    return [answer["secret"], *answer["overlapping"]]


async def _number(api: Api, receiver: Receiver) -> None:
    """Claims the first test number, or finds it claimed; calls from it ask our receiver what to do."""
    try:
        claimed = await api.post("/v1/numbers/claim", {"e164": FROM})
        number_id = claimed["number"]["id"]
    except ApiRefused as exc:
        if exc.code != "numbers.already_claimed":
            raise
        listed = await api.get("/v1/numbers?limit=100")
        number_id = next(number["id"] for number in listed["data"] if number["e164"] == FROM)
    await api.patch(f"/v1/numbers/{number_id}/routing", {"voice_callback_url": receiver.voice_url})


async def _first_call(api: Api, receiver: Receiver, screen: Screen) -> None:
    screen.title(f"A call from {FROM} to {TO} (a simulated phone that presses 1 2 3 4 #)")
    await api.post("/v1/test/wallet/refill", {})
    before = await api.get("/v1/wallet/balance")
    placed = await api.post("/v1/calls", {"from": FROM, "to": TO, "webhook_url": receiver.webhook_url})
    screen.step("queued", f"call {placed['call_id']}, session {placed['session_id']}")
    following = asyncio.create_task(_follow(api, placed["call_id"], screen))
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await following
            await receiver.until_ended(placed["call_id"])
    finally:
        following.cancel()
    after = await api.get("/v1/wallet/balance")
    screen.step(
        "wallet", f"{written(before['balance_minor'])} before, {written(after['balance_minor'])} after"
    )


async def _follow(api: Api, call_id: str, screen: Screen) -> None:
    """Shows the call's states and what its flow does, until it has ended."""
    told: set[str] = set()
    dialled = answered = False
    while True:
        call = (await api.get(f"/v1/calls/{call_id}"))["call"]
        if call["started_at"] and not dialled:
            dialled = True
            screen.step("ringing", f"{call['to']} (INVITE sent to the simulated carrier)")
        if call["answered_at"] and not answered:
            answered = True
            screen.step("answered", f"at {call['answered_at']}")
        for event in call["events"]:
            if event["id"] not in told:
                told.add(event["id"])
                _tell_event(event, screen)
        if call["ended_at"]:
            _tell_end(call, screen)
            return
        await asyncio.sleep(_LOOK_EVERY_S)


def _tell_event(event: dict[str, Any], screen: Screen) -> None:
    payload = event["payload"]
    if event["kind"] == "flow.verb_started" and payload.get("verb") == "say":
        screen.step("says", f"“{_spoken(payload)}”")
    elif event["kind"] == "flow.verb_started" and payload.get("verb") == "getDigits":
        screen.step("listens", f"after saying “{QUESTION}”")
    elif event["kind"] == "flow.verb_ended" and payload.get("verb") == "getDigits":
        screen.step("digits", payload.get("facts", {}).get("digits") or "none")
    elif event["kind"] in ("flow.failed", "flow.invalid", "flow.warning", "flow.apology"):
        screen.step("failed", f"{event['kind']}: {payload.get('text') or payload.get('outcome', '')}")


def _spoken(payload: dict[str, Any]) -> str:
    """`say (en-KE) Habari!` without its first words."""
    return str(payload.get("text", "")).partition(") ")[2] or str(payload.get("text", ""))


def _tell_end(call: dict[str, Any], screen: Screen) -> None:
    if call["status"] != "completed":
        screen.step("failed", f"{call['status']}: {call['failure_code'] or call['hangup_cause']}")
        return
    screen.step("hung up", f"by {call['hangup_by']}: {call['hangup_cause']}")
    seconds, rate = call["billed_seconds"], call["rate_per_minute_minor"]
    cost = written(call["cost_minor"])
    screen.step("cost", f"{cost}: {seconds} s at {written(rate)} a minute, by the second")


def _tell_what_is_here(settings: Settings, seeded: Seed, receiver: Receiver, screen: Screen) -> None:
    base = settings.public_url
    screen.title("It is yours to try. This runs until Ctrl-C, and finds its data when started again.")
    screen.text(f"  API          {base}/v1")
    screen.text(f"  OpenAPI      {base}/openapi.json")
    screen.text(f"  Health       {base}/readyz   {base}/metrics")
    screen.text(f"  SIP          {settings.sip} (udp, tcp)")
    screen.text(f"  Data         {settings.data_dir}")
    screen.text(f"  Test key     {seeded.key}")
    screen.title("Place a call yourself; its webhooks appear here:")
    screen.text(f"export SAUTIKIT_API_KEY={seeded.key}")
    screen.text(
        f"curl -X POST {base}/v1/calls \\\n"
        '  -H "Authorization: Bearer $SAUTIKIT_API_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        "  -d '{\n"
        f'    "from": "{FROM}",\n'
        '    "to": "+254712345678",\n'
        f'    "webhook_url": "{receiver.webhook_url}"\n'
        "  }'\n"
    )
