"""Numbers as calls need them: the one a call leaves on, the one a call arrives at."""

from collections.abc import Sequence
from uuid import UUID

from sautikitd.database.pool import Connection
from sautikitd.errors import FieldProblem, Invalid
from sautikitd.events.models import Mode
from sautikitd.identity.principal import Principal
from sautikitd.numbering.parse import parse_number
from sautikitd.numbering.problems import BadNumber
from sautikitd.numbers import inventory_repository, repository
from sautikitd.numbers.errors import NotAssigned, NumberInactive, NumberNotFound
from sautikitd.numbers.models import NumberRecord, NumberStatus

_WORKING = (NumberStatus.ACTIVE, NumberStatus.PAST_DUE)


async def number_for_call(
    connection: Connection,
    workspace_id: UUID,
    mode: Mode,
    raw: str,
    *,
    pointer: str,
    principal: Principal | None = None,
) -> NumberRecord:
    """A working number of the workspace, which a call may leave on, show or ring.

    `principal` is asked whether he may use it; None for a call that runs already. Raises `Invalid` at
    `pointer` for what is no number, `NumberNotFound` and `NumberInactive`.
    """
    e164 = _read(raw, mode, pointer)
    return _usable(await repository.find_owned(connection, workspace_id, mode, e164), principal, pointer)


class NumberForCall:
    """The same, where it is asked together with other things: `question` first, then `found`."""

    def __init__(self, principal: Principal, raw: str, *, pointer: str) -> None:
        self._principal = principal
        self._pointer = pointer
        e164 = _read(raw, principal.mode, pointer)
        self.question = repository.asked_owned(principal.workspace_id, principal.mode, e164)

    def found(self) -> NumberRecord:
        """Raises `NumberNotFound` and `NumberInactive`."""
        return _usable(self.question.answer, self._principal, self._pointer)


async def number_called(connection: Connection, e164: str) -> NumberRecord:
    """The live number that somebody calls. Raises `NumberNotFound` and `NumberInactive`."""
    number = await repository.find_inbound(connection, "live", e164)
    if number is None:
        raise NumberNotFound
    return _working(number)


async def own_number(
    connection: Connection,
    principal: Principal,
    number_id: UUID,
    *,
    lock: bool = False,
    working: bool = False,
) -> NumberRecord:
    """A number that the principal has now. Raises `NumberNotFound`, `NotAssigned` for one that was released, and
    where it has to be `working` (may call) `NumberInactive`."""
    number = await repository.find(connection, principal, number_id, lock=lock)
    if number is None:
        raise NumberNotFound
    if working:
        return _working(number)
    if number.status is NumberStatus.RELEASED:
        raise NotAssigned
    return number


async def only_number(connection: Connection, principal: Principal) -> NumberRecord | None:
    """The one number that the principal can use, if there is just one. Raises `NumberInactive`."""
    numbers = await repository.newest(connection, principal, status=None, after=None, limit=2)
    return _working(numbers[0]) if len(numbers) == 1 else None


async def number_of_device(connection: Connection, number_id: UUID) -> NumberRecord:
    """The number that a device calls as. Raises `NumberNotFound` and `NumberInactive`."""
    number = await repository.get(connection, number_id)
    if number is None:
        raise NumberNotFound
    return _working(number)


async def is_of_the_platform(connection: Connection, mode: Mode, e164: str) -> bool:
    """Whether a number is one that the platform gives out, claimed or not."""
    return await inventory_repository.is_ours(connection, mode, e164)


async def known_numbers(
    connection: Connection, workspace_id: UUID, mode: Mode, number_ids: Sequence[UUID]
) -> set[UUID]:
    """Those of `number_ids` that are, or were, the workspace's in this mode."""
    rows = await connection.fetch(_KNOWN, workspace_id, mode, list(number_ids))
    return {row["id"] for row in rows}


def _read(raw: str, mode: Mode, pointer: str) -> str:
    parsed = parse_number(raw, test_mode=mode == "test")
    if isinstance(parsed, BadNumber):
        raise Invalid(fields=[FieldProblem(pointer, parsed.reason)])
    return parsed.e164


def _usable(number: NumberRecord | None, principal: Principal | None, pointer: str) -> NumberRecord:
    if number is None or (principal is not None and not principal.may_use_number(number.id)):
        raise NumberNotFound(fields=[FieldProblem(pointer, "not a number of yours in this mode")])
    return _working(number)


def _working(number: NumberRecord) -> NumberRecord:
    if number.status not in _WORKING:
        raise NumberInactive(number=number.e164, state=number.status)
    return number


_KNOWN = "SELECT id FROM numbers WHERE workspace_id = $1 AND mode = $2 AND id = ANY ($3)"
