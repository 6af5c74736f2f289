"""A 2xx to an INVITE, sent again until its ACK comes (RFC 3261 §13.3.1.4)."""

from collections.abc import Callable

from sipmessage import Response

from sautikitd.voice.sip.server_transaction import ServerTransaction
from sautikitd.voice.sip.timers import Scheduler, Timers
from sautikitd.voice.sip.wire import write_message


class Acceptance:
    """Sends `response` at once and repeats it, over reliable transports too: a proxy may lose it further on.

    `unacknowledged` is called once when no ACK came within 64*T1.
    """

    def __init__(
        self,
        transaction: ServerTransaction,
        response: Response,
        *,
        scheduler: Scheduler,
        timers: Timers,
        unacknowledged: Callable[[], None],
    ) -> None:
        self._transaction = transaction
        self._data = write_message(response)
        self._scheduler = scheduler
        self._timers = timers
        self._gap = timers.t1
        self._unacknowledged = unacknowledged
        self._repeating = scheduler.call_later(self._gap, self._repeat)
        self._deadline = scheduler.call_later(timers.transaction, self._give_up)
        transaction.respond(response)

    def stop(self) -> None:
        """The ACK is there, or the call is over."""
        self._repeating.cancel()
        self._deadline.cancel()

    def _repeat(self) -> None:
        self._transaction.repeat_accepted(self._data)
        self._gap = self._timers.next_gap(self._gap)
        self._repeating = self._scheduler.call_later(self._gap, self._repeat)

    def _give_up(self) -> None:
        self.stop()
        self._unacknowledged()
