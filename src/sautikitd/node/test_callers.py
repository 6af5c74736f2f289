"""Simulated callers of test mode: the carrier is asked to ring a number, and its INVITE is matched to the call."""

import asyncio
from typing import Any
from uuid import UUID

import aiohttp
import structlog

from sautikitd.calls.models import CallRecord
from sautikitd.voice.sip.inbound import InboundCall as SipCall

log = structlog.get_logger(__name__)

HEADER = "X-Sautikit-Test-Call"
"""On the carrier's INVITE: the id of the call it belongs to, since every workspace has the same test numbers."""

_ARRIVES_WITHIN_S = 10.0


class CarrierUnreachable(Exception):
    """The simulated carrier does not answer on its control address."""


class TestCallers:
    """`control_url` is the carrier's own HTTP address, on loopback; `sip` is where it finds this node."""

    def __init__(self, control_url: str, sip: tuple[str, int], http: aiohttp.ClientSession) -> None:
        self._control_url = control_url
        self._sip = sip
        self._http = http
        self._awaited: dict[UUID, tuple[CallRecord, asyncio.Future[SipCall]]] = {}

    async def ring(self, call: CallRecord) -> SipCall:
        """Has the carrier call; returns its INVITE. Raises `CarrierUnreachable` and `TimeoutError`."""
        arrived: asyncio.Future[SipCall] = asyncio.get_running_loop().create_future()
        self._awaited[call.id] = (call, arrived)
        try:
            await self._ask(call)
            async with asyncio.timeout(_ARRIVES_WITHIN_S):
                return await arrived
        finally:
            del self._awaited[call.id]

    def expected(self, sip: SipCall) -> CallRecord | None:
        """The call an INVITE of the carrier belongs to; None for one that nobody waits for."""
        try:
            call_id = UUID(sip.header(HEADER) or "")
        except ValueError:
            return None
        awaited = self._awaited.get(call_id)
        if awaited is None or awaited[1].done():
            return None
        awaited[1].set_result(sip)
        return awaited[0]

    async def _ask(self, call: CallRecord) -> None:
        wish: dict[str, Any] = {
            "call_id": str(call.id),
            "from": call.from_address,
            "to": call.to_address,
            "host": self._sip[0],
            "port": self._sip[1],
            "script": call.test_script or [],
        }
        try:
            async with self._http.post(f"{self._control_url}/calls", json=wish) as response:
                if response.status != 202:
                    raise CarrierUnreachable(
                        f"the carrier answered {response.status}: {await response.text()}"
                    )
        except aiohttp.ClientError as exc:
            raise CarrierUnreachable(str(exc)) from exc
