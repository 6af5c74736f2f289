"""Answering-machine detection on the calls that asked for it (contract §4.1): before their flow begins."""

from dataclasses import dataclass

import structlog

from sautikitd.calls.models import CallRecord
from sautikitd.clock import Clock
from sautikitd.flow.journal import EntryKind, FlowEntry, Journal
from sautikitd.node.books import Books
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.media.client import MediaRefused
from sautikitd.voice.media.listening.answerer import Answerer

log = structlog.get_logger(__name__)

OFF, TO_THE_END = "off", "detect_message_end"


@dataclass(frozen=True, kw_only=True)
class AnsweringMachines:
    """One for the node."""

    books: Books
    clock: Clock

    async def detect(self, call: CallRecord, leg: MediaLeg, journal: Journal) -> None:
        """Returns when the flow may begin: it is known who answered, and a machine's greeting is over where that
        was asked for. Both are in the books and with the leg. Raises `LegGone`."""
        if call.direction != "outbound" or call.machine_detection == OFF:
            return
        to_the_end = call.machine_detection == TO_THE_END
        try:
            found = await leg.until_gone(leg.answering.listen(to_the_end=to_the_end))
        except MediaRefused as refusal:  # the leg ends in this moment
            log.debug("node.answerer_not_found", call_id=str(call.id), error=str(refusal))
            return
        await self.books.identified(call.id, found.by, self.clock.now())
        facts = {"answeredBy": found.by.value, "afterMs": str(found.after_ms)}
        if to_the_end and found.by is Answerer.MACHINE:
            facts["greetingEnd"] = await leg.until_gone(leg.answering.greeting_over())
        journal.write(FlowEntry(kind=EntryKind.ANSWERER, at=self.clock.now(), facts=facts))
