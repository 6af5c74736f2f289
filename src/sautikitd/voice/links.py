"""Internal legs between media processes, of one node or of two: RTP with G.711 (A-law), no SIP, in nobody's books.
Keys go over them as events (RFC 4733) where two talk.

A leg that sits in a room of another media process gets a link: one end beside it, in a room for the two of them (the
guest's end), and one in the room itself (the home end), which is the leg's seat there. So each has a seat of his own in
the one room, and whatever a seat can be (muted, held, coach) works wherever the leg is.
"""

from collections.abc import Callable
from contextlib import suppress

from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.media.client import MediaClient, MediaLost, MediaRefused
from sautikitd.voice.media.g711 import Codec
from sautikitd.voice.media.protocol import DigitReceived, Event, LocalMedia, RemoteMedia
from sautikitd.voice.partner import WARNING

_PCMA = 8  # RFC 3551 §6
_KEYS = 101  # telephone-event; nobody listens for tones

OnKey = Callable[[str], None]

_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where an end that listens everywhere is reached from this machine."""


class LinkEnd:
    """Made by `open`; sound flows once both ends are connected."""

    def __init__(self, media: MediaClient, media_id: str, local: LocalMedia) -> None:
        self.media_id = media_id
        self.port = local.rtp_port
        self.local_address = _LOOPBACK.get(local.address, local.address)
        self._media = media

    @classmethod
    async def open(cls, media: MediaClient, media_id: str, on_key: OnKey | None = None) -> "LinkEnd":
        """`on_key` is told of keys that come from the other end. Raises `MediaRefused`, `MediaLost`."""

        def hear(event: Event) -> None:
            if on_key is not None and isinstance(event, DigitReceived):
                on_key(event.digit)

        local = await media.open_leg(media_id, hear)
        return cls(media, media_id, local)

    async def connect(self, address: str, port: int) -> None:
        """`address` and `port` of the other end, from a row of one of our own nodes."""
        remote = RemoteMedia(
            address=address,
            rtp_port=port,
            codec=Codec.PCMA,
            payload_type=_PCMA,
            dtmf_payload_type=_KEYS,
            pinned=True,
        )
        await self._media.configure_leg(self.media_id, remote)

    async def join(self, room: str) -> None:
        await self._media.join(room, self.media_id)

    async def press(self, digit: str) -> None:
        """Sends a key to the other end."""
        with suppress(MediaRefused, MediaLost):  # it ended in this moment
            await self._media.send_digits(self.media_id, digit)

    async def warn(self) -> None:
        """Lets whoever is at the other end hear that the money runs out."""
        with suppress(MediaRefused, MediaLost):
            await self._media.play(self.media_id, "warning", [WARNING])

    async def close(self) -> None:
        with suppress(MediaRefused, MediaLost):  # gone already
            await self._media.close_leg(self.media_id)


class GuestEnd:
    """A leg and the end of the link that stands for the room it is in; keys that come from there are pressed to the leg's
    far end."""

    def __init__(self, leg: MediaLeg, end: LinkEnd, room: str) -> None:
        self._leg = leg
        self._end = end
        self._room = room

    @classmethod
    async def open(cls, leg: MediaLeg, name: str) -> "GuestEnd":
        """Raises `MediaRefused`, `MediaLost`."""
        end, room = await LinkEnd.open(leg.media, f"guest-{name}", leg.press_soon), f"link-{name}"
        try:
            await end.join(room)
            await leg.join(room)
        except (MediaRefused, MediaLost):
            await end.close()
            raise
        return cls(leg, end, room)

    @property
    def port(self) -> int:
        return self._end.port

    @property
    def local_address(self) -> str:
        return self._end.local_address

    @property
    def in_band(self) -> bool:
        return self._leg.in_band

    async def connect(self, address: str, port: int) -> None:
        await self._end.connect(address, port)

    async def press(self, digit: str) -> None:
        """Sends a key of the leg's into the room."""
        await self._end.press(digit)

    async def warn(self) -> None:
        """Lets the room hear that the money runs out."""
        await self._end.warn()

    async def step_out(self) -> None:
        """The leg leaves, unless it is elsewhere by now; the link stays. Raises `MediaRefused`, `MediaLost`."""
        if self._leg.room == self._room:
            await self._leg.leave()

    async def step_in(self) -> None:
        """Raises `MediaRefused`, `MediaLost`."""
        await self._leg.join(self._room)

    async def close(self) -> None:
        """The leg leaves; it may have ended."""
        with suppress(MediaRefused, MediaLost):
            await self.step_out()
        await self._end.close()
