"""Descriptions are found in whatever body they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sautikitd.voice.sip.bodies import sdp_of
from voice.sip.far_end import OUR_SDP

ISUP = b"Content-Type: application/ISUP;version=itu-t92+\r\nContent-Disposition: signal;handling=required\r\n\r\n\x01\x00"


def _mixed(*parts: bytes) -> bytes:
    return b"".join(b"--ab\r\n" + part + b"\r\n" for part in parts) + b"--ab--\r\n"


@pytest.mark.parametrize("kind", [None, "application/sdp", "Application/SDP ; charset=utf-8"])
def test_a_description_alone(kind: str | None) -> None:
    assert sdp_of(kind, OUR_SDP) == OUR_SDP


@pytest.mark.parametrize("kind", ['multipart/mixed;boundary="ab"', "Multipart/Mixed; x=y; BOUNDARY=ab"])
@pytest.mark.parametrize(
    "head", [b"Content-Type: application/sdp\r\n\r\n", b"c:  Application/SDP;x=y\r\n\r\n"]
)
@pytest.mark.parametrize("first", [True, False])
def test_a_description_beside_other_things(kind: str, head: bytes, first: bool) -> None:
    parts = [head + OUR_SDP, ISUP]
    assert sdp_of(kind, _mixed(*(parts if first else parts[::-1]))) == OUR_SDP


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/sdp", b""),
        ("application/isup", b"\x01"),
        ("multipart/mixed", _mixed(ISUP)),
        ("multipart/mixed;boundary=ab", _mixed(ISUP)),
        ("multipart/mixed;boundary=ab", b"--ab--\r\n--ab\r\nContent-Type: application/sdp\r\n\r\nv=0"),
        ("multipart/mixed;boundary=cd", _mixed(b"Content-Type: application/sdp\r\n\r\nv=0")),
    ],
)
def test_no_description(kind: str, body: bytes) -> None:
    assert sdp_of(kind, body) is None


@given(st.text(), st.binary())
def test_no_body_does_harm(parameters: str, body: bytes) -> None:
    found = sdp_of(f"multipart/mixed;boundary={parameters}", body)
    assert found is None or found in body
