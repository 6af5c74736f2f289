"""The parts of payments that speak to Daraja, for a command."""

from contextlib import AbstractAsyncContextManager

from sautikitd.app import Platform
from sautikitd.payments.composition import PaymentParts, open_payments


def payments_of(platform: Platform) -> AbstractAsyncContextManager[PaymentParts]:
    return open_payments(
        database=platform.database,
        accounts=platform.daraja_accounts,
        paths=platform.callback_paths,
        settlement=platform.settlement,
        box=platform.box,
        clock=platform.clock,
    )
