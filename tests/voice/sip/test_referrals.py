"""REFER inside a call: taken or declined by the call's owner, and told of by NOTIFY (RFC 3515)."""

import asyncio

import pytest

from sautikitd.voice.sip.events import Answered, Referred
from sautikitd.voice.sip.outbound import OutboundCall
from sautikitd.voice.sip.user_agent import UserAgent
from sautikitd.voice.sip.wire import Arrival
from voice.sip.parties import place, until
from voice.sip.raw_peer import RawPeer


async def _answered(agent: UserAgent, peer: RawPeer) -> tuple[OutboundCall, Arrival]:
    call = await place(agent, peer.hop)
    invite = await peer.request("INVITE")
    peer.accept(invite)
    await until(call, Answered)
    return call, await peer.request("ACK")


def _refer(peer: RawPeer, ack: Arrival, *targets: str) -> None:
    headers = [("Refer-To", target) for target in targets]
    peer.call_back(ack, "REFER", branch="refer", cseq=1, headers=headers)


@pytest.mark.parametrize(
    ("refer_to", "target"),
    [
        ("<sip:+254711000002@192.0.2.1>", "+254711000002"),
        ("Asha <sip:0711000002@192.0.2.1;user=phone>", "0711000002"),
        ("<tel:+254711000002>", "+254711000002"),
        ("<sip:asha@sip.example>", "sip:asha@sip.example"),
    ],
)
async def test_a_referral_is_accepted_and_its_outcome_told(
    agent: UserAgent, peer: RawPeer, refer_to: str, target: str
) -> None:
    call, ack = await _answered(agent, peer)
    _refer(peer, ack, refer_to)
    referral = (await until(call, Referred)).referral
    assert referral.target == target
    accepting = asyncio.ensure_future(referral.accept())
    assert (await peer.response()).response.code == 202
    trying = await peer.request("NOTIFY")
    assert trying.message.body == b"SIP/2.0 100 Trying\r\n"
    assert (trying.header("Event"), trying.header("Content-Type")) == ("refer", "message/sipfrag;version=2.0")
    assert trying.header("Subscription-State").startswith("active")
    peer.accept(trying)
    await accepting
    finishing = asyncio.ensure_future(referral.finish(486))
    busy = await peer.request("NOTIFY")
    assert busy.message.body == b"SIP/2.0 486 Busy Here\r\n"
    assert busy.header("Subscription-State").startswith("terminated")
    peer.accept(busy)
    await finishing


@pytest.mark.parametrize(
    "headers",
    [
        "Replaces=a%2Bb%40192.0.2.1%3Bto-tag%3Dours%3Bfrom-tag%3Dtheirs",
        "Require=replaces&Replaces=a+b%40192.0.2.1%3Bfrom-tag%3Dtheirs%3Bto-tag%3Dours",
    ],
)
async def test_a_referral_names_the_dialog_that_it_replaces(
    agent: UserAgent, peer: RawPeer, headers: str
) -> None:
    call, ack = await _answered(agent, peer)
    _refer(peer, ack, f"<sip:+254711000002@192.0.2.1?{headers}>")
    referral = (await until(call, Referred)).referral
    assert referral.target == "+254711000002"
    assert referral.replaces == ("a+b@192.0.2.1", "ours", "theirs")
    referral.refuse()


async def test_an_owner_may_decline(agent: UserAgent, peer: RawPeer) -> None:
    call, ack = await _answered(agent, peer)
    _refer(peer, ack, "<sip:+254711000002@192.0.2.1>")
    (await until(call, Referred)).referral.refuse()
    assert (await peer.response()).response.code == 603


@pytest.mark.parametrize(
    "targets",
    [
        (),
        ("<sip:1@a.example>", "<sip:2@a.example>"),
        ("<mailto:asha@a.example>",),
        ("<sip:a@a.example?Replaces=x%3Bto-tag%3D1>",),
        ("<sip:a@a.example?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2%3Bearly-only>",),
        ("<sip:a@a.example?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2&Route=sip%3Ab.example>",),
        ("<sip:a@a.example?Subject=hello>",),
        ("<sip:a@a.example;method=BYE>",),
    ],
)
async def test_what_cannot_be_followed_is_declined(
    agent: UserAgent, peer: RawPeer, targets: tuple[str, ...]
) -> None:
    _, ack = await _answered(agent, peer)
    _refer(peer, ack, *targets)
    assert (await peer.response()).response.code == 603
