"""Two talk over two voice nodes, each a process of its own, and one of the nodes is killed."""

import asyncio
from pathlib import Path

import pytest

from node.exchange import hears, hung_up
from node.node_process import node_process
from node.referrer import Referrer
from node.room_party import until_rows
from node.softphone import Softphone, credential, softphone
from node.switchboard import PARTIES, Office, office
from sautikitd.calls.models import CallRecord
from sautikitd.voice.sip.events import RemoteBye
from sautikitd.wallet.audit import audit
from simulators.carrier.far_side import Phone

FIRST, SECOND, _ = PARTIES
_PATIENCE_S = 90.0  # a lease lapses after 20 s


async def _dials(desk: Office, phone: Softphone, number: str) -> tuple[Phone, Phone]:
    near = await phone.dial(number)
    far = await (await desk.exchange.ringing(number)).answer()
    await near.answered()
    assert await hears(far.peer, near.peer, 1000)
    return near, far


async def _connected(one: Phone, other: Phone) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not (await hears(one.peer, other.peer, 440) and await hears(other.peer, one.peer, 1000)):
            continue


async def _all_over(desk: Office) -> dict[str, CallRecord]:
    """The calls by whom they went to, dialled legs only, once all have ended."""
    async with asyncio.timeout(_PATIENCE_S):
        found = await desk.calls()
        while not all(call.status.terminal for call in found):
            await asyncio.sleep(0.1)
            found = await desk.calls()
    return {call.to_address: call for call in found if call.parent_call_id}


@pytest.mark.parametrize("asked_dies", [True, False])
async def test_both_calls_end_are_billed_and_told_to_the_far_ends_and_nothing_is_left(
    database_url: str, tmp_path: Path, asked_dies: bool
) -> None:
    """`asked_dies`: the node that the room is at home on, else the one that was told to transfer."""
    async with (
        office(database_url, tmp_path, funds=10_000) as desk,
        node_process(desk, tmp_path / "asking") as asking,
        node_process(desk, tmp_path / "asked") as asked,
    ):
        made = await credential(desk)
        async with (
            softphone(desk, made=made, at=asking.hop) as here,
            softphone(desk, made=made, at=asked.hop) as there,
        ):
            near, first = await _dials(desk, here, FIRST)
            beside, second = await _dials(desk, there, SECOND)
            assert await Referrer(near).refer_to(SECOND, replaces=beside) == 202
            await hung_up(near)
            await hung_up(beside)
            await _connected(first, second)
            await (asked if asked_dies else asking).kill()
            await asyncio.gather(*(phone.until(RemoteBye, _PATIENCE_S) for phone in (first, second)))
            legs = await _all_over(desk)
            await until_rows(desk, 0, "SELECT FROM room_seats WHERE left_at IS NULL")
            (room,) = await until_rows(desk, 1, "SELECT end_reason FROM rooms WHERE status = 'ended'")
            nodes = await until_rows(desk, 1, "SELECT FROM voice_nodes WHERE stopped_at IS NOT NULL")
            async with desk.platform.database.connection() as connection:
                findings = await audit(connection)
            held = (await desk.balance())[1]
    lost, left = (SECOND, FIRST) if asked_dies else (FIRST, SECOND)
    assert (legs[lost].status, legs[lost].failure_code) == ("failed", "node_lost")
    assert (legs[left].status, legs[left].hangup_by) == ("completed", "platform")
    for leg in legs.values():
        assert leg.cost_minor == -(-(leg.billed_seconds or 0) * 300 // 60)
    assert (legs[lost].billed_seconds or 0) <= (legs[left].billed_seconds or 0)
    assert room["end_reason"] == ("node_lost" if asked_dies else "participant_left")
    assert (held, findings, len(nodes)) == (0, [], 1)
