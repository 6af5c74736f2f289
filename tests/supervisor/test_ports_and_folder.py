"""A second copy finds the folder or a port taken, and is told by whom."""

import os
import socket
from pathlib import Path

import pytest

from sautikitd.settings import Address
from sautikitd.supervisor.folder import FolderLock, FolderTaken
from sautikitd.supervisor.ports import (
    AddressUnusable,
    CertificateUnusable,
    PortTaken,
    holder_of,
    listen,
    require_certificate,
    require_free,
)
from voice.sip.certificates import Authority


def taken_tcp() -> socket.socket:
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    return server


def test_a_taken_tcp_port_is_named_with_its_holder() -> None:
    with taken_tcp() as server:
        port = server.getsockname()[1]
        with pytest.raises(PortTaken) as refused:
            listen(Address("127.0.0.1", port), "the API", "SAUTIKIT_HTTP")
        assert str(port) in str(refused.value)
        assert f"process {os.getpid()}" in str(refused.value)
        assert "SAUTIKIT_HTTP=HOST:PORT" in str(refused.value)


def test_a_taken_udp_port_is_noticed_too() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        with pytest.raises(PortTaken, match=f"UDP port {port}"):
            require_free(Address("127.0.0.1", port), "SIP", "SAUTIKIT_SIP")
        assert holder_of(port, "udp") == os.getpid()


def test_a_free_port_stays_free_after_it_was_looked_at() -> None:
    with taken_tcp() as server:
        port = server.getsockname()[1]
    require_free(Address("127.0.0.1", port), "SIP", "SAUTIKIT_SIP")
    with listen(Address("127.0.0.1", port), "the API", "SAUTIKIT_HTTP") as opened:
        assert opened.getsockname()[1] == port


def test_an_address_of_another_machine_is_explained() -> None:
    with pytest.raises(AddressUnusable, match="one of this machine's"):
        listen(Address("192.0.2.1", 18080), "the API", "SAUTIKIT_HTTP")


def test_a_data_folder_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    first.take()
    with pytest.raises(FolderTaken, match=f"process {os.getpid()}"):
        second.take()
    first.release()
    second.take()
    second.release()


def test_a_lock_file_left_behind_by_a_killed_process_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "sautikitd.pid").write_text("1\n")
    lock = FolderLock(tmp_path)
    lock.take()
    lock.release()


def test_a_certificate_that_cannot_be_shown_is_explained(tmp_path: Path) -> None:
    ours, other = (Authority(tmp_path, name).options(name) for name in ("ours", "other"))
    require_certificate(ours.certificate, ours.key)
    for certificate, key, says in (
        (None, None, "SAUTIKIT_HTTP_CERTIFICATE"),
        (tmp_path / "missing.pem", None, "missing.pem"),
        (ours.certificate, None, "cannot be used"),  # no key in it
        (ours.certificate, other.key, "cannot be used"),
    ):
        with pytest.raises(CertificateUnusable, match=says):
            require_certificate(certificate, key)
