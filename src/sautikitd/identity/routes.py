"""`/v1/api-keys`, `/v1/me`, `/v1/signing-secret`, `/v1/audit-log`."""

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from sautikitd.database.pool import Database
from sautikitd.events.models import Mode
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.http.errors import InvalidCursor
from sautikitd.http.fields import Cursor, PageQuery
from sautikitd.http.pagination import Limit, Page, decode_cursor, page
from sautikitd.http.time_window import TimeWindow
from sautikitd.identity import audit
from sautikitd.identity.audit import Actor, AuditEntry
from sautikitd.identity.errors import OwnerRequired, SigningSecretHidden
from sautikitd.identity.keys.errors import BeyondOwnRights, KeyNotActive, KeyNotFound
from sautikitd.identity.keys.models import (
    ApiKey,
    ApiKeyMade,
    ApiKeyShown,
    CreateApiKey,
    NewKey,
    RollApiKey,
    canonical_scopes,
    network_of,
    show,
)
from sautikitd.identity.keys.service import ApiKeys, MadeKey
from sautikitd.identity.principal import Principal, Role, Scope
from sautikitd.identity.signing_secrets import SigningSecrets
from sautikitd.identity.workspaces import Workspaces


class ListAuditLog(TimeWindow, kw_only=True, forbid_unknown_fields=True):
    limit: Limit = 25
    cursor: Cursor = None
    action: Annotated[str | None, msgspec.Meta(description="Only this act, such as `number.claim`.")] = None
    format: Literal["json", "csv"] = "json"


class MyWorkspace(msgspec.Struct, kw_only=True):
    id: UUID
    name: str
    slug: str
    country: str
    currency: str
    mpesa_account_ref: str
    suspended: bool


class Me(msgspec.Struct, kw_only=True):
    """What a key is, and whose."""

    workspace: MyWorkspace
    mode: Mode
    scopes: list[str]
    role: Role
    api_key: ApiKey


class SigningSecret(msgspec.Struct):
    """`secret` signs now; `overlapping` are older ones that sign along until their 24 hours are over."""

    secret: str
    overlapping: list[str]


