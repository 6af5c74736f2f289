"""Session descriptions (RFC 8866) with one audio stream, and offer/answer over them (RFC 3264).

Unknown lines are passed over; what is needed and cannot be read is a typed error. Other streams of an
offer (video, fax) are remembered, so that the answer can refuse each in its place (RFC 3264 §6).
"""

import re
from collections.abc import Sequence
from enum import StrEnum

import msgspec

from sautikitd.voice.media_encryption import MediaEncryption
from sautikitd.voice.sip.sdp_errors import MalformedSdp, NoAudioStream, NoCommonCodec
from sautikitd.voice.sip.sdp_security import answered_transport
from sautikitd.voice.sip.sdp_transport import (
    AUDIO_PROFILES,
    MediaTransport,
    can_be_kept,
    is_transport,
    read_transport,
)

MAX_SDP = 16_384
_STATIC = {0: ("PCMU", 8000), 8: ("PCMA", 8000), 9: ("G722", 8000), 13: ("CN", 8000), 18: ("G729", 8000)}


class Direction(StrEnum):
    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def reversed(self) -> "Direction":
        """The same stream as the other side sees it."""
        swap = {Direction.SENDONLY: Direction.RECVONLY, Direction.RECVONLY: Direction.SENDONLY}
        return swap.get(self, self)


class Codec(msgspec.Struct, frozen=True):
    payload: int  # 0-127
    name: str  # upper case, but "telephone-event" as its RFC writes it
    rate: int = 8000
    fmtp: str = ""

    @property
    def is_event(self) -> bool:
        return self.name == "telephone-event"

    @property
    def encoding(self) -> str:
        """As a=rtpmap has it. Opus always says two channels (RFC 7587 section 7)."""
        return f"opus/{self.rate}/2" if self.name == "OPUS" else f"{self.name}/{self.rate}"

    def same(self, other: "Codec") -> bool:
        return self.name == other.name and self.rate == other.rate


PCMU = Codec(0, "PCMU")
PCMA = Codec(8, "PCMA")
G722 = Codec(9, "G722")
OPUS = Codec(111, "OPUS", 48000, "useinbandfec=1;maxplaybackrate=8000;sprop-maxcapturerate=8000")
TELEPHONE_EVENT = Codec(101, "telephone-event", 8000, "0-15")
OPUS_TELEPHONE_EVENT = Codec(110, "telephone-event", 48000, "0-15")
DEFAULT_CODECS = (PCMU, PCMA, TELEPHONE_EVENT)


class Sdp(msgspec.Struct, frozen=True, kw_only=True):
    """One audio stream. `address` and `port` are where its sender wants to receive; port 0 = refused."""

    address: str
    port: int
    codecs: tuple[Codec, ...]
    direction: Direction = Direction.SENDRECV
    ptime: int | None = None  # milliseconds
    maxptime: int | None = None  # milliseconds
    rtcp_port: int | None = None  # None: port + 1
    rtcp_address: str | None = None  # None: as `address`
    session_id: int = 0
    version: int = 0
    profile: str = "RTP/AVP"
    transport: MediaTransport = MediaTransport()
    before: tuple[str, ...] = ()  # other streams standing before the audio one, "media profile formats"
    after: tuple[str, ...] = ()  # and behind it
    attributes: tuple[str, ...] = ()  # of the audio stream, those not read into the fields above

    @property
    def audio(self) -> Codec | None:
        """The preferred codec for sound: the first that is neither events nor comfort noise."""
        return next((c for c in self.codecs if not c.is_event and c.name != "CN"), None)

    @property
    def telephone_event(self) -> Codec | None:
        return next((c for c in self.codecs if c.is_event), None)

    @property
    def on_hold(self) -> bool:
        """Whether its sender does not want to hear us: a direction without receiving, or the old 0.0.0.0."""
        return self.direction in (Direction.SENDONLY, Direction.INACTIVE) or self.address == "0.0.0.0"

    def encode(self) -> bytes:
        family = "IP6" if ":" in self.address else "IP4"
        lines = [
            "v=0",
            f"o=- {self.session_id} {self.version} IN {family} {self.address}",
            "s=-",
            f"c=IN {family} {self.address}",
            "t=0 0",
            *(f"a={line}" for line in self.transport.session_lines()),
            *(_refused(stream) for stream in self.before),
            f"m=audio {self.port} {self.profile} {' '.join(str(c.payload) for c in self.codecs)}",
            *(f"a=rtpmap:{c.payload} {c.encoding}" for c in self.codecs),
            *(f"a=fmtp:{c.payload} {c.fmtp}" for c in self.codecs if c.fmtp),
        ]
        if self.ptime is not None:
            lines.append(f"a=ptime:{self.ptime}")
        if self.rtcp_port is not None:
            lines.append(f"a=rtcp:{self.rtcp_port}")
        if self.maxptime is not None:
            lines.append(f"a=maxptime:{self.maxptime}")
        lines += [f"a={line}" for line in self.transport.media_lines()]
        lines += [f"a={attribute}" for attribute in self.attributes]
        lines.append(f"a={self.direction}")
        lines += [_refused(stream) for stream in self.after]
        return ("\r\n".join(lines) + "\r\n").encode()


