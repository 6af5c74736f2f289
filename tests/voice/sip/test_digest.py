"""Digest by the examples of RFC 7616, and what far ends do with it."""

import pytest

from sautikitd.voice.sip.admission import Demand, DigestVerifier, Refuse
from sautikitd.voice.sip.digest import (
    Challenge,
    Credentials,
    authorize,
    ha1,
    read_challenges,
    read_digest,
    verify,
)
from sautikitd.voice.sip.hops import Source, Transport
from sautikitd.voice.sip.wire import Arrival, arrival, read_message

MUFASA = Credentials("Mufasa", "Circle of Life")


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616_come_out(algorithm: str, response: str) -> None:
    challenge = Challenge(
        realm="http-auth@example.org",
        nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        algorithm=algorithm,
        qop=True,
        opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    )
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    value = authorize(challenge, MUFASA, "GET", "/dir/index.html", cnonce=cnonce)
    assert f'response="{response}"' in value
    params = read_digest(value)
    assert params is not None
    assert verify(ha1(MUFASA.username, challenge.realm, MUFASA.password, algorithm), "GET", params, algorithm)


def test_the_strongest_challenge_that_can_be_met_comes_first() -> None:
    values = [
        'Digest realm="a, b", nonce="n", qop="auth-int"',
        'Digest realm="a, b", nonce="n", algorithm=MD5, qop="auth,auth-int", stale=TRUE',
        'Digest realm="a, b", nonce="n", algorithm=SHA-256, qop="auth"',
        'Digest realm="a, b", nonce="n", algorithm=SHA-512-256',
        "Basic realm=x",
        "Digest " + 'a="b", ' * 200 + "!",
    ]
    found = read_challenges(values, proxy=False)
    assert [(c.algorithm, c.stale, c.realm) for c in found] == [
        ("SHA-256", False, "a, b"),
        ("MD5", True, "a, b"),
    ]


def test_the_old_form_without_qop_is_answered() -> None:
    challenge = Challenge(realm="r", nonce="n")
    params = read_digest(authorize(challenge, MUFASA, "BYE", "sip:x"))
    assert params is not None
    assert "qop" not in params
    assert verify(ha1("Mufasa", "r", "Circle of Life"), "BYE", params, "MD5")


def test_credentials_show_no_password() -> None:
    assert "Circle" not in repr(MUFASA)


def test_the_same_credentials_count_once() -> None:
    moment = 1000.0
    verifier = DigestVerifier("r", now=lambda: moment)
    challenge = read_challenges(list(verifier.demand().challenges), proxy=False)[0]
    secret = {"SHA-256": ha1("Mufasa", "r", "Circle of Life", "SHA-256")}

    def try_count(count: int) -> object:
        request = register(authorize(challenge, MUFASA, "REGISTER", "sip:x@y", count=count, cnonce="c"))
        params = verifier.read(request)
        assert params is not None
        return verifier.check(request, params, secret)

    assert [try_count(1), try_count(2)] == [None, None]
    replayed = try_count(1)
    assert isinstance(replayed, Demand)
    assert "stale=true" in replayed.challenges[0]


def register(authorization: str) -> Arrival:
    text = "REGISTER sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n"
    text += f"Call-ID: c\r\nCSeq: 1 REGISTER\r\nAuthorization: {authorization}\r\n\r\n"
    return arrival(read_message(text.encode()), Source(Transport.UDP, "192.0.2.1", 5060))


def verdict(now: float, *, uri: str = "sip:x@y", password: str = "Circle of Life") -> object:
    moments = iter((1000.0, now, now, now))
    verifier = DigestVerifier("r", now=lambda: next(moments))
    challenge = read_challenges(list(verifier.demand().challenges), proxy=False)[0]
    value = authorize(challenge, Credentials("Mufasa", password), "REGISTER", uri)
    request = register(value)
    params = verifier.read(request)
    assert params is not None
    return verifier.check(request, params, {"SHA-256": ha1("Mufasa", "r", "Circle of Life", "SHA-256")})


def test_a_verifier_takes_the_right_secret_only_for_its_uri_and_time() -> None:
    assert verdict(1010) is None
    assert verdict(1010, password="wrong") == Refuse(403)
    assert verdict(1010, uri="sip:other") == Refuse(403)
    late = verdict(2000)
    assert isinstance(late, Demand)
    assert "stale=true" in late.challenges[0]
