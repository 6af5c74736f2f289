"""Conferences and queues commanded by the API while they are live: what is asked for is heard at once."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np

from flow.doubles import callback_server
from node.exchange import hears_tone, hung_up
from node.room_party import call_in, call_of, kinds, nothing_left, speak_together, until_rows, until_seated
from node.switchboard import PARTIES, Switchboard
from voice.media.rtp_peer import LINEAR, Packet, Samples, level, sine

FIRST, SECOND, THIRD = PARTIES
TONES = (500.0, 900.0)
ROOM: list[object] = [{"conference": {"name": "board"}}]
BOARD = "/v1/conferences/board"


async def _post(api: httpx.AsyncClient, path: str, body: Any = None, status: int = 200) -> Any:
    answer = await api.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


@asynccontextmanager
async def _two_in_a_room(board: Switchboard, flow: Any = ROOM) -> AsyncIterator[list[Any]]:
    async with callback_server(voice=[flow]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        parties = [await call_in(board, caller) for caller in (FIRST, SECOND)]
        await until_seated(board, 2)
        yield parties


async def test_muting_is_heard_within_a_moment_and_told_once(
    board: Switchboard, api: httpx.AsyncClient, record_property: Any
) -> None:
    async with _two_in_a_room(board) as (first, second):
        path = f"{BOARD}/participants/{await call_of(board, FIRST)}"
        speaking = asyncio.ensure_future(first.peer.say(sine(500, 2.5, 6000)))
        await _until_heard(second, 500)
        asked = time.monotonic()
        muted = await _post(api, f"{path}/mute")
        answered = time.monotonic()
        await speaking
        loud = [
            packet.at
            for packet in second.peer.audio
            if packet.at > asked and level(_samples(second, packet), 500) > 2000
        ]
        took = max(loud, default=answered) - answered
        record_property("milliseconds from answer to silence", round(took * 1000))
        await _post(api, f"{path}/mute")
        await _post(api, f"{path}/unmute")
        assert await speak_together([first, second], TONES) == [{900.0}, {500.0}]
    assert muted["participant"]["muted"] is True
    assert took < 1.0
    assert (await kinds(board, "conference")).count("participant_muted") == 1


async def test_who_is_held_hears_music_and_nobody_until_he_is_let_back_in(
    board: Switchboard, api: httpx.AsyncClient
) -> None:
    async with _two_in_a_room(board) as (first, second):
        path = f"{BOARD}/participants/{await call_of(board, SECOND)}"
        held = await _post(api, f"{path}/hold", {})
        async with asyncio.timeout(10):
            while not hears_tone(second.peer, 261.6):
                await asyncio.sleep(0.05)
        assert await speak_together([first, second], TONES) == [set(), set()]
        await _post(api, f"{path}/unhold")
        async with asyncio.timeout(10):
            while await speak_together([first, second], TONES) != [{900.0}, {500.0}]:
                continue
    assert held["participant"]["held"] is True


async def test_who_is_kicked_goes_on_with_his_flow_and_the_end_sends_everybody_on(
    board: Switchboard, api: httpx.AsyncClient
) -> None:
    async with _two_in_a_room(board, [*ROOM, {"play": {"tone": "busy"}}]) as (first, second):
        await _post(api, f"{BOARD}/participants/{await call_of(board, SECOND)}/kick")
        await hung_up(second)
        ended = await _post(api, f"{BOARD}/end")
        await hung_up(first)
        await nothing_left(board)
        again = await _post(api, f"/v1/conferences/{ended['conference']['id']}/end")
        gone = await api.post(f"{BOARD}/end")
        late = await api.post(f"/v1/conferences/{ended['conference']['id']}/announce", json={"text": "late"})
        listed = (await api.get("/v1/conferences", params={"status": "ended"})).json()["data"]
        left = (
            await api.get(
                f"/v1/conferences/{ended['conference']['id']}/participants", params={"present": False}
            )
        ).json()["data"]
    assert hears_tone(first.peer, 425)
    assert hears_tone(second.peer, 425)
    assert again["conference"] == ended["conference"]
    assert (ended["conference"]["status"], ended["conference"]["end_reason"]) == ("ended", "ended_by_api")
    assert (gone.status_code, late.status_code) == (404, 409)
    assert [one["id"] for one in listed] == [ended["conference"]["id"]]
    assert [one["leave_reason"] for one in left] == ["kicked", "conference_ended"]


async def test_an_announcement_is_heard_by_all_and_the_recording_holds_it(
    board: Switchboard, api: httpx.AsyncClient
) -> None:
    async with _two_in_a_room(board) as (first, second):
        started = await _post(api, f"{BOARD}/recording/start")
        recording = await until_rows(board, 1, "SELECT id, channels FROM recordings")
        await _post(api, f"{BOARD}/announce", {"text": "Karibu kwenye mkutano", "language": "sw-KE"}, 202)
        async with asyncio.timeout(15):
            while not all(abs(one.peer.recent(0.5)).max(initial=0) > 1500 for one in (first, second)):
                await asyncio.sleep(0.05)
        await first.peer.say(sine(500, 0.5, 6000))
        stopped = await _post(api, f"{BOARD}/recording/stop")
        (stored,) = await until_rows(
            board, 1, "SELECT id, duration_ms FROM recordings WHERE status = 'ready' AND duration_ms > 400"
        )
    assert started["conference"]["recorded"] is True
    assert stopped["conference"]["recording_id"] == str(recording[0]["id"]) == str(stored["id"])
    told = await kinds(board, "conference")
    assert [kind for kind in told if kind.startswith("recording")] == [
        "recording_started",
        "recording_stopped",
    ]


async def test_queues_show_who_waits_where_and_let_one_out(
    board: Switchboard, api: httpx.AsyncClient
) -> None:
    flow: list[object] = [{"enqueue": {"name": "support"}}, {"play": {"tone": "busy"}}]
    async with callback_server(voice=[flow]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        phones = []
        for count, caller in enumerate((FIRST, SECOND), start=1):
            phones.append(await call_in(board, caller))
            await until_rows(board, count, "SELECT FROM queue_members WHERE status = 'waiting'")
        queues = (await api.get("/v1/queues")).json()["data"]
        members = (await api.get("/v1/queues/support/members")).json()["data"]
        second = await call_of(board, SECOND)
        one = (await api.get(f"/v1/queues/{queues[0]['id']}/members/{second}")).json()["member"]
        await _post(api, f"/v1/queues/support/members/{await call_of(board, FIRST)}/remove")
        await hung_up(phones[0])
        after = (await api.get(f"/v1/queues/support/members/{second}")).json()["member"]
        absent = await api.get("/v1/queues/nobody")
        nobody = await api.post(f"/v1/queues/support/members/{await call_of(board, FIRST)}/remove")
    assert [(one["name"], one["size"]) for one in queues] == [("support", 2)]
    assert [(one["number"], one["position"]) for one in members] == [(FIRST, 1), (SECOND, 2)]
    assert (one["position"], after["position"]) == (2, 1)
    assert (absent.status_code, absent.json()["error"]["code"]) == (404, "queues.not_found")
    assert (nobody.status_code, nobody.json()["error"]["code"]) == (404, "queues.member_not_found")


async def _until_heard(phone: Any, hertz: float) -> None:
    async with asyncio.timeout(10):
        while not hears_tone(phone.peer, hertz):
            await asyncio.sleep(0.02)


def _samples(phone: Any, packet: Packet) -> Samples:
    return LINEAR[phone.peer.codec][np.frombuffer(packet.payload, np.uint8)]
