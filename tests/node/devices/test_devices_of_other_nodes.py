"""Devices ring whichever node runs the call: over the node that holds their connection, their sound straight to the caller's."""

import asyncio
from pathlib import Path

from flow.doubles import callback_server
from node.devices.test_device_websocket import challenged, token
from node.exchange import PATIENCE_S, hears, holds_tone, hung_up
from node.second_node import second_node
from node.softphone import credential, softphone
from node.switchboard import NUMBER, Switchboard
from sautikitd.calls.outcomes import CallStatus
from sautikitd.voice.sip import sdp
from sautikitd.voice.sip.events import Canceled, Failed, RemoteBye
from sautikitd.voice.sip.hops import Transport
from sautikitd.voice.sip.transactions import reply
from sautikitd.voice.sip.wire import Arrival, write_message
from voice.media.rtp_peer import sine
from voice.media.secure_peer import BrowserPeer
from voice.sip.browser_peer import CONTACT, Browser, browsing

CONTACT_HEADER = f"Contact: {CONTACT};expires=600"


async def test_a_softphone_connected_to_one_node_takes_a_call_of_another_and_hangs_up(
    board: Switchboard, tmp_path: Path
) -> None:
    made = await credential(board)
    async with (
        second_node(board, tmp_path / "second") as (_, there),
        callback_server(voice=[[{"dial": {"client": made.credential.username}}]]) as server,
        softphone(board, made=made, transport=Transport.TCP, at=there) as phone,
    ):
        await board.route(voice_callback_url=server.url("/voice"))
        assert (await phone.register()).ok
        caller = await board.exchange.call(NUMBER)
        rung = await phone.ringing()
        rung.alert()
        callee = await rung.answer()
        await caller.answered()
        await board.until_legs(CallStatus.ANSWERED)
        assert await hears(callee.peer, caller.peer, 440)
        assert await hears(caller.peer, callee.peer, 1000)
        await callee.sip.bye()
        await hung_up(caller)
        await board.until_legs(CallStatus.COMPLETED)
        await board.over()


async def test_a_caller_who_gives_up_stops_the_ringing_and_one_who_hangs_up_ends_it(
    board: Switchboard, tmp_path: Path
) -> None:
    made = await credential(board)
    flow: list[object] = [{"dial": {"client": made.credential.username}}]
    async with (
        second_node(board, tmp_path / "second") as (_, there),
        callback_server(voice=[flow, flow]) as server,
        softphone(board, made=made, transport=Transport.TCP, at=there) as phone,
    ):
        await board.route(voice_callback_url=server.url("/voice"))
        await phone.register()
        caller = await board.exchange.call(NUMBER)
        rung = await phone.ringing()
        rung.alert()
        await board.until_legs(CallStatus.RINGING)
        await caller.sip.hang_up()
        async with asyncio.timeout(PATIENCE_S):
            assert isinstance(await rung.sip.next_event(), Canceled)
        await board.until_legs(CallStatus.CANCELED)
        caller = await board.exchange.call(NUMBER)
        callee = await (await phone.ringing()).answer()
        await caller.answered()
        await caller.sip.bye()
        await callee.until(RemoteBye)
        await board.until_legs(CallStatus.CANCELED, CallStatus.COMPLETED)


async def test_a_device_that_has_just_gone_from_the_other_node_is_known_at_once(
    board: Switchboard, tmp_path: Path
) -> None:
    made = await credential(board)
    async with (
        second_node(board, tmp_path / "second") as (_, there),
        callback_server(voice=[[{"dial": {"client": made.credential.username}}]]) as server,
    ):
        await board.route(voice_callback_url=server.url("/voice"))
        async with softphone(board, made=made, transport=Transport.TCP, at=there) as phone:
            await phone.register()
            async with board.platform.database.connection() as connection:
                row = await connection.fetchrow("SELECT * FROM sip_bindings")
        async with board.platform.database.connection() as connection:
            async with asyncio.timeout(PATIENCE_S):
                while await connection.fetchval("SELECT count(*) FROM sip_bindings"):
                    await asyncio.sleep(0.02)
            names, places = ", ".join(row.keys()), ", ".join(f"${n + 1}" for n in range(len(row)))
            await connection.execute(f"INSERT INTO sip_bindings ({names}) VALUES ({places})", *row.values())
        caller = await board.exchange.call(NUMBER)
        await caller.until(Failed)
        (leg,) = await board.until_legs(CallStatus.FAILED)
    assert (leg.sip_code, leg.hangup_cause) == (430, "network_error")