def offer(
    address: str,
    port: int,
    *,
    session_id: int,
    codecs: tuple[Codec, ...] = DEFAULT_CODECS,
    ptime: int = 20,
    direction: Direction = Direction.SENDRECV,
    profile: str = "RTP/AVP",
    transport: MediaTransport = MediaTransport(),
) -> Sdp:
    """Our offer: receive at `address`:`port`, codecs in order of liking."""
    return Sdp(
        address=address,
        port=port,
        codecs=codecs,
        ptime=ptime,
        direction=direction,
        session_id=session_id,
        version=session_id,
        profile=profile,
        transport=transport,
    )


def answer(
    offered: Sdp,
    address: str,
    port: int,
    *,
    session_id: int,
    version: int | None = None,
    codecs: tuple[Codec, ...] = DEFAULT_CODECS,
    direction: Direction = Direction.SENDRECV,
    mine: MediaTransport = MediaTransport(),
    encryption: MediaEncryption = MediaEncryption.NONE,
) -> Sdp:
    """Our answer: the offered codecs we speak, in the order and with the payload numbers of the offer.

    One sound codec is kept, so that neither side switches in mid-call, and its telephone-event.
    `direction` is what we want; the answer is that cut by what the offer allows. `version` (default
    the session id) must grow with each new description in a dialog (RFC 3264 §8). `mine` is what we
    could do to protect the stream. Raises `NoCommonCodec`, `NoCommonKeys`.
    """
    common = [c for c in offered.codecs if any(c.same(mine) for mine in codecs)]
    sound = next((c for c in common if not c.is_event), None)
    if sound is None:
        raise NoCommonCodec("no audio codec in common")
    if sound.same(OPUS):  # its parameters say what each side likes to get (RFC 7587 §6.1): ours, not theirs
        sound = msgspec.structs.replace(sound, fmtp=OPUS.fmtp)
    event = event_beside(sound, common)
    return Sdp(
        address=address,
        port=port,
        codecs=(sound,) if event is None else (sound, event),
        ptime=offered.ptime or 20,
        direction=_meet(offered.direction.reversed, direction),
        session_id=session_id,
        version=session_id if version is None else version,
        profile=offered.profile,
        transport=answered_transport(offered.profile, offered.transport, mine, encryption),
        before=offered.before,
        after=offered.after,
    )


def event_beside(sound: Codec, codecs: Sequence[Codec]) -> Codec | None:
    """The telephone-event at the clock of the codec. One that counts faster than 8 kHz takes any other: phones with
    Opus often offer 8000 alone."""
    events = sorted((codec for codec in codecs if codec.is_event), key=lambda c: c.rate != sound.rate)
    return next((codec for codec in events if codec.rate == sound.rate or sound.rate != 8000), None)


def parse(data: bytes) -> Sdp:
    """Reads the first audio stream over RTP whose protection we know, one that was not refused if there is any.

    Raises `MalformedSdp` or `NoAudioStream`.
    """
    if len(data) > MAX_SDP:
        raise MalformedSdp("description too long")
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines or lines[0].replace(" ", "") != "v=0":
        raise MalformedSdp("does not begin with v=0")
    sections = _sections(lines)
    streams = [section[0][2:] for section in sections[1:]]
    found = [i for i, section in enumerate(sections[1:]) if _is_usable(section, sections[0])]
    if not found:
        raise NoAudioStream("no audio stream over RTP")
    chosen = next((i for i in found if streams[i].split()[1] != "0"), found[0])
    return _read_audio(
        sections[0], sections[chosen + 1], tuple(streams[:chosen]), tuple(streams[chosen + 1 :])
    )


def _sections(lines: list[str]) -> list[list[str]]:
    """The session's lines, then those of each stream, its `m=` line first."""
    sections: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    return sections


def _is_usable(media: list[str], session: list[str]) -> bool:
    parts = media[0][2:].split()
    if len(parts) < 4 or parts[0] != "audio" or parts[2].upper() not in AUDIO_PROFILES:
        return False
    return can_be_kept(parts[2].upper(), session, media)


