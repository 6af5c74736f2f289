"""The finer points of CANCEL (RFC 3261 §9.1) and of digest challenges (§22.2) on our INVITE."""

from sautikitd.calls.outcomes import HangupCause
from sautikitd.voice.sip.causes import Reason
from sautikitd.voice.sip.digest import Credentials, read_digest
from sautikitd.voice.sip.events import Answered, Failed
from sautikitd.voice.sip.timers import Timers
from sautikitd.voice.sip.user_agent import UserAgent
from sautikitd.voice.sip.wire import Arrival
from voice.sip.far_end import OUR_SDP, user_agent
from voice.sip.parties import place, until
from voice.sip.raw_peer import RawPeer

KNOWN = Credentials("sautikit", "secret")


async def test_a_cancel_leaves_only_after_a_provisional_answer(agent: UserAgent, peer: RawPeer) -> None:
    call = await place(agent, peer.hop)
    invite = await peer.request("INVITE")
    await call.cancel(Reason("SIP", 200, "Call completed elsewhere"))
    again = await peer.request("INVITE")
    assert again.via.branch == invite.via.branch
    peer.answer(invite, 100)
    cancel = await peer.request("CANCEL")
    assert cancel.message.headers.getlist("Via") == invite.message.headers.getlist("Via")
    assert (cancel.cseq, cancel.to.tag, str(cancel.request.uri)) == (1, None, str(invite.request.uri))
    assert cancel.header("Reason") == 'SIP;cause=200;text="Call completed elsewhere"'
    peer.answer(cancel, 200)
    peer.answer(invite, 487)
    await peer.request("ACK")
    assert (await until(call, Failed)).cause is HangupCause.CANCELED


async def test_a_refusal_that_crosses_our_cancel_keeps_its_own_cause(agent: UserAgent, peer: RawPeer) -> None:
    call = await place(agent, peer.hop)
    invite = await peer.request("INVITE")
    await call.cancel()
    peer.answer(invite, 486)
    assert (await until(call, Failed)).cause is HangupCause.USER_BUSY


async def test_a_cancel_that_nobody_heeds_ends_the_call_all_the_same(peer: RawPeer) -> None:
    async with user_agent(timers=Timers(t1=0.005, t2=0.04, t4=0.02)) as agent:
        call = await place(agent, peer.hop)
        peer.answer(await peer.request("INVITE"), 180)
        await call.cancel()
        peer.answer(await peer.request("CANCEL"), 200)
        failed = await until(call, Failed)
        assert (failed.code, failed.cause, failed.local) == (487, HangupCause.CANCELED, True)


def credentials_in(invite: Arrival, name: str) -> list[tuple[str, str]]:
    read = [read_digest(value) or {} for value in invite.message.headers.getlist(name)]
    return [(params["realm"], params["nonce"]) for params in read]


async def test_stale_nonces_and_a_second_realm_are_answered_with_growing_cseq(
    agent: UserAgent, peer: RawPeer
) -> None:
    call = await place(agent, peer.hop, KNOWN)
    challenges = [
        (407, "Proxy-Authenticate", 'Digest realm="proxy", nonce="p1", qop="auth"'),
        (407, "Proxy-Authenticate", 'Digest realm="proxy", nonce="p2", qop="auth", stale=true'),
        (401, "WWW-Authenticate", 'Digest realm="home", nonce="h1", algorithm=SHA-256'),
    ]
    for number, (code, name, value) in enumerate(challenges, start=1):
        invite = await peer.request("INVITE")
        assert invite.cseq == number
        peer.answer(invite, code, headers=[(name, value)])
        assert (await peer.request("ACK")).via.branch == invite.via.branch
    last = await peer.request("INVITE")
    assert last.cseq == 4
    assert credentials_in(last, "Proxy-Authorization") == [("proxy", "p2")]
    assert credentials_in(last, "Authorization") == [("home", "h1")]
    peer.accept(last)
    assert (await until(call, Answered)).dialog.local_cseq == 4


async def test_the_same_challenge_twice_means_wrong_credentials(agent: UserAgent, peer: RawPeer) -> None:
    call = await place(agent, peer.hop, KNOWN)
    for _ in range(2):
        challenge = ("WWW-Authenticate", 'Digest realm="home", nonce="h1", qop="auth"')
        peer.answer(await peer.request("INVITE"), 401, headers=[challenge])
        await peer.request("ACK")
    failed = await until(call, Failed)
    assert (failed.code, failed.cause) == (401, HangupCause.TRUNK_FAILURE)


async def test_a_busy_carrier_says_when_to_come_back(agent: UserAgent, peer: RawPeer) -> None:
    call = await place(agent, peer.hop)
    peer.answer(await peer.request("INVITE"), 503, headers=[("Retry-After", "18 (overload);duration=3")])
    failed = await until(call, Failed)
    assert (failed.cause, failed.retry_after) == (HangupCause.CONGESTION, 18)


async def test_every_header_of_an_invite_is_where_it_belongs(agent: UserAgent, peer: RawPeer) -> None:
    await place(agent, peer.hop)
    invite = await peer.request("INVITE")
    assert invite.header("P-Asserted-Identity") == "<sip:+254709000001@sautikit.example>"
    assert (invite.from_.display, invite.from_.user) == ("Sauti", "+254709000001")
    assert (invite.header("Max-Forwards"), invite.header("User-Agent")) == ("70", "Sautikit")
    assert "BYE" in invite.header("Allow")
    assert invite.message.headers.getlist("Supported") == ["100rel, timer"]
    assert invite.sdp == OUR_SDP
