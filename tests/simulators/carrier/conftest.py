"""A carrier on free ports, and the platform's side of its calls."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sautikitd.simulators.carrier.carrier import Carrier
from sautikitd.voice.sip.user_agent import UserAgent
from simulators.carrier.far_side import FarSide, WatchedClock
from voice.sip.far_end import user_agent
from voice.sip.parties import Callee


@pytest.fixture
def clock() -> WatchedClock:
    return WatchedClock()


@pytest.fixture(scope="session")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered speech, made once for all tests of this worker."""
    return tmp_path_factory.mktemp("prompts")


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "heard"
    folder.mkdir()
    return folder


@pytest.fixture
async def carrier(clock: WatchedClock, prompts: Path, recordings: Path) -> AsyncIterator[Carrier]:
    """Its waits are on the clock of the test, its sound is in real time."""
    async with Carrier(sip=("127.0.0.1", 0), prompts=prompts, record_to=recordings, clock=clock) as carrier:
        yield carrier


@pytest.fixture
async def callee() -> Callee:
    return Callee()


@pytest.fixture
async def agent(callee: Callee) -> AsyncIterator[UserAgent]:
    async with user_agent(on_invite=callee.take) as made:
        yield made


@pytest.fixture
async def far_side(agent: UserAgent, carrier: Carrier) -> AsyncIterator[FarSide]:
    side = FarSide(agent, carrier.bound)
    yield side
    side.close()
