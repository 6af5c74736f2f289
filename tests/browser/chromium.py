"""Chromium without a window, driven through its own debugging protocol: no driver program, nothing downloaded."""

import asyncio
import itertools
import re
import shutil
from pathlib import Path
from typing import Any

import aiohttp

_STARTS_WITHIN_S = 30.0
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio"),
    # A microphone that plays a file, and nobody who has to allow it.
    *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
    "--autoplay-policy=no-user-gesture-required",
    # The tests stay on loopback, where a browser would not look for ways by itself, under certificates of their own.
    *("--allow-loopback-in-peer-connection", "--ignore-certificate-errors"),
    "--remote-debugging-port=0",
)


def installed() -> str | None:
    """Where Debian's or another Chromium is."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Chromium:
    """One browser whose microphone plays `microphone` (WAV) round and round. A context manager."""

    def __init__(self, folder: Path, microphone: Path) -> None:
        self._folder = folder
        self._microphone = microphone
        self._process: asyncio.subprocess.Process | None = None
        self._http = aiohttp.ClientSession()
        self._draining: asyncio.Task[None] | None = None
        self._port = 0

    async def __aenter__(self) -> "Chromium":
        self._process = await asyncio.create_subprocess_exec(
            installed() or "chromium",
            *_FLAGS,
            f"--use-file-for-fake-audio-capture={self._microphone}",
            f"--user-data-dir={self._folder / 'profile'}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_STARTS_WITHIN_S):
                self._port = await self._debugging_port()
        except BaseException:
            await self.__aexit__()
            raise
        self._draining = asyncio.ensure_future(self._drain())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        await self._http.close()
        if self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(5):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._draining is not None:
            await self._draining

    async def open(self, url: str) -> "Page":
        """A tab with that page, its scripts run."""
        async with self._http.put(f"http://127.0.0.1:{self._port}/json/new?about:blank") as response:
            target = await response.json()
        page = Page(await self._http.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0))
        await page.command("Runtime.enable")
        await page.command("Page.enable")
        await page.command("Page.navigate", url=url)
        async with asyncio.timeout(_STARTS_WITHIN_S):
            await page.loaded.wait()
        return page

    async def _debugging_port(self) -> int:
        assert self._process is not None
        assert self._process.stderr is not None
        seen = b""
        while line := await self._process.stderr.readline():
            seen += line
            if match := re.search(rb"DevTools listening on ws://127\.0\.0\.1:(\d+)/", line):
                return int(match[1])
        raise RuntimeError(f"Chromium did not start:\n{seen.decode(errors='replace')[-3000:]}")

    async def _drain(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        while await self._process.stderr.readline():
            continue


class Page:
    """One tab. `console` is what its scripts wrote."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.console: list[str] = []
        self.loaded = asyncio.Event()
        self._socket = socket
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._reading = asyncio.ensure_future(self._read())

    async def command(self, method: str, **params: Any) -> Any:
        number = next(self._ids)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        return await waiting

    async def run(self, script: str, within_s: float = 20) -> Any:
        """The value of an expression, awaited if it is a promise. Raises AssertionError with the script's error."""
        async with asyncio.timeout(within_s):
            answer = await self.command(
                "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
            )
        if "exceptionDetails" in answer:
            detail = answer["exceptionDetails"]
            said = detail.get("exception", {}).get("description", detail["text"])
            console = "\n".join(self.console[-40:])
            raise AssertionError(f"{script[:80]}: {said}\n{console}")
        return answer["result"].get("value")

    async def close(self) -> None:
        """Shuts the tab."""
        await self.command("Page.close")
        await self._reading

    async def _read(self) -> None:
        async for message in self._socket:
            told = message.json()
            if "id" in told:
                self._settle(told)
            elif told["method"] == "Page.loadEventFired":
                self.loaded.set()
            elif told["method"] == "Runtime.consoleAPICalled":
                parts = told["params"]["args"]
                self.console.append(
                    " ".join(str(part.get("value", part.get("description"))) for part in parts)
                )

    def _settle(self, told: dict[str, Any]) -> None:
        waiting = self._waiting.pop(told["id"])
        if waiting.done():
            return
        if "error" in told:
            waiting.set_exception(RuntimeError(str(told["error"])))
        else:
            waiting.set_result(told["result"])
