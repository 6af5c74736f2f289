"""What the platform itself says to a caller."""

import msgspec

from sautikitd.flow.port import Say


class StockPrompts(msgspec.Struct, frozen=True, kw_only=True):
    greeting: Say = Say(
        text="Hello. This call works, but it has not been told what to do. Goodbye.", language="en-KE"
    )
    apology: Say = Say(text="Sorry, this service has a problem. Please call again later.", language="en-KE")
