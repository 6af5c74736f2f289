"""A whole installation of its own, started as an operator starts it, and asked through its own API."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from ports import free_ports
from system.baresip import sip_port

_UP_WITHIN_S = 60.0
_ROLES = ("api", "voice", "worker", "carrier")


@dataclass(frozen=True)
class Customer:
    """A workspace, and a key of one mode that may do everything."""

    workspace_id: str
    key: str
    secret: str


class Installation:
    def __init__(self, data: Path, settings: Mapping[str, str] | None = None) -> None:
        """`settings`: further `SAUTIKIT_*` variables."""
        http, sip, carrier, control, daraja, ws, metrics = free_ports(7)
        self.sip_port = sip
        self.url = f"http://127.0.0.1:{http}"
        self.metrics = f"http://127.0.0.1:{metrics}"  # of the voice node
        self._carrier = f"http://127.0.0.1:{control}"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SAUTIKIT_")},
            "SAUTIKIT_DATA_DIR": str(data),
            "SAUTIKIT_HTTP": f"127.0.0.1:{http}",
            "SAUTIKIT_SIP": f"127.0.0.1:{sip}",
            "SAUTIKIT_SIP_WS": f"127.0.0.1:{ws}",
            "SAUTIKIT_CARRIER": f"127.0.0.1:{carrier}",
            "SAUTIKIT_CARRIER_CONTROL": f"127.0.0.1:{control}",
            "SAUTIKIT_DARAJA_SIMULATOR": f"127.0.0.1:{daraja}",
            "SAUTIKIT_MAIL_SIMULATOR": f"127.0.0.1:{sip_port()}",  # and the next one, for SMTP
            "SAUTIKIT_VOICE_METRICS": f"127.0.0.1:{metrics}",
            "SAUTIKIT_RATE_LIMIT": "1000/2000",
            **(settings or {}),
        }
        self._environment.pop("DATABASE_URL", None)
        self.data = data
        self._log = data / "serve.log"
        self._process: asyncio.subprocess.Process | None = None
        self._http: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "sautikitd.cli.main", "serve", "--dev"),
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._http = aiohttp.ClientSession()
        try:
            async with asyncio.timeout(_UP_WITHIN_S):
                while not await self._ready():
                    if self._process.returncode is not None:
                        raise RuntimeError(f"serve ended with {self._process.returncode}:\n{self.log()}")
                    await asyncio.sleep(0.1)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> int:
        """Ctrl-C; the exit status."""
        assert self._process is not None
        if self._http is not None:
            await self._http.close()
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGINT)
        async with asyncio.timeout(60):
            return await self._process.wait()

    def log(self) -> str:
        return self._log.read_text(errors="replace")[-8000:]

    def pids(self, role: str) -> list[int]:
        """Processes of one role (`api`, `voice`, `worker`, `carrier`) or `postgres`, the youngest generation first."""
        assert self._process is not None
        found = []
        for pid in _descendants(self._process.pid):
            words = _command_line(pid)
            if (role == "postgres" and words and words[0].endswith("/postgres")) or words[-1:] == [role]:
                found.append(pid)
        return found

    def children(self, pid: int) -> list[tuple[int, list[str]]]:
        """What a process has started: ids, and the words of their command lines."""
        return [(child, _command_line(child)) for child in _descendants(pid)]

    async def api(
        self,
        method: str,
        path: str,
        key: str = "",
        body: Any = None,
        *,
        expect: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The JSON of an answer; `expect` is the status it must have."""
        assert self._http is not None
        sent = {**(headers or {}), **({"Authorization": f"Bearer {key}"} if key else {})}
        async with self._http.request(method, self.url + path, json=body, headers=sent) as response:
            text = await response.text()
            if expect is not None and response.status != expect:
                raise AssertionError(f"{method} {path}: {response.status}, not {expect}: {text}")
            return json.loads(text) if text else None

    async def carrier(self, path: str) -> Any:
        """What the simulated carrier says of itself."""
        assert self._http is not None
        async with self._http.get(f"{self._carrier}{path}") as response:
            return await response.json()

    async def command(self, *words: str) -> Any:
        """Runs `sautikitd … --json`; what it printed."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sautikitd.cli.main", *words, "--json"),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        if process.returncode:
            raise AssertionError(
                f"sautikitd {' '.join(words)}: {process.returncode}\n{out.decode()}{err.decode()}"
            )
        return json.loads(out)

    async def customer(self, name: str, mode: str = "live", *, funds_minor: int = 100_000) -> Customer:
        """A workspace with a key; a live one gets money and, where asked, numbers by `number`."""
        workspace = (await self.command("workspace", "create", name, "--owner", "owner@example.co.ke"))[
            "workspace"
        ]
        made = await self.command(
            *(
                "key",
                "create",
                "--workspace",
                workspace["id"],
                "--mode",
                mode,
                "--scopes",
                "*",
                "--name",
                "system",
            )
        )
        if mode == "live" and funds_minor:
            await self.command(
                *("wallet", "adjust", "--workspace", workspace["id"], "--mode", mode),
                *("--amount-minor", str(funds_minor), "--reason", "for the tests"),
            )
        secret = await self.command("signing-secret", "show", "--workspace", workspace["id"], "--mode", mode)
        return Customer(workspace["id"], made["key"], secret["secret"])

    async def number(self, customer: Customer, e164: str, **routing: Any) -> dict[str, Any]:
        claimed = await self.api(
            "POST", "/v1/numbers/claim", customer.key, {"e164": e164, **routing}, expect=201
        )
        number: dict[str, Any] = claimed["number"]
        return number

    async def call_when(
        self, customer: Customer, call_id: str, *statuses: str, within_s: float = 30
    ) -> dict[str, Any]:
        """The call, as soon as it has one of `statuses`."""
        async with asyncio.timeout(within_s):
            while True:
                call: dict[str, Any] = (await self.api("GET", f"/v1/calls/{call_id}", customer.key))["call"]
                if call["status"] in statuses:
                    return call
                await asyncio.sleep(0.05)

    async def _ready(self) -> bool:
        """Whether every role has said that it is ready, and the API answers."""
        assert self._http is not None
        log = self.log()
        if not all(f'"{role} ready"' in log for role in _ROLES):
            return False
        try:
            async with self._http.get(f"{self.url}/readyz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False


def _descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found += children.get(pid, [])
        waiting += children.get(pid, [])
    return found


def _command_line(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return []
