"""What an installation is told from outside: `SAUTIKIT_*` variables, overruled by flags of the same name.

`settings_variables.VARIABLES` is the whole list, with a sentence and an example each; `sautikitd serve --help`
and the documentation are made from it. Secrets come by variable or file only, never as an argument that
`ps` would show.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from sautikitd import settings_readers as readers
from sautikitd.settings_readers import Address as Address
from sautikitd.settings_readers import PortRange as PortRange
from sautikitd.settings_readers import RateLimit as RateLimit
from sautikitd.settings_variables import VARIABLES, Variable

# Where Daraja posts from, as its portal lists it under "Getting Started" (2026-08).
SAFARICOM_SOURCES = tuple(
    f"196.201.{host}/32"
    for host in (
        *("214.200", "214.206", "213.114", "214.207", "214.208", "213.44"),
        *("212.127", "212.138", "212.129", "212.136", "212.74", "212.69"),
    )
)


class SettingInvalid(Exception):
    """A setting has a value that cannot be used; the message names it and gives a good one."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    data_dir: Path
    http: Address
    https: Address | None = None  # the same over TLS
    http_certificate: Path | None = None
    http_key: Path | None = None  # None: in the file of the certificate
    sip: Address
    sip_advertise: str  # the address we give in Via and Contact
    media_advertise: tuple[str, ...]  # those we give in SDP, one of each IP family
    internal_address: str | None = None  # where other nodes reach our SIP and media; None: found out
    sip_domain: str  # what devices register at, with its port where that is not 5060
    sip_ws: Address  # SIP over WebSocket, for browsers, behind a proxy that speaks TLS
    sip_wss: Address | None = None  # the same over TLS, with the certificate of SIP
    sip_ws_url: str  # either, as browsers reach it
    stun_urls: tuple[str, ...] = ()
    turn_urls: tuple[str, ...] = ()
    turn_secret: str | None = None  # shared with the TURN server
    sip_tls_port: int  # where SIP over TLS is spoken, once there is a certificate
    sip_certificate: Path | None = None
    sip_key: Path | None = None  # None: in the file of the certificate
    sip_authorities: Path | None = (
        None  # who may vouch for TLS trunks that name nobody; None: as the system has it
    )
    trunk_patience: int = 3  # seconds a trunk may say nothing at all to an INVITE before another is tried
    rtp_ports: PortRange
    carrier: Address  # the simulated carrier of test mode, loopback
    carrier_control: Address  # where it is told over HTTP to place calls
    public_url: str  # without a slash at the end
    docs_url: str
    database_url: str | None = None  # None: our own PostgreSQL, in the data folder
    master_keys: Path
    recordings: str  # an object store URL
    dev: bool = False
    api_workers: int = 1
    rate_limit: RateLimit = RateLimit(50, 100)
    trusted_proxies: tuple[str, ...] = ()
    voice_capacity: int = 500
    media_processes: int | None = None  # None: as many as the capacity asks for, a core each at most
    voice_metrics: Address | None = None
    worker_metrics: Address | None = None
    daraja_simulator: Address  # the simulated M-Pesa of test mode, loopback
    daraja_url: str | None = None  # the real one; live top-ups need it and the four below
    daraja_consumer_key: str | None = None
    daraja_consumer_secret: str | None = None
    daraja_shortcode: str | None = None
    daraja_passkey: str | None = None
    daraja_sources: tuple[str, ...] = SAFARICOM_SOURCES
    daraja_pull: bool = False  # whether the Pull product is enabled on the shortcode
    daraja_initiator: str | None = None  # reversals need it and the two below
    daraja_initiator_password: str | None = None
    daraja_certificate: Path | None = None
    daraja_confirm_above: int = 10_000  # whole KES
    callback_url: str | None = None  # the API as Daraja reaches it; None: the public URL
    mail_simulator: Address  # with --dev: where mail is shown; the SMTP server behind it is on the next port
    smtp_url: str | None = None  # None: mail waits in the outbox
    mail_from: str = "Sautikit <no-reply@localhost>"
    operator_name: str = "Sautikit"
    operator_address: str = ""
    operator_kra_pin: str = ""
    piper_command: str = "piper"
    piper_models: tuple[str, ...] = ()  # `NAME=FILE` each
    speech_url: str | None = None  # a speech service; it goes before piper, and piper before espeak-ng
    speech_key: str | None = None
    speech_model: str = "tts-1"
    speech_voices: tuple[str, ...] = ()  # `OURS=THEIRS` each
    transcription_url: str | None = None  # without it and vosk's models `record.transcribe` is refused
    transcription_key: str | None = None
    transcription_model: str = "whisper-1"
    vosk_models: tuple[str, ...] = ()  # `LANGUAGE=FOLDER` each

    def environment(self) -> dict[str, str]:
        """These settings as variables, for a child process: `from_environment` reads the same ones back."""
        return {
            variable.name: _written(getattr(self, variable.field))
            for variable in VARIABLES
            if getattr(self, variable.field) is not None
        }

    @property
    def database_folder(self) -> Path:
        return self.data_dir / "postgres"


