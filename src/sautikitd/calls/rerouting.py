"""A leg whose trunk failed goes on over the next one: the same call, the same money, one `call.started`."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.calls import repository
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus
from sautikitd.database.pool import Connection
from sautikitd.timestamps import encode_json
from sautikitd.trunks.allocation import NoWay, allocate

Prepare = Callable[[CallRecord], dict[str, Any] | None]


class TrunkFailed(msgspec.Struct, frozen=True):
    """One entry of the record's `trunks_failed`, for staff."""

    trunk_id: UUID
    at: datetime
    why: str


async def reroute(
    connection: Connection, call_id: UUID, why: str, *, now: datetime, prepare: Prepare, unheard: bool = False
) -> CallRecord | None:
    """The leg with its next trunk and what `prepare` made for that, stored before its INVITE leaves.

    None when no other trunk takes the number and has room now, or when the leg does not ring any more. Each trunk is
    tried once for a leg. `unheard`: nobody has answered its INVITE, which may be seen yet: it stays in the row, for whoever
    has to end the leg. Locks the call, then the trunks. Inside a transaction.
    """
    call = await repository.lock(connection, call_id)
    if call is None or call.status is not CallStatus.RINGING or call.trunk_id is None:
        return None
    failed = msgspec.json.decode(await connection.fetchval(_FAILED, call_id), type=list[TrunkFailed])
    failed.append(TrunkFailed(call.trunk_id, now, why))
    tried = {one.trunk_id for one in failed}
    (found,) = await allocate(connection, [call.remote_e164], now, without=tried)
    if isinstance(found, NoWay):
        return None
    dialog = prepare(msgspec.structs.replace(call, trunk_id=found))
    if dialog is None:
        return None
    before = call.dialog or {}
    if left := [*before.get("left", []), *([before["invite"]] if unheard and "invite" in before else [])]:
        dialog = dialog | {"left": left}
    await connection.execute(_REMEMBER, call_id, encode_json(failed).decode())
    return await repository.update(
        connection, call_id, {"trunk_id": found, "dialog": dialog, "updated_at": now}
    )


async def prepare_anew(
    connection: Connection, call_id: UUID, *, now: datetime, prepare: Prepare
) -> CallRecord | None:
    """The leg over the trunk it has, with what `prepare` could not make when the leg was entered, stored before its
    INVITE leaves; None when it still cannot, or when the leg does not ring any more. Inside a transaction."""
    call = await repository.lock(connection, call_id)
    if call is None or call.status is not CallStatus.RINGING:
        return None
    dialog = prepare(call)
    if dialog is None:
        return None
    return await repository.update(connection, call_id, {"dialog": dialog, "updated_at": now})


_FAILED = "SELECT trunks_failed::text FROM calls WHERE id = $1"

_REMEMBER = "UPDATE calls SET trunks_failed = $2::text::jsonb WHERE id = $1"
