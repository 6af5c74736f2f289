"""Works off what Daraja posted: each delivery in one transaction with what it changes, however often it comes."""

from datetime import datetime, timedelta

import msgspec
import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import Connection, Database, DatabaseUnavailable
from sautikitd.events.models import Mode
from sautikitd.payments import inbox_repository as inbox
from sautikitd.payments import repository
from sautikitd.payments.accounts import DarajaAccounts
from sautikitd.payments.daraja.client import DarajaClient
from sautikitd.payments.daraja.outcomes import Accepted
from sautikitd.payments.inbox_repository import InboxState, Posted
from sautikitd.payments.models import Payment, Source, TopUp, TopUpStatus
from sautikitd.payments.notices import StkNotice, read_c2b, read_result, read_stk
from sautikitd.payments.result_codes import Verdict, meaning_of
from sautikitd.payments.reversals import Reversals
from sautikitd.payments.settlement import Settlement
from sautikitd.payments.sources import Sources
from sautikitd.secretbox import SecretBox

log = structlog.get_logger()

_ATTEMPTS = 10
_BACKOFF = timedelta(seconds=15)
_ASKING = timedelta(seconds=60)
"""A query lasts 35 s at most; nobody else takes the delivery meanwhile."""

Done = tuple[InboxState, str]


class Unconfirmed(msgspec.Struct, frozen=True):
    """A success too large for the word of a callback: a query is to agree first."""

    checkout_request_id: str


