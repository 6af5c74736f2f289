"""rtpengine, Debian's `rtpengine-daemon`, as a userspace relay: started on loopback, and asked over its NG protocol
(UDP: a cookie, a space, a bencoded dictionary) for pairs of ports."""

import asyncio
import shutil
import socket
from typing import Any

from sautikitd.voice.media.protocol import RemoteMedia

_PROGRAM = "rtpengine"
_FIRST_PORT, _LAST_PORT = 30000, 39999
_SDP = (
    "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\n"
    "m=audio {1} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)


def installed() -> bool:
    return shutil.which(_PROGRAM) is not None


def bencode(value: "str | dict[str, Any]") -> bytes:
    if isinstance(value, str):
        data = value.encode()
        return b"%d:%s" % (len(data), data)
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


class Rtpengine:
    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self._process = process
        self._control = control
        self._cookie = 0

    @classmethod
    async def start(cls) -> "Rtpengine":
        control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        control.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            _PROGRAM,
            "--foreground",
            "--table=-1",
            "--interface=127.0.0.1",
            f"--listen-ng=127.0.0.1:{port}",
            f"--port-min={_FIRST_PORT}",
            f"--port-max={_LAST_PORT}",
            "--num-threads=2",
            "--log-level=1",
            "--log-stderr",
            stderr=asyncio.subprocess.DEVNULL,
        )
        control.connect(("127.0.0.1", port))
        control.settimeout(0.2)
        engine = cls(process, control)
        for _ in range(50):
            try:
                engine._ask({"command": "ping"})
                return engine
            except OSError:  # not up yet
                await asyncio.sleep(0.1)
        raise RuntimeError("rtpengine did not start")

    @property
    def pid(self) -> int:
        return self._process.pid

    def pair(self, call: int, far: RemoteMedia) -> tuple[int, int]:
        """A call whose two ends are both at `far`; the ports that stand for the one and for the other."""
        names = {
            "call-id": f"call-{call}",
            "from-tag": f"a{call}",
            "sdp": _SDP.format(far.address, far.rtp_port),
        }
        offer = self._ask({"command": "offer", **names})
        answer = self._ask({"command": "answer", "to-tag": f"b{call}", **names})
        # What the offer is rewritten to is where the second end sends, and the other way about.
        return _port(answer), _port(offer)

    def _ask(self, question: dict[str, Any]) -> bytes:
        self._cookie += 1
        cookie = b"%d" % self._cookie
        self._control.send(cookie + b" " + bencode(question))
        while not (answer := self._control.recv(65536)).startswith(cookie + b" "):
            pass
        return answer

    async def stop(self) -> None:
        self._process.terminate()
        await self._process.wait()
        self._control.close()


def _port(answer: bytes) -> int:
    return int(answer.partition(b"m=audio ")[2].partition(b" ")[0])
