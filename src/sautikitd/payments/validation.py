"""Whether a Paybill payment may go through, asked before money moves (`mpesa.md` §6.2)."""

from sautikitd.database.pool import Connection
from sautikitd.events.models import Mode
from sautikitd.payments import repository
from sautikitd.payments.models import TopUpStatus
from sautikitd.payments.notices import C2bNotice
from sautikitd.payments.references import TopUpReference, WorkspaceReference, read_reference

UNKNOWN_ACCOUNT = "C2B00012"
WRONG_AMOUNT = "C2B00013"
OTHER = "C2B00016"


async def refusal_of(connection: Connection, mode: Mode, notice: C2bNotice) -> str | None:
    """The code to refuse with, which picks the payer's message; None to let it through.

    A top-up's own reference is let through until it is paid, for its amount: STK pushes may be validated as well.
    """
    if notice.amount_minor is None:
        return WRONG_AMOUNT
    reference = read_reference(notice.reference)
    if isinstance(reference, WorkspaceReference):
        known = await repository.workspace_with(connection, reference.digits)
        return None if known else UNKNOWN_ACCOUNT
    if isinstance(reference, TopUpReference):
        topup = await repository.referred(connection, mode, reference.text)
        if topup is None or topup.status is TopUpStatus.SUCCEEDED:
            return UNKNOWN_ACCOUNT
        return None if topup.amount_minor == notice.amount_minor else WRONG_AMOUNT
    return UNKNOWN_ACCOUNT
