"""An inbound call that was answered on the wire was answered, however soon the caller hangs up."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from flow.doubles import callback_server
from node.switchboard import NUMBER, Switchboard
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus, HangupBy
from sautikitd.node.books import Books


async def test_a_bye_while_the_answer_is_being_entered_ends_an_answered_call(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, entered = asyncio.Event(), asyncio.Event(), Books.answered

    async def slow(books: Books, call_id: UUID, at: datetime, dialog: dict[str, Any]) -> CallRecord | None:
        begun.set()
        await go_on.wait()
        return await entered(books, call_id, at, dialog)

    monkeypatch.setattr(Books, "answered", slow)
    async with callback_server(voice=[[{"play": {"tone": "dial", "loop": 20}}]]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        caller = await board.exchange.call(NUMBER)
        await caller.answered()
        await begun.wait()
        await caller.sip.bye()
        go_on.set()
        call = await board.over()
    assert (call.status, call.hangup_by) == (CallStatus.COMPLETED, HangupBy.CALLER)
    assert call.answered_at is not None
    assert call.billed_seconds is not None
