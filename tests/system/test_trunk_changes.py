"""The whole installation: what `sautikitd trunk` changes holds for the very next call, out and in."""

import pytest

from system.conftest import CALLEE
from system.installation import Customer, Installation
from voice.sip.raw_peer import RawPeer, raw_peer

pytestmark = pytest.mark.asyncio(loop_scope="session")

FROM = "+254207000001"


async def _call_arrives_at(installation: Installation, customer: Customer, carrier: RawPeer) -> None:
    """Places a call, which the carrier must be the first to see; it is busy."""
    body = {"from": FROM, "to": CALLEE, "actions": [{"pause": {"length": 1}}]}
    placed = await installation.api("POST", "/v1/calls", customer.key, body, expect=201)
    carrier.answer(await carrier.request("INVITE"), 486)
    ended = await installation.call_when(customer, placed["call_id"], "busy")
    assert ended["sip_code"] == 486


async def test_a_trunk_just_added_just_moved_and_just_enabled_has_the_next_call(
    installation: Installation, live_customer: Customer
) -> None:
    async with raw_peer() as first, raw_peer() as second:
        where = ("--host", "127.0.0.1", "--no-ping", "--priority", "1")
        await installation.command("trunk", "add", "fresh", "--port", str(first.port), *where)
        try:
            await _call_arrives_at(installation, live_customer, first)
            await installation.command("trunk", "edit", "fresh", "--port", str(second.port))
            await _call_arrives_at(installation, live_customer, second)
            await installation.command("trunk", "edit", "fresh", "--disable")
            await installation.command("trunk", "edit", "fresh", "--enable", "--port", str(first.port))
            await _call_arrives_at(installation, live_customer, first)
        finally:
            await installation.command("trunk", "remove", "fresh")


async def test_a_carrier_just_added_is_heard_and_one_just_removed_is_not(
    installation: Installation, live_customer: Customer
) -> None:
    async with raw_peer("127.0.0.3") as carrier:
        carrier.call(installation.sip_port, "OPTIONS", branch="before", call_id="before")
        assert await carrier.silence(0.5)
        where = ("--host", "127.0.0.3", "--port", str(carrier.port), "--no-ping", "--priority", "900")
        await installation.command("trunk", "add", "inward", *where)
        try:
            carrier.call(installation.sip_port, "OPTIONS", branch="while", call_id="while")
            assert (await carrier.response()).response.code == 200
        finally:
            await installation.command("trunk", "remove", "inward")
        carrier.call(installation.sip_port, "OPTIONS", branch="after", call_id="after")
        assert await carrier.silence(0.5)
