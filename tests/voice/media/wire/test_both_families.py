"""A media process that is bound to IPv6 speaks IPv4 as well, plain and as to a browser."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sautikitd.voice.media.client import MediaClient
from sautikitd.voice.media.protocol import Tone
from sautikitd.voice.media.terms import DtlsRole, DtlsTerms, IceTerms
from voice.media.call import Calls
from voice.media.rtp_peer import Peer, level, sine
from voice.media.secure_peer import BrowserPeer

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOSTS = ["::1", "127.0.0.1"]
US, PASSWORD = "here", "a-password-of-22-letters"


@pytest_asyncio.fixture(loop_scope="module")
async def calls() -> AsyncIterator[Calls]:
    media = await MediaClient.spawn(bind_address="::", port_range=(0, 0), capacity=8)
    calls = Calls(media)
    yield calls
    await calls.close()
    await media.close()


@pytest.mark.parametrize("host", HOSTS)
async def test_a_phone_is_heard_and_hears(calls: Calls, host: str) -> None:
    call = await calls.meet(Peer(host=host))
    await calls.media.play(call.leg_id, "p", [Tone(frequencies=(700.0,), duration_ms=2000)])
    await call.peer.say(sine(440, 0.4))
    assert (await call.counted(20)).packets_received == 20
    assert level(call.peer.recent(0.2), 700) > 8000


@pytest.mark.parametrize("host", HOSTS)
async def test_a_browser_is_heard_and_hears(calls: Calls, host: str) -> None:
    peer = BrowserPeer(host=host)
    call = await calls.meet(
        peer,
        mux=True,
        dtls=DtlsTerms(role=DtlsRole.SERVER, fingerprints=(("sha-256", peer.fingerprint),)),
        ice=IceTerms(local_ufrag=US, local_password=PASSWORD, remote_ufrag=peer.ufrag),
    )
    peer.check(US, PASSWORD)
    await call.until(lambda: len(peer.answers) == 1)
    family = 2 if ":" in host else 1
    assert peer.answers[0][25] == family  # of XOR-MAPPED-ADDRESS, which is not told as a mapped one
    peer.shake_hands()
    await call.until(lambda: peer.shook_hands)
    await calls.media.play(call.leg_id, "p", [Tone(frequencies=(700.0,), duration_ms=2000)])
    await peer.say(sine(440, 0.4))
    assert (await call.counted(20)).packets_received == 20
    assert level(peer.recent(0.2), 700) > 8000
