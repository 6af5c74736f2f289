"""The last report to the voice callback: of a call that nobody answered it is the only one."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from flow.doubles import CallbackServer, callback_server
from node.room_party import rows, until_rows
from node.second_node import second_node
from node.switchboard import NUMBER, PARTIES, Switchboard
from sautikitd.calls.models import CallRecord
from sautikitd.calls.requests import PlaceCall
from sautikitd.flow.context import CallbackFormat
from sautikitd.identity.audit import OPERATOR
from sautikitd.identity.keys.models import NewKey
from sautikitd.identity.principal import Principal
from sautikitd.node.last_reports import LastReports
from simulators.carrier.far_side import eventually
from voice.media.rtp_peer import sine


@pytest.mark.parametrize("to", [PARTIES[0], [*PARTIES[:2]]], ids=["one", "several"])
async def test_a_busy_callee_is_reported_to_the_voice_callback_once(board: Switchboard, to: Any) -> None:
    async with callback_server(voice=[[]]) as server:
        await _place(board, to, server.url("/voice"))
        for number in [to] if isinstance(to, str) else to:
            (await board.exchange.ringing(number)).refuse(486)
        ended = await board.over()
        await eventually(lambda: len(server.asked) > 0)
    (last,) = [asked.form for asked in server.asked]
    assert (last["callId"], last["callSessionState"], last["isActive"]) == (str(ended.id), "Completed", "0")
    assert (last["durationInSeconds"], last["amount"], last["hangupCause"]) == ("0", "0.00", "user_busy")


@pytest.mark.parametrize("answered", [True, False])
async def test_in_twilios_vocabulary_the_status_callback_is_told_and_not_the_voice_callback(
    board: Switchboard, answered: bool
) -> None:
    async with callback_server(voice=[[]], status=[[]]) as server:
        urls = {"callback_format": "twilio", "status_callback_url": server.url("/status")}
        await _place(board, PARTIES[0], server.url("/voice"), **urls)
        ringing = await board.exchange.ringing(PARTIES[0])
        if answered:
            await ringing.answer()
        else:
            ringing.refuse(486)
        ended = await board.over()
        await eventually(lambda: any(asked.path == "/status" for asked in server.asked))
    (last,) = [asked.form for asked in server.asked if asked.path == "/status"]
    assert (last["CallSid"], last["CallStatus"]) == (f"CA{ended.id.hex}", "completed" if answered else "busy")
    assert [asked.path for asked in server.asked].count("/voice") == int(answered)


FORMATS = [*CallbackFormat]


def _told_of(call: CallRecord, wanted: CallbackFormat, form: Mapping[str, str]) -> None:
    """That this is the last report of an unanswered, failed call."""
    if wanted is CallbackFormat.TWILIO:
        assert (form["CallSid"], form["CallStatus"], form["CallDuration"]) == (
            f"CA{call.id.hex}",
            "failed",
            "0",
        )
    elif wanted is CallbackFormat.AFRICASTALKING:
        assert (form["sessionId"], form["isActive"], form["status"]) == (call.session_id, "0", "Failed")
    else:
        assert (form["callId"], form["isActive"], form["callSessionState"]) == (
            str(call.id),
            "0",
            "Completed",
        )
        assert form["hangupCause"] == call.hangup_cause


async def _reported_once(board: Switchboard, server: CallbackServer, wanted: CallbackFormat) -> CallRecord:
    """The call that has ended, of which one report alone came, also when reports are taken up again and again."""
    ended = await board.over()
    await until_rows(board, 0, "SELECT FROM last_reports")
    for _ in range(3):
        board.clock.advance(61)
        await board.parts.reports.take_up()
    (last,) = server.asked
    assert last.path == ("/status" if wanted is CallbackFormat.TWILIO else "/voice")
    _told_of(ended, wanted, last.form)
    return ended


@pytest.mark.parametrize("wanted", FORMATS)
async def test_a_call_that_never_got_a_leg_is_reported_once(
    board: Switchboard, wanted: CallbackFormat
) -> None:
    async with callback_server(voice=[[]], status=[[]]) as server:
        await rows(board, "UPDATE trunks SET enabled = false RETURNING id")
        await _spoken(board, server, wanted)
        ended = await _reported_once(board, server, wanted)
    assert (ended.hangup_cause, ended.node_id) == ("no_trunk", None)


@pytest.mark.parametrize("wanted", FORMATS)
async def test_a_call_whose_node_is_lost_is_reported_by_another_once(
    board: Switchboard, tmp_path: Path, wanted: CallbackFormat
) -> None:
    async with (
        callback_server(voice=[[]], status=[[]]) as server,
        second_node(board, tmp_path / "second") as (dying, _),
    ):
        await board.parts.node.drain(0)  # so that the other node takes the call
        await _spoken(board, server, wanted)
        ringing = await board.exchange.ringing(PARTIES[0])
        board.clock.advance(21)  # its lease has lapsed
        await board.parts.reaper.reap()
        board.parts.reports.wake()
        ended = await _reported_once(board, server, wanted)
        ringing.refuse(486)  # and what it hears afterwards changes nothing
        await eventually(lambda: dying.node.calls == 0)
        assert len(server.asked) == 1
    assert (ended.hangup_cause, ended.node_id) == ("node_lost", dying.node.node_id)


async def test_a_report_whose_node_died_before_it_was_told_is_told_by_another(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*_: Any) -> None:
        return None

    async with callback_server(voice=[[]]) as server:
        with monkeypatch.context() as patched:
            patched.setattr(LastReports, "tell", dies)
            await _place(board, PARTIES[0], server.url("/voice"))
            (await board.exchange.ringing(PARTIES[0])).refuse(486)
            await board.over()
        await board.parts.reports.take_up()
        await eventually(lambda: board.parts.node.calls == 0)
        assert server.asked == []  # it is claimed for a minute
        board.clock.advance(61)
        await board.parts.reports.take_up()
        await until_rows(board, 0, "SELECT FROM last_reports")
    assert [asked.form["hangupCause"] for asked in server.asked] == ["user_busy"]


async def test_the_report_names_the_recording_once_it_can_be_fetched(board: Switchboard) -> None:
    async with callback_server(voice=[[]], status=[[]]) as server:
        urls = {"callback_format": "twilio", "status_callback_url": server.url("/status"), "record": True}
        await _place(board, PARTIES[0], None, actions=[{"pause": {"length": 1}}], **urls)
        phone = await (await board.exchange.ringing(PARTIES[0])).answer()
        (row,) = await until_rows(board, 1, "SELECT id FROM recordings")
        await phone.peer.say(sine(500, 0.5))
        await phone.sip.bye()
        await eventually(lambda: len(server.asked) > 0)
        (kept,) = await until_rows(board, 1, "SELECT status, duration_ms FROM recordings")
    (last,) = [asked.form for asked in server.asked]
    assert kept["status"] == "ready"
    assert last["RecordingSid"] == f"RE{row['id'].hex}"
    assert last["RecordingDuration"] == str(-(-kept["duration_ms"] // 1000))
    assert last["SipResponseCode"] == "200"
    assert parsedate_to_datetime(last["Timestamp"]).tzinfo is not None


async def _spoken(board: Switchboard, server: CallbackServer, wanted: CallbackFormat) -> None:
    """Places a call in a vocabulary, with both callbacks."""
    urls = {"callback_format": wanted.value, "status_callback_url": server.url("/status")}
    await _place(board, PARTIES[0], server.url("/voice"), **urls)


async def _place(board: Switchboard, to: Any, url: str | None, **more: Any) -> None:
    async with board.platform.database.transaction() as connection:
        new = NewKey(workspace_id=board.workspace_id, mode="live", name="k", scopes=frozenset("*"))
        key = (await board.platform.api_keys.create(connection, new, OPERATOR, board.clock.now())).record
        principal = Principal(id=key.id, workspace_id=board.workspace_id, mode="live", scopes=frozenset("*"))
        wish = PlaceCall(from_=NUMBER, to=to, voice_callback_url=url, **more)
        await board.platform.placing.place(connection, principal, wish)
    board.parts.node.wake()
