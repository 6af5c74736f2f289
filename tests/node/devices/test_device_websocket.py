"""A browser registers and calls over a WebSocket, with what a token gave it."""

import asyncio
from datetime import timedelta

from node.exchange import hung_up
from node.switchboard import NUMBER, PARTIES, Switchboard
from sautikitd.calls.outcomes import CallStatus
from sautikitd.devices.credentials import SipCredentials
from sautikitd.devices.models import NewSecret
from sautikitd.numbers.lookup import number_of_device
from sautikitd.voice.sip.digest import Credentials, authorize, read_challenges
from voice.sip.browser_peer import Browser, browsing
from voice.sip.far_end import OUR_SDP

PARTY = PARTIES[0]


async def token(board: Switchboard, identity: str | None = None) -> NewSecret:
    now = board.platform.clock.now()
    async with board.platform.database.transaction() as connection:
        number = await number_of_device(connection, board.number_id)
        credentials = SipCredentials(board.platform.box)
        return await credentials.mint(connection, number, identity, now + timedelta(hours=1), now)


async def challenged(
    browser: Browser, made: NewSecret, method: str, *headers: str, body: bytes = b"", to: str
) -> int:
    """Sends a request, and again with the answer to its challenge, as JsSIP does; the code of the final answer."""
    name = made.credential.username
    await browser.request(method, *headers, body=body, user=name, to=to, cseq=1)
    refused = await browser.read(at_least=200)
    assert refused.response.code == 401
    strong, weak = refused.message.headers.getlist("WWW-Authenticate")  # JsSIP and SIP.js take the last
    assert "algorithm=SHA-256" in strong
    (challenge,) = read_challenges([weak], proxy=False)
    assert challenge.algorithm == "MD5"
    if method == "INVITE":
        await browser.request("ACK", user=name, to=to, cseq=1, tag=refused.to.tag or "", branch="INVITE1")
    target = f"sip:{to}@127.0.0.1" if to else "sip:127.0.0.1"
    value = authorize(challenge, Credentials(name, made.password), method, target)
    await browser.request(method, *headers, f"Authorization: {value}", body=body, user=name, to=to, cseq=2)
    answer = await browser.read(at_least=200)
    browser.latest = answer
    return answer.response.code


async def test_a_browser_registers_and_its_call_goes_out_as_the_number(board: Switchboard) -> None:
    made = await token(board)
    async with browsing(f"ws://{board.platform.settings.sip_ws}") as browser:
        contact = (
            'Contact: <sip:b7k2@x.invalid;transport=ws>;+sip.instance="<urn:uuid:1>";reg-id=1;expires=600'
        )
        code = await challenged(browser, made, "REGISTER", contact, "Supported: path, outbound", to="")
        assert code == 200
        assert browser.latest is not None
        assert browser.latest.header("Require") == "outbound"
        async with board.platform.database.connection() as connection:
            (row,) = await connection.fetch("SELECT transport, device FROM sip_bindings")
        assert (row["transport"], row["device"]) == ("ws", "<urn:uuid:1> 1")
    async with browsing(f"ws://{board.platform.settings.sip_ws}") as browser:
        placing = asyncio.ensure_future(
            challenged(
                browser, made, "INVITE", "Content-Type: application/sdp", body=OUR_SDP, to="0712000001"
            )
        )
        callee = await (await board.exchange.ringing(PARTY)).answer()
        assert await placing == 200
        assert browser.latest is not None
        tag = browser.latest.to.tag or ""
        await browser.request("ACK", user=made.credential.username, to="0712000001", cseq=2, tag=tag)
        await board.until_all(CallStatus.ANSWERED)
        await browser.request("BYE", user=made.credential.username, to="0712000001", cseq=3, tag=tag)
        await hung_up(callee)
        root = await board.over()
    assert (root.from_address, root.to_address, root.status) == (NUMBER, PARTY, CallStatus.COMPLETED)
