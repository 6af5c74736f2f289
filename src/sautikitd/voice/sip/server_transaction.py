"""Server transactions: RFC 3261 §17.2, with the Accepted state of RFC 6026 for INVITE."""

from collections.abc import Callable
from enum import StrEnum

from sipmessage import Response

from sautikitd.voice.sip.client_transaction import Outlet
from sautikitd.voice.sip.timers import Cancellable, Scheduler, Timers
from sautikitd.voice.sip.transport import response_hop
from sautikitd.voice.sip.wire import Arrival, write_message


class ServerState(StrEnum):
    PROCEEDING = "proceeding"  # "trying" too, for a non-INVITE without a provisional yet
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


class ServerTransaction:
    """What both kinds share: answering on the way back, repeating the last answer, the end."""

    def __init__(
        self,
        arrival: Arrival,
        *,
        outlet: Outlet,
        scheduler: Scheduler,
        timers: Timers,
        ended: Callable[["ServerTransaction"], None],
    ) -> None:
        self.arrival = arrival
        self.state = ServerState.PROCEEDING
        self._outlet = outlet
        self._scheduler = scheduler
        self._timers = timers
        self._ended = ended
        self._last: bytes | None = None
        self._ringing: dict[str, Cancellable] = {}
        self._hop = response_hop(arrival.via, arrival.source)
        self.on_failure: Callable[[], None] | None = None
        """Called when a final answer could not be delivered, or was never acknowledged (timer H)."""
        self.on_cancel: Callable[[Arrival], None] | None = None
        """Called with a CANCEL of this INVITE that came before its final answer."""

    @property
    def method(self) -> str:
        return self.arrival.request.method

    @property
    def reliable(self) -> bool:
        return self._hop.transport.reliable

    @property
    def answered(self) -> bool:
        return self.state is not ServerState.PROCEEDING

    def on_repeat(self) -> None:
        """The same request again: the last answer again."""
        if self._last is not None and self.state in (ServerState.PROCEEDING, ServerState.COMPLETED):
            self._send(self._last)

    def respond(self, response: Response) -> None:
        raise NotImplementedError

    def repeat_accepted(self, data: bytes) -> None:
        """Sends a 2xx again, which is the user agent's business (RFC 3261 §13.3.1.4)."""
        if self.state is ServerState.ACCEPTED:
            self._send(data)

    def _send(self, data: bytes) -> None:
        self._outlet.send(data, self._hop, self._transport_failed, self.arrival.source.flow)

    def _transport_failed(self, _: OSError) -> None:
        if self.state is not ServerState.TERMINATED:
            self._give_up()

    def _give_up(self) -> None:
        self.terminate()
        if self.on_failure is not None:
            self.on_failure()

    def _ring(self, name: str, delay: float, callback: Callable[[], None]) -> None:
        self._silence(name)
        if self.state is ServerState.TERMINATED:  # sending has just failed
            return
        self._ringing[name] = self._scheduler.call_later(delay, callback)

    def _silence(self, *names: str) -> None:
        for name in names:
            if timer := self._ringing.pop(name, None):
                timer.cancel()

    def terminate(self) -> None:
        if self.state is not ServerState.TERMINATED:
            self.state = ServerState.TERMINATED
            self._silence(*list(self._ringing))
            self._ended(self)


class InviteServerTransaction(ServerTransaction):
    """Figure 7 of RFC 3261 as corrected by RFC 6026 §7.1."""

    _gap = 0.0

    def respond(self, response: Response) -> None:
        """Sends an answer; one that comes after a final answer is dropped."""
        if self.state is not ServerState.PROCEEDING:
            return
        self._last = write_message(response)
        if 200 <= response.code < 300:
            self.state = ServerState.ACCEPTED
            self._ring("done", self._timers.transaction, self.terminate)  # timer L
        elif response.code >= 300:
            self.state = ServerState.COMPLETED
            self._gap = self._timers.t1
            if not self.reliable:
                self._ring("repeat", self._gap, self._repeat)  # timer G
            self._ring("give up", self._timers.transaction, self._give_up)  # timer H
        self._send(self._last)

    def _repeat(self) -> None:
        self._gap = self._timers.next_gap(self._gap)
        self.on_repeat()
        self._ring("repeat", self._gap, self._repeat)

    def on_ack(self) -> bool:
        """An ACK with our branch: swallowed for a failure, passed up (True) after a 2xx."""
        if self.state is ServerState.COMPLETED:
            self.state = ServerState.CONFIRMED
            self._silence("repeat", "give up")
            self._ring("done", 0.0 if self.reliable else self._timers.t4, self.terminate)  # timer I
        return self.state is ServerState.ACCEPTED


class PlainServerTransaction(ServerTransaction):
    """Figure 8 of RFC 3261."""

    def respond(self, response: Response) -> None:
        if self.state is not ServerState.PROCEEDING:
            return
        self._last = write_message(response)
        if response.code >= 200:
            self.state = ServerState.COMPLETED
            self._ring("done", 0.0 if self.reliable else self._timers.transaction, self.terminate)  # timer J
        self._send(self._last)
