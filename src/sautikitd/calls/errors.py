"""What the calls room refuses."""

from sautikitd.errors import Refusal, ToldBy


class CallNotFound(Refusal):
    code = "calls.not_found"
    status = 404
    message = "There is no call {reference} in this workspace and mode. Both the id and the HD_… session id will do."


class QueueFull(Refusal):
    code = "calls.queue_full"
    status = 429
    message = "{limit} calls are waiting already, the most a workspace may queue. Place more when some have been dialled."

    def __init__(self, *, limit: int) -> None:
        super().__init__(headers={"Retry-After": "30"}, limit=limit)


class NoTariff(Refusal):
    code = "calls.destination_forbidden"
    status = 403
    message = "There is no price for calls to {destination}, so it cannot be called. The price list is at /v1/public/pricing."


class CallNotLive(Refusal):
    code = "calls.not_live"
    status = 409
    message = "The call has ended ({state}); it cannot be controlled any more."


class NotAnswered(Refusal):
    code = "calls.not_answered"
    status = 409
    message = "The call is {state}; this can be done once it is answered."


class NodeSilent(Refusal):
    code = "calls.node_silent"
    status = 503
    message = (
        "The voice node that runs this call has not been heard of for {seconds} s, so nothing was asked of it. Try again "
        "in a few seconds: by then it is back, or the call has ended as `node_lost`."
    )

    def __init__(self, *, seconds: int = 0) -> None:
        super().__init__(headers={"Retry-After": "5"}, seconds=seconds)


class NoFlow(Refusal):
    code = "calls.no_flow"
    status = 409
    message = (
        "This call runs no flow. Of a leg that was dialled, replace the flow of the call it was dialled for (its "
        "`parent_call_id`); a call that a device made has none."
    )


class Controlled(Refusal):
    code = "calls.controlled"
    status = 409
    message = 'This call is driven by its controller (`control: "mcp"`) and takes no voice_callback_url; send actions.'


class ConcurrencyReached(Refusal):
    told_by = ToldBy.CALL
    code = "calls.concurrency_reached"
    status = 429
    message = (
        "{limit} calls are up already, the most this workspace may have at once; the leg was not dialled."
    )


class CallsPerSecondReached(Refusal):
    told_by = ToldBy.CALL
    code = "calls.rate_reached"
    status = 429
    message = "{limit} calls a second are the most this workspace may start. Try again in a moment."


class ForwardToOurselves(Refusal):
    told_by = ToldBy.CALL
    code = "calls.forward_to_ourselves"
    status = 403
    message = "{number} is a number of this platform; calls forwarded to it would go round in circles."


class WorkspaceSuspended(Refusal):
    code = "account.suspended"
    status = 403
    message = "The workspace is suspended: its numbers take no calls."
