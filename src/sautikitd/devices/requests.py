"""What is asked of the devices room: bodies and query parameters."""

import re
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.devices.usernames import is_username
from sautikitd.http.checks import Fault, lookup
from sautikitd.identity.principal import Principal
from sautikitd.numbers.lookup import only_number

_IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)


def _check_label(value: str) -> str | None:
    return None if value.isprintable() else "printable characters only"


def _check_identity(value: str) -> str | None:
    if not _IDENTITY.fullmatch(value):
        return "1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first"
    return "looks like the username of a SIP credential; choose another" if is_username(value) else None


class CreateCredential(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A device, or a PBX, that is to call as the number."""

    label: Annotated[
        str,
        msgspec.Meta(max_length=100, description="For your own use.", extra={"check": _check_label}),
    ] = ""


class CreateToken(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A short-lived credential for one browser or app."""

    number_id: Annotated[
        UUID | None,
        msgspec.Meta(description="The number it calls as; may be left out where there is only one."),
    ] = None
    identity: Annotated[
        str | None,
        msgspec.Meta(
            description="The name that `dial` rings it by (`client`); several browsers may share one.",
            extra={"check": _check_identity},
        ),
    ] = None
    ttl_seconds: Annotated[
        int,
        msgspec.Meta(
            ge=60, le=86_400, description="How long it can register and call; calls that are up go on."
        ),
    ] = 3600

    @lookup
    async def says_which_number(
        self, connection: Connection, principal: Principal, now: datetime
    ) -> list[Fault]:
        if self.number_id is not None or await only_number(connection, principal) is not None:
            return []
        return [Fault("/number_id", "say which: you have none or several. GET /v1/numbers lists them")]
