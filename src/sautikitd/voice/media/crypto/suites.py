"""The ways to protect RTP that we speak, under their names in SDP (RFC 4568) and in DTLS (RFC 5764)."""

from enum import StrEnum

from pylibsrtp import Policy

KEY_SIZE = 16  # bytes of AES-128
SALT_SIZE = 14


class Suite(StrEnum):
    """Both are AES-128 in counter mode with HMAC-SHA1; the tag of an RTP packet is 80 or 32 bits long, of RTCP 80."""

    SHA1_80 = "AES_CM_128_HMAC_SHA1_80"
    SHA1_32 = "AES_CM_128_HMAC_SHA1_32"

    @property
    def profile(self) -> int:
        """The number libsrtp knows it by."""
        profile: int = (
            Policy.SRTP_PROFILE_AES128_CM_SHA1_80
            if self is Suite.SHA1_80
            else Policy.SRTP_PROFILE_AES128_CM_SHA1_32
        )
        return profile


SUITE_OF_DTLS = {b"SRTP_AES128_CM_SHA1_80": Suite.SHA1_80, b"SRTP_AES128_CM_SHA1_32": Suite.SHA1_32}
"""OpenSSL's names (RFC 5764 section 4.1.2), ours first."""
