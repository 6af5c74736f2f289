"""A campaign over the simulated carrier: who listens, promises, is busy, or cannot be called at all."""

import asyncio

import pytest
from aiohttp import web

import payment_reminders
from payment_reminders import Campaign, Reminder
from system.examples.conftest import Serve
from system.examples.served import said
from system.installation import Customer, Installation
from voice_app import Sautikit, Settings

NUMBER = "+254200000004"
pytestmark = pytest.mark.asyncio(loop_scope="session")

WHO = {
    "listens": ("+254712000001", "en", "reached"),
    "presses 1 2 3 4": ("+254712000008", "sw", "promised"),
    "is busy": ("+254712000003", "en", "busy"),
    "rejects": ("+254712000005", "sw", "failed"),
    "is abroad": ("+14155550100", "en", "calls.destination_forbidden"),
    "is an emergency": ("999", "en", "calls.emergency_unsupported"),
}


def _listed() -> list[Reminder]:
    return [
        Reminder(f"INV-{at}", name, phone, language, "2450.50", "2026-12-05")
        for at, (name, (phone, language, _)) in enumerate(WHO.items())
    ]


async def test_everybody_is_called_once_and_reported(
    installation: Installation, test_customer: Customer, serve: Serve
) -> None:
    campaigns: list[Campaign] = []

    def make(api: Sautikit, settings: Settings) -> web.Application:
        campaigns.append(Campaign(api, settings, _listed(), "test"))
        return payment_reminders.serving(api, campaigns[-1])

    served = await serve(make, test_customer, NUMBER)
    (campaign,) = campaigns
    await campaign.start()
    async with asyncio.timeout(40):
        await campaign.done.wait()

    told = {reminder.name: reminder.outcome for reminder in campaign.reminders.values()}
    assert told == {name: outcome for name, (_, _, outcome) in WHO.items()}
    paid = {reminder.name for reminder in campaign.reminders.values() if reminder.cost_minor}
    assert paid == {"listens", "presses 1 2 3 4"}
    calls = (await served.api.request("GET", "/v1/calls?limit=20"))["data"]
    ours = {call["client_request_id"]: call for call in calls if call["from"] == NUMBER}
    assert len(ours) == len([call for call in calls if call["from"] == NUMBER]) == 4
    again = said(await served.story(ours["INV-1"]["id"]))
    text = campaign.reminders["INV-1"].text
    assert again == [text, text, "Asante sana."]

    second = Campaign(campaign._api, campaign._settings, _listed(), "test")
    await second.start()
    assert second.done.is_set()
    assert len((await served.api.request("GET", "/v1/calls?limit=20"))["data"]) == len(calls)
