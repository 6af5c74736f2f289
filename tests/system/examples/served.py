"""An example that runs, and what can be asked of it and about its calls."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from voice_app import Refused, Sautikit

_SAID = re.compile(r"say \([a-zA-Z-]+\) ([^;]*)")


@dataclass(frozen=True)
class Served:
    url: str
    api: Sautikit
    number: str
    number_id: str

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of an answer of the example itself."""
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, self.url + path, json=body) as answer,
        ):
            if "json" in answer.headers.get("Content-Type", ""):
                return answer.status, await answer.json()
            return answer.status, await answer.text()

    async def eventually(self, method: str, path: str, wanted: Any, within_s: float = 10) -> None:
        """Asks until the answer is what is wanted."""
        async with asyncio.timeout(within_s):
            while (await self.ask(method, path))[1] != wanted:
                await asyncio.sleep(0.05)

    async def until_there(self, path: str, count: int, within_s: float = 20) -> list[dict[str, Any]]:
        """The entries of a list of the API, as soon as there are so many."""
        async with asyncio.timeout(within_s):
            while True:
                try:
                    found: list[dict[str, Any]] = (await self.api.request("GET", path))["data"]
                except Refused:  # a room or a queue that nobody has entered yet is not known
                    found = []
                if len(found) == count:
                    return found
                await asyncio.sleep(0.1)

    async def story(self, call_id: str) -> list[dict[str, Any]]:
        """All events of a call, oldest first."""
        events = (await self.api.request("GET", f"/v1/calls/{call_id}/events?limit=100"))["data"]
        return sorted(events, key=lambda event: str(event["id"]))

    async def until(
        self, call_id: str, met: Callable[[list[dict[str, Any]]], bool], within_s: float = 30
    ) -> list[dict[str, Any]]:
        """The story of a call, as soon as it fulfils a condition."""
        async with asyncio.timeout(within_s):
            while not met(story := await self.story(call_id)):
                await asyncio.sleep(0.1)
        return story


def said(story: list[dict[str, Any]]) -> list[str]:
    """What the flow has said or begun to say, prompts of `getDigits` as well, one line for each action."""
    lines = []
    for event in story:
        if event["kind"] == "flow.verb_started":
            spoken = _SAID.findall(event["payload"].get("text", ""))
            lines += [" ".join(" ".join(spoken).split())] if spoken else []
    return lines
