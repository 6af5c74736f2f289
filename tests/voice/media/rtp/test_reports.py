"""RTCP both ways, by a reading of it that is the test's own."""

import asyncio
import struct
import time

import pytest

from voice.media.call import Call, Calls
from voice.media.rtp_peer import sine

pytestmark = pytest.mark.asyncio(loop_scope="module")


def ntp(wall: float) -> int:
    return int((wall + 2_208_988_800) * 65536) & 0xFFFFFFFF


async def receiver_report(call: Call, ssrc: int, lost: int, jitter: int, last: int, delay: int) -> None:
    block = struct.pack("!IIIIII", ssrc, lost, 1000, jitter, last, delay)
    report = struct.pack("!BBHI", 0x81, 201, 7, call.peer.ssrc) + block
    call.peer.rtcp.sendto(report, (call.local.address, call.local.rtcp_port))


async def test_a_report_is_sent_and_says_what_was_received(calls: Calls) -> None:
    call = await calls.call()
    datagrams = call.peer.frames(sine(500, 1.0))
    del datagrams[10:15]
    await call.peer.pace(datagrams)
    await call.until(lambda: bool(call.peer.reports))
    data = call.peer.reports[0]
    head, kind, size, ssrc, ntp_high, ntp_low, rtp, packets, octets = struct.unpack_from("!BBHIIIIII", data)
    assert (head, kind, size) == (0x81, 200, 12)
    assert ssrc == call.peer.packets[0].ssrc
    assert abs(ntp_high + ntp_low / 2**32 - 2_208_988_800 - time.time()) < 3
    assert abs(((rtp - call.peer.packets[-1].timestamp) & 0xFFFFFFFF) - 160) <= 320
    assert abs(packets - len(call.peer.packets)) <= 2
    assert octets == packets * 160
    source, loss, highest, jitter, last, delay = struct.unpack_from("!IIIIII", data, 28)
    assert source == call.peer.ssrc
    assert (loss >> 24, loss & 0xFFFFFF) == (5 * 256 // 50, 5)
    assert highest & 0xFFFF == (call.peer.sequence - 1) & 0xFFFF
    assert jitter / 8 < 10
    assert (last, delay) == (0, 0)
    assert struct.unpack_from("!BB", data, 52) == (0x81, 202)
    assert len(data) % 4 == 0


async def test_the_far_ends_report_gives_round_trip_loss_and_jitter(calls: Calls) -> None:
    call = await calls.call()
    await call.until(lambda: bool(call.peer.packets))
    ours = call.peer.packets[0].ssrc
    await receiver_report(call, ours, 7, 160, ntp(time.time() - 0.5), int(0.3 * 65536))
    async with asyncio.timeout(2):
        while (stats := await call.media.stats(call.leg_id)).remote_lost is None:
            pass
    assert (stats.remote_lost, stats.remote_jitter_ms) == (7, 20.0)
    assert stats.rtt_ms == pytest.approx(200, abs=30)
    assert stats.last_received_at is not None


async def test_a_closed_leg_says_goodbye_and_gives_its_figures(calls: Calls) -> None:
    call = await calls.call()
    await call.peer.say(sine(500, 0.4))
    stats = await call.media.close_leg(call.leg_id)
    await call.until(lambda: bool(call.peer.reports))
    assert call.peer.reports[-1][-8:] == struct.pack("!BBHI", 0x81, 203, 1, call.peer.packets[0].ssrc)
    assert (stats.packets_received, stats.bytes_received, stats.lost) == (20, 3200, 0)
    assert abs(stats.packets_sent - len(call.peer.packets)) <= 1
    assert stats.codec == "PCMU"
    assert stats.mos > 4.2
    assert stats.first_received_at is not None
    assert stats.first_sent_at is not None


@pytest.mark.parametrize(("lost_every", "least", "most"), [(0, 4.35, 4.42), (20, 3.65, 4.1), (5, 2.4, 3.0)])
async def test_the_score_falls_with_loss_as_the_e_model_says(
    calls: Calls, lost_every: int, least: float, most: float
) -> None:
    call = await calls.call()
    datagrams = call.peer.frames(sine(500, 2.0))
    if lost_every:
        datagrams[5::lost_every] = [b""] * len(datagrams[5::lost_every])
    await call.peer.pace(datagrams)
    stats = await call.media.close_leg(call.leg_id)
    assert stats.loss_percent == pytest.approx(100 / lost_every if lost_every else 0.0, abs=1.1)
    assert least <= stats.mos <= most


async def test_what_comes_too_late_to_be_heard_counts_as_lost_to_the_ear(calls: Calls) -> None:
    call = await calls.call()
    datagrams = call.peer.frames(sine(500, 2.0))
    held = [datagrams.pop(index) for index in range(60, 10, -10)]
    await call.peer.pace(datagrams[:90])
    for datagram in held:
        await call.peer.pace([datagram, datagrams.pop()])
    stats = await call.media.close_leg(call.leg_id)
    assert (stats.lost, stats.late) == (0, len(held))
    assert stats.mos < 4.2
