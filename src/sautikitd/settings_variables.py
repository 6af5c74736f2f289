"""The list of all settings: the variable of each, how its text is read, a sentence, and an example."""

from collections.abc import Callable
from typing import Any

import msgspec

from sautikitd import settings_readers as readers


class Variable(msgspec.Struct, frozen=True):
    name: str
    field: str
    read: Callable[[str], Any]
    help: str
    example: str


VARIABLES: tuple[Variable, ...] = (
    Variable(
        "SAUTIKIT_DATA_DIR", "data_dir", readers.path, "Folder of everything kept on this machine.", "./data"
    ),
    Variable(
        "SAUTIKIT_HTTP",
        "http",
        readers.address,
        "Where the API listens, in the clear: HTTP/1.1, and HTTP/2 for a proxy that knows (h2c).",
        "127.0.0.1:8080",
    ),
    Variable(
        "SAUTIKIT_HTTPS",
        "https",
        readers.address,
        "Where it listens by TLS, HTTP/2 and HTTP/1.1 by ALPN. Needs the certificate; not listened on unless set.",
        "0.0.0.0:443",
    ),
    Variable(
        "SAUTIKIT_HTTP_CERTIFICATE",
        "http_certificate",
        readers.path,
        "The certificate that is shown there with its chain, PEM; read when the API starts.",
        "/etc/letsencrypt/live/api.example.co.ke/fullchain.pem",
    ),
    Variable(
        "SAUTIKIT_HTTP_KEY",
        "http_key",
        readers.path,
        "The private key of that certificate, PEM, without a pass phrase; default in the same file.",
        "/etc/letsencrypt/live/api.example.co.ke/privkey.pem",
    ),
    Variable(
        "SAUTIKIT_SIP",
        "sip",
        readers.address,
        "Where the voice node speaks SIP, UDP and TCP.",
        "127.0.0.1:5060",
    ),
    Variable(
        "SAUTIKIT_SIP_ADVERTISE",
        "sip_advertise",
        readers.host,
        "The address far ends send SIP and RTP to, where it differs from the one listened on.",
        "203.0.113.7",
    ),
    Variable(
        "SAUTIKIT_MEDIA_ADVERTISE",
        "media_advertise",
        readers.ip_addresses,
        "The addresses far ends send RTP to, with commas, one of each IP family; default the advertised address. For "
        "IPv6 beside IPv4 listen on ::; far ends of the other family than the advertised address are then told of the "
        "one here for SIP, too.",
        "203.0.113.7,2001:db8::7",
    ),
    Variable(
        "SAUTIKIT_INTERNAL_ADDRESS",
        "internal_address",
        readers.ip_address,
        "The IP address at which your other voice nodes reach this one, SIP over TCP and RTP; never told to far ends. "
        "Default the address listened on, or where that is every address, this machine's own on the way to the "
        "advertised one.",
        "10.0.0.7",
    ),
    Variable(
        "SAUTIKIT_SIP_DOMAIN",
        "sip_domain",
        readers.host,
        "What devices register at; default the advertised address, with its port where that is not 5060.",
        "sip.example.co.ke",
    ),
    Variable(
        "SAUTIKIT_SIP_WS",
        "sip_ws",
        readers.address,
        "SIP over WebSocket for browsers, plain: behind a proxy that speaks TLS. Default six ports after SIP's.",
        "127.0.0.1:5066",
    ),
    Variable(
        "SAUTIKIT_SIP_WSS",
        "sip_wss",
        readers.address,
        "The same over TLS, with the certificate that SIP over TLS shows. Not listened on unless set.",
        "0.0.0.0:7443",
    ),
    Variable(
        "SAUTIKIT_SIP_WS_URL",
        "sip_ws_url",
        readers.websocket_url,
        "The WebSocket as browsers reach it.",
        "wss://sip.example.co.ke/ws",
    ),
    Variable(
        "SAUTIKIT_STUN_URLS",
        "stun_urls",
        readers.ice_urls,
        "STUN servers that browsers are told of, with commas.",
        "stun:turn.example.co.ke",
    ),
    Variable(
        "SAUTIKIT_TURN_URLS",
        "turn_urls",
        readers.ice_urls,
        "TURN servers that browsers are told of, with commas; with the secret below.",
        "turn:turn.example.co.ke?transport=udp,turns:turn.example.co.ke:443?transport=tcp",
    ),
    Variable(
        "SAUTIKIT_TURN_SECRET",
        "turn_secret",
        readers.secret,
        "The secret shared with the TURN server (coturn: static-auth-secret), or @FILE.",
        "the-static-auth-secret-of-coturn",
    ),
    Variable(
        "SAUTIKIT_SIP_TLS_PORT",
        "sip_tls_port",
        readers.count,
        "Where it speaks SIP over TLS; default the port after its SIP port. Needs the certificate.",
        "5061",
    ),
    Variable(
        "SAUTIKIT_SIP_CERTIFICATE",
        "sip_certificate",
        readers.path,
        "Its certificate with the chain, PEM: far ends may then connect by TLS.",
        "/etc/letsencrypt/live/sip.example.co.ke/fullchain.pem",
    ),
    Variable(
        "SAUTIKIT_SIP_KEY",
        "sip_key",
        readers.path,
        "The private key of that certificate, PEM; default in the same file.",
        "/etc/letsencrypt/live/sip.example.co.ke/privkey.pem",
    ),
    Variable(
        "SAUTIKIT_SIP_AUTHORITIES",
        "sip_authorities",
        readers.path,
        "Who may vouch for TLS trunks that name no authority of their own, PEM; default the system's.",
        "/etc/ssl/certs/ca-certificates.crt",
    ),
    Variable(
        "SAUTIKIT_TRUNK_PATIENCE",
        "trunk_patience",
        readers.count,
        "Seconds a trunk may leave an INVITE without any answer before the next trunk is tried.",
        "3",
    ),
    Variable("SAUTIKIT_RTP_PORTS", "rtp_ports", readers.port_range, "UDP ports for audio.", "20000-29999"),
    Variable(
        "SAUTIKIT_CARRIER",
        "carrier",
        readers.address,
        "The simulated carrier of test mode.",
        "127.0.0.1:5070",
    ),
    Variable(
        "SAUTIKIT_CARRIER_CONTROL",
        "carrier_control",
        readers.address,
        "Where the simulated carrier is told to place calls, HTTP; default the port after its SIP port.",
        "127.0.0.1:5071",
    ),
    Variable(
        "SAUTIKIT_PUBLIC_URL",
        "public_url",
        readers.web_url,
        "The API as customers reach it.",
        "https://api.example.co.ke",
    ),
    Variable(
        "SAUTIKIT_DOCS_URL",
        "docs_url",
        readers.web_url,
        "Where error pages are; default the public URL.",
        "https://example.co.ke",
    ),
    Variable(
        "DATABASE_URL",
        "database_url",
        readers.database_url,
        "A PostgreSQL 16 or later of your own, as the owner of the database. Without it we run one in the data folder.",
        "postgresql://sautikit:secret@db.internal/sautikit",
    ),
    Variable(
        "SAUTIKIT_MASTER_KEYS",
        "master_keys",
        readers.path,
        "File of master keys, 32 bytes in base64 a line: the first encrypts, all decrypt. Default: in the data folder.",
        "/etc/sautikit/master.keys",
    ),
    Variable(
        "SAUTIKIT_RECORDINGS",
        "recordings",
        readers.object_store,
        "Where recordings are kept.",
        "s3://bucket/recordings",
    ),
    Variable(
        "SAUTIKIT_DEV",
        "dev",
        readers.flag,
        "Allow private addresses as targets; show mail instead of sending it.",
        "1",
    ),
    Variable("SAUTIKIT_API_WORKERS", "api_workers", readers.count, "API processes.", "2"),
    Variable(
        "SAUTIKIT_RATE_LIMIT",
        "rate_limit",
        readers.rate_limit,
        "Requests a second of one key, and at once.",
        "50/100",
    ),
    Variable(
        "SAUTIKIT_TRUSTED_PROXIES",
        "trusted_proxies",
        readers.networks,
        "Networks whose X-Forwarded-For is believed, with commas.",
        "10.0.0.0/8,192.168.7.1/32",
    ),
    Variable(
        "SAUTIKIT_VOICE_CAPACITY",
        "voice_capacity",
        readers.count,
        "Calls one voice node takes at once.",
        "500",
    ),
    Variable(
        "SAUTIKIT_MEDIA_PROCESSES",
        "media_processes",
        readers.count,
        "Processes that carry the audio of one voice node; by default one for each 250 calls of its capacity, "
        "and no more than there are cores.",
        "2",
    ),
    Variable(
        "SAUTIKIT_VOICE_METRICS",
        "voice_metrics",
        readers.address,
        "Where the voice node answers GET /metrics for Prometheus; nowhere by default.",
        "127.0.0.1:9101",
    ),
    Variable(
        "SAUTIKIT_WORKER_METRICS",
        "worker_metrics",
        readers.address,
        "The same of the worker. The API answers it on its own port.",
        "127.0.0.1:9102",
    ),
    Variable(
        "SAUTIKIT_DARAJA_SIMULATOR",
        "daraja_simulator",
        readers.address,
        "The simulated M-Pesa of test mode, and its page; default ten ports after the API.",
        "127.0.0.1:8090",
    ),
    Variable(
        "SAUTIKIT_DARAJA_URL",
        "daraja_url",
        readers.web_url,
        "Safaricom's API for live top-ups. Without it and the four below, they are refused.",
        "https://api.safaricom.co.ke",
    ),
    Variable(
        "SAUTIKIT_DARAJA_CONSUMER_KEY",
        "daraja_consumer_key",
        readers.secret,
        "Consumer key of the Daraja app, or @FILE.",
        "the-consumer-key-of-your-app",
    ),
    Variable(
        "SAUTIKIT_DARAJA_CONSUMER_SECRET",
        "daraja_consumer_secret",
        readers.secret,
        "Consumer secret of the Daraja app, or @FILE.",
        "the-consumer-secret-of-your-app",
    ),
    Variable(
        "SAUTIKIT_DARAJA_SHORTCODE", "daraja_shortcode", readers.shortcode, "The Paybill number.", "600100"
    ),
    Variable(
        "SAUTIKIT_DARAJA_PASSKEY",
        "daraja_passkey",
        readers.secret,
        "The passkey of the Paybill, or @FILE.",
        "the-passkey-of-your-paybill",
    ),
    Variable(
        "SAUTIKIT_DARAJA_SOURCES",
        "daraja_sources",
        readers.networks,
        "Networks whose live callbacks are believed, with commas; default the addresses Safaricom publishes.",
        "196.201.214.200/32,196.201.212.69/32",
    ),
    Variable(
        "SAUTIKIT_DARAJA_PULL",
        "daraja_pull",
        readers.flag,
        "The Pull Transactions product is enabled on the Paybill: reconcile by it.",
        "1",
    ),
    Variable(
        "SAUTIKIT_DARAJA_INITIATOR",
        "daraja_initiator",
        str,
        "The API operator who may reverse payments; with the two below.",
        "sautikit-api",
    ),
    Variable(
        "SAUTIKIT_DARAJA_INITIATOR_PASSWORD",
        "daraja_initiator_password",
        readers.secret,
        "His password, or @FILE.",
        "the-password-of-your-initiator",
    ),
    Variable(
        "SAUTIKIT_DARAJA_CERTIFICATE",
        "daraja_certificate",
        readers.path,
        "Safaricom's certificate, PEM; the sandbox has another than production.",
        "/etc/sautikit/daraja.pem",
    ),
    Variable(
        "SAUTIKIT_DARAJA_CONFIRM_ABOVE",
        "daraja_confirm_above",
        readers.count,
        "A push's callback of more than so many shillings is credited when a query agrees with it.",
        "10000",
    ),
    Variable(
        "SAUTIKIT_CALLBACK_URL",
        "callback_url",
        readers.callback_url,
        "The API as Daraja reaches it, where that is not the public URL.",
        "https://pay.example.co.ke",
    ),
    Variable(
        "SAUTIKIT_MAIL_SIMULATOR", "mail_simulator", readers.address, "With --dev: mail.", "127.0.0.1:8091"
    ),
    Variable(
        "SAUTIKIT_SMTP_URL",
        "smtp_url",
        readers.smtp_url,
        "Mail server.",
        "smtp://me:pass@mx.example.co.ke:587",
    ),
    Variable("SAUTIKIT_MAIL_FROM", "mail_from", str, "Mail is from.", "Sautikit <hello@example.co.ke>"),
    Variable("SAUTIKIT_OPERATOR_NAME", "operator_name", str, "You, on statements.", "Example Ltd"),
    Variable(
        "SAUTIKIT_OPERATOR_ADDRESS",
        "operator_address",
        str,
        "Your address; a semicolon starts a new line.",
        "PO Box 1; Nairobi",
    ),
    Variable("SAUTIKIT_OPERATOR_KRA_PIN", "operator_kra_pin", str, "Your KRA PIN.", "P051234567X"),
    Variable("SAUTIKIT_PIPER_COMMAND", "piper_command", str, "The program piper.", "/opt/piper/piper"),
    Variable(
        "SAUTIKIT_PIPER_MODELS",
        "piper_models",
        readers.pairs,
        "Models of piper, by language (`sw`), language and voice (`sw.man`) or a name for `piper:NAME`.",
        "sw=/models/sw.onnx,en.woman=/models/en.onnx",
    ),
    Variable(
        "SAUTIKIT_SPEECH_URL",
        "speech_url",
        readers.web_url,
        "A speech service that speaks for `say`; espeak-ng speaks when it fails.",
        "https://speech.example.co.ke/v1/audio/speech",
    ),
    Variable(
        "SAUTIKIT_SPEECH_KEY",
        "speech_key",
        readers.secret,
        "Its key, or @FILE.",
        "the-key-of-your-speech-service",
    ),
    Variable("SAUTIKIT_SPEECH_MODEL", "speech_model", str, "Its model.", "tts-1"),
    Variable(
        "SAUTIKIT_SPEECH_VOICES",
        "speech_voices",
        readers.pairs,
        "Its names for our voices, by language and voice, language, or voice.",
        "sw.woman=zawadi,man=onyx",
    ),
    Variable(
        "SAUTIKIT_TRANSCRIPTION_URL",
        "transcription_url",
        readers.web_url,
        "A transcription service. Without it and the models of vosk, `record.transcribe` is refused.",
        "https://speech.example.co.ke/v1/audio/transcriptions",
    ),
    Variable(
        "SAUTIKIT_TRANSCRIPTION_KEY",
        "transcription_key",
        readers.secret,
        "Its key, or @FILE.",
        "the-key-of-your-service",
    ),
    Variable("SAUTIKIT_TRANSCRIPTION_MODEL", "transcription_model", str, "Its model.", "whisper-1"),
    Variable(
        "SAUTIKIT_VOSK_MODELS",
        "vosk_models",
        readers.pairs,
        "Folders of vosk's models by language, for transcription without a network (`pip install vosk`).",
        "sw=/models/vosk-sw,en=/models/vosk-en",
    ),
)
