"""The menu in two languages, run as its README says: a program of its own with nothing but a key."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ivr import STOPS
from ports import free_ports
from system.examples.served import Served, said
from system.installation import Customer, Installation
from voice_app import Sautikit

EXAMPLES = Path(__file__).parents[3] / "examples"
NUMBER = "+254200000002"
pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def menu(installation: Installation, test_customer: Customer) -> AsyncIterator[Served]:
    """`python examples/ivr.py`, once it says that it answers."""
    (port,) = free_ports(1)
    environment = {
        **os.environ,
        "SAUTIKIT_URL": installation.url,
        "SAUTIKIT_API_KEY": test_customer.key,
        "SAUTIKIT_NUMBER": NUMBER,
        "PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLES / "ivr.py")), env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            assert NUMBER in (await process.stdout.readline()).decode()
            while b"Running on" not in await process.stdout.readline():
                pass
        api = Sautikit(installation.url, test_customer.key)
        yield Served(f"http://127.0.0.1:{port}", api, NUMBER, "")
    finally:
        process.terminate()
        assert await process.wait() == 0


async def _ring(menu: Served, installation: Installation, customer: Customer, *script: Any) -> dict[str, Any]:
    wish = {"to": NUMBER, "from": "+254722000111", "script": list(script)}
    rung = await menu.api.request("POST", "/v1/test/calls", wish)
    return await installation.call_when(customer, rung["call_id"], "completed")


async def test_a_caller_who_knows_the_way_never_waits_and_hears_his_own_language(
    menu: Served, installation: Installation, test_customer: Customer
) -> None:
    presses = [{"wait": 0.7}, {"press": "2"}] * 2 + [
        {"wait": 0.7},
        {"press": "*"},
        {"wait": 0.7},
        {"press": "7"},
    ]
    call = await _ring(menu, installation, test_customer, *presses, {"wait": 1}, {"hangup": True})
    story = await menu.story(call["id"])
    assert said(story) == [
        "Welcome to Boresha Sacco. For English, press 1. Karibu Boresha Sacco. Kwa Kiswahili, bonyeza 2.",
        STOPS["main"].sw,
        STOPS["loans"].sw,
        STOPS["main"].sw,
        f"Nambari hiyo haipo. {STOPS['main'].sw}",
    ]
    ended = [event["payload"] for event in story if event["kind"] == "flow.verb_ended"]
    assert [one["facts"].get("digits") for one in ended[:4]] == ["2", "2", "*", "7"]
    # Each prompt takes five seconds and more to say: the key cut it short.
    assert all(one["duration_ms"] < 3500 for one in ended[:4]), ended


async def test_a_balance_is_told_and_the_menu_said_again(
    menu: Served, installation: Installation, test_customer: Customer
) -> None:
    presses = [{"wait": 0.7}, {"press": "1"}, {"wait": 0.7}, {"press": "1"}]
    call = await _ring(menu, installation, test_customer, *presses, {"wait": 0.7}, {"hangup": True})
    assert said(await menu.story(call["id"]))[-1] == f"{STOPS['balance'].en} {STOPS['main'].en}"


async def test_nobody_but_sautikit_is_answered(menu: Served) -> None:
    assert await menu.ask("POST", "/voice") == (403, "not signed by Sautikit")
