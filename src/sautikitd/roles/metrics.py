"""`GET /metrics` of the roles that do not speak HTTP otherwise, for Prometheus."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import start_http_server

from sautikitd.settings import Address, Settings
from sautikitd.supervisor.ports import listen


@contextmanager
def metrics_of(role: str, settings: Settings) -> Iterator[Address | None]:
    """Answers on the role's own address while it runs; None where none is set. Raises `PortTaken`, `AddressUnusable`."""
    address = {"voice": settings.voice_metrics, "worker": settings.worker_metrics}.get(role)
    if address is None:
        yield None
        return
    listen(address, f"the metrics of the {role}", f"SAUTIKIT_{role.upper()}_METRICS").close()
    server, thread = start_http_server(address.port, addr=address.host)
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