def from_environment(environment: Mapping[str, str], flags: Mapping[str, Any] | None = None) -> Settings:
    """`flags` (by field name, None for not given) go before variables, those before defaults.

    Raises `SettingInvalid`, naming the variable and a good value.
    """
    given: dict[str, Any] = {}
    for variable in VARIABLES:
        text = (flags or {}).get(variable.field)
        if text is None:
            text = environment.get(variable.name) or None
        if text is not None:
            given[variable.field] = _read(variable, str(text))
    return _with_defaults(given)


def _with_defaults(given: dict[str, Any]) -> Settings:
    data_dir: Path = given.setdefault("data_dir", Path("data").resolve())
    http: Address = given.setdefault("http", Address("127.0.0.1", 8080))
    sip: Address = given.setdefault("sip", Address("127.0.0.1", 5060))
    if "sip_advertise" not in given:
        if is_wildcard(sip.host):
            raise SettingInvalid(
                f"SAUTIKIT_SIP is {sip}, every address of this machine, so say which one the far end should send to: "
                "set SAUTIKIT_SIP_ADVERTISE, for example SAUTIKIT_SIP_ADVERTISE=203.0.113.7."
            )
        given["sip_advertise"] = sip.host
    given.setdefault("media_advertise", (given["sip_advertise"],))
    _with_device_addresses(given, sip)
    given.setdefault("sip_tls_port", sip.port + 1 if sip.port < 65535 else sip.port - 1)
    given.setdefault("rtp_ports", PortRange(20000, 29999))
    given.setdefault("carrier", Address("127.0.0.1", sip.port + 10 if sip.port <= 65525 else sip.port - 10))
    carrier: Address = given["carrier"]
    given.setdefault("carrier_control", Address(carrier.host, carrier.port + 1))
    near = http.port + 10 if http.port <= 65525 else http.port - 10
    given.setdefault("daraja_simulator", Address("127.0.0.1", near))
    mail: Address = given.setdefault("mail_simulator", Address("127.0.0.1", near + 1))
    if given.get("dev"):
        given.setdefault("smtp_url", f"smtp://{Address(mail.host, mail.port + 1)}")
    local = "127.0.0.1" if is_wildcard(http.host) else http.host
    given.setdefault("public_url", f"http://{Address(local, http.port)}")
    given.setdefault("docs_url", given["public_url"])
    given.setdefault("master_keys", data_dir / "master.keys")
    given.setdefault("recordings", (data_dir / "recordings").as_uri())
    return Settings(**given)


def _with_device_addresses(given: dict[str, Any], sip: Address) -> None:
    """Where devices and browsers find us, unless told otherwise."""
    advertised: str = given["sip_advertise"]
    given.setdefault("sip_domain", advertised if sip.port == 5060 else str(Address(advertised, sip.port)))
    ws: Address = given.setdefault(
        "sip_ws", Address("127.0.0.1", sip.port + 6 if sip.port <= 65529 else sip.port - 6)
    )
    wss: Address | None = given.get("sip_wss")
    host = given["sip_domain"].rpartition(":")[0] or given["sip_domain"]
    given.setdefault("sip_ws_url", f"wss://{Address(host, wss.port)}" if wss else f"ws://{ws}")


def _read(variable: Variable, text: str) -> Any:
    try:
        return variable.read(text.strip())
    except ValueError as exc:
        hidden = variable.read in (readers.database_url, readers.secret)  # a password may be in it
        shown = "" if hidden else f"={text!r}"
        raise SettingInvalid(
            f"{variable.name}{shown} cannot be used: {exc}. For example: {variable.name}={variable.example}"
        ) from exc


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def is_wildcard(host: str) -> bool:
    return host in ("0.0.0.0", "::", "")
