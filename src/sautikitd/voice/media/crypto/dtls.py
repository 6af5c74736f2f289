"""A DTLS handshake for SRTP keys (RFC 5764), by datagrams in memory. It does public-key arithmetic for milliseconds,
so it runs on a thread: OpenSSL leaves the interpreter to the tick meanwhile."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from OpenSSL import SSL

from sautikitd.voice.media.crypto.certificate import DtlsIdentity, matches
from sautikitd.voice.media.crypto.suites import KEY_SIZE, SALT_SIZE, SUITE_OF_DTLS, Suite
from sautikitd.voice.media.terms import DtlsRole, DtlsTerms

_LABEL = b"EXTRACTOR-dtls_srtp"  # RFC 5764 section 4.2
_MTU = 1200
_RECORD_HEADER = 13
_MOST_WAITING = 16  # datagrams not yet read: more are dropped, and sent again by the far end
_PATIENCE_S = 30.0


class HandshakeFailed(Exception):
    """No keys: the certificate is another than the SDP told, no SRTP profile in common, or a fatal alert."""


@dataclass(frozen=True, repr=False)
class Keys:
    """What both sides derived; each key with its salt behind it."""

    suite: Suite
    ours: bytes
    theirs: bytes


@dataclass(frozen=True)
class Step:
    """What one step of a handshake gave: datagrams to send, and the keys when it is done."""

    datagrams: tuple[bytes, ...]
    keys: Keys | None = None
    failed: str | None = None
    due_in_s: float | None = None  # when to step again if nothing comes


class Handshake:
    """The state machine, for one thread at a time."""

    def __init__(self, identity: DtlsIdentity, terms: DtlsTerms) -> None:
        self._terms = terms
        self._connection = SSL.Connection(identity.context, None)
        self._connection.set_ciphertext_mtu(_MTU)
        self._done = False
        if terms.role is DtlsRole.CLIENT:
            self._connection.set_connect_state()
        else:
            self._connection.set_accept_state()

    def step(self, datagram: bytes | None) -> Step:
        """Takes a datagram, or None: begin, or the time is up."""
        keys, failed = None, None
        try:
            if datagram is not None:
                self._connection.bio_write(datagram)
            else:
                self._connection.DTLSv1_handle_timeout()
            keys = self._go_on()
        except (
            SSL.WantReadError,
            SSL.ZeroReturnError,
        ):  # more is to come, or the far end has closed in peace
            failed = None
        except (SSL.Error, HandshakeFailed) as error:
            failed = f"{type(error).__name__}: {error}"
        due = self._connection.DTLSv1_get_timeout() if not self._done and failed is None else None
        return Step(self._outgoing(), keys, failed, due)

    def _go_on(self) -> Keys | None:
        if self._done:
            self._connection.recv(1)  # a repeated flight is answered, an alert raises; there is no data
            return None
        self._connection.do_handshake()
        self._done = True
        return self._keys()

    def _keys(self) -> Keys:
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        if certificate is None or not any(
            matches(certificate, algorithm, told) for algorithm, told in self._terms.fingerprints
        ):
            raise HandshakeFailed("the certificate does not have the fingerprint of the SDP")
        suite = SUITE_OF_DTLS.get(self._connection.get_selected_srtp_profile())
        if suite is None:
            raise HandshakeFailed("no SRTP profile in common")
        material = self._connection.export_keying_material(_LABEL, 2 * (KEY_SIZE + SALT_SIZE))
        client_key, server_key = material[:KEY_SIZE], material[KEY_SIZE : 2 * KEY_SIZE]
        salts = material[2 * KEY_SIZE :]
        client, server = client_key + salts[:SALT_SIZE], server_key + salts[SALT_SIZE:]
        if self._terms.role is DtlsRole.CLIENT:
            return Keys(suite, client, server)
        return Keys(suite, server, client)

    def _outgoing(self) -> tuple[bytes, ...]:
        written = b""
        while True:
            try:
                written += self._connection.bio_read(65536)
            except SSL.WantReadError:
                return _datagrams(written)


def _datagrams(written: bytes) -> tuple[bytes, ...]:
    """Whole records, as many as fit in each datagram (RFC 6347 section 4.1.1)."""
    made: list[bytes] = []
    start = 0
    while start + _RECORD_HEADER <= len(written):
        size = _RECORD_HEADER + int.from_bytes(written[start + 11 : start + 13], "big")
        record = written[start : start + size]
        if made and len(made[-1]) + size <= _MTU:
            made[-1] += record
        else:
            made.append(record)
        start += size
    return tuple(made)


class DtlsLink:
    """One leg's handshake as the media loop sees it: nothing here takes long."""

    def __init__(
        self,
        identity: DtlsIdentity,
        terms: DtlsTerms,
        thread: ThreadPoolExecutor,
        *,
        send: Callable[[bytes], None],
        on_keys: Callable[[Keys], None],
        on_failure: Callable[[str], None],
    ) -> None:
        self.terms = terms
        self._handshake = Handshake(identity, terms)
        self._thread = thread
        self._loop = asyncio.get_running_loop()
        self._send, self._on_keys, self._on_failure = send, on_keys, on_failure
        self._waiting = 0
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._gives_up = self._loop.time() + _PATIENCE_S
        self._begun = False

    def begin(self) -> None:
        """The way to the far end is open: a client says hello."""
        if not self._begun:
            self._begun = True
            if self.terms.role is DtlsRole.CLIENT:
                self._enqueue(None)

    def take(self, datagram: bytes) -> None:
        if self._waiting < _MOST_WAITING:
            self._enqueue(datagram)

    def close(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _enqueue(self, datagram: bytes | None) -> None:
        if self._closed:
            return
        self._waiting += 1
        working = self._loop.run_in_executor(self._thread, self._handshake.step, datagram)
        working.add_done_callback(self._stepped)

    def _stepped(self, working: "asyncio.Future[Step]") -> None:
        self._waiting -= 1
        if self._closed or working.cancelled():
            return
        step = working.result()
        for datagram in step.datagrams:
            self._send(datagram)
        if step.keys is not None:
            self._on_keys(step.keys)
        if step.failed is not None:
            self.close()
            self._on_failure(step.failed)
        elif step.due_in_s is not None:
            self._plan(step.due_in_s)

    def _plan(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._loop.time() < self._gives_up:
            self._timer = self._loop.call_later(max(0.01, seconds), self._enqueue, None)
        else:
            self.close()
            self._on_failure("no end of the handshake")
