"""Controlled calls: what the far end hears between turns, and who decides when an answer comes late."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

from flow.doubles import Asked, callback_server
from node.exchange import PATIENCE_S, hears_tone, hung_up
from node.switchboard import NUMBER, PARTIES, Switchboard
from sautikitd.calls.controlled import turns
from sautikitd.calls.controlled.errors import TurnOver
from sautikitd.calls.controlled.models import ControlEvent, ControlEventKind
from sautikitd.calls.live import lock_live
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus
from sautikitd.calls.requests import PlaceCall
from sautikitd.identity.audit import OPERATOR
from sautikitd.identity.keys.models import NewKey
from sautikitd.identity.principal import Principal
from simulators.carrier.far_side import Phone
from voice.speech.test_audio_files import wav

BEEPS = {"play": {"tone": "beep", "loop": 100}}  # 1000 Hz
DIAL_TONE = {"play": {"tone": "dial"}}  # 425 Hz, five seconds


async def _sound(_: Asked) -> web.StreamResponse:
    return web.Response(body=wav(440, 1.0, 8000, 1), content_type="audio/wav")


@dataclass
class Controlled:
    """A call that was answered by `phone`, with what it tells its controller."""

    board: Switchboard
    call: CallRecord
    phone: Phone

    async def told(self, count: int, *, step_s: float = 0) -> list[ControlEvent]:
        """The events there are, once there are so many; meanwhile time passes, `step_s` at a time: what waits for it
        may begin to wait a moment later."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self.board.clock.advance(step_s)
                (call,) = await self.board.calls()
                async with self.board.platform.database.connection() as connection:
                    found = await turns.events_after(connection, call, 0, 100)
                if len(found) >= count:
                    return found
                await asyncio.sleep(0.05)

    async def respond(self, *actions: dict[str, Any], turn: int | None = None) -> int:
        now = self.board.clock.now()
        async with self.board.platform.database.transaction() as connection:
            live = await lock_live(connection, self.call.id, now)
            answered = await turns.respond(connection, live, turn, list(actions), now)
        self.board.parts.node.wake()
        return answered

    async def until_heard(self, hertz: float) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not hears_tone(self.phone.peer, hertz):
                await asyncio.sleep(0.02)

    async def story(self) -> list[str]:
        await self.board.parts.journal.flush()
        async with self.board.platform.database.connection() as connection:
            rows = await connection.fetch(
                "SELECT kind FROM events WHERE call_id = $1 AND kind LIKE 'flow.%' ORDER BY id", self.call.id
            )
        return [row["kind"].removeprefix("flow.") for row in rows]


async def _principal(board: Switchboard) -> Principal:
    async with board.platform.database.transaction() as connection:
        new = NewKey(workspace_id=board.workspace_id, mode="live", name="k", scopes=frozenset("*"))
        made = await board.platform.api_keys.create(connection, new, OPERATOR, board.clock.now())
    return Principal(id=made.record.id, workspace_id=board.workspace_id, mode="live", scopes=frozenset("*"))


@asynccontextmanager
async def controlled(board: Switchboard, **control: Any) -> AsyncIterator[Controlled]:
    principal = await _principal(board)
    wish = PlaceCall(from_=NUMBER, to=PARTIES[0], control="mcp", **control)
    async with board.platform.database.transaction() as connection:
        call = await board.platform.placing.place(connection, principal, wish)
    board.parts.node.wake()
    phone = await (await board.exchange.ringing(PARTIES[0])).answer()
    yield Controlled(board, call, phone)


async def test_opening_actions_run_then_a_turn_is_told_and_its_answer_is_heard(board: Switchboard) -> None:
    async with controlled(board, opening_actions=[{"pause": {"length": 3}}]) as it:
        await board.until_all(CallStatus.ANSWERED)
        (turn,) = await it.told(1, step_s=0.5)
        assert (turn.kind, turn.turn, turn.state) == (ControlEventKind.TURN, 1, "Answered")
        assert [done["verb"] for done in turn.done] == ["pause"]
        assert await it.respond(BEEPS) == 1
        with pytest.raises(TurnOver):
            await it.respond(BEEPS)
        await it.until_heard(1000)
        await it.phone.sip.bye()
        await board.over()
        events = await it.told(2)
    assert (events[-1].kind, events[-1].status) == (ControlEventKind.ENDED, "completed")
    assert (await it.story())[:4] == ["verb_started", "verb_ended", "asked", "answered"]


async def test_digits_go_to_the_controller_and_secret_ones_are_masked_once_they_were_told(
    board: Switchboard,
) -> None:
    async with controlled(board) as it:
        await it.told(1)
        await it.respond({"getDigits": {"numDigits": 4, "sensitive": True}})
        await it.phone.press("1234")
        turn = (await it.told(2))[1]
        assert (turn.state, turn.digits) == ("DigitsCollected", "1234")
        await it.respond({"hangup": {}}, turn=turn.sequence)
        await hung_up(it.phone)
        await board.over()
        assert (await it.told(3))[1].digits == "****"


async def test_the_caller_hears_the_hold_audio_and_two_silences_lead_to_the_fallback(
    board: Switchboard,
) -> None:
    async with (
        callback_server(hold=[_sound]) as server,
        controlled(
            board,
            hold_audio_url=server.url("/hold"),
            control_timeout_ms=4000,
            fallback_actions=[BEEPS],
        ) as it,
    ):
        await it.told(1)
        await it.until_heard(440)
        assert [one.kind for one in (await it.told(3, step_s=0.5))] == ["turn", "timeout", "turn"]
        with pytest.raises(TurnOver):
            await it.respond(BEEPS, turn=1)
        assert [one.kind for one in (await it.told(4, step_s=0.5))][3:] == ["fallback"]
        await it.until_heard(1000)
        with pytest.raises(TurnOver):
            await it.respond(BEEPS)
        await it.phone.sip.bye()
        await board.over()
    assert [kind for kind in await it.story() if not kind.startswith("verb")] == [
        *("asked", "failed", "asked", "failed", "fallback")
    ]


async def test_an_answer_between_two_silences_starts_the_count_anew(board: Switchboard) -> None:
    async with controlled(board, control_timeout_ms=4000, fallback_actions=[BEEPS]) as it:
        await it.told(1)
        await it.told(3, step_s=0.5)
        await it.respond()
        assert (await it.told(4))[3].silences == 0
        assert [one.kind for one in (await it.told(6, step_s=0.5))][3:] == ["turn", "timeout", "turn"]
        await it.phone.sip.bye()
        await board.over()
