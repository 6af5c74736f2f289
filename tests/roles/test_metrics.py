"""What the worker measures can be read where Prometheus reads it."""

import socket
from pathlib import Path

import httpx
import pytest

from ports import free_port
from sautikitd.payments.silence import WITHOUT_CALLBACK
from sautikitd.roles.metrics import metrics_of
from sautikitd.settings import from_environment
from sautikitd.supervisor.ports import PortTaken


def test_the_worker_shows_pushes_that_nobody_called_back_about(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    settings = from_environment({"SAUTIKIT_DATA_DIR": str(tmp_path), "SAUTIKIT_WORKER_METRICS": address})
    WITHOUT_CALLBACK.labels("test").set(3)
    with metrics_of("worker", settings):
        text = httpx.get(f"http://{address}/metrics", trust_env=False).text
    assert 'sautikit_mpesa_pushes_without_callback{mode="test"} 3.0' in text
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{address}/metrics", trust_env=False)


def test_a_role_without_an_address_answers_nowhere(tmp_path: Path) -> None:
    with metrics_of("voice", from_environment({"SAUTIKIT_DATA_DIR": str(tmp_path)})) as address:
        assert address is None


def test_a_taken_address_is_said_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        settings = from_environment({"SAUTIKIT_DATA_DIR": str(tmp_path), "SAUTIKIT_VOICE_METRICS": address})
        with pytest.raises(PortTaken, match="SAUTIKIT_VOICE_METRICS"), metrics_of("voice", settings):
            pass
