"""Client transactions: RFC 3261 §17.1, with the Accepted state of RFC 6026 for INVITE."""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from sipmessage import Request

from sautikitd.voice.sip.headers import new_request
from sautikitd.voice.sip.hops import Flow, Hop
from sautikitd.voice.sip.timers import Cancellable, Scheduler, Timers
from sautikitd.voice.sip.wire import Arrival, header_list, write_message


class ClientState(StrEnum):
    CALLING = "calling"  # "trying" of a non-INVITE transaction
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


class Failure(StrEnum):
    """Why a request got no answer; the status a user agent makes of it (RFC 3261 §8.1.3.1)."""

    TIMEOUT = "timeout"
    TRANSPORT = "transport"

    @property
    def code(self) -> int:
        return 408 if self is Failure.TIMEOUT else 503


class ClientListener(Protocol):
    """Who made the request. May be called again for one INVITE: provisionals, 2xx repeated or forked."""

    def on_response(self, response: Arrival) -> None: ...

    def on_failure(self, failure: Failure) -> None: ...


class Outlet(Protocol):
    def send(
        self, data: bytes, hop: Hop, failed: Callable[[OSError], None], flow: Flow | None = None
    ) -> None: ...


class ClientTransaction:
    """What both kinds share: sending, timers, the end."""

    def __init__(
        self,
        request: Request,
        hop: Hop,
        listener: ClientListener,
        *,
        outlet: Outlet,
        scheduler: Scheduler,
        timers: Timers,
        ended: Callable[["ClientTransaction"], None],
        flow: Flow | None = None,
    ) -> None:
        self.request = request
        self.hop = hop
        self.state = ClientState.CALLING
        self._listener = listener
        self._outlet = outlet
        self._scheduler = scheduler
        self._timers = timers
        self._ended = ended
        self._flow = flow
        self._data = write_message(request)
        self._ringing: dict[str, Cancellable] = {}
        self._gap = timers.t1

    @property
    def method(self) -> str:
        return self.request.method

    def start(self) -> None:
        self._send(self._data)
        if not self.hop.transport.reliable:
            self._ring("repeat", self._gap, self._repeat)  # timers A and E
        self._ring("give up", self._timers.transaction, self._time_out)  # timers B and F

    def watch(self) -> None:
        """Waits for answers to a request that somebody else has sent."""
        self.state = ClientState.PROCEEDING
        self._ring("give up", self._timers.transaction, self._time_out)

    def on_response(self, response: Arrival) -> None:
        raise NotImplementedError

    def _repeat(self) -> None:
        raise NotImplementedError

    def _send(self, data: bytes) -> None:
        self._outlet.send(data, self.hop, self._transport_failed, self._flow)

    def _transport_failed(self, _: OSError) -> None:
        if self.state in (ClientState.CALLING, ClientState.PROCEEDING):
            self._fail(Failure.TRANSPORT)

    def _time_out(self) -> None:
        self._fail(Failure.TIMEOUT)

    def _fail(self, failure: Failure) -> None:
        self.terminate()
        self._listener.on_failure(failure)

    def _ring(self, name: str, delay: float, callback: Callable[[], None]) -> None:
        self._silence(name)
        if self.state is ClientState.TERMINATED:  # sending has just failed
            return
        self._ringing[name] = self._scheduler.call_later(delay, callback)

    def _silence(self, *names: str) -> None:
        for name in names:
            if timer := self._ringing.pop(name, None):
                timer.cancel()

    def goes_by(self, hop: Hop) -> bool:
        """Whether its request went over the connection to `hop`, and no other could bring the answer."""
        mine = self.hop.transport, self.hop.host, self.hop.port
        waiting = self.state in (ClientState.CALLING, ClientState.PROCEEDING)
        return waiting and self._flow is None and mine == (hop.transport, hop.host, hop.port)

    def abandon(self) -> None:
        """Ends it as if it could not be sent, so that nobody waits for its answer."""
        if self.state in (ClientState.CALLING, ClientState.PROCEEDING):
            self._fail(Failure.TRANSPORT)
        else:
            self.terminate()

    def terminate(self) -> None:
        if self.state is not ClientState.TERMINATED:
            self.state = ClientState.TERMINATED
            self._silence(*list(self._ringing))
            self._ended(self)


class InviteClientTransaction(ClientTransaction):
    """Figure 5 of RFC 3261 as corrected by RFC 6026 §8.4: 2xx keep coming up for 64*T1."""

    _ack: bytes = b""

    def _repeat(self) -> None:
        self._gap *= 2
        self._send(self._data)
        self._ring("repeat", self._gap, self._repeat)

    def on_response(self, response: Arrival) -> None:
        code = response.response.code
        if self.state in (ClientState.CALLING, ClientState.PROCEEDING):
            self._silence("repeat", "give up")
            if code < 200:
                self.state = ClientState.PROCEEDING
            elif code < 300:
                self.state = ClientState.ACCEPTED
                self._ring("done", self._timers.transaction, self.terminate)  # timer M
            else:
                self._complete(response)
            self._listener.on_response(response)
        elif self.state is ClientState.ACCEPTED and 200 <= code < 300:
            self._listener.on_response(response)
        elif self.state is ClientState.COMPLETED and code >= 300:
            self._send(self._ack)

    def _complete(self, response: Arrival) -> None:
        self.state = ClientState.COMPLETED
        self._ack = write_message(acknowledge_failure(self.request, response))
        self._send(self._ack)
        wait = self._timers.wait_d(reliable=self.hop.transport.reliable)
        self._ring("done", wait, self.terminate)  # timer D


class PlainClientTransaction(ClientTransaction):
    """Figure 6 of RFC 3261: everything but INVITE and ACK."""

    def _repeat(self) -> None:
        proceeding = self.state is ClientState.PROCEEDING
        self._gap = self._timers.t2 if proceeding else self._timers.next_gap(self._gap)
        self._send(self._data)
        self._ring("repeat", self._gap, self._repeat)

    def on_response(self, response: Arrival) -> None:
        if self.state not in (ClientState.CALLING, ClientState.PROCEEDING):
            return
        if response.response.code < 200:
            self.state = ClientState.PROCEEDING
        else:
            self.state = ClientState.COMPLETED
            self._silence("repeat", "give up")
            wait = 0.0 if self.hop.transport.reliable else self._timers.t4
            self._ring("done", wait, self.terminate)  # timer K
        self._listener.on_response(response)


def acknowledge_failure(invite: Request, response: Arrival) -> Request:
    """The ACK for a 300–699 answer: same branch, same Route, the answer's To (RFC 3261 §17.1.1.3)."""
    ack = new_request("ACK", invite.uri)
    ack.headers.set("Via", header_list(invite, "Via")[0])
    ack.headers.set("Max-Forwards", "70")
    ack.headers.set("From", invite.headers["From"])
    ack.headers.set("To", response.header("To"))
    ack.headers.set("Call-ID", invite.headers["Call-ID"])
    ack.headers.set("CSeq", f"{response.cseq} ACK")
    if routes := invite.headers.getlist("Route"):
        ack.headers.setlist("Route", list(routes))
    return ack
