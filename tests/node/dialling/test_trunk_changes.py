"""A trunk added, changed or taken away is so for the very next call."""

from uuid import UUID

import msgspec

from node.dialling.trunk_calls import FIRST, failed_before, place
from node.switchboard import NUMBER, Switchboard
from ports import free_port
from sautikitd.calls.outcomes import CallStatus
from sautikitd.identity.audit import OPERATOR
from sautikitd.trunks.models import NewTrunk
from sautikitd.voice.number_forms import NumberForm
from voice.sip.raw_peer import RawPeer


async def _unheard_of(board: Switchboard, port: int) -> UUID:
    """A trunk that goes first and that nobody has told the node of."""
    new = NewTrunk(name="new", host="127.0.0.1", port=port, priority=1)
    async with board.platform.database.transaction() as connection:
        return (await board.platform.trunks.add(connection, new, OPERATOR, board.clock.now())).id


async def test_a_call_over_a_trunk_that_the_node_has_not_heard_of_goes_over_it_all_the_same(
    board: Switchboard, broken: RawPeer
) -> None:
    added = await _unheard_of(board, broken.port)
    await place(board)
    invite = await broken.request("INVITE")
    (call,) = await board.calls()
    assert call.trunk_id == added
    assert call.dialog is not None
    assert call.dialog["invite"]["state"]["call_id"] == invite.call_id  # stored before it left
    broken.answer(invite, 486)
    ended = await board.over()
    assert ended.status is CallStatus.BUSY
    assert await failed_before(board, ended) == []


async def test_so_does_a_leg_that_a_running_call_dials(board: Switchboard, broken: RawPeer) -> None:
    await board.route(forward_to=FIRST)
    added = await _unheard_of(board, broken.port)
    await board.exchange.call(NUMBER)
    broken.answer(await broken.request("INVITE"), 486)
    (leg,) = await board.until_legs(CallStatus.BUSY)
    assert leg.trunk_id == added
    assert await failed_before(board, leg) == []


async def test_of_a_trunk_taken_away_after_it_was_chosen_the_call_goes_over_the_next(
    board: Switchboard,
) -> None:
    added = await _unheard_of(board, free_port())
    async with board.platform.database.connection() as connection:
        # as the last to touch it: the trunk is chosen by its row, and read without it
        await connection.execute("UPDATE trunks SET removed_at = now() WHERE id = $1", added)
    await place(board)
    (await board.exchange.ringing(FIRST)).refuse(486)
    ended = await board.over()
    assert ended.status is CallStatus.BUSY
    assert await failed_before(board, ended) == [(added, "out of service")]


async def test_a_call_placed_after_the_node_was_told_of_a_change_goes_by_the_change(
    board: Switchboard, broken: RawPeer
) -> None:
    async with board.platform.database.transaction() as connection:
        await board.platform.trunks.edit(
            connection,
            "nairobi",
            lambda terms: msgspec.structs.replace(
                terms, port=broken.port, called_form=NumberForm.NATIONAL, called_prefix="77"
            ),
            OPERATOR,
            board.clock.now(),
        )
    board.parts.trunk_watch.wake()
    await place(board)
    invite = await broken.request("INVITE")
    assert invite.request.uri.user == "77" + FIRST.replace("+254", "0")
    broken.answer(invite, 486)
    await board.over()
