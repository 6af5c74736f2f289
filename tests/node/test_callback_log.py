"""`GET /v1/calls/{id}/callbacks`: what was asked, what came back, how long it took; for thirty days."""

import asyncio
from typing import Any

import httpx
from aiohttp import web

from flow.doubles import callback_server
from node.exchange import PATIENCE_S, hung_up
from node.switchboard import NUMBER, Switchboard
from sautikitd.calls.outcomes import CallStatus
from sautikitd.roles.periodic import forget_callbacks


async def _log(board: Switchboard, api: httpx.AsyncClient, call_id: object, count: int) -> list[Any]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await board.parts.journal.flush()
            rows: list[Any] = (await api.get(f"/v1/calls/{call_id}/callbacks")).json()["data"]
            if len(rows) == count:
                return rows
            await asyncio.sleep(0.02)


async def test_every_question_stands_there_with_its_answer_until_thirty_days_have_passed(
    board: Switchboard, api: httpx.AsyncClient
) -> None:
    gather: list[object] = [{"getDigits": {"numDigits": 4, "sensitive": True, "timeout": 60}}]
    broken = web.Response(status=500, text="z" * 5000)
    async with callback_server(voice=[gather, broken, []], fallback=[[{"hangup": {}}]]) as server:
        await board.route(voice_callback_url=server.url("/voice"), fallback_url=server.url("/fallback"))
        caller = await board.exchange.call(NUMBER)
        await caller.answered()
        await board.until_all(CallStatus.ANSWERED)
        await caller.press("8642")
        await hung_up(caller)
        call = await board.over()
        last, fallback, failed, first = await _log(board, api, call.id, 4)
    asked = [row["request"]["body"] for row in (first, failed, fallback, last)]
    assert [body["callSessionState"] for body in asked] == [
        "Ringing",
        "DigitsCollected",
        "DigitsCollected",
        "Completed",
    ]
    assert [row["outcome"] for row in (first, failed, fallback, last)] == ["ok", "status", "ok", "ignored"]
    assert (failed["response_status"], failed["response_body"]) == (500, "z" * 4096)
    assert [row["url"] == server.url("/fallback") for row in (last, fallback, failed)] == [False, True, False]
    assert asked[1]["Digits"] == "****"
    assert "8642" not in str((last, fallback, failed, first))
    assert all(row["duration_ms"] >= 0 and row["attempt"] == 1 for row in (last, fallback, failed, first))

    async with board.platform.database.connection() as connection:
        await connection.execute(
            "UPDATE voice_callbacks SET created_at = created_at - interval '30 days 1 hour' WHERE id = $1",
            first["id"],
        )
    assert await forget_callbacks(board.platform) == 1
    assert [row["id"] for row in await _log(board, api, call.id, 3)] == [
        row["id"] for row in (last, fallback, failed)
    ]
