"""What browsers that begin their calls do to the sound of the others: gaps between packets while DTLS hands are shaken.

    python bench/handshakes.py [--handshakes 100] [--seconds 4]

One media process. A plain leg is sent nothing but silence by us, every 20 ms, and the gaps between its packets are
taken from the kernel's time stamps: first with nothing else going on, then with handshakes one after the other as fast
as they go. Both ends of each handshake run on this machine, the far ends in this process.
"""

import argparse
import asyncio
import socket
import time

import numpy as np

from sautikitd.voice.media.client import MediaClient
from sautikitd.voice.media.crypto.certificate import DtlsIdentity, make_identity
from sautikitd.voice.media.crypto.dtls import Handshake
from sautikitd.voice.media.protocol import LocalMedia, RemoteMedia
from sautikitd.voice.media.rtp.stamps import arrival_of
from sautikitd.voice.media.terms import DtlsRole, DtlsTerms
from sautikitd.voice.media.wire.ports import SO_TIMESTAMPNS

_ANCILLARY = 64


def udp(*, stamped: bool = False) -> socket.socket:
    made = socket.socket(type=socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.setblocking(False)
    if stamped:
        made.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
    return made


def arrivals(listener: socket.socket) -> list[float]:
    """When the packets came that wait to be read."""
    found: list[float] = []
    while True:
        try:
            _, extra, _, _ = listener.recvmsg(2048, _ANCILLARY)
        except BlockingIOError:
            return found
        found.append(arrival_of(extra[0][2]))


async def shake(own: socket.socket, local: LocalMedia, identity: DtlsIdentity) -> None:
    """One whole handshake as the client."""
    loop = asyncio.get_running_loop()
    terms = DtlsTerms(role=DtlsRole.CLIENT, fingerprints=(("sha-256", local.fingerprint),))
    handshake = Handshake(identity, terms)
    step = handshake.step(None)
    while True:
        for datagram in step.datagrams:
            own.sendto(datagram, (local.address, local.rtp_port))
        if step.keys is not None:
            return
        step = handshake.step(await asyncio.wait_for(loop.sock_recv(own, 4096), 5))


async def one_call(media: MediaClient, number: int, identity: DtlsIdentity) -> None:
    leg_id = f"browser-{number}"
    local = await media.open_leg(leg_id)
    with udp() as own:
        dtls = DtlsTerms(role=DtlsRole.SERVER, fingerprints=(("sha-256", identity.fingerprint),))
        remote = RemoteMedia(address="127.0.0.1", rtp_port=own.getsockname()[1], mux=True, dtls=dtls)
        await media.configure_leg(leg_id, remote)
        await shake(own, local, identity)
    await media.close_leg(leg_id)


def show(name: str, times: list[float]) -> None:
    gaps = np.diff(times) * 1000
    middle, high, most = np.percentile(gaps, [50, 99, 100])
    print(f"{name:32}{len(gaps):8}{middle:10.2f}{high:10.2f}{most:10.2f}")


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--handshakes", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=4.0)
    wanted = parser.parse_args()
    media = await MediaClient.spawn(bind_address="127.0.0.1", port_range=(0, 0), capacity=64)
    identity = make_identity()
    with udp(stamped=True) as listener:
        await media.open_leg("plain")
        await media.configure_leg(
            "plain", RemoteMedia(address="127.0.0.1", rtp_port=listener.getsockname()[1])
        )
        print(f"{'gaps between packets, ms':32}{'count':>8}{'p50':>10}{'p99':>10}{'max':>10}")
        await asyncio.sleep(wanted.seconds)
        show("nothing else", arrivals(listener))
        start = time.monotonic()
        for number in range(wanted.handshakes):
            await one_call(media, number, identity)
        taken = time.monotonic() - start
        show(f"{wanted.handshakes / taken:.0f} handshakes a second", arrivals(listener))
    await media.close()


if __name__ == "__main__":
    asyncio.run(main())
