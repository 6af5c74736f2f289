"""A phone of the tests that sends REFER, blind or with Replaces, and keeps the NOTIFYs that come of it."""

import asyncio
from urllib.parse import quote

from node.exchange import PATIENCE_S
from sautikitd.voice.sip.server_transaction import ServerTransaction
from sautikitd.voice.sip.transactions import reply
from simulators.carrier.far_side import Phone


class Referrer:
    def __init__(self, phone: Phone) -> None:
        assert phone.sip.dialog
        self.told: list[str] = []
        self._dialog = phone.sip.dialog
        self._others = phone.sip.dialog.on_request
        self._dialog.on_request = self._take  # type: ignore[method-assign]

    def _take(self, transaction: ServerTransaction) -> None:
        if transaction.method != "NOTIFY":
            self._others(transaction)
            return
        self.told.append(transaction.arrival.message.body.decode().split(" ", 1)[1].strip())
        transaction.respond(reply(transaction.arrival, 200))

    async def refer_to(self, target: str, *, replaces: Phone | None = None) -> int:
        """The status of the REFER; `replaces` is the other call of this phone, whose far party is meant."""
        headers = f"?Replaces={quote(replaces_of(replaces), safe='')}" if replaces else ""
        outcome = await self._dialog.request(
            "REFER", headers=[("Refer-To", f"<sip:{target}@ignored.example{headers}>")]
        )
        return outcome.code

    async def until_told(self, *lines: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.told != list(lines):
                await asyncio.sleep(0.02)


def replaces_of(phone: Phone) -> str:
    """As RFC 3891 §6.1 has it, seen by the platform: its tag is the `to-tag`."""
    assert phone.sip.dialog
    state = phone.sip.dialog.state
    return f"{state.call_id};to-tag={state.remote_tag};from-tag={state.local_tag}"
