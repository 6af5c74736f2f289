"""The rooms and queues of a voice node, put together."""

from uuid import UUID

from sautikitd.app import Platform
from sautikitd.node.dialling.elsewhere import Elsewhere
from sautikitd.node.dialling.transfer_books import TransferBooks
from sautikitd.node.prompting import Prompting
from sautikitd.node.recordings import NodeRecordings
from sautikitd.node.rooms.books import RoomBooks
from sautikitd.node.rooms.homes import RoomHomes
from sautikitd.node.rooms.rooms import NodeRooms
from sautikitd.node.rooms.seat import RoomParts
from sautikitd.rooms.lifecycle import Rooms
from sautikitd.rooms.queues.lifecycle import CallerQueues
from sautikitd.rooms.sweeping import Sweeper
from sautikitd.voice.engine import VoiceEngine


def node_rooms(
    platform: Platform,
    node_id: UUID,
    engine: VoiceEngine,
    recordings: NodeRecordings,
    prompting: Prompting,
) -> NodeRooms:
    rooms = Rooms(platform.events)
    queues = CallerQueues(platform.events, rooms)
    books = RoomBooks(node_id, platform.database, platform.clock, platform.waker, rooms, queues)
    homes = RoomHomes(books, engine, recordings, prompting)
    return NodeRooms(RoomParts(books=books, homes=homes, clock=platform.clock, address=engine.inside))


def talks_elsewhere(platform: Platform, node_id: UUID, rooms: NodeRooms) -> Elsewhere:
    """For attended transfers between two nodes."""
    books = TransferBooks(node_id, platform.database, platform.clock, platform.waker, Rooms(platform.events))
    return Elsewhere(books, rooms.parts)


def room_sweeper(platform: Platform) -> Sweeper:
    """For the reaper: gives back what dead nodes left."""
    rooms = Rooms(platform.events)
    return Sweeper(rooms, CallerQueues(platform.events, rooms))