def _read_audio(session: list[str], media: list[str], before: tuple[str, ...], after: tuple[str, ...]) -> Sdp:
    parts = media[0][2:].split()
    port = _number(parts[1].partition("/")[0], 65535, "port of the audio stream")
    rtcp_port, rtcp_address = _rtcp(_attribute(media, "rtcp"))
    session_id, version = _origin(session)
    return Sdp(
        address=_address(media, session, needed=port != 0),
        port=port,
        codecs=_codecs(parts[3:], media),
        direction=_direction(media) or _direction(session) or Direction.SENDRECV,
        ptime=_milliseconds(_attribute(media, "ptime")),
        maxptime=_milliseconds(_attribute(media, "maxptime")),
        rtcp_port=rtcp_port,
        rtcp_address=rtcp_address,
        session_id=session_id,
        version=version,
        profile=parts[2].upper(),
        transport=read_transport(session, media),
        before=before,
        after=after,
        attributes=tuple(line[2:] for line in media if line.startswith("a=") and not _known(line)),
    )


def _known(line: str) -> bool:
    name = line[2:].partition(":")[0].strip()
    return name in ("rtpmap", "fmtp", "ptime", "maxptime", "rtcp", *Direction) or is_transport(name)


def _codecs(formats: list[str], media: list[str]) -> tuple[Codec, ...]:
    maps = {}
    for line in media:
        if match := re.match(r"a=rtpmap:\s*([0-9]{1,3})\s+([A-Za-z0-9_.-]+)\s*/\s*([0-9]{1,6})", line):
            maps[int(match[1])] = (match[2], int(match[3]))
    fmtps = {}
    for line in media:
        if match := re.match(r"a=fmtp:\s*([0-9]{1,3})\s+(.*)", line):
            fmtps[int(match[1])] = match[2].strip()
    found: dict[int, Codec] = {}
    for text in formats:
        payload = _number(text, 127, "payload type")
        name, rate = maps.get(payload) or _STATIC.get(payload) or ("", 0)
        if name:
            name = "telephone-event" if name.lower() == "telephone-event" else name.upper()
            found.setdefault(payload, Codec(payload, name, rate, fmtps.get(payload, "")))
    return tuple(found.values())


def _address(media: list[str], session: list[str], *, needed: bool) -> str:
    for line in [*media, *session]:
        if match := re.match(r"c=\s*IN\s+IP[46]\s+([A-Za-z0-9.:_-]{1,253})", line):
            return match[1]
    if needed:
        raise MalformedSdp("no connection address (c=) that can be read")
    return "0.0.0.0"


def _direction(lines: list[str]) -> Direction | None:
    return next(
        (Direction(line[2:]) for line in lines if line.startswith("a=") and line[2:] in list(Direction)), None
    )


def _attribute(lines: list[str], name: str) -> str | None:
    prefix = f"a={name}:"
    return next((line[len(prefix) :].strip() for line in lines if line.startswith(prefix)), None)


def _milliseconds(text: str | None) -> int | None:
    """A value that makes no sense for telephony is taken as not given."""
    match = re.match(r"[0-9]{1,4}", text or "")
    return int(match[0]) if match and 5 <= int(match[0]) <= 200 else None


def _rtcp(value: str | None) -> tuple[int | None, str | None]:
    """RFC 3605: a port, and perhaps an address."""
    match = re.fullmatch(r"([0-9]{1,5})(?:\s+IN\s+IP[46]\s+([A-Za-z0-9.:_-]+))?", value or "")
    if match is None or not 0 < int(match[1]) < 65536:
        return None, None
    return int(match[1]), match[2]


def _origin(session: list[str]) -> tuple[int, int]:
    """Session id and version; both 0 when the o= line is odd, since nothing hangs on them."""
    for line in session:
        if match := re.match(r"o=\s*\S+\s+([0-9]{1,20})\s+([0-9]{1,20})\s", line):
            return int(match[1]), int(match[2])
    return 0, 0


def _number(text: str, highest: int, what: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > highest:
        raise MalformedSdp(f"{what} out of range")
    return int(text)


def _refused(stream: str) -> str:
    parts = stream.split()
    return f"m={parts[0]} 0 {' '.join(parts[2:])}" if len(parts) >= 4 else "m=video 0 RTP/AVP 0"


def _meet(allowed: Direction, wanted: Direction) -> Direction:
    sends = all(d in (Direction.SENDRECV, Direction.SENDONLY) for d in (allowed, wanted))
    receives = all(d in (Direction.SENDRECV, Direction.RECVONLY) for d in (allowed, wanted))
    if sends and receives:
        return Direction.SENDRECV
    if sends:
        return Direction.SENDONLY
    return Direction.RECVONLY if receives else Direction.INACTIVE
