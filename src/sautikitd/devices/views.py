"""From rows to what clients see."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec

from sautikitd.devices.addresses import DeviceAddresses, IceServer
from sautikitd.devices.models import Binding, CredentialRecord, NewSecret
from sautikitd.timestamps import rfc3339, shown

Described = msgspec.Meta
Username = Annotated[
    str, Described(description="What the device registers as; `dial` rings it by this name as `client`.")
]
Domain = Annotated[
    str, Described(description="The SIP server and domain, with its port where that is not 5060.")
]
WsUrl = Annotated[str, Described(description="Where browsers connect: SIP over WebSocket (RFC 7118).")]


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """One device that is registered now, and rings."""

    transport: Annotated[str, Described(description="`udp`, `tcp`, `tls`, `ws` or `wss`.")]
    source_address: Annotated[str, Described(description="The address that we see it at.")]
    user_agent: Annotated[str, Described(description="What the device says it is.")]
    registered_at: str
    expires_at: str


class SipCredential(msgspec.Struct, frozen=True, kw_only=True):
    """What lets a device call as a number, and be rung."""

    id: UUID
    number_id: UUID
    label: str
    username: Username
    domain: Domain
    ws_url: WsUrl
    registrations: Sequence[Registration]
    registered_at: Annotated[str | None, Described(description="When a device registered with it last.")]
    rotated_at: Annotated[str | None, Described(description="When its password was changed last.")]
    created_at: str


class SipCredentialSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A credential with its password, which is shown this once."""

    sip_credential: SipCredential
    username: Username
    password: Annotated[str, Described(description="Shown only now; rotate the credential for another.")]
    domain: Domain
    ws_url: WsUrl


class DeviceToken(msgspec.Struct, frozen=True, kw_only=True):
    """A short-lived credential, to be handed to one browser or app. Your API key is not."""

    token: Annotated[str, Described(description="The secret: the same as `password`.")]
    username: Username
    password: Annotated[str, Described(description="For SIP's digest authentication, with `username`.")]
    domain: Domain
    ws_url: WsUrl
    endpoint: Annotated[str, Described(description="The same as `ws_url`, by the name older SDKs know.")]
    ice_servers: Annotated[
        Sequence[IceServer],
        Described(description="For `RTCPeerConnection`; TURN credentials are good until `expires_at`."),
    ]
    turn_server: Annotated[
        str | None, Described(description="The first TURN URL, by the name older SDKs know.")
    ] = msgspec.field(name="turnServer")
    identity: Annotated[
        str | None, Described(description="The name that `dial` rings it by, where one was given.")
    ]
    number_id: UUID
    number: Annotated[str, Described(description="What the called party sees.")]
    expires_at: str


def show(
    credential: CredentialRecord, bindings: Sequence[Binding], addresses: DeviceAddresses
) -> SipCredential:
    return SipCredential(
        id=credential.id,
        number_id=credential.number_id,
        label=credential.label,
        username=credential.username,
        domain=addresses.domain,
        ws_url=addresses.ws_url,
        registrations=[_show_binding(binding) for binding in bindings],
        registered_at=shown(credential.registered_at),
        rotated_at=shown(credential.rotated_at),
        created_at=rfc3339(credential.created_at),
    )


def show_secret(made: NewSecret, addresses: DeviceAddresses) -> SipCredentialSecret:
    return SipCredentialSecret(
        sip_credential=show(made.credential, (), addresses),
        username=made.credential.username,
        password=made.password,
        domain=addresses.domain,
        ws_url=addresses.ws_url,
    )


def show_token(made: NewSecret, e164: str, addresses: DeviceAddresses) -> DeviceToken:
    credential = made.credential
    assert credential.expires_at is not None
    return DeviceToken(
        token=made.password,
        username=credential.username,
        password=made.password,
        domain=addresses.domain,
        ws_url=addresses.ws_url,
        endpoint=addresses.ws_url,
        ice_servers=addresses.ice_servers(credential.username, credential.expires_at),
        turn_server=next(iter(addresses.turn_urls), None),
        identity=credential.identity,
        number_id=credential.number_id,
        number=e164,
        expires_at=rfc3339(credential.expires_at),
    )


def _show_binding(binding: Binding) -> Registration:
    return Registration(
        transport=binding.transport,
        source_address=binding.host,
        user_agent=binding.user_agent,
        registered_at=rfc3339(binding.registered_at),
        expires_at=rfc3339(binding.expires_at),
    )
