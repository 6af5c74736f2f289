import ssl
from pathlib import Path

import pytest

from egress.certificates import self_signed


@pytest.fixture
def shop_tls(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server with a certificate for shop.test and of a client that trusts only that one."""
    return self_signed("shop.test", tmp_path)
