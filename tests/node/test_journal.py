"""The story of calls reaches the database once, whatever the database does meanwhile."""

from datetime import UTC, datetime
from typing import Any

import pytest

from calls.scenery import Scene
from sautikitd.calls.models import CallRecord
from sautikitd.database.pool import Connection
from sautikitd.events.log import EventLog
from sautikitd.flow.journal import EntryKind, FlowEntry
from sautikitd.node.journal import JournalWriter


def entry(text: str) -> FlowEntry:
    return FlowEntry(kind=EntryKind.STARTED, at=datetime.now(UTC), text=text)


async def told(scene: Scene, call: CallRecord) -> list[str]:
    async with scene.platform.database.connection() as connection:
        rows = await connection.fetch(
            "SELECT data->>'text' AS text FROM events WHERE call_id = $1 AND kind LIKE 'flow.%' ORDER BY id",
            call.id,
        )
    return [row["text"] for row in rows]


class Trouble(EventLog):
    """After a batch was written `then` is done, once: it raises, or adds to what waits."""

    def __init__(self) -> None:
        self.then: Any = None

    async def tell(self, connection: Connection, events: Any) -> None:
        await super().tell(connection, events)
        if self.then:
            then, self.then = self.then, None
            then()


async def test_a_batch_whose_commit_was_unsure_is_written_again_and_told_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = await scene.place()
    writer = JournalWriter(scene.platform.database, EventLog())
    journal = writer.of(call)
    for text in ("one", "two"):
        journal.write(entry(text))
    written: list[Any] = []
    real = JournalWriter._write

    async def unsure(self: JournalWriter, events: Any, callbacks: Any) -> None:
        await real(self, events, callbacks)
        if not written:
            written.append(events)
            raise ConnectionResetError

    monkeypatch.setattr(JournalWriter, "_write", unsure)
    await writer.flush()
    await writer.flush()
    assert await told(scene, call) == ["one", "two"]


async def test_an_overflow_while_a_batch_is_written_costs_the_oldest_lines_and_no_other(scene: Scene) -> None:
    call, trouble = await scene.place(), Trouble()
    writer = JournalWriter(scene.platform.database, trouble, most_waiting=4)
    journal = writer.of(call)
    for text in "abcd":
        journal.write(entry(text))

    def overflow() -> None:
        for text in "efg":  # pushes a, b and c out
            journal.write(entry(text))

    trouble.then = overflow
    await writer.flush()
    assert await told(scene, call) == list("abcdefg")


async def test_a_line_that_the_database_refuses_is_lost_alone(scene: Scene) -> None:
    call = await scene.place()
    writer = JournalWriter(scene.platform.database, EventLog())
    journal = writer.of(call)
    for text in ("before", "nul\x00", "after"):  # no jsonb holds a NUL
        journal.write(entry(text))
    await writer.flush()
    assert await told(scene, call) == ["before", "after"]
