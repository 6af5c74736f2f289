"""Older spellings of fields, by the struct they are read into. All of them are marked deprecated in OpenAPI."""

ALIASES: dict[str, dict[str, str]] = {
    "ClaimNumber": {"number": "e164", "callback_url": "voice_callback_url"},
    "Routing": {"voice_url": "voice_callback_url", "callback_url": "voice_callback_url"},
    "RoutingPatch": {"voice_url": "voice_callback_url", "callback_url": "voice_callback_url"},
    "PlaceCall": {"clientRequestId": "client_request_id", "callback_url": "voice_callback_url"},
}
