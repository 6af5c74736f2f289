"""A conference of two phones that key in their PINs, over a trunk."""

import asyncio

import pytest

import conference_line
from system.baresip import Baresip, sip_port
from system.conftest import MakePhone
from system.examples.conftest import Serve
from system.examples.hearing import spells
from system.examples.served import said
from system.installation import Customer, Installation

NUMBER = "+254207000001"
HOST_TONE, GUEST_TONE = 900, 1500
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _join(phone: Baresip, installation: Installation, *pins: str) -> None:
    await phone.dial(f"sip:{NUMBER}@127.0.0.1:{installation.sip_port}")
    await phone.until("CALL_ESTABLISHED")
    for pin in pins:
        await asyncio.sleep(0.7)  # people listen for a moment before they press
        await phone.press(pin)


async def test_a_guest_waits_for_the_host_and_goes_when_he_goes(
    installation: Installation, live_customer: Customer, trunk_port: int, serve: Serve, make_phone: MakePhone
) -> None:
    line = await serve(conference_line.make, live_customer, NUMBER)
    guest = await make_phone("+254733222001", sip=sip_port(), tone=GUEST_TONE)
    host = await make_phone("+254733222002", sip=sip_port(), tone=HOST_TONE)

    await _join(guest, installation, "000000", "571204")
    await _join(host, installation, "482913")
    await line.until_there("/v1/conferences/chama/participants", 2)
    await asyncio.sleep(2.5)  # they talk
    await host.hang_up()
    await guest.until("CALL_CLOSED")
    assert max(spells(guest.heard()[0], HOST_TONE), default=0) > 1.5
    assert max(spells(host.heard()[0], GUEST_TONE), default=0) > 1.5

    calls = (await line.api.request("GET", "/v1/calls?limit=2&direction=inbound"))["data"]
    (call,) = [one for one in calls if one["from"] == "+254733222001"]
    await installation.call_when(live_customer, call["id"], "completed")
    story = await line.story(call["id"])
    assert said(story) == [
        "Karibu. Please enter your six digit PIN.",
        "That PIN is not known. Please try again.",
        "You are joining as a guest.",
        "The conference is over. Goodbye.",
    ]
    assert not [event for event in story if "571204" in str(event)], "the PIN is in the story"
