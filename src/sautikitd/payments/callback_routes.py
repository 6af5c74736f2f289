"""Where Daraja calls us: no key, an unguessable path, kept raw before it is acknowledged (`mpesa.md` §3.4, §6.2, §7)."""

import asyncio
from uuid import UUID

import msgspec
import structlog

from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.database.wake import Waker
from sautikitd.events.models import Mode
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.http.errors import NotFound
from sautikitd.ids import uuid7
from sautikitd.payments import inbox_repository as inbox
from sautikitd.payments import validation
from sautikitd.payments.accounts import CallbackPaths
from sautikitd.payments.notices import read_c2b
from sautikitd.payments.service import CHANNEL
from sautikitd.payments.sources import Sources
from sautikitd.secretbox import SecretBox

log = structlog.get_logger()

_LARGEST_BODY = 32 * 1024
_VALIDATION_SECONDS = 4.0


class Acknowledged(msgspec.Struct):
    """What Daraja wants to hear."""

    ResultCode: int | str = 0
    ResultDesc: str = "Accepted"


class CallbackRoutes:
    """Processing happens in a worker, from what is kept: STK callbacks come once, so none may be lost to a fault of ours."""

    tag = "M-Pesa callbacks"

    def __init__(
        self, *, database: Database, paths: CallbackPaths, sources: Sources, box: SecretBox, waker: Waker
    ) -> None:
        self._database = database
        self._paths = paths
        self._sources = sources
        self._box = box
        self._waker = waker

    @endpoint(
        "POST",
        "/callbacks/stk/{topup_id}/{token}",
        authenticated=False,
        answers={200: Acknowledged},
        body_limit=_LARGEST_BODY,
        documented=False,
    )
    async def stk(self, request: ApiRequest[None, None]) -> Answer:
        """Take the verdict on one push."""
        topup_id = _uuid(request.path["topup_id"])
        if topup_id is None or not self._paths.opens_stk(topup_id, request.path["token"]):
            log.warning("callback with a forged path", source=request.source_address)
            raise NotFound
        mode = await request.connection.fetchval("SELECT mode FROM topups WHERE id = $1", topup_id)
        if mode is None:
            raise NotFound
        return await self._keep(request, mode, "stk", topup_id)

    @endpoint(
        "POST",
        "/callbacks/paybill/{token}/confirmation",
        authenticated=False,
        answers={200: Acknowledged},
        body_limit=_LARGEST_BODY,
        documented=False,
    )
    async def confirmation(self, request: ApiRequest[None, None]) -> Answer:
        """Take a payment to the Paybill."""
        mode = self._paths.opens_paybill(request.path["token"])
        if mode is None:
            raise NotFound
        return await self._keep(request, mode, "c2b", None)

    @endpoint(
        "POST",
        "/callbacks/paybill/{token}/validation",
        authenticated=False,
        answers={200: Acknowledged},
        body_limit=_LARGEST_BODY,
        needs_connection=False,
        documented=False,
    )
    async def validation(self, request: ApiRequest[None, None]) -> Answer:
        """Say whether a payment may go through, within four of the eight seconds Daraja waits.

        What cannot be looked up in time is let through, as Daraja would do itself: unknown accounts end in suspense.
        """
        mode = self._paths.opens_paybill(request.path["token"])
        if mode is None:
            raise NotFound
        notice = read_c2b(request.raw)
        if notice is None or not self._sources.believed(mode, request.source_address):
            return Answer(body=Acknowledged(validation.OTHER, "Rejected"))
        try:
            async with asyncio.timeout(_VALIDATION_SECONDS), self._database.connection() as connection:
                refusal = await validation.refusal_of(connection, mode, notice)
        except (*DatabaseUnavailable, TimeoutError) as exc:
            log.warning("payment let through without validation", error=repr(exc))
            refusal = None
        return Answer(body=Acknowledged(refusal, "Rejected") if refusal else Acknowledged("0"))

    @endpoint(
        "POST",
        "/callbacks/request/{request_id}/{token}/{what}",
        authenticated=False,
        answers={200: Acknowledged},
        body_limit=_LARGEST_BODY,
        documented=False,
    )
    async def request_result(self, request: ApiRequest[None, None]) -> Answer:
        """Take the result of a reversal or of a question for a status. A time-out tells nothing: the status is asked for."""
        request_id = _uuid(request.path["request_id"])
        if request_id is None or not self._paths.opens_request(request_id, request.path["token"]):
            log.warning("result with a forged path", source=request.source_address)
            raise NotFound
        mode = await request.connection.fetchval("SELECT mode FROM mpesa_requests WHERE id = $1", request_id)
        if mode is None or request.path["what"] not in ("result", "timeout"):
            raise NotFound
        if request.path["what"] == "timeout":  # whatever code is in it, it is no verdict
            log.warning("M-PESA timed out on a request", request=str(request_id))
            return Answer(body=Acknowledged())
        return await self._keep(request, mode, "result", None, request_id)

    async def _keep(
        self,
        request: ApiRequest[None, None],
        mode: Mode,
        kind: inbox.InboxKind,
        topup_id: UUID | None,
        request_id: UUID | None = None,
    ) -> Answer:
        posted_id = uuid7()
        posted = inbox.Posted(
            id=posted_id,
            mode=mode,
            kind=kind,
            topup_id=topup_id,
            body_encrypted=self._box.seal(request.raw, context=inbox.context(posted_id)),
            source_address=request.source_address,
            received_at=request.now,
            request_id=request_id,
        )
        await inbox.keep(request.connection, posted)
        request.after_commit.append(lambda: self._waker.wake(CHANNEL))
        return Answer(body=Acknowledged())


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
