"""How an outbound request can fail, each failure carrying its own verdict."""

from enum import StrEnum


class EgressFailureKind(StrEnum):
    REFUSED = "refused"  # our own guard: URL, address or scheme not allowed
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    RESET = "reset"  # the connection broke while in use
    TOO_LARGE = "too_large"
    PROTOCOL = "protocol"  # what came back is not HTTP


class EgressFailure(Exception):
    """No usable response. `before_response` says that not one status line had arrived."""

    def __init__(
        self, kind: EgressFailureKind, message: str, *, before_response: bool = True, duration_ms: int = 0
    ) -> None:
        super().__init__(f"{kind.value}: {message}")
        self.kind = kind
        self.message = message
        self.before_response = before_response
        self.duration_ms = duration_ms

    @property
    def is_connection_error(self) -> bool:
        """True where trying again at once may help: no connection, or one that broke before any answer."""
        kinds = (
            EgressFailureKind.DNS,
            EgressFailureKind.CONNECT,
            EgressFailureKind.TLS,
            EgressFailureKind.RESET,
        )
        return self.before_response and self.kind in kinds
