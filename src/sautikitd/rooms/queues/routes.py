"""`/v1/queues`: the callers who wait, and taking one out."""

from typing import Any
from uuid import UUID

from sautikitd.database.pool import Record
from sautikitd.database.wake import Waker
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.http.errors import InvalidCursor
from sautikitd.http.fields import PageQuery
from sautikitd.http.pagination import Page, decode_cursor, page
from sautikitd.identity.principal import Scope
from sautikitd.rooms.errors import CallerQueueNotFound, QueueMemberNotFound
from sautikitd.rooms.models import CHANNEL
from sautikitd.rooms.queues import repository
from sautikitd.rooms.queues.lifecycle import CallerQueues
from sautikitd.rooms.queues.models import Queue, QueueResult
from sautikitd.rooms.queues.views import (
    CallerQueue,
    ListQueues,
    OneMember,
    OneQueue,
    QueueMember,
    show_member,
    show_queue,
)

Request = ApiRequest[Any, Any]

_QUEUE = "/v1/queues/{queue}"


class QueueRoutes:
    tag = "Queues"

    def __init__(self, queues: CallerQueues, waker: Waker) -> None:
        self._queues = queues
        self._waker = waker

    @endpoint(
        "GET",
        "/v1/queues",
        scope=Scope.CALLS_READ,
        query=ListQueues,
        answers={200: Page[CallerQueue]},
        errors=(InvalidCursor,),
    )
    async def list(self, request: Request) -> Answer:
        """List queues, newest first, with how many wait in each."""
        wish, principal = request.query, request.principal
        found = await repository.page(
            request.connection,
            principal.workspace_id,
            principal.mode,
            name=wish.name,
            before=decode_cursor(wish.cursor),
            limit=wish.limit,
        )
        return Answer(body=page(found, wish.limit, show_queue, lambda row: row["id"]))

    @endpoint(
        "GET",
        _QUEUE,
        scope=Scope.CALLS_READ,
        answers={200: OneQueue},
        errors=(CallerQueueNotFound,),
    )
    async def read(self, request: Request) -> Answer:
        """Read a queue, by its id or its name."""
        queue = await self._queue(request)
        return Answer(body=OneQueue(show_queue(await repository.figures(request.connection, queue))))

    @endpoint(
        "GET",
        _QUEUE + "/members",
        scope=Scope.CALLS_READ,
        query=PageQuery,
        answers={200: Page[QueueMember]},
        errors=(CallerQueueNotFound, InvalidCursor),
    )
    async def members(self, request: Request) -> Answer:
        """List who is in a queue, who has waited longest first, each with his position."""
        queue = await self._queue(request)
        found = await repository.members_page(
            request.connection,
            queue.id,
            after=decode_cursor(request.query.cursor),
            limit=request.query.limit,
            number_ids=_numbers(request),
        )
        return Answer(body=page(found, request.query.limit, show_member, lambda row: row["id"]))

    @endpoint(
        "GET",
        _QUEUE + "/members/{call_id}",
        scope=Scope.CALLS_READ,
        answers={200: OneMember},
        errors=(CallerQueueNotFound, QueueMemberNotFound),
    )
    async def member(self, request: Request) -> Answer:
        """Read a caller's position in a queue."""
        return Answer(body=OneMember(show_member(await self._member(request))))

    @endpoint(
        "POST",
        _QUEUE + "/members/{call_id}/remove",
        scope=Scope.CALLS_WRITE,
        answers={200: OneMember},
        errors=(CallerQueueNotFound, QueueMemberNotFound),
    )
    async def remove(self, request: Request) -> Answer:
        """Take a caller out of a queue; his flow goes on, with `queueResult` `leave`."""
        row = await self._member(request)
        await self._queues.leave(request.connection, row["id"], QueueResult.LEAVE, request.now)
        request.after_commit.append(lambda: self._waker.wake(CHANNEL))
        return Answer(body=OneMember(show_member(row)))

    async def _queue(self, request: Request) -> Queue:
        text, principal = request.path["queue"], request.principal
        queue = await repository.find(
            request.connection, principal.workspace_id, principal.mode, _reference(text)
        )
        if queue is None:
            raise CallerQueueNotFound(reference=text[:64])
        return queue

    async def _member(self, request: Request) -> Record:
        queue, reference = await self._queue(request), request.path["call_id"]
        row = await repository.present_member(
            request.connection, queue.id, reference, number_ids=_numbers(request)
        )
        if row is None:
            raise QueueMemberNotFound(reference=reference[:64])
        return row


def _reference(text: str) -> UUID | str:
    try:
        return UUID(text)
    except ValueError:
        return text


def _numbers(request: Request) -> "list[UUID] | None":
    allowed = request.principal.number_ids
    return None if allowed is None else [*allowed]
