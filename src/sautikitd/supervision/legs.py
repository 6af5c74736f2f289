"""How a supervisor is dialled."""

from uuid import UUID

from sautikitd.calls.adding import LegWish
from sautikitd.calls.addresses import CLIENT, is_device_address
from sautikitd.calls.models import CallRecord
from sautikitd.ids import uuid7
from sautikitd.supervision.models import SupervisorType

RING_S = 30


def supervisor_leg(
    call: CallRecord, kind: SupervisorType, address: str, leg_id: UUID | None = None
) -> LegWish:
    """From the call's own number, for as long as the call may last."""
    return LegWish(
        leg_id=leg_id or uuid7(),
        to=_written(kind, address),
        timeout_s=RING_S,
        max_duration_s=call.max_duration_seconds,
    )


def _written(kind: SupervisorType, address: str) -> str:
    """As a leg's wish wants it: a device by name, or a SIP address with its scheme."""
    if kind is SupervisorType.CLIENT:
        return f"{CLIENT}{address}"
    if kind is SupervisorType.SIP:
        return address if is_device_address(address) else f"sip:{address}"
    return address
