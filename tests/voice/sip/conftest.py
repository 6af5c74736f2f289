"""Fixtures: SIPp, and a user agent on a free port."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sautikitd.voice.sip.hops import Transport
from sautikitd.voice.sip.user_agent import UserAgent
from voice.sip.far_end import SippRunner, user_agent
from voice.sip.raw_peer import RawPeer, raw_peer


@pytest.fixture
async def run_sipp(tmp_path: Path) -> AsyncIterator[SippRunner]:
    runner = SippRunner(tmp_path)
    yield runner
    await runner.stop()


@pytest.fixture
async def agent() -> AsyncIterator[UserAgent]:
    async with user_agent() as made:
        yield made


@pytest.fixture
async def peer() -> AsyncIterator[RawPeer]:
    async with raw_peer() as made:
        yield made


@pytest.fixture(params=[Transport.UDP, Transport.TCP])
def transport(request: pytest.FixtureRequest) -> Transport:
    """Whoever asks for it runs over each of those that every far end speaks."""
    chosen: Transport = request.param
    return chosen
