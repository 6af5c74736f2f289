"""Who may send how much at once, so that no endpoint ever waits for another one.

Every endpoint is a lane. The room a lane may take is a share of what is free (the dynamic threshold of
shared-buffer switches, Choudhury and Hahne 1998): one lane alone may use its whole cap, a hundred
hanging ones together always leave room. An endpoint that keeps failing gets one attempt at a time
until it succeeds: its deliveries keep to their schedule, what it costs is bounded, and the first success opens it
again at once, which a breaker that waits would not. One that asks for a pause (`Retry-After`) gets none at all
until it is over.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

LONGEST_PAUSE = timedelta(seconds=60)
"""Of a whole endpoint. The delivery whose response asked for more waits for longer alone, so that one page of a
proxy, with a `Retry-After` of hours, does not hold up what happens meanwhile."""

_MOST_REMEMBERED = 10_000  # dead endpoints


class LaneLimits(msgspec.Struct, frozen=True, kw_only=True):
    total: int = 900  # requests in flight of one dispatcher
    per_lane: int = 32
    share: int = 32  # a lane may hold 1/share of what is free, of the total and of its workspace's part
    workspace_part: float = 0.5  # of the total, for one workspace
    burst: int = 8  # of one lane in one claim
    broken_after: int = 5  # failures in a row


class ClaimRoom(msgspec.Struct, frozen=True, kw_only=True):
    """What the next claim may take: `burst` of any lane but the `closed` ones, one of each `narrow` one."""

    total: int
    burst: int
    closed: Sequence[UUID]
    narrow: Sequence[UUID]
    closed_workspaces: Sequence[UUID]


class Lanes:
    def __init__(self, limits: LaneLimits) -> None:
        self.limits = limits
        self.in_flight = 0
        self._lanes: Counter[UUID] = Counter()
        self._workspaces: Counter[UUID] = Counter()
        self._workspace_of: dict[UUID, UUID] = {}
        self._failures: Counter[UUID] = Counter()
        self._paused: dict[UUID, datetime] = {}  # until when

    def room(self, now: datetime) -> ClaimRoom:
        free = self.limits.total - self.in_flight
        open_burst = min(self.limits.burst, self._share_of(free))
        self._paused = {lane: until for lane, until in self._paused.items() if until > now}
        closed = list(self._paused)
        narrow: list[UUID] = []
        for lane in (self._lanes.keys() | self._broken()) - self._paused.keys():
            left = self._limit(lane) - self._lanes[lane]
            if left <= 0:
                closed.append(lane)
            elif left < open_burst or self._is_broken(lane):
                narrow.append(lane)
        part = int(self.limits.total * self.limits.workspace_part)
        full = [workspace for workspace, used in self._workspaces.items() if used >= part]
        return ClaimRoom(
            total=max(free, 0), burst=open_burst, closed=closed, narrow=narrow, closed_workspaces=full
        )

    def take(self, lane: UUID, workspace: UUID) -> None:
        self.in_flight += 1
        self._lanes[lane] += 1
        self._workspaces[workspace] += 1
        self._workspace_of[lane] = workspace

    def give_back(self, lane: UUID, *, succeeded: bool | None) -> None:
        """`succeeded` None: nothing was learnt about the endpoint."""
        workspace = self._workspace_of[lane]
        self.in_flight -= 1
        for counter, key in ((self._lanes, lane), (self._workspaces, workspace)):
            counter[key] -= 1
            if not counter[key]:
                del counter[key]
        if lane not in self._lanes:
            del self._workspace_of[lane]
        if succeeded:
            self._failures.pop(lane, None)
        elif succeeded is False:
            self._note_failure(lane)

    def pause(self, lane: UUID, now: datetime, seconds: timedelta) -> None:
        """The endpoint asked not to be called for so long; it is left alone for at most `LONGEST_PAUSE`."""
        if len(self._paused) < _MOST_REMEMBERED:
            self._paused[lane] = now + min(seconds, LONGEST_PAUSE)

    def _note_failure(self, lane: UUID) -> None:
        if lane not in self._failures and len(self._failures) >= _MOST_REMEMBERED:
            self._failures.pop(next(iter(self._failures)))  # the memory of dead endpoints is bounded
        self._failures[lane] += 1

    def _limit(self, lane: UUID) -> int:
        if self._is_broken(lane):
            return 1
        free = self.limits.total - self.in_flight
        workspace = self._workspace_of.get(lane)
        if workspace is not None:
            part = int(self.limits.total * self.limits.workspace_part)
            free = min(free, part - self._workspaces[workspace])
        return min(self.limits.per_lane, self._share_of(free))

    def _share_of(self, free: int) -> int:
        return max(1, free // self.limits.share)

    def _is_broken(self, lane: UUID) -> bool:
        return self._failures[lane] >= self.limits.broken_after

    def _broken(self) -> set[UUID]:
        return {lane for lane, count in self._failures.items() if count >= self.limits.broken_after}