async def test_a_browser_whose_websocket_is_with_another_node_rings_talks_and_is_hung_up_on(
    board: Switchboard, tmp_path: Path
) -> None:
    made = await token(board, "asha")
    async with (
        second_node(board, tmp_path / "second") as (parts, _),
        callback_server(voice=[[{"dial": {"client": "asha"}}]]) as server,
        browsing(f"ws://127.0.0.1:{parts.agent.bound_websocket(Transport.WS)}") as browser,
    ):
        await board.route(voice_callback_url=server.url("/voice"))
        assert await challenged(browser, made, "REGISTER", CONTACT_HEADER, to="") == 200
        caller = await board.exchange.call(NUMBER)
        invite = await browser.read()
        assert str(invite.request.uri) == "sip:b7k2@d3adb33f.invalid;transport=ws"
        peer = BrowserPeer()
        try:
            await _take(browser, invite, peer)
            await caller.answered()
            await peer.say(sine(1000, 1.5))
            assert holds_tone(caller.peer.recent(0.8), 1000)
            await caller.peer.say(sine(440, 1.5))
            assert holds_tone(peer.recent(0.8), 440)
        finally:
            peer.close()
        await caller.sip.bye()
        bye = await browser.read()
        assert bye.request.method == "BYE"
        await browser.answer(bye, 200)
        await board.until_legs(CallStatus.COMPLETED)


async def _take(browser: Browser, invite: Arrival, peer: BrowserPeer) -> None:
    """Rings, answers with DTLS, and connects its sound as a browser does."""
    await _respond(browser, invite, 180)
    assert invite.sdp
    offer = sdp.parse(invite.sdp)
    assert offer.transport.ice
    peer.to = (offer.address, offer.port)
    await _respond(browser, invite, 200, _answer_of(peer, invite.sdp))
    assert (await browser.read()).request.method == "ACK"
    async with asyncio.timeout(PATIENCE_S):
        while not peer.answers:
            peer.check(offer.transport.ice.ufrag, offer.transport.ice.password)
            await asyncio.sleep(0.05)
        peer.shake_hands()
        while not peer.shook_hands:
            await asyncio.sleep(0.02)


async def _respond(browser: Browser, invite: Arrival, code: int, body: bytes = b"") -> None:
    response = reply(invite, code, to_tag="browser")
    response.headers.set("Contact", CONTACT)
    response.headers.setlist("Record-Route", invite.listed("Record-Route"))
    response.body = body
    if body:
        response.headers.set("Content-Type", "application/sdp")
    await browser.send(write_message(response))


def _answer_of(peer: BrowserPeer, offer: bytes) -> bytes:
    media = next(line for line in offer.decode().splitlines() if line.startswith("m=audio"))
    lines = [
        *("v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"),
        f"m=audio {peer.port} {media.split()[2]} 0",
        *("a=rtpmap:0 PCMU/8000", "a=sendrecv", "a=rtcp-mux", "a=setup:active"),
        *(f"a=ice-ufrag:{peer.ufrag}", "a=ice-pwd:aPasswordOf22LettersAtLeast"),
        f"a=fingerprint:sha-256 {peer.fingerprint.upper()}",
        f"a=candidate:1 1 udp 2130706431 127.0.0.1 {peer.port} typ host",
    ]
    return "\r\n".join(lines).encode() + b"\r\n"
