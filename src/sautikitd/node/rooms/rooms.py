"""The rooms and queues of a voice node, and what each of its calls may ask of them."""

import asyncio
from dataclasses import dataclass

from sautikitd.calls.models import CallRecord
from sautikitd.flow.rooms_port import Attended, ConferenceSpec, Dequeued, OnDigits, QueueLeft, Sounds
from sautikitd.node.rooms.conferences import Attendance
from sautikitd.node.rooms.dequeuing import Taking
from sautikitd.node.rooms.queueing import QueueWait
from sautikitd.node.rooms.seat import RoomParts
from sautikitd.voice.leg import MediaLeg


@dataclass(frozen=True)
class NodeRooms:
    """One for the node."""

    parts: RoomParts

    def of(self, call: CallRecord, leg: MediaLeg) -> "CallRooms":
        return CallRooms(self.parts, call, leg)

    def wake(self) -> None:
        """Something changed in a room or a queue."""
        self.parts.books.board.wake()

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.gather(self.parts.books.board.run(), self.parts.homes.run())

    async def close(self) -> None:
        """Ends the rooms at home here."""
        await self.parts.homes.close()


class CallRooms:
    """The `RoomsPort` of one call's flow."""

    def __init__(self, parts: RoomParts, call: CallRecord, leg: MediaLeg) -> None:
        self._parts = parts
        self._call = call
        self._leg = leg

    async def attend(self, spec: ConferenceSpec, sounds: Sounds, on_digits: OnDigits) -> Attended:
        work = Attendance(self._call, self._leg, spec, sounds, on_digits, self._parts)
        return await self._leg.until_gone(work.run())

    async def enqueue(self, name: str, *, most: int | None, longest_s: int, sounds: Sounds) -> QueueLeft:
        wait = QueueWait(
            self._call, self._leg, name, sounds, most=most, longest_s=longest_s, parts=self._parts
        )
        return await self._leg.until_gone(wait.run())

    async def dequeue(self, name: str, *, longest_s: int, sounds: Sounds) -> Dequeued:
        taking = Taking(self._call, self._leg, name, sounds, longest_s=longest_s, parts=self._parts)
        return await self._leg.until_gone(taking.run())
