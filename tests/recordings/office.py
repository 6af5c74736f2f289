"""The recording room of one machine, with a workspace and one answered call on a living node; keys to its addresses."""

import struct
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from sautikitd.clock import ManualClock
from sautikitd.database.pool import Database
from sautikitd.database.wake import Waker
from sautikitd.http.errors import CredentialsMissing
from sautikitd.identity.principal import Principal
from sautikitd.ids import uuid7
from sautikitd.recordings import repository
from sautikitd.recordings.links import Links
from sautikitd.recordings.models import RecordingStatus, StoredRecording
from sautikitd.recordings.retention import Retention
from sautikitd.recordings.service import RecordingService
from sautikitd.recordings.spool import Spool
from sautikitd.recordings.store import RecordingStore

SIGNING_KEY = bytes(range(32))


def wav(channels: int, seconds: float) -> bytes:
    """A recording as the voice node writes it: 16-bit PCM at 8 kHz, a saw-tooth."""
    frames = int(seconds * 8000)
    samples = [((i * 40) % 20000) - 10000 for i in range(frames) for _ in range(channels)]
    return wav_header(channels, len(samples) * 2) + struct.pack(f"<{len(samples)}h", *samples)


def wav_header(channels: int, data_size: int) -> bytes:
    riff = b"RIFF" + struct.pack("<I", 36 + data_size) + b"WAVE"
    kind = struct.pack("<IHHIIHH", 16, 1, channels, 8000, 16000 * channels, 2 * channels, 16)
    return riff + b"fmt " + kind + b"data" + struct.pack("<I", data_size)


@dataclass
class Office:
    """The recording room of one machine, and what the tests look at."""

    database: Database
    clock: ManualClock
    store: RecordingStore
    store_folder: Path
    spool: Spool
    links: Links
    waker: Waker
    service: RecordingService
    retention: Retention
    workspace_id: UUID
    number_id: UUID
    call_id: UUID
    node_id: UUID

    async def begin(
        self,
        *,
        channels: int = 1,
        spool: Spool | None = None,
        content: bytes | None = None,
        call_id: UUID | None = None,
    ) -> tuple[UUID, Path]:
        """A recording under way, half a second of it in its file unless `content` says otherwise."""
        recording_id = uuid7()
        async with self.database.transaction() as connection:
            path = await self.service.begin(
                connection,
                recording_id=recording_id,
                call_id=call_id or self.call_id,
                workspace_id=self.workspace_id,
                mode="test",
                channels=channels,
                node_id=self.node_id,
                spool=spool or self.spool,
                now=self.clock.now(),
            )
        path.write_bytes(wav(channels, 0.5) if content is None else content)
        return recording_id, path

    async def ready(self, *, seconds: float = 0.5, channels: int = 1, call_id: UUID | None = None) -> UUID:
        """A recording that is in the store."""
        content = wav(channels, seconds)
        recording_id, path = await self.begin(channels=channels, content=content, call_id=call_id)
        status = await self.service.finish(recording_id, path, int(seconds * 1000))
        assert status is RecordingStatus.READY
        return recording_id

    async def read(self, recording_id: UUID) -> StoredRecording:
        async with self.database.connection() as connection:
            found = await repository.find(connection, recording_id)
        assert found is not None
        return found

    async def events(self) -> list[tuple[str, int, dict[str, object]]]:
        async with self.database.connection() as connection:
            rows = await connection.fetch(
                "SELECT kind, sequence, data FROM events WHERE kind LIKE 'recording.%' ORDER BY sequence"
            )
        return [(row["kind"], row["sequence"], row["data"]) for row in rows]

    async def kill_node(self) -> None:
        """Its lease lapses, as when the process was killed."""
        await self.execute("UPDATE voice_nodes SET lease_until = $1", self.clock.now() - timedelta(seconds=1))

    async def execute(self, statement: str, *values: object) -> None:
        async with self.database.connection() as connection:
            await connection.execute(statement, *values)

    def objects(self) -> list[Path]:
        return sorted(path for path in self.store_folder.rglob("*") if path.is_file())

    async def add_call(self, workspace_id: UUID, number_id: UUID) -> UUID:
        call_id = uuid7()
        await self.execute(
            """
            INSERT INTO calls (id, session_id, workspace_id, mode, number_id, direction, from_address, to_address,
                               local_e164, remote_e164, status, webhook_url, events_url, client_request_id,
                               event_sequence, node_id, created_at, updated_at)
            VALUES ($1, $2, $3, 'test', $4, 'outbound', '+254200000001', '+254700000001', '+254200000001',
                    '+254700000001', 'answered', 'https://shop.test/call', 'https://shop.test/number', 'order 7',
                    3, $5, $6, $6)
            """,
            *(call_id, f"HD_{call_id.hex[-12:]}", workspace_id, number_id, self.node_id, self.clock.now()),
        )
        return call_id

    async def add_workspace(self) -> tuple[UUID, UUID]:
        """A workspace with one test number: their ids."""
        workspace_id, number_id, inventory_id = uuid7(), uuid7(), uuid7()
        await self.execute(
            "INSERT INTO workspaces (id, name, slug, mpesa_account_ref) VALUES ($1, 'Duka', $2, $2)",
            *(workspace_id, workspace_id.hex),
        )
        await self.execute(
            """
            INSERT INTO inventory (id, mode, e164, type, monthly_price_minor)
            VALUES ($1, 'test', $2, 'local', 10000)
            """,
            *(inventory_id, f"+2542{inventory_id.int % 10**8:08d}"),
        )
        await self.execute(
            """
            INSERT INTO numbers (id, workspace_id, mode, inventory_id, e164, type, monthly_price_minor,
                                 claimed_at, updated_at)
            VALUES ($1, $2, 'test', $3, '+254200000001', 'local', 10000, $4, $4)
            """,
            *(number_id, workspace_id, inventory_id, self.clock.now()),
        )
        return workspace_id, number_id


@dataclass
class Keys:
    """Bearer credentials and whose they are."""

    principals: dict[str, Principal]

    async def authenticate(self, credential: str, source_address: str) -> Principal:
        if credential not in self.principals:
            raise CredentialsMissing
        return self.principals[credential]

    def add(
        self, credential: str, workspace_id: UUID, *scopes: str, number_ids: frozenset[UUID] | None = None
    ) -> None:
        self.principals[credential] = Principal(
            id=uuid7(),
            workspace_id=workspace_id,
            mode="test",
            scopes=frozenset(scopes),
            number_ids=number_ids,
        )
