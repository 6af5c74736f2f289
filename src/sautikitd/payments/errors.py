"""What the room refuses."""

from sautikitd.errors import Refusal, ToldBy


class TopUpNotFound(Refusal):
    code = "topups.not_found"
    status = 404
    message = "There is no top-up {topup_id} in this workspace and mode."


class PushInProgress(Refusal):
    code = "topups.push_in_progress"
    status = 409
    message = "A payment prompt is already open on this phone. Answer it, or wait until it goes away, and try again."


class TooSoon(Refusal):
    code = "topups.too_soon"
    status = 429
    message = "M-Pesa takes a new prompt for this phone {after} after the last one. Try again in {seconds} s."

    def __init__(self, *, seconds: int, after: str) -> None:
        super().__init__(seconds=seconds, after=after, headers={"Retry-After": str(seconds)})


class TooManyPrompts(Refusal):
    code = "topups.too_many_prompts"
    status = 429
    message = "This phone has had {limit} prompts today that were not paid. Try tomorrow, or pay by Paybill."

    def __init__(self, *, limit: int, seconds: int) -> None:
        super().__init__(limit=limit, headers={"Retry-After": str(seconds)})


class TopUpsUnavailable(Refusal):
    code = "topups.unavailable"
    status = 503
    message = "This installation is not connected to M-Pesa, so live top-ups cannot be taken. Its operator can set that up."


class TopUpNotPending(Refusal):
    told_by = ToldBy.OPERATOR
    code = "topups.not_pending"
    status = 409
    message = "The top-up is {status}: only a pending one can be given up."


class CaseNotFound(Refusal):
    told_by = ToldBy.OPERATOR
    code = "suspense.not_found"
    status = 404
    message = "There is no suspense case {case_id}. `sautikitd suspense list` shows the open ones."


class CaseClosed(Refusal):
    told_by = ToldBy.OPERATOR
    code = "suspense.closed"
    status = 409
    message = "The case is {state} already; money in suspense moves once."


class CaseNotReversible(Refusal):
    told_by = ToldBy.OPERATOR
    code = "suspense.not_reversible"
    status = 409
    message = "Most of this payment is in a wallet, so it cannot be sent back from suspense. Assign the difference instead."


class ReversalUnderWay(Refusal):
    told_by = ToldBy.OPERATOR
    code = "suspense.reversal_under_way"
    status = 409
    message = (
        "Payment {receipt} is being sent back already. Wait for M-PESA's result; it is never asked for twice."
    )


class DarajaRefused(Refusal):
    told_by = ToldBy.OPERATOR
    code = "daraja.refused"
    status = 502
    message = "Daraja did not do it: {why}"
