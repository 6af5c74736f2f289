"""What `sautikitd doctor` looks at. Each check says what it found and, where that is bad, how to put it right."""

import asyncio
import os
import shutil
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from enum import StrEnum

import asyncpg
import msgspec

from sautikitd.app import Platform, open_platform
from sautikitd.database.migrate import current, head
from sautikitd.database.pool import Connection
from sautikitd.identity.instance import WrongMasterKeys
from sautikitd.secretbox import MasterKeyInvalid, SecretBox
from sautikitd.settings import Address, Settings
from sautikitd.supervisor.folder import FolderLock
from sautikitd.supervisor.ports import AddressUnusable, PortTaken, listen, require_free
from sautikitd.trunks.check import check_trunk

_LOW_DISK = 2 << 30
_NO_DISK = 200 << 20
_OLDEST_SERVER = 160000
_SKEW_WARNING_S = 1.0
_SKEW_WRONG_S = 5.0
_TRUNK_PATIENCE_S = 3.0


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing looked at. `cure` says what to do about it, where anything is to be done."""

    name: str
    verdict: Verdict
    found: str
    cure: str = ""


def ok(name: str, found: str) -> Check:
    return Check(name=name, verdict=Verdict.OK, found=found)


def warning(name: str, found: str, cure: str) -> Check:
    return Check(name=name, verdict=Verdict.WARNING, found=found, cure=cure)


def wrong(name: str, found: str, cure: str) -> Check:
    return Check(name=name, verdict=Verdict.WRONG, found=found, cure=cure)


def is_served(settings: Settings) -> bool:
    """Whether a supervisor runs in this data folder now."""
    return FolderLock(settings.data_dir).is_held()


def check_disk(settings: Settings) -> Check:
    folder = settings.data_dir.absolute()
    there = next(one for one in (folder, *folder.parents) if one.exists())  # `serve` makes the rest
    free = shutil.disk_usage(there).free
    found = f"{free / (1 << 30):.1f} GiB free in {settings.data_dir}"
    if free < _NO_DISK:
        return wrong("disk", found, "Make room: PostgreSQL stops when the disk is full.")
    if free < _LOW_DISK:
        return warning("disk", found, "Make room soon: recordings and the database grow.")
    return ok("disk", found)


def check_master_keys(settings: Settings) -> Check:
    path = settings.master_keys
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        SecretBox.from_file(path)
    except FileNotFoundError:
        return wrong(
            "master keys", f"{path} is missing", "Put the file back, or name it with SAUTIKIT_MASTER_KEYS."
        )
    except PermissionError:
        return wrong("master keys", f"{path} cannot be read", f"chown {os.geteuid()} {path}")
    except MasterKeyInvalid as exc:
        return wrong("master keys", str(exc), "Restore the file from your backup.")
    if mode & 0o077:
        return wrong("master keys", f"{path} can be read by others", f"chmod 600 {path}")
    return ok("master keys", f"{path}, readable by its owner alone")


async def check_ports(settings: Settings, *, served: bool) -> AsyncIterator[Check]:
    """Served: the API answers. Not served: every port we need is free."""
    if served:
        yield await _check_readiness(settings.http)
        return
    wanted = (
        (settings.sip, "SIP", "SAUTIKIT_SIP"),
        (settings.carrier, "the simulated carrier", "SAUTIKIT_CARRIER"),
        (settings.daraja_simulator, "the simulated M-Pesa", "SAUTIKIT_DARAJA_SIMULATOR"),
    )
    try:
        listen(settings.http, "the API", "SAUTIKIT_HTTP").close()
        for address, purpose, variable in wanted:
            require_free(address, purpose, variable)
    except (PortTaken, AddressUnusable) as exc:
        yield wrong("ports", str(exc), "Stop the other program, or choose another port.")
    else:
        addresses = ", ".join(str(address) for address in (settings.http, settings.sip, settings.carrier))
        yield ok("ports", f"{addresses} are free")


async def _check_readiness(http: Address) -> Check:
    import httpx

    url = f"http://{http}/readyz"
    try:
        async with httpx.AsyncClient(timeout=3, trust_env=False) as client:
            answer = await client.get(url)
    except httpx.HTTPError as exc:
        cure = "If it is served elsewhere, say where: sautikitd doctor --http HOST:PORT. Else look at the log of the api role."
        return wrong("api", f"{url} does not answer: {str(exc) or type(exc).__name__}", cure)
    if answer.status_code == 200:
        return ok("api", f"{url} says it is ready")
    return wrong("api", f"{url} says {answer.text}", "Look at the log of the api role.")


async def check_server(url: str) -> AsyncIterator[Check]:
    """The database server by itself: reachable, new enough, on our time, with the newest schema."""
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (OSError, asyncpg.PostgresError, TimeoutError) as exc:
        cure = "Start it, or correct DATABASE_URL."
        yield wrong("database", f"cannot be reached: {exc or type(exc).__name__}", cure)
        return
    try:
        number = int(await connection.fetchval("SHOW server_version_num"))
        version = await connection.fetchval("SHOW server_version")
        if number < _OLDEST_SERVER:
            yield wrong("database", f"PostgreSQL {version}", "Use PostgreSQL 16 or later.")
        else:
            yield ok("database", f"PostgreSQL {version}")
        yield await _check_clock(connection)
    finally:
        await connection.close()
    yield await asyncio.to_thread(_check_schema, url)


async def _check_clock(connection: Connection) -> Check:
    asked = datetime.now(UTC)
    theirs: datetime = await connection.fetchval("SELECT clock_timestamp()")
    skew = abs((theirs - asked).total_seconds())
    found = f"{skew:.3f} s from the database's"
    cure = "Keep both clocks by NTP (timedatectl set-ntp true)."
    if skew > _SKEW_WRONG_S:
        return wrong("clock", found, cure)
    return warning("clock", found, cure) if skew > _SKEW_WARNING_S else ok("clock", found)


def _check_schema(url: str) -> Check:
    at, newest = current(url), head()
    if at == newest:
        return ok("schema", f"at {at}, the newest")
    return wrong("schema", f"at {at or 'nothing'}, the newest is {newest}", "sautikitd migrate")


async def check_installation(settings: Settings, url: str, *, served: bool) -> AsyncIterator[Check]:
    """What is in the database: its secrets, voice nodes, webhooks, trunks."""
    try:
        async with open_platform(settings, "doctor", url=url, connections=3) as platform:
            yield ok("secrets", "the master keys open this database")
            async for check in _check_rooms(platform, served=served):
                yield check
    except WrongMasterKeys as exc:
        yield wrong("secrets", "these are not the master keys of this database", str(exc))


async def _check_rooms(platform: Platform, *, served: bool) -> AsyncIterator[Check]:
    async with platform.database.connection() as connection:
        if served:
            yield await _check_nodes(connection, platform.clock.now())
        yield await _check_deliveries(connection)
        trunks = await platform.trunks.enabled(connection)
    if not trunks:
        yield warning("trunks", "there are none: only test mode can call", "sautikitd trunk add --help")
    outcomes = await asyncio.gather(
        *(check_trunk(trunk, password=password, patience=_TRUNK_PATIENCE_S) for trunk, password in trunks)
    )
    for outcome in outcomes:
        name = f"trunk {outcome.name}"
        if outcome.ok:
            yield ok(name, f"answers {outcome.code} in {outcome.milliseconds} ms. {outcome.explanation}")
        else:
            yield wrong(name, "calls will not go through", outcome.explanation)


async def _check_nodes(connection: Connection, now: datetime) -> Check:
    alive = await connection.fetchval(
        "SELECT count(*) FROM voice_nodes WHERE stopped_at IS NULL AND lease_until > $1", now
    )
    if alive:
        return ok("voice nodes", f"{alive} alive")
    return wrong(
        "voice nodes", "none is alive: calls wait in the queue", "Look at the log of the voice role."
    )


async def _check_deliveries(connection: Connection) -> Check:
    late = await connection.fetchval(
        "SELECT count(*) FROM webhook_deliveries "
        "WHERE status = 'pending' AND due_at < clock_timestamp() - interval '1 minute'"
    )
    if late == 0:
        return ok("webhooks", "nothing is late")
    return warning("webhooks", f"{late} deliveries are over a minute late", "Is a worker running?")
