"""The mails of a low balance: to the owners and to whoever has agreed."""

from datetime import datetime

from sautikitd.clock import Clock
from sautikitd.database.pool import Connection
from sautikitd.mail import letters
from sautikitd.mail.outbox import Mail, post
from sautikitd.mail.owners import owners_of
from sautikitd.wallet.alerts import repository
from sautikitd.wallet.alerts.links import AlertLinks
from sautikitd.wallet.models import Account

_OWNER = "You get this mail because you are an owner of this workspace."
_SUBSCRIBER = "You get this mail because you agreed to low-balance alerts of this workspace."


class AlertMails:
    """Fits the wallet's `LowBalanceNotice`. `paybill`: where live wallets are paid into, told in the mail."""

    def __init__(self, clock: Clock, links: AlertLinks, paybill: str | None = None) -> None:
        self._clock = clock
        self._links = links
        self._paybill = paybill

    async def about_low_balance(
        self, connection: Connection, account: Account, balance_minor: int, threshold_minor: int, at: datetime
    ) -> None:
        """One mail an address: an owner who subscribed as well gets the owner's."""
        owners = await owners_of(connection, account.workspace_id)
        figures = (account.mode, owners.workspace, balance_minor, threshold_minor)
        pay_to = owners.pay_to(self._paybill, account.mode)
        letter = letters.low_balance(*figures, why=_OWNER, pay_to=pay_to)
        workspace_id = account.workspace_id
        mails = [Mail(recipient=one, letter=letter, workspace_id=workspace_id) for one in owners.addresses]
        known = {address.lower() for address in owners.addresses}
        letter = letters.low_balance(*figures, why=_SUBSCRIBER, pay_to=pay_to)
        for one in await repository.every(connection, account):
            if one.status == "confirmed" and one.email.lower() not in known:
                away = self._links.url("unsubscribe", one.id)
                mails.append(
                    Mail(recipient=one.email, letter=letter, workspace_id=workspace_id, unsubscribe_url=away)
                )
        await post(connection, mails, self._clock.now())
