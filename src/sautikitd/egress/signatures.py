"""Signatures on what we send (contract §6): our own header and the Standard Webhooks trio.

A secret is `whsec_` + base64 of 32 random bytes. While it is being rotated several are valid, and each
makes one signature; the newest secret comes first.
"""

import binascii
import hmac
from collections.abc import Mapping, Sequence

SIGNATURE_HEADER = "X-Sautikit-Signature"
SECRET_PREFIX = "whsec_"
MAX_SKEW_S = 300


class SignatureRefused(Exception):
    """A signature does not vouch for its message; the message of this error says why."""


def sign(payload: bytes, secrets: Sequence[str], timestamp: int) -> str:
    """The value of `X-Sautikit-Signature`: `t=<unix>,v1=<lowercase hex>[,v1=…]`.

    v1 = HMAC-SHA256(key, payload + "." + t) where the key is the UTF-8 bytes of the whole secret, its
    `whsec_` included. `payload` is the raw body, or of a GET the raw query string without `?`.
    """
    marks = [f"v1={_own_mac(payload, secret, timestamp)}" for secret in secrets]
    return ",".join([f"t={timestamp}", *marks])


def verify(
    payload: bytes, header: str, secrets: Sequence[str], *, now: int, max_skew_s: int = MAX_SKEW_S
) -> None:
    """Returns when one of the header's v1 was made with one of `secrets` no more than `max_skew_s` from `now`
    (unix seconds); raises `SignatureRefused` otherwise. Takes the same time whichever matches."""
    fields = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in fields if name == "t"]
    if len(times) != 1:
        raise SignatureRefused("the header needs exactly one t=")
    timestamp = _within(times[0], now, max_skew_s)
    given = [value for name, _, value in fields if name == "v1"]
    expected = [_own_mac(payload, secret, timestamp) for secret in secrets]
    if not _any_match(given, expected):
        raise SignatureRefused("no v1 signature matches")


def standard_webhooks_headers(
    message_id: str, payload: bytes, secrets: Sequence[str], timestamp: int
) -> dict[str, str]:
    """The trio of standardwebhooks.com: HMAC-SHA256 over `id.timestamp.payload`, base64, several by spaces.

    The key is the base64-decoded rest of the secret after `whsec_`. Raises ValueError for a secret that
    is not base64.
    """
    marks = [f"v1,{_standard_mac(message_id, payload, secret, timestamp)}" for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(marks),
    }


def verify_standard_webhooks(
    payload: bytes,
    headers: Mapping[str, str],
    secrets: Sequence[str],
    *,
    now: int,
    max_skew_s: int = MAX_SKEW_S,
) -> None:
    """The other side of `standard_webhooks_headers`; names in lower case. Raises `SignatureRefused`."""
    try:
        message_id, stamp = headers["webhook-id"], headers["webhook-timestamp"]
        given = [mark.partition(",") for mark in headers["webhook-signature"].split(" ")]
    except KeyError as missing:
        raise SignatureRefused(f"the header {missing.args[0]} is missing") from missing
    timestamp = _within(stamp, now, max_skew_s)
    expected = [_standard_mac(message_id, payload, secret, timestamp) for secret in secrets]
    if not _any_match([value for version, _, value in given if version == "v1"], expected):
        raise SignatureRefused("no v1 signature matches")


def _own_mac(payload: bytes, secret: str, timestamp: int) -> str:
    message = payload + b"." + str(timestamp).encode()
    return hmac.digest(secret.encode(), message, "sha256").hex()


def _standard_mac(message_id: str, payload: bytes, secret: str, timestamp: int) -> str:
    try:
        key = binascii.a2b_base64(secret.removeprefix(SECRET_PREFIX), strict_mode=True)
    except binascii.Error as error:
        raise ValueError("the secret after whsec_ is not base64") from error
    message = f"{message_id}.{timestamp}.".encode() + payload
    return binascii.b2a_base64(hmac.digest(key, message, "sha256"), newline=False).decode()


def _within(stamp: str, now: int, max_skew_s: int) -> int:
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise SignatureRefused("the timestamp is not unix seconds")
    if abs(now - int(stamp)) > max_skew_s:
        raise SignatureRefused(f"the timestamp is more than {max_skew_s} s away from now")
    return int(stamp)


def _any_match(given: Sequence[str], expected: Sequence[str]) -> bool:
    """Compares every pair, each in constant time, without stopping at the first match."""
    found = False
    for theirs in given:
        for ours in expected:
            found |= hmac.compare_digest(theirs.encode(errors="replace"), ours.encode())
    return found