class IdentityRoutes:
    tag = "Identity"

    def __init__(
        self, keys: ApiKeys, workspaces: Workspaces, signing_secrets: SigningSecrets, database: Database
    ) -> None:
        self._keys = keys
        self._workspaces = workspaces
        self._signing_secrets = signing_secrets
        self._database = database

    @endpoint("GET", "/v1/api-keys", scope=Scope.ALL, query=PageQuery, answers={200: Page[ApiKey]})
    async def list_keys(self, request: ApiRequest[None, PageQuery]) -> Answer:
        """List API keys.

        Keys of this workspace and mode, revoked and expired ones included, newest first.
        """
        principal, query = request.principal, request.query
        after = decode_cursor(query.cursor)
        rows = await self._keys.newest(
            request.connection, principal.workspace_id, principal.mode, after=after, limit=query.limit + 1
        )
        return Answer(body=page(rows, query.limit, lambda key: show(key, request.now), lambda key: key.id))

    @endpoint(
        "POST",
        "/v1/api-keys",
        scope=Scope.ALL,
        body=CreateApiKey,
        answers={201: ApiKeyMade},
        errors=(BeyondOwnRights,),
    )
    async def create_key(self, request: ApiRequest[CreateApiKey, None]) -> Answer:
        """Make an API key.

        Of the mode of the key that asks, and with no more rights than it has. The key itself is shown in this answer only.
        """
        new = _new_key(request.body, request.principal)
        made = await self._keys.create(
            request.connection, new, _actor(request), request.now, maker=request.principal
        )
        return _made(request, made)

    @endpoint(
        "DELETE",
        "/v1/api-keys/{key_id}",
        scope=Scope.ALL,
        answers={200: ApiKeyShown},
        errors=(KeyNotFound,),
        allowed_while_suspended=True,
    )
    async def revoke_key(self, request: ApiRequest[None, None]) -> Answer:
        """Revoke an API key.

        It stops working within a second, for good. Repeating it is harmless.
        """
        key = await self._keys.revoke(
            request.connection, request.principal, _key_id(request), _actor(request), request.now
        )
        return Answer(body=ApiKeyShown(show(key, request.now)))

    @endpoint(
        "POST",
        "/v1/api-keys/{key_id}/roll",
        scope=Scope.ALL,
        body=RollApiKey,
        body_optional=True,
        answers={201: ApiKeyMade},
        errors=(KeyNotFound, KeyNotActive, BeyondOwnRights),
    )
    async def roll_key(self, request: ApiRequest[RollApiKey, None]) -> Answer:
        """Roll an API key.

        Makes a successor with the same name, rights and expiry. The old key works on for `overlap_seconds`.
        """
        overlap = timedelta(seconds=request.body.overlap_seconds)
        made = await self._keys.roll(
            request.connection, request.principal, _key_id(request), overlap, _actor(request), request.now
        )
        return _made(request, made)

    @endpoint("GET", "/v1/me", answers={200: Me})
    async def me(self, request: ApiRequest[None, None]) -> Answer:
        """Tell what this key is.

        Its workspace, mode and scopes. Any key may ask.
        """
        principal = request.principal
        workspace = await self._workspaces.find(request.connection, principal.workspace_id)
        key = await self._keys.find(request.connection, principal, principal.id)
        mine = MyWorkspace(
            id=workspace.id,
            name=workspace.name,
            slug=workspace.slug,
            country=workspace.country,
            currency=workspace.currency,
            mpesa_account_ref=workspace.mpesa_account_ref,
            suspended=workspace.suspended_at is not None,
        )
        scopes = sorted(principal.scopes)
        body = Me(
            workspace=mine,
            mode=principal.mode,
            scopes=scopes,
            role=principal.role,
            api_key=show(key, request.now),
        )
        return Answer(body=body)

    @endpoint(
        "GET",
        "/v1/signing-secret",
        scope=Scope.WEBHOOKS_READ,
        answers={200: SigningSecret},
        errors=(SigningSecretHidden,),
    )
    async def signing_secret(self, request: ApiRequest[None, None]) -> Answer:
        """Read the signing secret of test mode.

        It signs voice callbacks and the deliveries to `events_url` and `webhook_url`. Live keys are refused.
        """
        if request.principal.mode != "test":
            raise SigningSecretHidden
        current, *older = await self._signing_secrets.valid(
            request.connection, request.principal.workspace_id, "test"
        )
        return Answer(body=SigningSecret(current, older), secret=True)

    @endpoint(
        "GET",
        "/v1/audit-log",
        scope=Scope.ALL,
        query=ListAuditLog,
        answers={200: (Page[AuditEntry], "text/csv")},
        errors=(OwnerRequired, InvalidCursor),
    )
    async def audit_log(self, request: ApiRequest[None, ListAuditLog]) -> Answer:
        """Read the audit log.

        Every privileged act in this workspace: who, what, when, from where. For keys of owners; newest first. With
        `format=csv` every matching act is streamed as CSV.
        """
        principal, query = request.principal, request.query
        if principal.role is not Role.OWNER:
            raise OwnerRequired
        filters = audit.AuditFilters(created_after=query.start, created_before=query.end, action=query.action)
        if query.format == "csv":
            named = {"Content-Disposition": 'attachment; filename="audit-log.csv"'}
            stream = audit.export(self._database, principal, filters)
            return Answer(stream=stream, media_type="text/csv", headers=named)
        after = decode_cursor(query.cursor)
        rows = await audit.newest(request.connection, principal, filters, after=after, limit=query.limit + 1)
        return Answer(body=page(rows, query.limit, lambda entry: entry, lambda entry: entry.id))


def _actor(request: ApiRequest[Any, Any]) -> Actor:
    return Actor.of(request.principal, request.source_address)


def _key_id(request: ApiRequest[Any, Any]) -> UUID:
    try:
        return UUID(request.path["key_id"])
    except ValueError as exc:
        raise KeyNotFound from exc


def _new_key(body: CreateApiKey, principal: Principal) -> NewKey:
    networks = [network_of(cidr) for cidr in body.source_cidrs or ()]
    return NewKey(
        workspace_id=principal.workspace_id,
        mode=principal.mode,
        name=body.name.strip(),
        scopes=canonical_scopes(body.scopes),
        expires_at=body.expires_at,
        number_ids=None if body.number_ids is None else frozenset(body.number_ids),
        source_cidrs=None if body.source_cidrs is None else tuple(n for n in networks if n is not None),
    )


def _made(request: ApiRequest[Any, Any], made: MadeKey) -> Answer:
    return Answer(
        status=201,
        body=ApiKeyMade(show(made.record, request.now), made.key),
        headers={"Location": f"/v1/api-keys/{made.record.id}"},
        secret=True,
    )
