"""What two who were put together over two voice nodes can do, as on one: keys and hold."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from flow.doubles import callback_server
from node.exchange import (
    FIRST_NOTE,
    hears,
    hears_tone,
    holds_tone,
    hung_up,
    keys_of,
    reoffer,
    until_heard,
    until_music,
)
from node.referrer import Referrer
from node.room_party import nothing_left, until_rows
from node.switchboard import NUMBER, Switchboard
from node.two_calls import SECOND, connected, dials, phones, two_calls
from sautikitd.calls.outcomes import CallStatus
from simulators.carrier.far_side import Phone, eventually
from voice.media.rtp_peer import level, sine

ROW, COLUMN = 770.0, 1336.0  # of the key 5


async def _inform(phone: Phone, key: str) -> None:
    assert phone.sip.dialog
    outcome = await phone.sip.dialog.request(
        "INFO",
        content_type="application/dtmf-relay",
        body=f"Signal={key}\r\nDuration=160\r\n".encode(),
    )
    assert outcome.ok


async def _press_as_tone(phone: Phone) -> None:
    await phone.peer.say(sine(ROW, 0.12, 6000) + sine(COLUMN, 0.12, 6000))


def _tones_of(phone: Phone) -> int:
    """How often the tone of the key 5 began."""
    heard = phone.peer.heard()
    loud = [
        min(level(piece, ROW), level(piece, COLUMN)) > 2000
        for piece in (heard[at : at + 400] for at in range(0, len(heard) - 399, 400))
    ]
    return int(np.count_nonzero(np.diff(np.array([False, *loud], dtype=int)) == 1))


async def test_keys_reach_the_other_party_once_in_both_directions(board: Switchboard, tmp_path: Path) -> None:
    async with two_calls(board, tmp_path) as calls:
        await calls.put_together()
        await calls.first.press("15#")
        await calls.second.press("*90")
        await eventually(lambda: (keys_of(calls.second), keys_of(calls.first)) == ("15#", "*90"))
        await _inform(calls.first, "7")
        await _inform(calls.second, "8")
        await eventually(lambda: (keys_of(calls.second), keys_of(calls.first)) == ("15#7", "*908"))
        assert await hears(calls.second.peer, calls.first.peer, 440)
        await calls.second.sip.bye()
        await hung_up(calls.first)
        await nothing_left(board)
    assert (keys_of(calls.second), keys_of(calls.first)) == ("15#7", "*908")


@pytest.mark.parametrize("first_knows_events", [True, False])
async def test_a_key_of_a_phone_that_knows_tones_only_is_one_event_at_the_other_and_back(
    board: Switchboard, tmp_path: Path, first_knows_events: bool
) -> None:
    async with two_calls(board, tmp_path, tones_only=(not first_knows_events, first_knows_events)) as calls:
        await calls.put_together()
        knows, hears_only = calls.second, calls.first
        if first_knows_events:
            knows, hears_only = hears_only, knows
        await _press_as_tone(hears_only)
        await eventually(lambda: keys_of(knows) == "5")
        before = _tones_of(hears_only)
        await knows.press("5")
        await eventually(lambda: _tones_of(hears_only) == before + 1)


async def test_between_two_phones_that_know_tones_only_the_tone_itself_goes_through_once(
    board: Switchboard, tmp_path: Path
) -> None:
    async with two_calls(board, tmp_path, tones_only=(True, True)) as calls:
        await calls.put_together()
        for presser, other in ((calls.first, calls.second), (calls.second, calls.first)):
            before = _tones_of(other)
            await _press_as_tone(presser)
            assert await hears(other.peer, presser.peer, 440)
            assert _tones_of(other) == before + 1


@pytest.mark.parametrize(("first_holds", "direction"), [(True, "sendonly"), (False, "inactive")])
async def test_who_is_put_on_hold_hears_music_until_he_is_taken_back(
    board: Switchboard, tmp_path: Path, first_holds: bool, direction: str
) -> None:
    async with two_calls(board, tmp_path) as calls:
        await calls.put_together()
        holder, other = calls.first, calls.second
        if not first_holds:
            holder, other = other, holder
        await reoffer(holder, direction)
        await until_music(other)
        assert not await hears(other.peer, holder.peer, 1000)
        await reoffer(holder, "sendrecv")
        await until_heard(other, holder)
        assert await hears(holder.peer, other.peer, 440)
        assert not hears_tone(other.peer, FIRST_NOTE)
        await reoffer(holder, direction)
        await until_music(other)
        await other.sip.bye()
        await hung_up(holder)
        await board.until_all(CallStatus.COMPLETED)
        await nothing_left(board)


async def test_who_holds_while_he_is_put_together_with_somebody_holds_him_too(
    board: Switchboard, tmp_path: Path
) -> None:
    async with two_calls(board, tmp_path) as calls:
        await reoffer(calls.second, "sendonly")
        await calls.replace()
        await until_music(calls.first)
        await reoffer(calls.second, "sendrecv")
        await until_heard(calls.first, calls.second)


@pytest.mark.parametrize("his_node_is_asked", [True, False])
async def test_the_other_party_is_warned_too_before_the_money_is_gone(
    board: Switchboard, tmp_path: Path, his_node_is_asked: bool
) -> None:
    """A caller, who costs nothing, and a called party on the other node."""
    async with phones(board, tmp_path) as (here, elsewhere, _):
        await here.register()
        flow: list[object] = [{"dial": {"client": here.username}}, {"pause": {"length": 300}}]
        async with callback_server(voice=[flow]) as server:
            await board.route(voice_callback_url=server.url("/voice"))
            caller = await board.exchange.call(NUMBER)
            rung = await (await here.ringing()).answer()
            await caller.answered()
            asking, asked = await dials(board, elsewhere, SECOND)
            replaced, referring = (rung, asking) if his_node_is_asked else (asking, rung)
            await connected(asking, asked)
            assert await Referrer(referring).refer_to(SECOND, replaces=replaced) == 202
            await connected(caller, asked)
            await board.leave(350)
            goodbye = asyncio.ensure_future(hung_up(asked))
            while not goodbye.done():
                board.clock.advance(1)
                await asyncio.sleep(0.05)
            for phone in (caller, asked):
                assert holds_tone(phone.peer.heard(), 480, 1000)
            ended = "SELECT cost_minor FROM calls WHERE to_address = $1 AND hangup_cause = $2"
            (leg,) = await until_rows(board, 1, ended, SECOND, "insufficient_funds")
            await caller.sip.bye()
            await nothing_left(board)
    assert leg["cost_minor"] == 350
    assert await board.balance() == (0, 0)
