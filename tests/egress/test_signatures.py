import base64
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook

from sautikitd.egress.signatures import (
    SignatureRefused,
    sign,
    standard_webhooks_headers,
    verify,
    verify_standard_webhooks,
)

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(32, 64))).decode()
BODY = b'{"kind":"call.completed","data":{"cost_minor":35}}'
NOW = 1_795_000_000

# Published vectors: computed with `openssl dgst -sha256 -hmac`, not with this code.
OWN_VECTOR = "t=1795000000,v1=d84560ab165829317eab7b37fb93cd559266c6a846e20bd35a4ce1bfd9ed4f95"
STANDARD_VECTOR = "v1,QELlOBhu3L5YJp8SGfXiKNnQ3IK2n9yP/409B6vJjok="


def test_our_signature_matches_the_published_vector() -> None:
    assert sign(BODY, [SECRET], NOW) == OWN_VECTOR


def test_our_signature_is_verified() -> None:
    verify(BODY, sign(BODY, [SECRET], NOW), [SECRET], now=NOW)


def test_either_secret_verifies_during_rotation() -> None:
    header = sign(BODY, [OTHER, SECRET], NOW)
    assert header.count("v1=") == 2
    verify(BODY, header, [SECRET], now=NOW)
    verify(BODY, header, [OTHER], now=NOW)
    verify(BODY, sign(BODY, [SECRET], NOW), [OTHER, SECRET], now=NOW)


@pytest.mark.parametrize("skew", [-300, 300])
def test_a_skew_of_five_minutes_is_accepted(skew: int) -> None:
    verify(BODY, sign(BODY, [SECRET], NOW), [SECRET], now=NOW + skew)


@pytest.mark.parametrize("skew", [-301, 301])
def test_a_longer_skew_is_refused(skew: int) -> None:
    with pytest.raises(SignatureRefused, match="300 s"):
        verify(BODY, sign(BODY, [SECRET], NOW), [SECRET], now=NOW + skew)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=1795000000",
        "v1=abc",
        "t=x,v1=abc",
        f"t={NOW},t={NOW},v1=a",
        f"t={NOW},v1=é",
        f"t=²,v1={'0' * 64}",
    ],
)
def test_malformed_headers_are_refused(header: str) -> None:
    with pytest.raises(SignatureRefused):
        verify(BODY, header, [SECRET], now=NOW)


def test_a_changed_body_is_refused() -> None:
    with pytest.raises(SignatureRefused, match="no v1"):
        verify(BODY + b" ", sign(BODY, [SECRET], NOW), [SECRET], now=NOW)


def test_the_standard_webhooks_signature_matches_the_published_vector() -> None:
    headers = standard_webhooks_headers("evt_1", BODY, [SECRET], NOW)
    assert headers["webhook-signature"] == STANDARD_VECTOR


def test_the_public_library_verifies_our_deliveries_unchanged() -> None:
    now = int(datetime.now(UTC).timestamp())
    headers = standard_webhooks_headers("evt_1", BODY, [OTHER, SECRET], now)
    Webhook(SECRET).verify(BODY.decode(), headers)
    Webhook(OTHER).verify(BODY.decode(), headers)


def test_we_verify_what_the_public_library_signs() -> None:
    moment = datetime.fromtimestamp(NOW, UTC)
    signature = Webhook(SECRET).sign("evt_1", moment, BODY.decode())
    headers = {"webhook-id": "evt_1", "webhook-timestamp": str(NOW), "webhook-signature": signature}
    verify_standard_webhooks(BODY, headers, [SECRET], now=NOW)
    with pytest.raises(SignatureRefused):
        verify_standard_webhooks(BODY, headers, [OTHER], now=NOW)
    with pytest.raises(SignatureRefused, match="missing"):
        verify_standard_webhooks(BODY, {}, [SECRET], now=NOW)
    with pytest.raises(SignatureRefused, match="300 s"):
        verify_standard_webhooks(BODY, headers, [SECRET], now=NOW + 301)


def test_a_secret_that_is_not_base64_cannot_make_the_trio() -> None:
    with pytest.raises(ValueError, match="base64"):
        standard_webhooks_headers("evt_1", BODY, ["whsec_!"], NOW)
