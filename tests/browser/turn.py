"""coturn as an operator runs it: credentials made from a shared secret."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

SECRET = "shared-with-coturn"
_UP_WITHIN_S = 10.0


def installed() -> str | None:
    return shutil.which("turnserver")


@asynccontextmanager
async def coturn(folder: Path, port: int) -> AsyncIterator[None]:
    """Relays on loopback, which it refuses unless told otherwise."""
    process = await asyncio.create_subprocess_exec(
        *("turnserver", "-n", "--no-cli", "--no-tls", "--no-dtls", "--no-multicast-peers"),
        *("--listening-ip=127.0.0.1", f"--listening-port={port}", "--relay-ip=127.0.0.1"),
        *("--allow-loopback-peers", "--lt-cred-mech", "--fingerprint", "--realm=sautikit.example"),
        *("--use-auth-secret", f"--static-auth-secret={SECRET}"),
        *(f"--pidfile={folder / 'turn.pid'}", f"--userdb={folder / 'turn.db'}", "--log-file=stdout"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_UP_WITHIN_S):
            while not await _listens(port):
                await asyncio.sleep(0.05)
        yield
    finally:
        process.terminate()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
