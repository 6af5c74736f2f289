"""Calls everybody on a list who owes something, says how much in their language, and reports who was reached.

    python payment_reminders.py customers.csv

Start it again within a day, after a crash, and nobody is called twice: each call is placed under the key of its invoice.
"""

import asyncio
import csv
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from aiohttp import web

from voice_app import Action, Refused, Sautikit, Settings, flow, run, say, voice_app

PAYBILL = "247247"
AT_A_TIME = 5  # requests of ours; Sautikit queues the calls, and dials as fast as your limits allow
LIVE = ("queued", "ringing", "answered")


@dataclass
class Reminder:
    """One line of the list, and what became of it: `waiting`, `reached` (heard it), `promised` (pressed 2), the
    status of the call, or the code of a refusal."""

    invoice: str
    name: str
    phone: str
    language: str
    amount: str
    due: str
    outcome: str = field(default="waiting", init=False)
    cost_minor: int = field(default=0, init=False)

    @property
    def text(self) -> str:
        """Money, dates and reference numbers are read out properly in both languages."""
        money = f"{Decimal(self.amount):,.2f}"
        if self.language == "sw":
            return (
                f"Habari {self.name}. KES {money} zinatakiwa kulipwa tarehe {self.due}. "
                f"Lipa kwa M-Pesa, Paybill {PAYBILL}. Kusikia tena bonyeza 1. Kuahidi kulipa leo bonyeza 2."
            )
        return (
            f"Hello {self.name}. KES {money} is due on {self.due}. "
            f"Pay by M-Pesa, Paybill {PAYBILL}. To hear this again press 1. To promise payment today press 2."
        )

    def said(self, text: str) -> Action:
        return say(text, "sw-KE" if self.language == "sw" else "en-KE")


def read_list(path: Path) -> list[Reminder]:
    with path.open(newline="", encoding="utf-8") as file:
        return [Reminder(**row) for row in csv.DictReader(file)]


class Campaign:
    def __init__(self, api: Sautikit, settings: Settings, reminders: list[Reminder], name: str) -> None:
        """`name` makes the keys of this campaign's calls: one call for each invoice and name, ever."""
        self._api = api
        self._settings = settings
        self._name = name
        self.reminders = {reminder.invoice: reminder for reminder in reminders}
        self._open = set(self.reminders)
        self.done = asyncio.Event()

    async def start(self) -> None:
        gate = asyncio.Semaphore(AT_A_TIME)

        async def place(reminder: Reminder) -> None:
            async with gate:
                await self._place(reminder)

        async with asyncio.TaskGroup() as group:
            for reminder in self.reminders.values():
                group.create_task(place(reminder))

    async def voice(self, request: web.Request) -> web.Response:
        form = await request.post()
        reminder = self.reminders[str(form["clientRequestId"])]
        if form["isActive"] == "0":
            return flow()
        if form.get("Digits") == "2":
            reminder.outcome = "promised"
            return flow(
                reminder.said("Asante sana." if reminder.language == "sw" else "Thank you very much.")
            )
        # The first time, and for every key but 2, once more.
        return flow({"getDigits": {"numDigits": 1, "timeout": 4, "nested": [reminder.said(reminder.text)]}})

    async def event(self, request: web.Request) -> web.Response:
        """Events come at least once: what is done here may be done twice."""
        event = await request.json()
        self._take(event["data"]["call"])
        return web.Response(status=204)

    async def _place(self, reminder: Reminder) -> None:
        call = {
            "from": self._settings.number,
            "to": reminder.phone,
            "client_request_id": reminder.invoice,
            "voice_callback_url": f"{self._settings.public_url}/voice",
            "webhook_url": f"{self._settings.public_url}/events",
            "timeout_seconds": 30,
        }
        try:
            placed = await self._api.request(
                "POST", "/v1/calls", call, once=f"{self._name}-{reminder.invoice}"
            )
            # After a crash the answer is that of the first time: the call may be over, and its events told.
            self._take((await self._api.request("GET", f"/v1/calls/{placed['call_id']}"))["call"])
        except Refused as refusal:
            self._close(reminder, refusal.code)

    def _take(self, call: Mapping[str, Any]) -> None:
        reminder = self.reminders[call["client_request_id"]]
        if call["status"] in LIVE:
            return
        reminder.cost_minor = call["cost_minor"]
        if reminder.outcome != "promised":
            reminder.outcome = "reached" if call["status"] == "completed" else call["status"]
        self._close(reminder, reminder.outcome)

    def _close(self, reminder: Reminder, outcome: str) -> None:
        reminder.outcome = outcome
        self._open.discard(reminder.invoice)
        if not self._open:
            self.done.set()

    def report(self) -> str:
        lines = [
            f"{one.invoice:<10} {one.name:<12} {one.outcome:<28} KES {Decimal(one.cost_minor) / 100:.2f}"
            for one in self.reminders.values()
        ]
        total = sum(one.cost_minor for one in self.reminders.values())
        return "\n".join([*lines, f"{'':<52} KES {Decimal(total) / 100:.2f}"])


def serving(api: Sautikit, campaign: Campaign) -> web.Application:
    app = voice_app(api)
    app.router.add_post("/voice", campaign.voice)
    app.router.add_post("/events", campaign.event)
    return app


def make(api: Sautikit, settings: Settings) -> web.Application:
    """The campaign runs while we are served, prints what became of it, and ends the program."""
    listed = Path(sys.argv[1])
    campaign = Campaign(api, settings, read_list(listed), listed.stem)

    async def running(_: web.Application) -> AsyncIterator[None]:
        async def whole() -> None:
            await campaign.start()
            await campaign.done.wait()
            print(campaign.report(), flush=True)
            signal.raise_signal(signal.SIGTERM)

        task = asyncio.create_task(whole())
        yield
        task.cancel()

    app = serving(api, campaign)
    app.cleanup_ctx.append(running)
    return app


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python payment_reminders.py customers.csv")
    run(make)
