"""A real S3 server on loopback: OpenStack Swift with its `s3api`, one process a server, one device, one replica.

Swift's own processes, unchanged, from a virtual environment of their own (`.ci/swift`): the configuration below is
Swift's all-in-one set-up cut down to what an object store of one folder needs.
"""

import hashlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ports import free_ports

ENVIRONMENT = Path(__file__).parents[2] / ".venv-swift"
_KEY, _SECRET = "test:tester", "testing"
_START_S = 90


@dataclass(frozen=True)
class SwiftServer:
    endpoint: str
    access_key_id: str = _KEY
    secret_access_key: str = _SECRET
    region: str = "us-east-1"


def missing() -> str | None:
    """Why there is no Swift to test against; None when there is."""
    program = ENVIRONMENT / "bin" / "swift-proxy-server"
    return None if program.exists() else f"no {program.relative_to(ENVIRONMENT.parent)}: run .ci/swift"


@contextmanager
def swift_server(folder: Path) -> Iterator[SwiftServer]:
    """Serves until the block ends. `folder` must be on a file system with extended attributes."""
    ports = dict(zip(("proxy", "account", "container", "object"), free_ports(4), strict=True))
    _configure(folder, ports)
    running: list[subprocess.Popen[bytes]] = []
    try:
        running += [_started(folder, name) for name in ports]
        for (name, port), process in zip(ports.items(), running, strict=True):
            _await_port(port, process, folder / f"{name}.log")
        yield SwiftServer(f"http://127.0.0.1:{ports['proxy']}")
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(timeout=20)


def _started(folder: Path, name: str) -> "subprocess.Popen[bytes]":
    program = ENVIRONMENT / "bin" / f"swift-{name}-server"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with (folder / f"{name}.log").open("wb") as log:
        command = [str(program), str(folder / f"{name}.conf"), "-v"]
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment)


def _configure(folder: Path, ports: dict[str, int]) -> None:
    (folder / "devices" / "d1").mkdir(parents=True)
    (folder / "cache").mkdir()
    (folder / "swift.conf").write_text(_SWIFT)
    for name in ("account", "container", "object"):
        (folder / f"{name}.conf").write_text(_server(folder, name, ports[name]))
    rings = [str(ENVIRONMENT / "bin" / "python"), "-c", _RINGS, str(folder)]
    rings += [f"{name}={ports[name]}" for name in ("account", "container", "object")]
    subprocess.run(rings, check=True, capture_output=True, cwd=folder)
    (folder / "proxy.conf").write_text(_proxy(folder, ports["proxy"]))


def _common(folder: Path, port: int) -> str:
    return f"""
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
workers = 0
user = {os.environ.get("USER", "root")}
log_name = swift
log_udp_host =
disable_fallocate = true
"""


def _server(folder: Path, name: str, port: int) -> str:
    return f"""{_common(folder, port)}
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
recon_cache_path = {folder}/cache
"""


def _proxy(folder: Path, port: int) -> str:
    return f"""{_common(folder, port)}
[pipeline:main]
pipeline = catch_errors listing_formats s3api tempauth slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
check_bucket_owner = false
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
"""


# A ring of one device for each server, in one process of Swift's own Python.
_RINGS = """
import sys
from swift.common.ring import RingBuilder
for given in sys.argv[2:]:
    name, port = given.split("=")
    ring = RingBuilder(4, 1, 0)
    ring.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "d1", "weight": 1.0})
    ring.rebalance()
    ring.get_ring().save(f"{sys.argv[1]}/{name}.ring.gz")
"""

_SWIFT = f"""[swift-hash]
swift_hash_path_prefix = {hashlib.sha256(b"prefix").hexdigest()[:12]}
swift_hash_path_suffix = {hashlib.sha256(b"suffix").hexdigest()[:12]}
[storage-policy:0]
name = default
default = yes
"""


def _await_port(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            with suppress(subprocess.TimeoutExpired):  # it is not there yet, unless it has ended
                process.wait(0.05)
                raise AssertionError(f"it ended: {log.read_text()}") from None
        else:
            return
    raise AssertionError(f"it did not listen: {log.read_text()}")