class Inbox:
    def __init__(
        self,
        *,
        database: Database,
        settlement: Settlement,
        accounts: DarajaAccounts,
        sources: Sources,
        clients: dict[Mode, DarajaClient],
        reversals: Reversals,
        box: SecretBox,
        clock: Clock,
    ) -> None:
        self._database = database
        self._settlement = settlement
        self._accounts = accounts
        self._sources = sources
        self._clients = clients
        self._reversals = reversals
        self._box = box
        self._clock = clock

    async def work_one(self) -> bool:
        """Takes the oldest delivery that is due; False when there is none. What fails is tried again, ten times."""
        posted: Posted | None = None
        try:
            async with self._database.transaction() as connection:
                posted = await inbox.take(connection, self._clock.now())
                if posted is None:
                    return False
                done = await self._read(connection, posted, confirmed=False)
                if isinstance(done, Unconfirmed):
                    due_at = self._clock.now() + _ASKING * (posted.attempts + 1)
                    await inbox.postpone(connection, posted.id, due_at, "waits for the query")
                else:
                    await inbox.finish(connection, posted.id, *done)
            if isinstance(done, Unconfirmed):
                await self._confirm(posted, done)
        except DatabaseUnavailable:
            raise
        except Exception as exc:
            if posted is None:
                raise
            log.exception("callback not worked off", posted=str(posted.id))
            await self._put_back(posted, type(exc).__name__)
        return True

    async def _put_back(self, posted: Posted, note: str) -> None:
        async with self._database.connection() as connection:
            if posted.attempts + 1 >= _ATTEMPTS:
                log.error("callback given up", posted=str(posted.id))
                await inbox.finish(connection, posted.id, "given_up", note)
            else:
                due_at = self._clock.now() + _BACKOFF * (posted.attempts + 1)
                await inbox.postpone(connection, posted.id, due_at, note)

    async def _confirm(self, posted: Posted, unconfirmed: Unconfirmed) -> None:
        """Asks, with no transaction open, whether a large payment is true. Until the query agrees it is asked
        again, ten times; then the delivery is given up, and C2B, pulls and the reconciler have the last word."""
        outcome = await self._clients[posted.mode].query(unconfirmed.checkout_request_id)
        verdict = meaning_of(outcome.value.code).verdict if isinstance(outcome, Accepted) else None
        async with self._database.transaction() as connection:
            if not await inbox.hold(connection, posted.id):
                return
            if verdict is Verdict.PAID:
                done = await self._read(connection, posted, confirmed=True)
                assert not isinstance(done, Unconfirmed)
                await inbox.finish(connection, posted.id, *done)
            elif posted.attempts + 1 >= _ATTEMPTS:
                log.error("a large payment was never confirmed", topup=str(posted.topup_id))
                await inbox.finish(connection, posted.id, "given_up", "no query confirmed it")

    async def _read(self, connection: Connection, posted: Posted, *, confirmed: bool) -> Done | Unconfirmed:
        raw = self._box.open(posted.body_encrypted, context=inbox.context(posted.id))
        if posted.kind == "result":
            return await self._read_result(connection, posted, raw)
        if posted.kind == "c2b":
            return await self._read_c2b(connection, posted, raw)
        return await self._read_stk(connection, posted, raw, confirmed=confirmed)

    async def _read_result(self, connection: Connection, posted: Posted, raw: bytes) -> Done:
        notice = read_result(raw)
        if notice is None or posted.request_id is None:
            return "ignored", "not a result"
        if not self._sources.believed(posted.mode, posted.source_address):
            log.warning("result from a strange address", posted=str(posted.id), source=posted.source_address)
            return "ignored", "strange address"
        await self._reversals.take(connection, posted.request_id, notice)
        return "processed", ""

    async def _read_c2b(self, connection: Connection, posted: Posted, raw: bytes) -> Done:
        notice = read_c2b(raw)
        if notice is None or notice.receipt is None or notice.amount_minor is None:
            return "ignored", "not a confirmation"
        if not self._sources.believed(posted.mode, posted.source_address):
            log.warning(
                "confirmation from a strange address", posted=str(posted.id), source=posted.source_address
            )
            return "ignored", "strange address"
        account = self._accounts.of(posted.mode)
        if account is None or notice.shortcode != account.shortcode:
            log.warning("confirmation for another shortcode", posted=str(posted.id))
            return "ignored", "another shortcode"
        payment = Payment(
            mode=posted.mode,
            source=Source.C2B,
            receipt=notice.receipt,
            amount_minor=notice.amount_minor,
            reference=notice.reference,
            payer=notice.payer,
            paid_at=notice.paid_at,
        )
        await self._settlement.receive(connection, payment)
        return "processed", ""

    async def _read_stk(
        self, connection: Connection, posted: Posted, raw: bytes, *, confirmed: bool
    ) -> Done | Unconfirmed:
        now = self._clock.now()
        assert posted.topup_id is not None
        topup = await repository.lock(connection, posted.mode, posted.topup_id)
        notice = read_stk(raw)
        if topup is None or notice is None:
            return "ignored", "not a callback"
        strange = await self._strange(connection, topup, posted, notice)
        if strange:
            log.warning("callback not believed", topup=str(topup.id), why=strange)
            await repository.check_soon(connection, topup, now)
            return "ignored", strange
        if not confirmed and self._needs_query(topup, notice):
            return Unconfirmed(notice.checkout_request_id)
        return await self._apply(connection, topup, notice, now)

    async def _strange(
        self, connection: Connection, topup: TopUp, posted: Posted, notice: StkNotice
    ) -> str | None:
        """Why a callback is not taken at its word. The query then tells what is true."""
        if not self._sources.believed(posted.mode, posted.source_address):
            return "strange address"
        known, told = topup.checkout_request_id, notice.checkout_request_id
        if known and told != known:
            return "another CheckoutRequestID"
        if told and not await repository.learn_checkout(connection, topup, told):
            return "another top-up's CheckoutRequestID"
        return None

    def _needs_query(self, topup: TopUp, notice: StkNotice) -> bool:
        """Callbacks are not signed: more than the limit is credited when Daraja says it itself (`mpesa.md` §7)."""
        account = self._accounts.of(topup.mode)
        return (
            account is not None
            and topup.status is not TopUpStatus.SUCCEEDED
            and meaning_of(notice.result_code).verdict is Verdict.PAID
            and (notice.amount_minor or 0) > account.confirm_above_minor
        )

    async def _apply(self, connection: Connection, topup: TopUp, notice: StkNotice, now: datetime) -> Done:
        meaning = meaning_of(notice.result_code)
        if meaning.ours:
            log.error("daraja finds fault with our account", result_code=notice.result_code)
        if meaning.verdict is Verdict.PAID and notice.receipt and notice.amount_minor:
            payment = Payment(
                mode=topup.mode,
                source=Source.STK,
                receipt=notice.receipt,
                amount_minor=notice.amount_minor,
                topup_id=topup.id,
                payer=notice.payer,
                paid_at=notice.paid_at,
            )
            await self._settlement.receive(connection, payment)
            return "processed", ""
        if meaning.verdict is Verdict.FAILED and meaning.failure and not meaning.doubtful:
            await self._settlement.failed(connection, topup.mode, topup.id, meaning.failure)
            return "processed", ""
        await repository.check_soon(connection, topup, now)
        return "processed", f"left to the query: {notice.result_code[:20]}"
