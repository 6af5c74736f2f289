"""All rooms at home on this node: opened by who comes first, kept to what their rows say, closed when they end."""

import asyncio
from contextlib import ExitStack
from uuid import UUID

import msgspec
import structlog

from sautikitd.calls.models import CallRecord
from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.flow.port import Audio, Prompt, PromptUnavailable, Say
from sautikitd.node.prompting import Prompting
from sautikitd.node.recordings import NodeRecordings
from sautikitd.node.rooms.books import RoomBooks
from sautikitd.node.rooms.home import RoomHome
from sautikitd.rooms.models import EndReason, Room, RoomKind
from sautikitd.rooms.rows import RoomCommand
from sautikitd.voice.engine import VoiceEngine
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.media.client import MediaClient, MediaLost, MediaRefused

log = structlog.get_logger(__name__)


class RoomHomes:
    """`legs` are the node's own legs by seat; whoever seats one puts it there first."""

    def __init__(
        self, books: RoomBooks, engine: VoiceEngine, recordings: NodeRecordings, prompting: Prompting
    ) -> None:
        self.legs: dict[UUID, MediaLeg] = {}
        self._books = books
        self._engine = engine
        self._recordings = recordings
        self._prompting = prompting
        self._homes: dict[UUID, tuple[RoomHome, CallRecord]] = {}
        self._settling: set[asyncio.Task[None]] = set()
        self._followed: dict[UUID, ExitStack] = {}  # a room is looked after, though no call of ours be in it

    async def ensure(self, room: Room, media: MediaClient, owner: CallRecord) -> None:
        """Opens a room that is at home here. Raises `MediaRefused`, `MediaLost`."""
        if room.id in self._homes:
            return
        made = RoomHome(room, media, self._recordings, self._books, self.legs, self._engine.inside)
        self._homes[room.id] = made, owner
        self._followed[room.id] = ExitStack()
        self._followed[room.id].enter_context(self._books.board.followed())
        if room.kind is RoomKind.CONFERENCE:
            self._recordings.know_conference(room.id, owner)
        else:
            self._recordings.know(room.id, owner)
        try:
            await made.media.open()
        except (MediaRefused, MediaLost):
            self._forget(room.id)
            raise

    async def settle(self, room_id: UUID) -> None:
        """Does at once what the rows of a room say, as the board knows them; nothing for a room of another node.
        What was begun for all in the room is done whole, though the one who waits for it has hung up."""
        if found := self._homes.get(room_id):
            settling = asyncio.ensure_future(self._update(found[0]))
            self._settling.add(settling)
            settling.add_done_callback(self._settling.discard)
            await asyncio.shield(settling)

    async def press(self, room_id: UUID, seat_id: UUID, digit: str) -> None:
        """A key of a leg of ours in a room of ours, for the others in it."""
        if found := self._homes.get(room_id):
            await found[0].press(seat_id, digit)

    async def warn(self, room_id: UUID, seat_id: UUID) -> None:
        """Lets the others in a room of ours hear that the money of a leg of ours runs out. Raises `MediaLost`."""
        if found := self._homes.get(room_id):
            await found[0].warn(seat_id)

    async def release(self, room_id: UUID, seat_id: UUID) -> None:
        """Takes a leg of ours out of a room of ours."""
        self.legs.pop(seat_id, None)
        if found := self._homes.get(room_id):
            try:
                await found[0].release(seat_id)
            except MediaLost:
                await self._lose(found[0])

    async def run(self) -> None:
        """Follows the board until cancelled."""
        board, seen = self._books.board, 0
        while True:
            seen = await board.beyond(seen)
            for room_id, (home, _) in list(self._homes.items()):
                room = board.room(room_id)
                if room is not None and room.node_id == self._books.node_id:
                    await self._update(home)
                else:
                    await self._close(home)
            if self._homes:
                await self._carry_out()

    async def close(self) -> None:
        """The node stops: its rooms go on where somebody of another node is still in them."""
        for room_id, (home, _) in list(self._homes.items()):
            await self._books.leave_room(room_id)
            await self._close(home)

    async def _update(self, home: RoomHome) -> None:
        try:
            await home.update()
        except MediaLost:
            await self._lose(home)
        except Exception:  # one room that goes wrong costs neither the others nor the node
            log.exception("node.room_failed", room_id=str(home.room.id))
            await self._lose(home)

    async def _lose(self, home: RoomHome) -> None:
        """Its media process died: the room is over, and its own legs with it."""
        await self._books.end_room(home.room.id, EndReason.NODE_LOST)
        await self._close(home)

    async def _close(self, home: RoomHome) -> None:
        self._forget(home.room.id)
        try:
            await home.close()
        except (MediaLost, MediaRefused) as exc:
            log.debug("node.room_without_media", room_id=str(home.room.id), error=str(exc))

    def _forget(self, room_id: UUID) -> None:
        self._homes.pop(room_id, None)
        if followed := self._followed.pop(room_id, None):
            followed.close()
        self._recordings.forget(room_id)

    # What is said to a whole room

    async def _carry_out(self) -> None:
        try:
            commands = await self._books.commands_for(list(self._homes))
        except DatabaseUnavailable as exc:
            log.warning("node.room_commands_wait", error=repr(exc))
            return
        for command in commands:
            if found := self._homes.get(command.room_id):  # else it has ended since
                await self._books.command_done(command.id, await self._say(*found, command))

    async def _say(self, home: RoomHome, owner: CallRecord, command: RoomCommand) -> str:
        try:
            if command.kind == "hush":
                await home.media.hush()
                return "done"
            wish = msgspec.convert(command.payload, Announcement)
            segments = await self._prompting.of(owner).segments([wish.prompt])
            await home.media.announce(segments, wish.loop)
        except (PromptUnavailable, MediaRefused, MediaLost) as exc:
            log.warning("node.not_announced", room_id=str(home.room.id), error=str(exc))
            return str(exc)[:300]
        return "done"


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """The payload of an `announce` command."""

    text: str | None = None
    language: str = "en-KE"
    voice: str = "woman"
    url: str | None = None
    loop: int = 1

    @property
    def prompt(self) -> Prompt:
        if self.url is not None:
            return Audio(url=self.url)
        return Say(text=self.text or "", language=self.language, voice=self.voice)
