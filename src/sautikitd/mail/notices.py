"""What other rooms have told to the owners of a workspace. Each writes rows in the transaction of the change."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sautikitd.clock import Clock
from sautikitd.database.pool import Connection
from sautikitd.events.kinds import EventKind
from sautikitd.events.models import Mode
from sautikitd.mail import letters
from sautikitd.mail.letter import Letter
from sautikitd.mail.outbox import Mail, post
from sautikitd.mail.owners import Owners, owners_of
from sautikitd.numbers.models import NumberRecord
from sautikitd.webhooks.models import DisableReason, FailingEndpoint


class OwnerNotices:
    """Fits `RentalNotices`, `ReleaseNotice` (numbers), `DisabledNotice` (webhooks) and `PauseNotice` (wallet).

    `paybill`: where live wallets are paid into, told where money is asked for.
    """

    def __init__(self, clock: Clock, paybill: str | None = None) -> None:
        self._clock = clock
        self._paybill = paybill

    async def about_rental(
        self, connection: Connection, kind: EventKind, number: NumberRecord, now: datetime
    ) -> None:
        owners = await owners_of(connection, number.workspace_id)
        pay_to = owners.pay_to(self._paybill, number.mode)
        letter = letters.rental(kind, number, owners.workspace, pay_to=pay_to)
        await self._post(connection, number.workspace_id, owners, letter)

    async def about_renewals(self, connection: Connection, numbers: Sequence[NumberRecord]) -> None:
        owners = await owners_of(connection, numbers[0].workspace_id)
        letter = letters.renewals(numbers, owners.workspace)
        await self._post(connection, numbers[0].workspace_id, owners, letter)

    async def about_release(self, connection: Connection, number: NumberRecord) -> None:
        owners = await owners_of(connection, number.workspace_id)
        letter = letters.given_back(number, owners.workspace)
        await self._post(connection, number.workspace_id, owners, letter)

    async def about_disabled_webhook(
        self, connection: Connection, endpoint: FailingEndpoint, reason: DisableReason
    ) -> None:
        owners = await owners_of(connection, endpoint.workspace_id)
        gone = reason is DisableReason.GONE
        letter = letters.webhook_disabled(endpoint, owners.workspace, gone=gone)
        await self._post(connection, endpoint.workspace_id, owners, letter)

    async def about_paused_outbound(
        self, connection: Connection, workspace_id: UUID, mode: Mode, reason: str
    ) -> None:
        owners = await owners_of(connection, workspace_id)
        letter = letters.outbound_paused(mode, owners.workspace, reason)
        await self._post(connection, workspace_id, owners, letter)

    async def _post(self, connection: Connection, workspace_id: UUID, owners: Owners, letter: Letter) -> None:
        mails = [Mail(recipient=one, letter=letter, workspace_id=workspace_id) for one in owners.addresses]
        await post(connection, mails, self._clock.now())
