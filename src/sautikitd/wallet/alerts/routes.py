"""`/v1/wallet/alert/subscribers`, and the pages behind the links in the mails."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined

from sautikitd.database.pool import Connection
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.http.fields import PageQuery
from sautikitd.http.pagination import Page, decode_cursor, page
from sautikitd.identity.principal import Principal, Scope
from sautikitd.identity.workspaces import is_email
from sautikitd.mail.owners import owners_of
from sautikitd.timestamps import rfc3339, shown
from sautikitd.wallet.alerts import repository
from sautikitd.wallet.alerts.links import AlertLinks, Purpose
from sautikitd.wallet.alerts.repository import Subscriber
from sautikitd.wallet.alerts.service import AlertSubscribers, SubscriberNotFound, TooManySubscribers
from sautikitd.wallet.models import Account

_PAGES = Environment(
    loader=PackageLoader("sautikitd.wallet.alerts"), autoescape=True, undefined=StrictUndefined
)
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


def _check_email(value: str) -> str | None:
    return None if is_email(value) else "must be an e-mail address, like accounts@example.co.ke"


class AddSubscriber(msgspec.Struct, forbid_unknown_fields=True):
    """The address is written to once, to be asked."""

    email: Annotated[str, msgspec.Meta(max_length=254, extra={"check": _check_email})]


class AlertSubscriber(msgspec.Struct, kw_only=True):
    """`pending` until the link in the opt-in mail is confirmed, at the latest by `confirm_until`."""

    id: UUID
    email: str
    status: Literal["pending", "confirmed"]
    confirm_until: str | None
    confirmed_at: str | None
    created_at: str


class SubscriberShown(msgspec.Struct):
    subscriber: AlertSubscriber


class AlertRoutes:
    tag = "Wallet"

    def __init__(self, subscribers: AlertSubscribers, links: AlertLinks) -> None:
        self._subscribers = subscribers
        self._links = links

    @endpoint(
        "GET",
        "/v1/wallet/alert/subscribers",
        scope=Scope.WALLET_READ,
        query=PageQuery,
        answers={200: Page[AlertSubscriber]},
    )
    async def list_subscribers(self, request: ApiRequest[None, PageQuery]) -> Answer:
        """List who is told of a low balance, besides the owners; newest first."""
        account, wish = _account(request.principal), request.query
        after = decode_cursor(wish.cursor)
        found = await self._subscribers.listed(request.connection, account, request.now)
        rest = [one for one in found if after is None or one.id < after]
        return Answer(body=page(rest, wish.limit, _show, lambda one: one.id))

    @endpoint(
        "POST",
        "/v1/wallet/alert/subscribers",
        scope=Scope.WALLET_WRITE,
        body=AddSubscriber,
        answers={201: SubscriberShown, 200: SubscriberShown},
        errors=(TooManySubscribers,),
    )
    async def add(self, request: ApiRequest[AddSubscriber, None]) -> Answer:
        """Add somebody to be told of a low balance.

        He is asked by mail, and told nothing until he agrees by its link, within seven days. Adding him again
        changes nothing (200) and sends no second mail.
        """
        account = _account(request.principal)
        made, new = await self._subscribers.add(request.connection, account, request.body.email, request.now)
        location = {"Location": f"/v1/wallet/alert/subscribers/{made.id}"} if new else {}
        return Answer(status=201 if new else 200, body=SubscriberShown(_show(made)), headers=location)

    @endpoint(
        "DELETE",
        "/v1/wallet/alert/subscribers/{subscriber_id}",
        scope=Scope.WALLET_WRITE,
        answers={204: None},
        errors=(SubscriberNotFound,),
    )
    async def remove(self, request: ApiRequest[None, None]) -> Answer:
        """Remove a subscriber."""
        try:
            subscriber_id = UUID(request.path["subscriber_id"])
        except ValueError as exc:
            raise SubscriberNotFound from exc
        await self._subscribers.remove(request.connection, _account(request.principal), subscriber_id)
        return Answer(status=204)

    @endpoint(
        "GET",
        "/alerts/confirm/{token}",
        authenticated=False,
        documented=False,
        answers={200: "text/html"},
    )
    async def ask_confirm(self, request: ApiRequest[Any, None]) -> Answer:
        """Ask whether to confirm: mail scanners follow links, so a GET changes nothing."""
        return await self._ask(request, "confirm")

    @endpoint(
        "POST",
        "/alerts/confirm/{token}",
        authenticated=False,
        documented=False,
        answers={200: "text/html"},
    )
    async def confirm(self, request: ApiRequest[Any, None]) -> Answer:
        """Confirm."""
        subscriber_id = self._links.subscriber("confirm", request.path["token"])
        done = subscriber_id is not None and await repository.confirm(
            request.connection, subscriber_id, request.now
        )
        return _page("confirmed" if done else "gone")

    @endpoint(
        "GET",
        "/alerts/unsubscribe/{token}",
        authenticated=False,
        documented=False,
        answers={200: "text/html"},
    )
    async def ask_unsubscribe(self, request: ApiRequest[Any, None]) -> Answer:
        """Ask whether to unsubscribe."""
        return await self._ask(request, "unsubscribe")

    @endpoint(
        "POST",
        "/alerts/unsubscribe/{token}",
        authenticated=False,
        documented=False,
        answers={200: "text/html"},
    )
    async def unsubscribe(self, request: ApiRequest[Any, None]) -> Answer:
        """Unsubscribe, from the page or by a mail program's one click (RFC 8058 §3.2). Harmless to repeat."""
        subscriber_id = self._links.subscriber("unsubscribe", request.path["token"])
        if subscriber_id is None:
            return _page("gone")
        await repository.unsubscribe(request.connection, subscriber_id)
        return _page("unsubscribed")

    async def _ask(self, request: ApiRequest[Any, None], purpose: Purpose) -> Answer:
        subscriber_id = self._links.subscriber(purpose, request.path["token"])
        connection: Connection = request.connection
        found = await repository.find(connection, subscriber_id) if subscriber_id else None
        lapsed = found is None or (found.status == "pending" and found.confirm_until <= request.now)
        if found is None or lapsed:
            return _page("unsubscribed" if purpose == "unsubscribe" and subscriber_id else "gone")
        owners = await owners_of(connection, found.workspace_id)
        return _page(f"ask_{purpose}", workspace=owners.workspace, email=found.email)


def _page(state: str, *, workspace: str = "", email: str = "") -> Answer:
    text = _PAGES.get_template("page.html").render(state=state, workspace=workspace, email=email)
    status = 410 if state == "gone" else 200
    return Answer(status=status, body=text.encode(), media_type="text/html", headers=dict(_PAGE_HEADERS))


def _show(one: Subscriber) -> AlertSubscriber:
    return AlertSubscriber(
        id=one.id,
        email=one.email,
        status=one.status,
        confirm_until=rfc3339(one.confirm_until) if one.status == "pending" else None,
        confirmed_at=shown(one.confirmed_at),
        created_at=rfc3339(one.created_at),
    )


def _account(principal: Principal) -> Account:
    return Account(principal.workspace_id, principal.mode)
