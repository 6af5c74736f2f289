"""Streams with a price: a leg in the books, held and charged as any; without one there is none (`test_streaming`)."""

import asyncio

from flow.doubles import callback_server
from node.exchange import PATIENCE_S, hears_tone, hung_up
from node.switchboard import NUMBER, Switchboard
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus
from sautikitd.ids import uuid7
from simulators.carrier.far_side import Phone, eventually
from voice.streams.bot import Bot

ANSWERED, COMPLETED, FAILED = CallStatus.ANSWERED, CallStatus.COMPLETED, CallStatus.FAILED
RATE = 120


async def _priced(board: Switchboard) -> None:
    async with board.platform.database.transaction() as connection:
        await connection.execute(
            "INSERT INTO tariffs (id, direction, prefix, destination, per_minute_minor, effective_from)"
            " VALUES ($1, 'stream', '', 'Streams', $2, $3)",
            *(uuid7(), RATE, board.clock.now()),
        )


async def _streaming(board: Switchboard, bot: Bot, server_url: str) -> Phone:
    await _priced(board)
    await board.route(voice_callback_url=server_url)
    phone = await board.exchange.call(NUMBER)
    await phone.answered()
    return phone


def _flow(bot: Bot) -> list[object]:
    return [{"stream": {"url": bot.url}}, {"play": {"tone": "dial"}}]


async def _leg(board: Switchboard, status: CallStatus) -> CallRecord:
    (leg,) = await board.until_legs(status)
    return leg


async def test_a_stream_is_charged_by_the_second_from_its_opening_to_its_end(board: Switchboard) -> None:
    async with Bot() as bot, callback_server(voice=[_flow(bot)]) as server:
        phone = await _streaming(board, bot, server.url("/voice"))
        visit = await bot.visit()
        leg = await _leg(board, ANSWERED)
        assert (await board.balance())[1] == RATE  # a minute is held
        board.clock.advance(20)
        await visit.leave()
        leg = await _leg(board, COMPLETED)
        await eventually(lambda: hears_tone(phone.peer, 425))
        await phone.sip.bye()
        call = await board.over()
    assert (leg.billed_seconds, leg.cost_minor, leg.hangup_by) == (20, 40, "callee")
    assert (leg.parent_call_id, leg.to_address) == (call.id, bot.url.partition("?")[0])
    assert (call.cost_minor, await board.balance()) == (0, (10_000 - 40, 0))


async def test_when_the_money_is_gone_the_stream_ends_and_the_flow_goes_on(board: Switchboard) -> None:
    await board.leave(RATE)
    async with Bot() as bot, callback_server(voice=[_flow(bot)]) as server:
        phone = await _streaming(board, bot, server.url("/voice"))
        visit = await bot.visit()
        await _leg(board, ANSWERED)
        for _ in range(70):
            board.clock.advance(1)
            await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE_S):
            await visit.closed.wait()
        leg = await _leg(board, COMPLETED)
        await eventually(lambda: hears_tone(phone.peer, 425))
        await phone.sip.bye()
        await board.over()
    assert (leg.billed_seconds, leg.cost_minor, leg.hangup_cause) == (60, RATE, "insufficient_funds")
    assert await board.balance() == (0, 0)


async def test_a_stream_that_cannot_be_paid_is_not_opened_and_the_flow_goes_on(board: Switchboard) -> None:
    await board.leave(RATE - 1)
    async with Bot() as bot, callback_server(voice=[_flow(bot)]) as server:
        phone = await _streaming(board, bot, server.url("/voice"))
        leg = await _leg(board, FAILED)
        await eventually(lambda: hears_tone(phone.peer, 425))
        await hung_up(phone)
        await board.over()
        assert bot.asked == 0
    assert (leg.failure_code, leg.cost_minor) == ("wallet.insufficient_funds", 0)


async def test_a_server_that_refuses_costs_nothing(board: Switchboard) -> None:
    async with Bot(status=403) as bot, callback_server(voice=[_flow(bot)]) as server:
        phone = await _streaming(board, bot, server.url("/voice"))
        leg = await _leg(board, FAILED)
        await hung_up(phone)
        await board.over()
    assert (leg.answered_at, leg.cost_minor) == (None, 0)
    assert await board.balance() == (10_000, 0)
