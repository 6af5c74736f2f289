"""A certificate renewed by its files is shown to whoever connects next, and a broken one is not."""

import asyncio
import os
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from sautikitd.voice.sip.tls import TlsOptions
from sautikitd.voice.sip.user_agent import UserAgent
from voice.sip.certificates import Authority
from voice.sip.far_end import FAST

NAME = "sip.duka.example"


async def _serial_shown(port: int, authority: Authority) -> int:
    trusting = ssl.create_default_context(cafile=str(authority.file))
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname=NAME)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(der).serial_number


def _rewritten(options: TlsOptions, seconds: int) -> None:
    """Sees to it that the files look newer, however coarse the clock of the file system is."""
    assert options.certificate is not None
    stamp = options.certificate.stat().st_mtime + seconds
    os.utime(options.certificate, (stamp, stamp))


async def test_a_renewed_certificate_is_shown_and_one_that_does_not_fit_its_key_is_not(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path)
    options = authority.options(NAME)
    agent = UserAgent(timers=FAST)
    await agent.start(("127.0.0.1", 0), tls=options)
    try:
        port = agent.bound_tls or 0
        first = await _serial_shown(port, authority)
        assert agent.renew_certificate() is False
        authority.options(NAME)
        _rewritten(options, 10)
        assert agent.renew_certificate() is True
        second = await _serial_shown(port, authority)
        assert second != first
        assert options.key is not None
        kept = options.key.read_bytes()
        authority.options(NAME)
        options.key.write_bytes(kept)  # the new certificate with the old key
        _rewritten(options, 20)
        with pytest.raises(ssl.SSLError):
            agent.renew_certificate()
        assert await _serial_shown(port, authority) == second
    finally:
        await agent.stop()
