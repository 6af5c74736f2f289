"""Who is a device of ours: scanners get silence, everybody else a challenge, and only the right secret gets in."""

import re
import secrets
from collections import OrderedDict
from collections.abc import Collection, Mapping

import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import Database, DatabaseUnavailable
from sautikitd.devices.credentials import REALM, SipCredentials
from sautikitd.devices.guessing import GuessThrottle, tell_of_guessing
from sautikitd.devices.models import CredentialRecord, Proof
from sautikitd.devices.usernames import is_username
from sautikitd.events.log import EventLog
from sautikitd.node.devices.identity import identity_of
from sautikitd.voice.sip.address import MalformedAddress, NameAddr, SipUri, unbracketed
from sautikitd.voice.sip.admission import (
    STRONGEST_FIRST,
    Admit,
    DigestVerifier,
    Ignore,
    Refuse,
    Verdict,
)
from sautikitd.voice.sip.hops import Source, Transport
from sautikitd.voice.sip.wire import Arrival

log = structlog.get_logger(__name__)

# Both algorithms are offered, each in a header of its own, the stronger first (RFC 8760 §2.3). That order also serves JsSIP 3
# and SIP.js 0.21, which know MD5 alone: of several challenges both look at the last one. Who would fail at two is baresip
# before 3.0, which Debian 12 brings along: it ends its REGISTER with "Function not implemented" at any challenge of another
# algorithm, wherever that stands.
_MD5_ALONE = ("MD5",)
_KNOWS_MD5_ALONE = re.compile(r"baresip v[0-2]\.", re.IGNORECASE)

_SCANNERS = (
    *("friendly-scanner", "sipvicious", "sipcli", "sip-scan", "sipsak", "sundayddr", "iwar", "pplsip"),
    *("vaxsipuseragent", "vaxasip", "sivus", "gulp", "smap", "siparmyknife", "friendly-request", "eyebeam"),
)
_PROVED_SECONDS = 3600.0
_REMEMBERED = 10_000
_NOBODY: Mapping[str, str] = {name: secrets.token_hex(32) for name in STRONGEST_FIRST}


class DeviceGuard:
    """`domains` are the hosts that devices may call us by, lower case."""

    def __init__(
        self,
        database: Database,
        credentials: SipCredentials,
        events: EventLog,
        clock: Clock,
        domains: Collection[str],
    ) -> None:
        self._database = database
        self._credentials = credentials
        self._events = events
        self._clock = clock
        self._domains = frozenset(domain.lower() for domain in domains)
        self._digest = DigestVerifier(REALM)
        self._throttle = GuessThrottle(clock)
        self._proved: OrderedDict[tuple[Transport, str, int], float] = OrderedDict()

    def is_ours(self, host: str) -> bool:
        return unbracketed(host).lower() in self._domains

    def plausible(self, request: Arrival) -> bool:
        """Whether a device of ours could have sent it; what could not be gets no answer at all."""
        agent = request.header("User-Agent").lower()
        if any(scanner in agent for scanner in _SCANNERS) or not self.is_ours(request.request.uri.host):
            return False
        if request.request.method == "REGISTER":
            return is_username(request.to.user) and self.is_ours(_host_of(request.to))
        return is_username(self._claimed(request)) or self._has_proved(request.source)

    async def authenticate(self, request: Arrival) -> Verdict:
        """Every request proves itself, so that a credential which is deleted or changed is so for the next one."""
        algorithms = _algorithms_for(request)
        params = self._digest.read(request)
        if params is None:
            return self._digest.demand(algorithms=algorithms)
        try:
            proof = await self._proof_of(params.get("username", ""))
        except DatabaseUnavailable as exc:
            log.warning("devices.not_proved", error=repr(exc))
            return Refuse(503)
        digests = proof.digests if proof else _NOBODY
        verdict = self._digest.check(request, params, digests, algorithms=algorithms)
        if isinstance(verdict, Refuse) or proof is None:
            return await self._on_wrong(request.source, params.get("username", ""), proof)
        if verdict is not None:
            return verdict
        if request.request.method == "REGISTER" and request.to.user != proof.credential.username:
            return Refuse(403)  # nobody registers for somebody else (RFC 3261 §10.3, step 3)
        self._remember(request.source)
        return Admit(identity_of(proof.credential.id), proved=True)

    async def _proof_of(self, username: str) -> Proof | None:
        if not is_username(username):
            return None
        async with self._database.connection() as connection:
            return await self._credentials.proof_of(connection, username, self._clock.now())

    async def _on_wrong(self, source: Source, username: str, proof: Proof | None) -> Verdict:
        """403, or silence for who has had that too often. A username that there is not is treated no otherwise."""
        may_hear = self._throttle.source_may_hear(source.host)
        guessed = not self._throttle.username_may_be_tried(username)
        if guessed and proof is not None:
            await self._tell(proof.credential, source.host)
        return Refuse(403) if may_hear and not guessed else Ignore()

    async def _tell(self, credential: CredentialRecord, source: str) -> None:
        try:
            async with self._database.transaction() as connection:
                told = await tell_of_guessing(connection, self._events, credential, source, self._clock.now())
        except DatabaseUnavailable as exc:
            log.warning("devices.guessing_not_told", error=repr(exc))
            return
        if told:
            log.warning("devices.guessing", credential_id=str(credential.id), source=source)

    def _claimed(self, request: Arrival) -> str:
        """Who the request says it is from: by its credentials, else by its From."""
        params = self._digest.read(request)
        return params.get("username", "") if params else request.from_.user

    def _has_proved(self, source: Source) -> bool:
        """Whether a secret was shown from there of late: a PBX puts other names into From."""
        at = self._proved.get((source.transport, source.host, source.port))
        return at is not None and self._clock.monotonic() - at < _PROVED_SECONDS

    def _remember(self, source: Source) -> None:
        key = source.transport, source.host, source.port
        self._proved[key] = self._clock.monotonic()
        self._proved.move_to_end(key)
        if len(self._proved) > _REMEMBERED:
            self._proved.popitem(last=False)


def _algorithms_for(request: Arrival) -> tuple[str, ...]:
    return _MD5_ALONE if _KNOWS_MD5_ALONE.match(request.header("User-Agent")) else STRONGEST_FIRST


def _host_of(address: NameAddr) -> str:
    try:
        return SipUri.parse(address.uri).host
    except MalformedAddress:
        return ""
