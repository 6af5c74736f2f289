"""How a proved device is named between the door and the desk: its credential, in the identity of its requests."""

from uuid import UUID

_PREFIX = "device:"


def identity_of(credential_id: UUID) -> str:
    return f"{_PREFIX}{credential_id}"


def credential_of(identity: str | None) -> UUID | None:
    """The credential of a request that a device sent; None for one from a trunk or the carrier."""
    if identity is None or not identity.startswith(_PREFIX):
        return None
    return UUID(identity.removeprefix(_PREFIX))
