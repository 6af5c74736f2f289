"""The last report to the voice callback: of a call that nobody answered it is the only one."""

from typing import Any

import pytest

from flow.doubles import callback_server
from node.switchboard import NUMBER, PARTIES, Switchboard
from sautikitd.calls.requests import PlaceCall
from sautikitd.identity.audit import OPERATOR
from sautikitd.identity.keys.models import NewKey
from sautikitd.identity.principal import Principal
from simulators.carrier.far_side import eventually


@pytest.mark.parametrize("to", [PARTIES[0], [*PARTIES[:2]]], ids=["one", "several"])
async def test_a_busy_callee_is_reported_to_the_voice_callback_once(board: Switchboard, to: Any) -> None:
    async with callback_server(voice=[[]]) as server:
        await _place(board, to, server.url("/voice"))
        for number in [to] if isinstance(to, str) else to:
            (await board.exchange.ringing(number)).refuse(486)
        ended = await board.over()
        await eventually(lambda: len(server.asked) > 0)
    (last,) = [asked.form for asked in server.asked]
    assert (last["callId"], last["callSessionState"], last["isActive"]) == (str(ended.id), "Completed", "0")
    assert (last["durationInSeconds"], last["amount"], last["hangupCause"]) == ("0", "0.00", "user_busy")


@pytest.mark.parametrize("answered", [True, False])
async def test_in_twilios_vocabulary_the_status_callback_is_told_and_not_the_voice_callback(
    board: Switchboard, answered: bool
) -> None:
    async with callback_server(voice=[[]], status=[[]]) as server:
        urls = {"callback_format": "twilio", "status_callback_url": server.url("/status")}
        await _place(board, PARTIES[0], server.url("/voice"), **urls)
        ringing = await board.exchange.ringing(PARTIES[0])
        if answered:
            await ringing.answer()
        else:
            ringing.refuse(486)
        ended = await board.over()
        await eventually(lambda: any(asked.path == "/status" for asked in server.asked))
    (last,) = [asked.form for asked in server.asked if asked.path == "/status"]
    assert (last["CallSid"], last["CallStatus"]) == (f"CA{ended.id.hex}", "completed" if answered else "busy")
    assert [asked.path for asked in server.asked].count("/voice") == int(answered)


async def _place(board: Switchboard, to: Any, url: str, **more: Any) -> None:
    async with board.platform.database.transaction() as connection:
        new = NewKey(workspace_id=board.workspace_id, mode="live", name="k", scopes=frozenset("*"))
        key = (await board.platform.api_keys.create(connection, new, OPERATOR, board.clock.now())).record
        principal = Principal(id=key.id, workspace_id=board.workspace_id, mode="live", scopes=frozenset("*"))
        wish = PlaceCall(from_=NUMBER, to=to, voice_callback_url=url, **more)
        await board.platform.placing.place(connection, principal, wish)
    board.parts.node.wake()
