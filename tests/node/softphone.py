"""A softphone of the tests: a user agent with a credential of the board's number, on any transport but WebSockets."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from node.exchange import PATIENCE_S, Ringing
from node.switchboard import Office
from sautikitd.devices.credentials import SipCredentials
from sautikitd.devices.models import NewSecret
from sautikitd.identity.audit import OPERATOR
from sautikitd.numbers.lookup import number_of_device
from sautikitd.voice.sip.address import NameAddr
from sautikitd.voice.sip.authorization import Authorizer
from sautikitd.voice.sip.digest import Credentials
from sautikitd.voice.sip.events import Failed
from sautikitd.voice.sip.hops import Hop, Transport
from sautikitd.voice.sip.inbound import InboundCall
from sautikitd.voice.sip.stack import Outcome
from sautikitd.voice.sip.user_agent import UserAgent
from simulators.carrier.far_side import Phone, description_of
from voice.media.rtp_peer import Peer
from voice.sip.far_end import FAST


async def credential(board: Office, label: str = "") -> NewSecret:
    """A credential of the board's number."""
    now = board.platform.clock.now()
    async with board.platform.database.transaction() as connection:
        number = await number_of_device(connection, board.number_id)
        return await SipCredentials(board.platform.box).create(connection, number, label, OPERATOR, now)


class Softphone:
    def __init__(self, hop: Hop, username: str, password: str) -> None:
        self.hop = hop
        self.username = username
        self.password = password
        self._rung: asyncio.Queue[InboundCall] = asyncio.Queue()
        self._peers: list[Peer] = []
        self._sent = 0
        self.agent = UserAgent(on_invite=self._take, timers=FAST)

    @property
    def address(self) -> NameAddr:
        return NameAddr(f"sip:{self.username}@{self.hop.host}:{self.hop.port}")

    async def register(
        self, expires: int = 600, *, headers: Sequence[tuple[str, str]] = (), call_id: str = "r"
    ) -> Outcome:
        """The outcome of one REGISTER, challenges answered."""
        outcome = await self.agent.request(
            "REGISTER",
            target=f"sip:{self.hop.host}:{self.hop.port}",
            hop=self.hop,
            local=self.address,
            remote=self.address,
            call_id=f"{call_id}-{self.username}",
            cseq=self._sent + 1,
            headers=[("Expires", str(expires)), *headers],
            authorizer=Authorizer(Credentials(self.username, self.password)),
        )
        self._sent = max(self._sent + 1, outcome.cseq)
        return outcome

    async def dial(self, number: str) -> Phone:
        peer = self._peer()
        prepared = self.agent.prepare_invite(
            target=f"sip:{number}@{self.hop.host}:{self.hop.port}", hop=self.hop, local=self.address
        )
        call = await self.agent.send_invite(
            prepared, description_of(peer), credentials=Credentials(self.username, self.password)
        )
        return Phone(call, peer)

    async def refused(self, number: str) -> Failed:
        """Dials what does not go through; how it failed."""
        failed = await (await self.dial(number)).until(Failed)
        assert isinstance(failed, Failed)
        return failed

    async def ringing(self) -> Ringing:
        async with asyncio.timeout(PATIENCE_S):
            return Ringing(await self._rung.get(), self._peer())

    async def close(self) -> None:
        for peer in self._peers:
            peer.close()
        await self.agent.stop()

    async def _take(self, call: InboundCall) -> None:
        self._rung.put_nowait(call)

    def _peer(self) -> Peer:
        made = Peer()
        self._peers.append(made)
        return made


@asynccontextmanager
async def softphone(
    board: Office,
    *,
    made: NewSecret | None = None,
    transport: Transport = Transport.UDP,
    at: Hop | None = None,
) -> AsyncIterator[Softphone]:
    """One with a credential, or a new one, not registered yet; `at` is another node than the board's."""
    node = at or board.exchange.node
    assert node is not None
    made = made or await credential(board)
    hop = Hop(host="127.0.0.1", port=node.port, transport=transport)
    phone = Softphone(hop, made.credential.username, made.password)
    await phone.agent.start(("127.0.0.1", 0))
    try:
        yield phone
    finally:
        await phone.close()
