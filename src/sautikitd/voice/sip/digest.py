"""HTTP digest authentication as SIP uses it (RFC 3261 §22, RFC 7616, RFC 8760).

The parser is ours: `sipmessage` splits `qop="auth,auth-int"` at its comma, and its pattern takes
exponential time on a broken header.
"""

import hashlib
import hmac
import re
import secrets

import msgspec

from sautikitd.voice.sip.address import quoted, split_outside, unquoted

_PAIR = re.compile(r"([A-Za-z0-9.!%*_+`'~-]+)\s*=\s*(.*)", re.DOTALL)
_HASHES = {
    "MD5": hashlib.md5,
    "SHA-256": hashlib.sha256,
}  # RFC 8760 §2.1 knows SHA-512-256 too; nobody sends it
_UNQUOTED = frozenset(("algorithm", "nc", "qop", "stale"))


class Credentials(msgspec.Struct, frozen=True):
    """What a trunk knows us by. Its text form shows no password, so that it may stand in a log."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials({self.username!r}, …)"


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    realm: str
    nonce: str
    algorithm: str = "MD5"  # upper case
    session: bool = False  # the -sess variant
    qop: bool = False  # whether qop=auth is offered; auth-int alone cannot be met
    opaque: str | None = None
    stale: bool = False
    proxy: bool = False  # a 407: the answer goes into Proxy-Authorization


def read_digest(value: str) -> dict[str, str] | None:
    """The parameters of a `Digest …` header value by lower-case name; None if it is of another scheme."""
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    pairs = (_PAIR.fullmatch(part) for part in split_outside(rest, ","))
    return {pair[1].lower(): unquoted(pair[2].strip()) for pair in pairs if pair}


def read_challenges(values: list[str], *, proxy: bool) -> list[Challenge]:
    """The challenges we can meet, strongest algorithm first. Each value is one whole header line."""
    found = []
    for value in values:
        params = read_digest(value)
        if params is None or "realm" not in params or "nonce" not in params:
            continue
        algorithm = params.get("algorithm", "MD5").upper()
        qops = [item.strip().lower() for item in params.get("qop", "").split(",") if item.strip()]
        if algorithm.removesuffix("-SESS") not in _HASHES or (qops and "auth" not in qops):
            continue
        found.append(
            Challenge(
                realm=params["realm"],
                nonce=params["nonce"],
                algorithm=algorithm.removesuffix("-SESS"),
                session=algorithm.endswith("-SESS"),
                qop="auth" in qops,
                opaque=params.get("opaque"),
                stale=params.get("stale", "").lower() == "true",
                proxy=proxy,
            )
        )
    return sorted(found, key=lambda challenge: challenge.algorithm != "SHA-256")


def ha1(username: str, realm: str, password: str, algorithm: str = "MD5") -> str:
    """The secret a registrar may keep instead of the password."""
    return _hash(algorithm, f"{username}:{realm}:{password}")


def authorize(
    challenge: Challenge,
    credentials: Credentials,
    method: str,
    uri: str,
    *,
    count: int = 1,
    cnonce: str | None = None,
) -> str:
    """The value of Authorization or Proxy-Authorization. `count` is how often this nonce was used, from 1."""
    cnonce = cnonce or secrets.token_hex(8)
    secret = ha1(credentials.username, challenge.realm, credentials.password, challenge.algorithm)
    if challenge.session:
        secret = _hash(challenge.algorithm, f"{secret}:{challenge.nonce}:{cnonce}")
    params = {
        "username": credentials.username,
        "realm": challenge.realm,
        "nonce": challenge.nonce,
        "uri": uri,
        "algorithm": challenge.algorithm + ("-sess" if challenge.session else ""),
    }
    if challenge.qop:
        params |= {"qop": "auth", "nc": f"{count:08x}", "cnonce": cnonce}
    elif challenge.session:
        params["cnonce"] = cnonce
    if challenge.opaque is not None:
        params["opaque"] = challenge.opaque
    params["response"] = response(secret, method, uri, params, challenge.algorithm)
    return "Digest " + ", ".join(f"{k}={v if k in _UNQUOTED else quoted(v)}" for k, v in params.items())


def response(secret: str, method: str, uri: str, params: dict[str, str], algorithm: str) -> str:
    """RFC 7616 §3.4.1, with the form without qop of RFC 2069."""
    a2 = _hash(algorithm, f"{method}:{uri}")
    if "qop" in params:
        middle = f"{params['nonce']}:{params.get('nc', '')}:{params.get('cnonce', '')}:{params['qop']}"
    else:
        middle = params["nonce"]
    return _hash(algorithm, f"{secret}:{middle}:{a2}")


def verify(secret: str, method: str, params: dict[str, str], algorithm: str) -> bool:
    """Whether `params` of an Authorization header prove knowledge of `secret` (an HA1), in constant time."""
    if "nonce" not in params or "uri" not in params or params.get("qop", "auth") != "auth":
        return False
    wanted = response(secret, method, params["uri"], params, algorithm)
    return hmac.compare_digest(wanted, params.get("response", "").lower())


def _hash(algorithm: str, text: str) -> str:
    return _HASHES[algorithm](text.encode()).hexdigest()
