"""Calls over a bad network, between two network namespaces: speech is still understood, no key is lost or doubled,
and recordings keep time. Each kind of badness is a leg of its own; all run at once."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from sautikitd.voice.media.client import MediaClient
from sautikitd.voice.media.protocol import DigitReceived, Event, LegStats, RemoteMedia
from voice.media.bad_network import FAR, NEAR, BadNetwork, Impairment, NoNamespaces
from voice.media.resemblance import likeness
from voice.media.rtp_peer import Peer, Samples
from voice.media.sound_file import read_wav
from voice.media.stream import as_sent, speech

pytestmark = pytest.mark.asyncio(loop_scope="module")

KINDS = {
    "1 % loss": Impairment(loss=0.01),
    "5 % loss": Impairment(loss=0.05),
    "30 ms jitter": Impairment(delay=10, jitter=30),
    "reordering": Impairment(delay=10, overtaken=0.1),
    "doubling": Impairment(delay=10, jitter=5, doubled=0.2),
    "150 ms delay": Impairment(delay=150),
    "all of it": Impairment(loss=0.03, delay=150, jitter=30, overtaken=0.05, doubled=0.05),
}
KEYS = "1599#00*44781236#55D"  # the same key again is another press
SENT_KEYS = "27*8400#1133659AB772"
KEY_S = 0.3


@dataclass
class Outcome:
    spoken: Samples
    heard: Samples
    stats: LegStats
    events: list[Event]
    peer: Peer
    shortest_s: float  # that the recording may be, by the clock of this test: from answer to order
    longest_s: float  # from order to answer
    received: str = field(init=False)

    def __post_init__(self) -> None:
        self.received = "".join(event.digit for event in self.events if isinstance(event, DigitReceived))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network() -> AsyncIterator[BadNetwork]:
    try:
        made = BadNetwork()
    except NoNamespaces as reason:
        pytest.skip(f"no network namespaces here (root on Linux with /dev/net/tun and iproute2): {reason}")
    yield made
    made.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes(
    network: BadNetwork, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Outcome]]:
    spoken = await asyncio.to_thread(
        speech, "Welcome. To hear your balance, press one. To speak with an agent, please stay on the line."
    )
    spoken = spoken[: len(spoken) // 160 * 160]
    with network.far.entered():
        media = await MediaClient.spawn(bind_address=FAR, port_range=(0, 0), capacity=16)
    folder = tmp_path_factory.mktemp("heard")
    legs = [Badly(network, media, kind, folder) for kind in KINDS]
    made = await asyncio.gather(*(leg.run(spoken) for leg in legs))
    yield dict(zip(KINDS, made, strict=True))
    for leg in legs:
        leg.peer.close()
    await media.close()


class Badly:
    """One call over a bad stretch: speech, then keys both ways."""

    def __init__(self, network: BadNetwork, media: MediaClient, kind: str, folder: Path) -> None:
        self._media, self._kind = media, kind
        self._path = folder / f"{kind.split()[0]}.{len(kind)}.wav"
        with network.near.entered():
            self.peer = Peer(host=NEAR)
        network.impair(self.peer.port, KINDS[kind])

    async def run(self, spoken: Samples) -> Outcome:
        events: list[Event] = []
        local = await self._media.open_leg(self._kind, events.append)
        self.peer.to = (local.address, local.rtp_port)
        await self._media.configure_leg(
            self._kind,
            RemoteMedia(address=NEAR, rtp_port=self.peer.port, dtmf_payload_type=self.peer.dtmf_type),
        )
        ordered = time.monotonic()
        await self._media.start_recording(self._kind, self._kind, self._path, max_ms=60_000)
        started = time.monotonic()
        await self.peer.say(spoken)
        await asyncio.sleep(0.4)  # of life on the wire: what is late comes
        shortest = time.monotonic() - started
        await self._media.stop_recording(self._kind)
        longest = time.monotonic() - ordered
        await self._media.send_digits(self._kind, SENT_KEYS)
        for key in KEYS:
            await self.peer.pace(self.peer.press(key))
            await asyncio.sleep(KEY_S - 0.16)
            self.peer.timestamp += int((KEY_S - 0.16) * 8000)
        await asyncio.sleep(1.0)
        stats = await self._media.close_leg(self._kind)
        return Outcome(spoken, read_wav(self._path)[0], stats, events, self.peer, shortest, longest)


@pytest.mark.parametrize("kind", KINDS)
async def test_speech_is_still_understood(outcomes: dict[str, Outcome], kind: str) -> None:
    outcome = outcomes[kind]
    assert likeness(as_sent(outcome.spoken), outcome.heard) > (
        0.985 if "%" in kind or "all" in kind else 0.99
    )


@pytest.mark.parametrize("kind", KINDS)
async def test_no_key_is_lost_or_doubled_either_way(outcomes: dict[str, Outcome], kind: str) -> None:
    outcome = outcomes[kind]
    assert outcome.received == KEYS
    # A press is where its timestamp says (RFC 4733 section 2.5.1.2), whichever packet of two presses came first.
    assert "".join(key for _, key in sorted(outcome.peer.presses())) == SENT_KEYS


@pytest.mark.parametrize("kind", KINDS)
async def test_a_recording_is_as_long_as_it_took(outcomes: dict[str, Outcome], kind: str) -> None:
    outcome = outcomes[kind]
    assert outcome.shortest_s - 0.04 < len(outcome.heard) / 8000 < outcome.longest_s + 0.04


async def test_the_figures_say_what_the_network_did(outcomes: dict[str, Outcome]) -> None:
    stats = {kind: outcome.stats for kind, outcome in outcomes.items()}
    assert 1.0 < stats["5 % loss"].loss_percent < 10
    assert stats["30 ms jitter"].loss_percent == 0
    assert stats["30 ms jitter"].jitter_ms > max(
        5, stats["150 ms delay"].jitter_ms
    )  # this machine has its own
    assert stats["doubling"].packets_received <= stats["150 ms delay"].packets_received + 1
    assert stats["150 ms delay"].mos > stats["5 % loss"].mos
    assert stats["150 ms delay"].mos > stats["all of it"].mos
    for kind, one in stats.items():
        assert one.late <= 0.03 * one.packets_received, kind
