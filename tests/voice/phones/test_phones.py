"""An independent phone (baresip) hears us and is heard, with every codec and every way to encrypt, called and calling."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sautikitd.voice.media.g711 import Codec
from sautikitd.voice.media_encryption import MediaEncryption
from voice.phones.office import Office, office, phone

pytestmark = pytest.mark.asyncio(loop_scope="module")

G711 = ("PCMA", "PCMU")
CASES = [
    ("g722", "audio_codecs=G722/16000/1", ("G722",), MediaEncryption.NONE, Codec.G722),
    ("opus", "audio_codecs=opus/48000/2", ("opus", "PCMA"), MediaEncryption.NONE, Codec.OPUS),
    ("srtp", "audio_codecs=PCMU;mediaenc=srtp-mand", G711, MediaEncryption.SDES, Codec.PCMU),
    ("srtp", "audio_codecs=PCMA;mediaenc=srtp", G711, MediaEncryption.OPTIONAL, Codec.PCMA),
    ("dtls_srtp", "audio_codecs=PCMU;mediaenc=dtls_srtp", G711, MediaEncryption.DTLS, Codec.PCMU),
    (
        "opus dtls_srtp",
        "audio_codecs=opus/48000/2;mediaenc=dtls_srtp",
        ("opus",),
        MediaEncryption.DTLS,
        Codec.OPUS,
    ),
]
RATES = {Codec.G722: 16_000, Codec.OPUS: 48_000}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    async with office(tmp_path_factory.mktemp("office")) as made:
        yield made


@pytest.mark.parametrize("called", [True, False], ids=["we-call", "it-calls"])
@pytest.mark.parametrize(("modules", "account", "codecs", "srtp", "agreed"), CASES)
async def test_both_hear_each_other(
    modules: str,
    account: str,
    codecs: tuple[str, ...],
    srtp: MediaEncryption,
    agreed: Codec,
    called: bool,
    here: Office,
    tmp_path: Path,
) -> None:
    rate = RATES.get(agreed, 8000)
    async with phone(tmp_path, modules=modules.split(), account=account, rate=rate) as there:
        leg = await (here.call if called else here.called)(there, codecs, srtp)
        stats, in_their_ear, in_ours = await here.talk(leg, there)
    assert stats.codec is agreed
    assert in_their_ear > 0.9
    assert in_ours > 0.9
    assert stats.lost == 0
    assert stats.rejected <= 1  # baresip sends one plain packet before it has our keys
