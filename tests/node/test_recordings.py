"""The node's recording book: an order may come as soon as a recording's row is there."""

import asyncio

from flow.doubles import callback_server
from node.room_party import call_in
from node.switchboard import PARTIES, Switchboard
from sautikitd.ids import uuid7


class _Writer:
    async def pause(self, recording_id: str) -> None: ...

    async def resume(self, recording_id: str) -> None: ...

    async def stop(self, recording_id: str) -> None: ...


async def test_an_order_waits_for_a_recording_that_is_entered_and_about_to_be_written(
    board: Switchboard,
) -> None:
    async with callback_server(voice=[[{"answer": {}}, {"pause": {"length": 3600}}]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        await call_in(board, PARTIES[0])
        (call,) = await board.calls()
        book, recording_id, writer = board.parts.recordings, uuid7(), _Writer()

        place = await book.begin(call.id, 1, recording_id)
        order = asyncio.ensure_future(book.writer_of(recording_id))
        await asyncio.sleep(0)
        assert not order.done()
        book.started(place, writer)
        assert await order is writer
        book.finished(call.id, place, 0, "the recording was not begun")
    assert await book.writer_of(recording_id) is None
