"""The media process as its voice node sees it: starting, refusing, dying on either side."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sautikitd.voice.media.client import MediaClient, MediaLost, MediaRefused
from sautikitd.voice.media.protocol import Event, Gauges, Tone
from voice.media.call import Calls
from voice.media.rtp_peer import sine
from voice.media.sound_file import read_wav

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTHING = Gauges(legs=0, plays=0, recordings=0, rooms=0, sockets=0)

PARENT = """
import asyncio, sys
from pathlib import Path
from sautikitd.voice.media.client import MediaClient
from sautikitd.voice.media.protocol import RemoteMedia

async def main():
    media = await MediaClient.spawn(bind_address="127.0.0.1", port_range=(0, 0), capacity=4)
    await media.open_leg("a")
    await media.configure_leg("a", RemoteMedia(address="127.0.0.1", rtp_port=9))
    await media.start_recording("a", "r", Path(sys.argv[1]), max_ms=60_000)
    print(media.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def test_the_gauges_show_what_is_held_and_come_back_to_zero(calls: Calls, tmp_path: Path) -> None:
    assert await calls.media.gauges() == NOTHING
    before = descriptors(calls.media.pid)
    legs = [await calls.call() for _ in range(3)]
    for leg in legs:
        await calls.media.play(leg.leg_id, "p", [Tone(frequencies=(440.0,), duration_ms=60_000)])
        await calls.media.start_recording(leg.leg_id, f"r{leg.leg_id}", tmp_path / leg.leg_id, max_ms=60_000)
        await calls.media.join("room", leg.leg_id)
    assert await calls.media.gauges() == Gauges(legs=3, plays=3, recordings=3, rooms=1, sockets=6)
    for leg in legs:
        await calls.media.close_leg(leg.leg_id)
    assert await calls.media.gauges() == NOTHING
    assert descriptors(calls.media.pid) == before


async def test_a_row_used_before_starts_clean(calls: Calls) -> None:
    call = await calls.call()
    await call.peer.say(sine(500, 0.3))
    await calls.media.close_leg(call.leg_id)
    stats = await calls.media.stats((await calls.call()).leg_id)
    assert (stats.packets_received, stats.lost, stats.jitter_ms, stats.first_received_at) == (0, 0, 0, None)


async def test_ports_come_in_pairs_of_the_range_until_there_are_none(tmp_path: Path) -> None:
    media = await MediaClient.spawn(bind_address="127.0.0.1", port_range=(42_001, 42_006), capacity=8)
    try:
        ports = [await media.open_leg(f"leg-{index}") for index in range(2)]
        assert sorted((local.rtp_port, local.rtcp_port) for local in ports) == [
            (42_002, 42_003),
            (42_004, 42_005),
        ]
        with pytest.raises(MediaRefused, match="NoPorts"):
            await media.open_leg("one-more")
        await media.close_leg("leg-0")
        await media.open_leg("one-more")
        with pytest.raises(MediaRefused, match="LegExists"):
            await media.open_leg("one-more")
    finally:
        await media.close()


async def test_the_death_of_the_media_process_is_told_once_to_everyone(doomed: Calls) -> None:
    told: list[str] = []
    doomed.media.on_lost(lambda: told.append("one"))
    doomed.media.on_lost(lambda: told.append("two"))
    call = await doomed.call()
    os.kill(doomed.media.pid, signal.SIGKILL)
    await call.until(lambda: len(told) == 2)
    with pytest.raises(MediaLost):
        await doomed.media.stats(call.leg_id)
    doomed.media.on_lost(lambda: told.append("late"))
    assert told == ["one", "two", "late"]
    with pytest.raises(MediaLost):
        await doomed.media.open_leg("another")


async def test_closing_is_no_loss(calls: Calls) -> None:
    told: list[str] = []
    media = await MediaClient.spawn(bind_address="127.0.0.1", port_range=(0, 0), capacity=1)
    media.on_lost(lambda: told.append("lost"))
    await media.close()
    assert not told
    assert not media.lost


async def test_the_media_process_ends_with_its_parent_and_finishes_its_files(tmp_path: Path) -> None:
    path = tmp_path / "r.wav"
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(path), stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    media = os.pidfd_open(int(await parent.stdout.readline()))
    parent.kill()
    await parent.wait()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(media, ended.set)
    async with asyncio.timeout(5):
        await ended.wait()
    asyncio.get_running_loop().remove_reader(media)
    os.close(media)
    assert len(read_wav(path)) == 1


async def test_a_listener_that_fails_harms_only_itself(media: MediaClient) -> None:
    faults: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: faults.append(str(context["exception"])))

    def fail(event: Event) -> None:
        raise RuntimeError(type(event).__name__)

    try:
        await media.open_leg("a", fail)
        await media.play("a", "p", [Tone(frequencies=(440.0,), duration_ms=1000)])
        await media.stop_play("a")
        await media.close_leg("a")
    finally:
        loop.set_exception_handler(None)
    assert faults == ["PlayFinished"]
    assert await media.gauges() == NOTHING
