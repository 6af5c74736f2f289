"""The window of time that a list is asked for (contract §1), under either of its spellings."""

from datetime import datetime
from typing import Annotated

import msgspec

Time = Annotated[datetime, msgspec.Meta(tz=True)]


class TimeWindow(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """`created_after` (`from`) is included, `created_before` (`to`) is not: RFC 3339 or unix seconds."""

    from_: Time | None = None
    to: Time | None = None
    created_after: Time | None = None
    created_before: Time | None = None

    @property
    def start(self) -> datetime | None:
        return max((moment for moment in (self.from_, self.created_after) if moment), default=None)

    @property
    def end(self) -> datetime | None:
        return min((moment for moment in (self.to, self.created_before) if moment), default=None)
