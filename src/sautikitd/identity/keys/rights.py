"""Whether one key's rights lie within another's (contract §12, Keys)."""

from datetime import datetime

from sautikitd.identity.keys.models import KeyRecord, Network, NewKey
from sautikitd.identity.principal import Role, Scope


def excess(own: KeyRecord, wanted: NewKey) -> str:
    """What `wanted` may do that `own` may not, in words; empty when nothing."""
    beyond = [] if Scope.ALL in own.scopes else sorted(wanted.scopes - own.scopes)
    if beyond:
        return f"the scope {beyond[0]}"
    if own.number_ids is not None and (wanted.number_ids is None or not wanted.number_ids <= own.number_ids):
        return "numbers this key is not limited to"
    if own.source_cidrs is not None and not _covers(own.source_cidrs, wanted.source_cidrs):
        return "addresses this key may not be used from"
    if _outlives(wanted.expires_at, own.expires_at):
        return "an expiry later than its own"
    return ""


def role_of(key: KeyRecord) -> Role:
    """The role a key has from its maker, as he is today; the operator's keys have an owner's."""
    return Role.OWNER if key.created_by is None or key.maker_role is None else key.maker_role


def _covers(own: tuple[Network, ...], wanted: tuple[Network, ...] | None) -> bool:
    return wanted is not None and all(any(_inside(network, mine) for mine in own) for network in wanted)


def _inside(inner: Network, outer: Network) -> bool:
    return (
        inner.version == outer.version and inner.network_address in outer and inner.broadcast_address in outer
    )


def _outlives(wanted: datetime | None, own: datetime | None) -> bool:
    return own is not None and (wanted is None or wanted > own)
