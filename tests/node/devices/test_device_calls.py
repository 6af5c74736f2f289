"""Devices call as their number: charged, limited and guarded as calls by the API are, and refused in words."""

import asyncio

import pytest

from node.exchange import PATIENCE_S, hears, hung_up
from node.softphone import credential, softphone
from node.switchboard import NUMBER, PARTIES, Switchboard
from sautikitd.calls.outcomes import CallStatus
from sautikitd.voice.sip.events import Event, Failed, Progress
from sautikitd.voice.sip.hops import Transport
from simulators.carrier.far_side import Phone

ANSWERED, COMPLETED = CallStatus.ANSWERED, CallStatus.COMPLETED
PARTY = PARTIES[0]
LOCAL = "0712000001"  # the same, as it is dialled in Kenya

BOTH = pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])


@BOTH
async def test_a_device_talks_to_whom_it_dialled_as_its_number_and_the_far_leg_is_charged(
    board: Switchboard, transport: Transport
) -> None:
    async with softphone(board, transport=transport) as phone:
        caller = await phone.dial(LOCAL)
        ringing = await board.exchange.ringing(PARTY)
        assert ringing.sip.from_.user == NUMBER
        assert ringing.sip.asserted_identity[0].user == NUMBER
        ringing.alert()
        progress = await caller.until(Progress)
        assert isinstance(progress, Progress)
        assert progress.code == 180
        callee = await ringing.answer()
        await caller.answered()
        await board.until_legs(ANSWERED)
        assert await hears(callee.peer, caller.peer, 440)
        assert await hears(caller.peer, callee.peer, 1000)
        await board.talk(61)
        await caller.sip.bye()
        await hung_up(callee)
        (leg,) = await board.until_legs(COMPLETED)
        root = await board.over()
    assert (root.direction, root.from_address, root.to_address) == ("outbound", NUMBER, PARTY)
    assert (root.cost_minor, root.rate_per_minute_minor, root.status) == (0, 0, COMPLETED)
    assert root.hangup_by == "caller"
    assert (leg.parent_call_id, leg.from_address, leg.billed_seconds) == (root.id, NUMBER, 61)
    assert await board.balance() == (10_000 - 305, 0)


async def test_when_the_called_party_hangs_up_the_device_hears_it(board: Switchboard) -> None:
    async with softphone(board) as phone:
        caller = await phone.dial("00254712000001")
        callee = await (await board.exchange.ringing(PARTY)).answer()
        await caller.answered()
        await board.until_legs(ANSWERED)
        await callee.sip.bye()
        await hung_up(caller)
        assert (await board.over()).status is COMPLETED


@pytest.mark.parametrize(
    ("code", "heard", "status"), [(486, 486, "busy"), (480, 480, "no_answer"), (404, 404, "failed")]
)
async def test_what_became_of_the_far_leg_is_what_the_device_hears(
    board: Switchboard, code: int, heard: int, status: str
) -> None:
    async with softphone(board) as phone:
        caller = await phone.dial(PARTY)
        (await board.exchange.ringing(PARTY)).refuse(code)
        failed = await caller.until(Failed)
        assert isinstance(failed, Failed)
        assert failed.code == heard
        root = await board.over()
    assert (root.status, root.sip_code) == (status, heard)


async def test_a_device_that_gives_up_calls_its_far_leg_off(board: Switchboard) -> None:
    async with softphone(board) as phone:
        caller = await phone.dial(PARTY)
        ringing = await board.exchange.ringing(PARTY)
        ringing.alert()
        await caller.until(Progress)
        await caller.sip.hang_up()
        await caller.until(Failed)
        root = await board.over()
        (leg,) = await board.until_legs(CallStatus.CANCELED)
    assert (root.status, root.hangup_by) == (CallStatus.CANCELED, "caller")
    assert leg.cost_minor == 0


@pytest.mark.parametrize(
    ("dialled", "code", "word"),
    [
        ("12345", 404, "request.invalid"),
        ("+442079460018", 403, "calls.destination_forbidden"),
        ("0900123456", 404, "request.invalid"),
    ],
)
async def test_a_destination_that_may_not_be_called_is_refused_in_words(
    board: Switchboard, dialled: str, code: int, word: str
) -> None:
    async with softphone(board) as phone:
        failed = await phone.refused(dialled)
    assert failed.code == code
    assert any(word in (reason.text or "") for reason in failed.reasons)
    assert await board.calls() == []


@pytest.mark.parametrize("status", ["suspended", "past_due"])
async def test_a_number_calls_only_while_it_works(board: Switchboard, status: str) -> None:
    made = await credential(board)
    async with board.platform.database.connection() as connection:
        await connection.execute(
            "UPDATE numbers SET status = $2, past_due_since = current_date WHERE id = $1",
            board.number_id,
            status,
        )
    async with softphone(board, made=made) as phone:
        if status == "suspended":
            failed = await phone.refused(PARTY)
            assert failed.code == 403
            assert any("numbers.inactive" in (reason.text or "") for reason in failed.reasons)
        else:
            caller = await phone.dial(PARTY)
            await (await board.exchange.ringing(PARTY)).answer()
            await caller.answered()
            await caller.sip.bye()


async def test_an_empty_wallet_is_told_of(board: Switchboard) -> None:
    await board.leave(100)
    async with softphone(board) as phone:
        failed = await phone.refused(PARTY)
    assert failed.code == 402
    assert any("wallet.insufficient_funds" in (reason.text or "") for reason in failed.reasons)


async def test_a_workspace_without_room_is_busy_after_a_moment(board: Switchboard) -> None:
    await board.limit(1)
    async with softphone(board) as phone:
        caller = await phone.dial(PARTY)
        failed = await asyncio.wait_for(tick(board, caller), PATIENCE_S)
        assert isinstance(failed, Failed)
    assert failed.code == 486
    assert any("calls.concurrency_reached" in (reason.text or "") for reason in failed.reasons)


async def tick(board: Switchboard, caller: Phone) -> Event:
    """How the call fails, while the time of the test goes by."""
    failing = asyncio.ensure_future(caller.until(Failed))
    while not failing.done():
        board.clock.advance(0.25)
        await asyncio.sleep(0.02)
    return await failing


async def test_emergency_calls_are_refused_audibly(board: Switchboard) -> None:
    async with softphone(board) as phone:
        caller = await phone.dial("999")
        progress = await caller.until(Progress)
        assert isinstance(progress, Progress)
        assert progress.code == 183
        assert progress.sdp
        caller.send_to(progress.sdp)
        failed: Event | None = None
        async with asyncio.timeout(30):
            while not isinstance(failed, Failed):
                failed = await caller.sip.next_event()
        assert failed.code == 403
        assert any("calls.emergency_unsupported" in (reason.text or "") for reason in failed.reasons)
        assert abs(caller.peer.heard()).max() > 2000
    assert await board.calls() == []
