"""What the wallet refuses, and what only a fault of ours can bring about."""

from sautikitd.errors import Invalid, Refusal, ToldBy
from sautikitd.wallet.models import Account, Cause
from sautikitd.wallet.money import written


class InsufficientFunds(Refusal):
    code = "wallet.insufficient_funds"
    status = 402
    message = "This needs {needed} and the wallet has {available} available. Top up the wallet and try again."

    def __init__(self, *, needed_minor: int, available_minor: int) -> None:
        self.needed_minor = needed_minor
        self.available_minor = available_minor
        super().__init__(needed=written(needed_minor), available=written(available_minor))


class InvalidAmount(Invalid):
    told_by = ToldBy.OPERATOR
    code = "wallet.invalid_amount"
    message = (
        "The amount is not valid: give whole minor units (100 = KES 1.00) within the range `fields` names."
    )


class RefillNeedsTestKey(Refusal):
    code = "wallet.test_mode_only"
    status = 403
    message = "Only a test wallet can be refilled: use a key that starts with tsk_test_. A live wallet takes a top-up."


class WalletFault(Exception):
    """The caller broke a rule of the wallet. Nothing was written; it is a fault in our code, not the customer's."""


class NoWallet(WalletFault):
    def __init__(self, account: Account) -> None:
        super().__init__(
            f"No {account.mode} wallet of workspace {account.workspace_id}: open_wallets comes first."
        )


class NoHold(WalletFault):
    def __init__(self, cause: Cause) -> None:
        super().__init__(
            f"There is no open hold for {cause.type} {cause.id}: it was never made, or is closed."
        )


class CostAboveHold(WalletFault):
    def __init__(self, cause: Cause, cost_minor: int, held_minor: int) -> None:
        super().__init__(
            f"{cause.type} {cause.id} cannot be settled at {cost_minor}: only {held_minor} is held."
        )
        self.held_minor = held_minor


class CauseReused(WalletFault):
    def __init__(self, cause: Cause) -> None:
        super().__init__(
            f"{cause.type} {cause.id} has already moved another amount, or another wallet's money."
        )
