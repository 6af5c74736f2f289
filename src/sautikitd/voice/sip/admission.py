"""Who may send us requests: the hook for trunks, softphones and the registrar, and a digest to build on."""

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from sautikitd.voice.sip.digest import read_digest, verify
from sautikitd.voice.sip.wire import Arrival

_NONCE_SECONDS = 120
STRONGEST_FIRST = ("SHA-256", "MD5")


class Admit(msgspec.Struct, frozen=True):
    """Let in as `identity`, which the call carries. `proved`: a device that has shown its secret. It is spoken to
    where it was heard from, since its address cannot be made up any more and its Contact may lie behind a NAT."""

    identity: str
    proved: bool = False


class Demand(msgspec.Struct, frozen=True):
    """Challenge: 401 with these WWW-Authenticate values (407 and Proxy-Authenticate if `proxy`)."""

    challenges: tuple[str, ...]
    proxy: bool = False


class Refuse(msgspec.Struct, frozen=True):
    """Answer with this code and nothing more."""

    code: int = 403


class Ignore(msgspec.Struct, frozen=True):
    """Do not answer at all: what scanners get."""


Verdict = Admit | Demand | Refuse | Ignore


class Authenticator(Protocol):
    """Asked about every INVITE that opens a dialog, and every REGISTER; `request.source` is its true sender."""

    async def authenticate(self, request: Arrival) -> Verdict: ...


class DigestVerifier:
    """Makes and checks digest challenges. A nonce carries its time and our seal, so challenges cost nothing;
    only credentials that were right are remembered, while their nonce lives, so that each counts once."""

    def __init__(self, realm: str, *, key: bytes | None = None, now: Callable[[], float] = time.time) -> None:
        self._realm = realm
        self._key = key or secrets.token_bytes(32)
        self._now = now
        self._spent: dict[tuple[str, str], int] = {}  # nonce and response, the oldest first: its time

    def demand(self, *, stale: bool = False, algorithms: tuple[str, ...] = STRONGEST_FIRST) -> Demand:
        """One challenge per algorithm, the strongest first (RFC 8760 §2.3) unless told otherwise."""
        nonce = self._nonce(int(self._now()))
        tail = ", stale=true" if stale else ""
        return Demand(
            tuple(
                f'Digest realm="{self._realm}", nonce="{nonce}", algorithm={name}, qop="auth"{tail}'
                for name in algorithms
            )
        )

    def read(self, request: Arrival) -> dict[str, str] | None:
        """The credentials for our realm that the request carries, to look up their `username`."""
        for value in request.message.headers.getlist("Authorization"):
            params = read_digest(value)
            if params is not None and params.get("realm") == self._realm:
                return params
        return None

    def check(
        self,
        request: Arrival,
        params: dict[str, str],
        secrets_by_algorithm: Mapping[str, str],
        *,
        algorithms: tuple[str, ...] = STRONGEST_FIRST,
    ) -> Verdict | None:
        """None: proved. `Refuse` for a wrong secret. With the right one a `Demand`, marked stale so that the device
        tries again by itself, when the nonce is old or another process's, or these very credentials came before
        (RFC 7616 §3.4: a nonce count must grow, and the response with it).

        `secrets_by_algorithm`: HA1 by algorithm ("MD5", "SHA-256"), as `digest.ha1` makes them.
        """
        nonce = params.get("nonce", "")
        algorithm = params.get("algorithm", "MD5").upper()
        secret = secrets_by_algorithm.get(algorithm)
        method, uri = request.request.method, str(request.request.uri)
        if secret is None or params.get("uri") != uri or not verify(secret, method, params, algorithm):
            return Refuse(403)
        now = self._now()
        if not self._fresh(nonce, now) or not self._first_use(nonce, params["response"].lower(), now):
            return self.demand(stale=True, algorithms=algorithms)
        return None

    def _fresh(self, nonce: str, now: float) -> bool:
        """Whether we made the nonce, not long ago."""
        stamp = nonce.partition("-")[0]
        if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12):
            return False
        ours = hmac.compare_digest(nonce.encode(), self._nonce(int(stamp)).encode())
        return ours and now - int(stamp) <= _NONCE_SECONDS

    def _first_use(self, nonce: str, response: str, now: float) -> bool:
        while self._spent:
            oldest = next(iter(self._spent))
            if now - self._spent[oldest] <= _NONCE_SECONDS:
                break
            del self._spent[oldest]
        if (nonce, response) in self._spent:
            return False
        self._spent[nonce, response] = int(now)
        return True

    def _nonce(self, stamp: int) -> str:
        seal = hmac.new(self._key, str(stamp).encode(), "sha256").hexdigest()[:32]
        return f"{stamp}-{seal}"
