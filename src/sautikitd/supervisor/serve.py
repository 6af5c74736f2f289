"""`sautikitd serve` from the first check to the last process stopped."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack

from sautikitd.database.access import application_url
from sautikitd.database.migrate import migrate_async
from sautikitd.secretbox import make_key_file
from sautikitd.settings import Settings
from sautikitd.supervisor.child import RoleSpec
from sautikitd.supervisor.folder import FolderLock
from sautikitd.supervisor.output import Output
from sautikitd.supervisor.ports import HTTP_SOCKET, HTTPS_SOCKET, listen, require_certificate, require_free
from sautikitd.supervisor.postgres import GuardedPostgres
from sautikitd.supervisor.supervision import Supervision

OnceReady = Callable[[str], Awaitable[None]]


class MasterKeysMissing(Exception):
    """The database has secrets that only the lost master keys can read."""


async def serve(settings: Settings, output: Output, *, once_ready: OnceReady | None = None) -> None:
    """Runs the whole platform until SIGINT, SIGTERM or SIGHUP.

    `once_ready` gets the database's URL and runs beside it when every role is ready. Raises `FolderTaken`, `PortTaken`,
    `AddressUnusable`, `CertificateUnusable`, `MasterKeysMissing` or `GaveUp`; nothing is left running then.
    """
    with ExitStack() as held:
        lock = FolderLock(settings.data_dir)
        lock.take()
        held.callback(lock.release)
        listening = {name: held.enter_context(opened) for name, opened in _take_ports(settings).items()}
        _require_master_keys(settings)
        if settings.database_url:
            await migrate_async(settings.database_url)
            await _supervise(settings, settings.database_url, None, listening, output, once_ready)
            return
        postgres = GuardedPostgres(settings.database_folder)
        output.say("starting PostgreSQL", folder=str(settings.database_folder))
        try:
            await postgres.start()
            await migrate_async(postgres.server.url("sautikit_owner"))
            await _supervise(settings, postgres.server.url(), postgres, listening, output, once_ready)
        finally:
            await postgres.stop()


def roles_of(settings: Settings) -> Sequence[RoleSpec]:
    """Every role, in the order they are stopped. A voice node gets time to say goodbye to its calls."""
    names = ["api"] if settings.api_workers == 1 else [f"api-{n + 1}" for n in range(settings.api_workers)]
    apis = [RoleSpec(name=name, command=_command("api")) for name in names]
    return [
        *apis,
        RoleSpec(name="voice", command=_command("voice"), stop_seconds=20),
        RoleSpec(name="worker", command=_command("worker"), stop_seconds=15),
        RoleSpec(name="carrier", command=_command("carrier"), stop_seconds=5),
        RoleSpec(name="daraja", command=_command("daraja"), stop_seconds=5),
        *([RoleSpec(name="mail", command=_command("mail"), stop_seconds=5)] if settings.dev else []),
    ]


async def _supervise(
    settings: Settings,
    database_url: str,
    postgres: GuardedPostgres | None,
    listening: Mapping[str, socket.socket],
    output: Output,
    once_ready: OnceReady | None,
) -> None:
    environment = {
        **os.environ,
        **settings.environment(),
        "DATABASE_URL": application_url(database_url),
        **{name: str(opened.fileno()) for name, opened in listening.items()},
        "PYTHONUNBUFFERED": "1",
    }
    supervision = Supervision(
        roles_of(settings),
        environment=environment,
        output=output,
        postgres=postgres,
        descriptors=tuple(opened.fileno() for opened in listening.values()),
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, supervision.stop)
    url = environment["DATABASE_URL"]
    beside = asyncio.create_task(_when_ready(supervision, settings, output, once_ready, url))
    beside.add_done_callback(lambda done: _report(done, output))
    try:
        await supervision.run()
    finally:
        beside.cancel()
        await asyncio.gather(beside, return_exceptions=True)
        output.say("stopped")


async def _when_ready(
    supervision: Supervision, settings: Settings, output: Output, once_ready: OnceReady | None, url: str
) -> None:
    await supervision.until_ready()
    output.say("everything is ready", http=settings.public_url, sip=str(settings.sip))
    if once_ready:
        await once_ready(url)


def _report(done: "asyncio.Task[None]", output: Output) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        output.say(f"what was to run beside the roles failed: {error!r}", level="error")


def _command(role: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "sautikitd.cli.main", role)


def _take_ports(settings: Settings) -> dict[str, socket.socket]:
    """The listening sockets of the API, by the variable that hands each on. Other ports are only looked at."""
    require_free(settings.sip, "SIP", "SAUTIKIT_SIP")
    require_free(settings.carrier, "the simulated carrier", "SAUTIKIT_CARRIER")
    require_free(settings.daraja_simulator, "the simulated M-Pesa", "SAUTIKIT_DARAJA_SIMULATOR")
    if settings.dev:
        require_free(settings.mail_simulator, "the page of mails", "SAUTIKIT_MAIL_SIMULATOR")
    if settings.https is None:
        return {HTTP_SOCKET: listen(settings.http, "the API", "SAUTIKIT_HTTP")}
    require_certificate(settings.http_certificate, settings.http_key)
    by_tls = listen(settings.https, "the API by TLS", "SAUTIKIT_HTTPS")
    try:
        return {HTTPS_SOCKET: by_tls, HTTP_SOCKET: listen(settings.http, "the API", "SAUTIKIT_HTTP")}
    except Exception:
        by_tls.close()
        raise


def _require_master_keys(settings: Settings) -> None:
    """Makes the key file for a new installation. An old database without its keys is refused rather than given new ones."""
    if settings.master_keys.exists():
        return
    if settings.database_url is None and (settings.database_folder / "cluster" / "PG_VERSION").exists():
        raise MasterKeysMissing(
            f"{settings.master_keys} is missing, and the database in {settings.database_folder} holds secrets encrypted "
            "with it. Put the file back (SAUTIKIT_MASTER_KEYS names another place), or start over with an empty folder."
        )
    make_key_file(settings.master_keys)
