"""Machine detection on calls that were placed: what the far end says decides what the flow is told, and when it begins."""

import asyncio
from typing import Any

import numpy as np

from flow.doubles import CallbackServer, callback_server
from node.exchange import PATIENCE_S, hears_tone
from node.switchboard import NUMBER, PARTIES, Switchboard
from sautikitd.calls.live_control import ControlCall
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus
from sautikitd.calls.requests import PlaceCall
from sautikitd.identity.audit import OPERATOR
from sautikitd.identity.keys.models import NewKey
from sautikitd.identity.principal import Principal
from simulators.carrier.far_side import Phone
from voice.media.rtp_peer import Samples, sine

TONE = {"play": {"tone": "dial", "loop": 20}}  # 425 Hz


def _word() -> Samples:
    """Noise that rises and falls as two syllables do."""
    times = np.arange(4000) / 8000
    noise: Samples = np.random.default_rng(1).standard_normal(4000) * 3000
    word: Samples = noise * np.clip(np.sin(2 * np.pi * 4 * times), 0, 1)
    return word


async def _call(board: Switchboard, server: CallbackServer, **wish: Any) -> Phone:
    """A call that was answered; its flow is asked of `/voice`."""
    now = board.clock.now()
    async with board.platform.database.transaction() as connection:
        new = NewKey(workspace_id=board.workspace_id, mode="live", name="k", scopes=frozenset("*"))
        key = (await board.platform.api_keys.create(connection, new, OPERATOR, now)).record
        principal = Principal(id=key.id, workspace_id=board.workspace_id, mode="live", scopes=frozenset("*"))
        call = PlaceCall(from_=NUMBER, to=PARTIES[0], voice_callback_url=server.url("/voice"), **wish)
        await board.platform.placing.place(connection, principal, call)
    board.parts.node.wake()
    return await (await board.exchange.ringing(PARTIES[0])).answer()


async def _asked(server: CallbackServer) -> dict[str, str]:
    async with asyncio.timeout(PATIENCE_S):
        while not server.asked:
            await asyncio.sleep(0.02)
    return dict(server.asked[0].form)


async def _told(board: Switchboard) -> tuple[CallRecord, list[Any]]:
    """The call, and what its events of detection carry."""
    (call,) = await board.calls()
    async with board.platform.database.connection() as connection:
        rows = await connection.fetch(
            "SELECT data FROM events WHERE call_id = $1 AND kind = 'call.machine_detected'", call.id
        )
    return call, [row["data"]["answered_by"] for row in rows]


async def test_a_human_being_is_told_to_the_callback_the_record_and_the_events(board: Switchboard) -> None:
    async with callback_server(voice=[[TONE]]) as server:
        phone = await _call(board, server, machine_detection="detect")
        await phone.peer.say(np.concatenate([_word(), np.zeros(8000)]))
        assert (await _asked(server))["answeredBy"] == "human"
        call, events = await _told(board)
        assert (call.answered_by, events) == ("human", ["human"])
        await phone.sip.hang_up()


async def test_a_message_begins_when_the_beep_of_a_machine_is_over(board: Switchboard) -> None:
    async with callback_server(voice=[[TONE]]) as server:
        phone = await _call(board, server, machine_detection="detect_message_end", callback_format="twilio")
        await phone.peer.say(np.concatenate([np.zeros(4000), sine(1000, 1.2)]))
        assert not server.asked
        await phone.peer.say(np.zeros(4000))
        assert (await _asked(server))["AnsweredBy"] == "machine_end_beep"
        async with asyncio.timeout(PATIENCE_S):
            while not hears_tone(phone.peer, 425):
                await asyncio.sleep(0.02)
        assert (await _told(board))[1] == ["machine"]
        await phone.sip.hang_up()


async def test_a_call_that_did_not_ask_begins_at_once_and_knows_nobody(board: Switchboard) -> None:
    async with callback_server(voice=[[TONE]]) as server:
        phone = await _call(board, server)
        assert "answeredBy" not in await _asked(server)
        assert await _told(board) == ((await board.calls())[0], [])
        await phone.sip.hang_up()


async def test_a_flow_that_is_replaced_while_it_is_being_found_out_begins_as_the_new_one(
    board: Switchboard,
) -> None:
    async with callback_server(voice=[[TONE]]) as server:
        phone = await _call(board, server, machine_detection="detect")
        (call,) = await board.until_all(CallStatus.ANSWERED)
        beeps = [{"play": {"tone": "beep", "loop": 100}}]
        async with board.platform.database.transaction() as connection:
            control = ControlCall(board.clock)
            await control.replace_flow(
                connection, call.id, actions=beeps, voice_callback_url=None, now=board.clock.now()
            )
        board.parts.node.wake()
        await phone.peer.say(np.concatenate([_word(), np.zeros(8000)]))
        async with asyncio.timeout(PATIENCE_S):
            while not hears_tone(phone.peer, 1000):
                await asyncio.sleep(0.02)
        assert server.asked == []
        assert (await _told(board))[1] == ["human"]
        await phone.sip.hang_up()
