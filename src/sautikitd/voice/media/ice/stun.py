"""STUN messages (RFC 8489), as far as connectivity checks need them: Binding, short-term credentials, fingerprint."""

import hashlib
import hmac
import ipaddress
import struct
import zlib
from enum import IntEnum
from typing import NamedTuple

MAGIC = 0x2112A442
HEADER_SIZE = 20
_LARGEST = 1280
_HEADER = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")
_INTEGRITY_SIZE, _FINGERPRINT_SIZE = 24, 8
_FINGERPRINT_XOR = 0x5354554E


class Kind(IntEnum):
    BINDING_REQUEST = 0x0001
    BINDING_INDICATION = 0x0011
    BINDING_SUCCESS = 0x0101
    BINDING_ERROR = 0x0111


class Attribute(IntEnum):
    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    UNKNOWN_ATTRIBUTES = 0x000A
    XOR_MAPPED_ADDRESS = 0x0020
    PRIORITY = 0x0024
    USE_CANDIDATE = 0x0025
    FINGERPRINT = 0x8028
    ICE_CONTROLLED = 0x8029
    ICE_CONTROLLING = 0x802A


class StunMessage(NamedTuple):
    kind: int
    transaction: bytes  # 12 bytes
    attributes: tuple[
        tuple[int, bytes], ...
    ]  # up to MESSAGE-INTEGRITY and FINGERPRINT, which are not among them
    raw: bytes
    integrity_at: int | None  # where MESSAGE-INTEGRITY begins
    fingerprinted: bool  # a right FINGERPRINT ends it

    def get(self, kind: int) -> bytes | None:
        return next((value for found, value in self.attributes if found == kind), None)

    def has_integrity(self, password: str) -> bool:
        """Whether it was made by somebody who knows the password (RFC 8489 section 14.5)."""
        at = self.integrity_at
        if at is None:
            return False
        told = self.raw[at + 4 : at + _INTEGRITY_SIZE]
        return hmac.compare_digest(told, _integrity(self.raw[:at], password))


def is_stun(data: bytes) -> bool:
    """RFC 7983 section 7, and the magic cookie."""
    return len(data) >= HEADER_SIZE and data[0] < 4 and data[4:8] == b"\x21\x12\xa4\x42"


def parse_stun(data: bytes) -> StunMessage | None:
    """The message; None for what is none, or has a wrong FINGERPRINT."""
    if not is_stun(data) or len(data) > _LARGEST:
        return None
    kind, length, _, transaction = _HEADER.unpack_from(data)
    if length % 4 or HEADER_SIZE + length != len(data):
        return None
    attributes: list[tuple[int, bytes]] = []
    integrity_at, fingerprinted, start = None, False, HEADER_SIZE
    while start < len(data):
        name, size = _ATTRIBUTE.unpack_from(data, start)
        value = data[start + 4 : start + 4 + size]
        if len(value) != size:
            return None
        if name == Attribute.FINGERPRINT:
            if start + _FINGERPRINT_SIZE != len(data) or value != _fingerprint(data[:start]):
                return None
            fingerprinted = True
        elif integrity_at is None:
            if name == Attribute.MESSAGE_INTEGRITY:
                if size != _INTEGRITY_SIZE - 4:
                    return None
                integrity_at = start
            else:
                attributes.append((name, value))
        start += 4 + size + -size % 4
    return StunMessage(kind, transaction, tuple(attributes), data, integrity_at, fingerprinted)


def build_stun(
    kind: Kind, transaction: bytes, attributes: tuple[tuple[int, bytes], ...], password: str | None
) -> bytes:
    """With MESSAGE-INTEGRITY when there is a password, and FINGERPRINT."""
    body = b"".join(
        _ATTRIBUTE.pack(name, len(value)) + value + bytes(-len(value) % 4) for name, value in attributes
    )
    message = _HEADER.pack(kind, len(body), MAGIC, transaction) + body
    if password is not None:
        integrity = _integrity(message, password)
        message = _lengthened(message, _INTEGRITY_SIZE)
        message += _ATTRIBUTE.pack(Attribute.MESSAGE_INTEGRITY, len(integrity)) + integrity
    fingerprint = _fingerprint(message)
    message = _lengthened(message, _FINGERPRINT_SIZE)
    return message + _ATTRIBUTE.pack(Attribute.FINGERPRINT, len(fingerprint)) + fingerprint


def xor_address(address: str, port: int, transaction: bytes) -> bytes:
    """The value of XOR-MAPPED-ADDRESS (RFC 8489 section 14.2)."""
    known = ipaddress.ip_address(address.partition("%")[0])
    mapped = known.ipv4_mapped if isinstance(known, ipaddress.IPv6Address) else None
    packed = (mapped or known).packed
    mask = struct.pack("!I", MAGIC) + transaction
    mixed = bytes(left ^ right for left, right in zip(packed, mask, strict=False))
    return struct.pack("!xBH", 1 if len(packed) == 4 else 2, port ^ (MAGIC >> 16)) + mixed


def _lengthened(message: bytes, by: int) -> bytes:
    """The message with `by` more in its length field: checksums cover the length with themselves counted."""
    return message[:2] + struct.pack("!H", len(message) - HEADER_SIZE + by) + message[4:]


def _integrity(before: bytes, password: str) -> bytes:
    covered = _lengthened(before, _INTEGRITY_SIZE)
    return hmac.new(password.encode(), covered, hashlib.sha1).digest()


def _fingerprint(before: bytes) -> bytes:
    covered = _lengthened(before, _FINGERPRINT_SIZE)
    return struct.pack("!I", zlib.crc32(covered) ^ _FINGERPRINT_XOR)
