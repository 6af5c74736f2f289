"""`dial` with `client` and `sip`: every device of a name rings, sees who calls, and costs nothing."""

import asyncio

import pytest
from aiohttp import web

from flow.doubles import callback_server
from node.exchange import hears, hung_up
from node.softphone import credential, softphone
from node.switchboard import NUMBER, Switchboard
from sautikitd.calls.outcomes import CallStatus
from sautikitd.devices.sip_hosts import change_hosts
from sautikitd.identity.audit import OPERATOR
from sautikitd.voice.sip.events import Failed
from sautikitd.voice.sip.hops import Transport

ANSWERED, CANCELED, COMPLETED = CallStatus.ANSWERED, CallStatus.CANCELED, CallStatus.COMPLETED
CALLER = "+254733000001"
CALLEE = "+254712000001"


async def test_all_devices_of_a_client_ring_see_the_caller_and_the_first_answer_wins_for_free(
    board: Switchboard,
) -> None:
    made = await credential(board)
    flow: list[object] = [{"dial": {"client": made.credential.username}}]
    async with (
        callback_server(voice=[flow]) as server,
        softphone(board, made=made, transport=Transport.UDP) as desk,
        softphone(board, made=made, transport=Transport.TCP) as mobile,
    ):
        await board.route(voice_callback_url=server.url("/voice"))
        await desk.register(call_id="desk")
        await mobile.register(call_id="mobile")
        caller = await board.exchange.call(NUMBER, CALLER)
        rung, other = await asyncio.gather(desk.ringing(), mobile.ringing())
        assert rung.sip.from_.user == other.sip.from_.user == CALLER
        callee = await other.answer()
        await caller.answered()
        await board.until_legs(ANSWERED, CANCELED)
        assert await hears(callee.peer, caller.peer, 440)
        assert await hears(caller.peer, callee.peer, 1000)
        await callee.sip.bye()
        await hung_up(caller)
        legs = await board.until_legs(COMPLETED, CANCELED)
        await board.over()
    assert {leg.to_address for leg in legs} == {f"client:{made.credential.username}"}
    assert [leg.cost_minor for leg in legs] == [0, 0]
    assert await board.balance() == (10_000, 0)


async def test_an_address_of_our_own_domain_rings_the_device(board: Switchboard) -> None:
    async with (
        softphone(board) as phone,
        callback_server(voice=[[{"dial": {"sip": f"sip:{phone.username}@127.0.0.1"}}]]) as server,
    ):
        await board.route(voice_callback_url=server.url("/voice"))
        await phone.register()
        caller = await board.exchange.call(NUMBER)
        (await phone.ringing()).refuse(486)
        await caller.until(Failed)
        (leg,) = await board.until_legs(CallStatus.BUSY)
        await board.over()
    assert leg.rate_per_minute_minor == 0


async def test_a_host_is_dialled_only_once_it_was_allowed(board: Switchboard) -> None:
    address = f"sip:asha@127.0.0.2:{board.exchange.port}"
    flow: list[object] = [{"dial": {"sip": address, "action": "/after"}}]
    async with callback_server(voice=[flow, flow], after=[[], []]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        refused = await board.exchange.call(NUMBER)
        await refused.until(Failed)
        form = next(asked.form for asked in server.asked if asked.path == "/after")
        assert (form["dialStatus"], form["dialCause"]) == ("failed", "calls.sip_host_forbidden")
        async with board.platform.database.transaction() as connection:
            await change_hosts(
                connection,
                board.workspace_id,
                "live",
                allowed=["127.0.0.2"],
                removed=[],
                actor=OPERATOR,
                now=board.platform.clock.now(),
            )
        await board.exchange.call(NUMBER)
        (leg,) = await board.until_legs(CallStatus.RINGING)
    assert leg.to_address == address


async def test_a_client_that_is_nowhere_is_told_of(board: Switchboard) -> None:
    async with callback_server(
        voice=[[{"dial": {"client": "asha", "action": "/after"}}]], after=[[]]
    ) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        caller = await board.exchange.call(NUMBER)
        await caller.until(Failed)
        form = next(asked.form for asked in server.asked if asked.path == "/after")
    assert (form["dialStatus"], form["dialCause"]) == ("failed", "calls.client_not_registered")


@pytest.mark.parametrize("in_turn", [False, True])
async def test_a_number_and_a_desk_phone_are_rung_together_or_in_turn(
    board: Switchboard, in_turn: bool
) -> None:
    """As Africa's Talking's own sample writes it."""
    made = await credential(board)
    address = f"{made.credential.username}@127.0.0.1"
    dial = f'<Dial phoneNumbers="{CALLEE},{address}" sequential="{str(in_turn).lower()}"/>'
    flow = web.Response(text=f"<Response>{dial}</Response>", content_type="text/plain")
    async with callback_server(voice=[flow]) as server, softphone(board, made=made) as desk:
        await board.route(voice_callback_url=server.url("/voice"), callback_format="africastalking")
        await desk.register()
        caller = await board.exchange.call(NUMBER, CALLER)
        mobile = await board.exchange.ringing(CALLEE)
        if in_turn:
            await board.until_legs(CallStatus.RINGING)
            mobile.refuse(486)
        callee = await (await desk.ringing()).answer()
        await caller.answered()
        assert await hears(callee.peer, caller.peer, 440)
        await callee.sip.bye()
        await hung_up(caller)
        legs = await board.until_legs(CallStatus.BUSY if in_turn else CANCELED, COMPLETED)
        await board.over()
    assert [leg.to_address for leg in legs] == [CALLEE, f"sip:{address}"]
