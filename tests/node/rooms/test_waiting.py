"""What a wait URL may answer besides sounds: another address, keys to be gathered, and the way out of the queue."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from flow.doubles import Asked, CallbackServer, callback_server
from node.exchange import PATIENCE_S, hears_tone, hung_up
from node.room_party import call_in, kinds, nothing_left, until_rows
from node.switchboard import PARTIES, Switchboard
from simulators.carrier.far_side import Phone

CALLER, _, _ = PARTIES
_WAITING = "SELECT id FROM queue_members WHERE status = 'waiting'"
MENU = '<Gather numDigits="1" timeout="20" action="pressed?at=1" finishOnKey=""><Pause length="1"/></Gather>'


def _twiml(inside: str) -> Any:
    async def answer(asked: Asked) -> web.StreamResponse:
        return web.Response(text=f"<Response>{inside}</Response>", content_type="text/xml")

    return answer


def _paths(server: CallbackServer, path: str) -> list[Asked]:
    return [asked for asked in server.asked if asked.path == path]


async def _until_asked(server: CallbackServer, path: str) -> Asked:
    async with asyncio.timeout(PATIENCE_S):
        while not (found := _paths(server, path)):
            await asyncio.sleep(0.02)
    return found[0]


async def _hears(phone: Phone, tone: float) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not hears_tone(phone.peer, tone):
            await asyncio.sleep(0.05)


async def test_a_caller_presses_a_key_while_he_waits_and_leaves_the_queue_for_what_comes_after_it(
    board: Switchboard,
) -> None:
    enqueue = '<Enqueue action="/left" waitUrl="/desk/wait" waitUrlMethod="GET">support</Enqueue>'
    async with callback_server(voice=[_twiml(enqueue)]) as server:
        server.answers |= {
            "/desk/wait": [_twiml(MENU)],
            "/desk/pressed": [_twiml("<Leave/>")],
            "/left": [[{"play": {"tone": "busy", "loop": 100}}]],
        }
        await board.route(voice_callback_url=server.url("/voice"), callback_format="twilio")
        phone = await call_in(board, CALLER)
        await until_rows(board, 1, _WAITING)
        waited = await _until_asked(server, "/desk/wait")
        await phone.peer.pace(phone.peer.press("1"))
        pressed = await _until_asked(server, "/desk/pressed")
        await _hears(phone, 425)
        await until_rows(board, 0, _WAITING)
        (left,) = _paths(server, "/left")
    assert (waited.method, waited.form["QueuePosition"]) == ("GET", "1")
    assert (pressed.method, pressed.form["Digits"], pressed.form["at"]) == ("POST", "1", "1")
    assert (left.form["QueueResult"], left.form["CallStatus"]) == ("leave", "in-progress")
    assert await kinds(board, "queue") == ["entered", "left"]


async def test_without_an_action_the_verb_after_the_enqueue_runs(board: Switchboard) -> None:
    flow: list[object] = [
        {"enqueue": {"name": "support", "waitUrl": "/wait"}},
        {"play": {"tone": "dial", "loop": 20}},
    ]
    async with callback_server(voice=[flow], wait=[[{"leave": {}}]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        phone = await call_in(board, CALLER)
        await _hears(phone, 425)
        (member,) = await until_rows(board, 1, "SELECT result FROM queue_members WHERE status = 'left'")
    assert member["result"] == "leave"


async def test_a_wait_url_may_hang_up(board: Switchboard) -> None:
    flow: list[object] = [
        {"enqueue": {"name": "support", "waitUrl": "/wait"}},
        {"play": {"tone": "dial", "loop": 100}},
    ]
    async with callback_server(voice=[flow], wait=[[{"hangup": {}}]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        await hung_up(await call_in(board, CALLER))
        await nothing_left(board)


@pytest.mark.parametrize("verb", ["conference", "dequeue"])
async def test_a_wait_url_is_asked_by_its_method_and_may_lead_to_another(
    board: Switchboard, verb: str
) -> None:
    leading: list[object] = [{"redirect": {"url": "../music?n=1"}}]
    music: list[object] = [{"play": {"tone": "dial", "loop": 3}}, {"leave": {}}]
    flow: list[object] = [{verb: {"name": "board", "waitUrl": "/far/away", "waitMethod": "GET"}}]
    async with callback_server(voice=[flow]) as server:
        server.answers |= {
            "/far/away": [leading],
            "/music": [music],
        }
        await board.route(voice_callback_url=server.url("/voice"))
        phone = await call_in(board, CALLER)
        await _until_asked(server, "/far/away")
        async with asyncio.timeout(PATIENCE_S):
            while not _paths(server, "/music"):  # asked once the second of the first round is over
                board.clock.advance(0.1)
                await asyncio.sleep(0.02)
        await _hears(phone, 425)
        warnings = await until_rows(board, 1, "SELECT data FROM events WHERE kind = 'flow.warning'")
    assert [asked.method for asked in _paths(server, "/far/away")][:1] == ["GET"]
    (heard, *_) = _paths(server, "/music")
    assert (heard.method, heard.raw_query) == ("POST", "n=1")
    assert "leave has no meaning for one who waits" in warnings[0]["data"]["text"]
