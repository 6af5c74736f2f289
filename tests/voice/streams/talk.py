"""A call with a stream on it, as the node sets it up."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sautikitd.flow.streams import StreamProtocol
from sautikitd.voice.streams.client import OpenedStream, StreamClient
from sautikitd.voice.streams.dialect import Opening
from sautikitd.voice.streams.orders import OpenStream, StreamEnded
from voice.media.call import Call, Calls


@dataclass
class Talk:
    call: Call
    stream: OpenedStream
    opening: Opening

    async def end(self) -> StreamEnded:
        async with asyncio.timeout(20):
            return await asyncio.shield(self.stream.ended)


class Talks:
    def __init__(self, calls: Calls, streams: StreamClient) -> None:
        self._calls = calls
        self.streams = streams
        self._opened: list[OpenedStream] = []

    async def order(
        self, url: str, protocol: StreamProtocol = StreamProtocol.DRACHTIO, **given: Any
    ) -> tuple[OpenedStream, Opening]:
        """Sends the upgrade request only."""
        stream_id = str(uuid4())
        opening = Opening(
            stream_id=stream_id,
            call_id=str(uuid4()),
            session_id="HD_0123456789ab",
            workspace_id=str(uuid4()),
            from_="+254712000001",
            to="+254207000001",
            direction="inbound",
            track=given.pop("track", "inbound_track"),
            metadata=given.pop("metadata", {}),
        )
        order = OpenStream(
            stream_id=stream_id,
            url=url,
            live=False,
            headers=given.pop("headers", {}),
            protocol=protocol,
            opening=opening,
            plays=given.pop("plays", True),
            sent_rate=given.pop("sent_rate", 8000),
            played_rate=given.pop("played_rate", 8000),
        )
        assert not given
        stream = await self.streams.open(order)
        self._opened.append(stream)
        return stream, opening

    async def talk(self, url: str, protocol: StreamProtocol = StreamProtocol.DRACHTIO, **given: Any) -> Talk:
        """A call whose stream is open and connected."""
        heard, said = given.pop("heard", True), given.pop("said", False)
        call = await self._calls.call()
        stream, opening = await self.order(url, protocol, **given)
        assert await stream.opened
        await call.media.start_fork(call.leg_id, stream.stream_id, self.streams.path, heard=heard, said=said)
        return Talk(call, stream, opening)

    async def close(self) -> None:
        await self._calls.close()
        for stream in self._opened:
            stream.stop()
            async with asyncio.timeout(20):
                await stream.ended
