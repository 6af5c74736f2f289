"""Requests as one would really send them, by the struct that they are: shown in the document, and sent by its readers."""

from typing import Any

_MENU = [
    {"say": {"text": "Karibu Duka la Mama. Press one for orders, two for support.", "language": "en-KE"}},
    {"getDigits": {"numDigits": 1, "timeout": 5, "action": "/menu"}},
]

# struct → what the example shows → the body
EXAMPLES: dict[str, dict[str, Any]] = {
    "PlaceCall": {
        "Speak and hang up": {
            "from": "+254205000001",
            "to": "+254712345678",
            "actions": [{"say": {"text": "Habari! Your order is on its way.", "language": "en-KE"}}],
        },
        "Ask your application what to do": {
            "from": "+254205000001",
            "to": "+254712345678",
            "voice_callback_url": "https://example.co.ke/voice",
            "webhook_url": "https://example.co.ke/events",
            "client_request_id": "order-4711",
            "record": {"channels": "dual"},
        },
        "Ring two people, the first answer wins": {
            "from": "+254205000001",
            "to": ["+254712345678", "+254733000111"],
            "timeout_seconds": 25,
        },
    },
    "PatchCall": {
        "Another flow from now on": {"actions": [{"say": {"text": "One moment, please."}}, {"hangup": {}}]}
    },
    "SendDigits": {"An extension, half a second later": {"digits": "w204#"}},
    "StartRecording": {"Each side on a channel of its own": {"channels": "dual"}},
    "Respond": {
        "Say something in answer": {"turn": 3, "actions": [{"say": {"text": "Your balance is KES 250."}}]}
    },
    "RingNumber": {
        "A caller who presses one and hangs up": {
            "to": "+254200000001",
            "script": [{"wait": 2}, {"press": "1"}, {"listen": 5}, {"hangup": True}],
        }
    },
    "CreateCredential": {"A softphone at the counter": {"label": "Counter, Zoiper"}},
    "CreateToken": {"A browser that can be rung by name": {"identity": "wanjiku", "ttl_seconds": 3600}},
    "FlowDocument": {
        "A menu": {"actions": _MENU},
        "TwiML": {"xml": "<Response><Say>Karibu</Say><Hangup/></Response>", "dialect": "twilio"},
    },
    "CreateApiKey": {
        "For a server that places calls": {
            "name": "orders, production",
            "scopes": ["calls.read", "calls.write"],
            "source_cidrs": ["203.0.113.0/24"],
        }
    },
    "RollApiKey": {"The old key works for another hour": {"overlap_seconds": 3600}},
    "ClaimNumber": {
        "A certain number": {"e164": "+254205000001", "voice_callback_url": "https://example.co.ke/voice"},
        "Any number in Nairobi": {"area_code": "020", "label": "Main line"},
    },
    "RoutingPatch": {"Forward to a mobile": {"forward_to": "+254712345678", "record_calls": False}},
    "Routing": {
        "Ask your application, and another one if it fails": {
            "voice_callback_url": "https://example.co.ke/voice",
            "fallback_url": "https://backup.example.co.ke/voice",
            "events_url": "https://example.co.ke/events",
            "label": "Main line",
        }
    },
    "SetAutoTopUp": {
        "KES 1,000 when less than KES 200 is left": {
            "phone_e164": "+254712345678",
            "amount_minor": 100000,
            "below_minor": 20000,
        }
    },
    "CreateTopUp": {
        "KES 500 by M-PESA": {
            "amount_minor": 50000,
            "phone_e164": "+254712345678",
            "provider": "mpesa",
            "currency": "KES",
        }
    },
    "HoldParticipant": {"Music of your own": {"url": "https://example.co.ke/hold.mp3"}},
    "Announce": {"In Kiswahili": {"text": "Mkutano utaanza baada ya dakika mbili.", "language": "sw-KE"}},
    "PlayToAll": {"A jingle, twice": {"url": "https://example.co.ke/jingle.wav", "loop": 2}},
    "BeginSupervision": {
        "Listen from a telephone": {
            "mode": "listen",
            "supervisor": {"type": "phone", "number": "+254733000111"},
        }
    },
    "ChangeSupervision": {"Speak to the agent alone": {"mode": "whisper"}},
    "MoveClock": {
        "A month on": {"advance_seconds": 2678400},
        "To the day of the rental": {"to": "2027-01-01T00:00:00+03:00"},
    },
    "AddSubscriber": {"Somebody who keeps the money": {"email": "accounts@example.co.ke"}},
    "LowerLimits": {
        "At most KES 5,000 a day and KES 100 a call": {"daily_minor": 500000, "per_call_minor": 10000}
    },
    "SetThreshold": {"Tell me below KES 200": {"threshold_minor": 20000}},
    "CreateWebhook": {
        "Everything": {"url": "https://example.co.ke/webhooks", "events": ["*"]},
        "The ends of calls": {
            "url": "https://example.co.ke/calls",
            "events": ["call.completed", "call.failed"],
            "description": "Into the CRM",
        },
    },
    "ChangeWebhook": {"Pause it": {"enabled": False}},
    "Replay": {
        "What was missed in the night": {
            "from": "2026-11-23T18:00:00Z",
            "to": "2026-11-24T05:00:00Z",
            "only_failed": True,
        }
    },
}


def examples_of(kind: type) -> dict[str, Any]:
    """The `examples` of a request body; empty where there are none."""
    return {
        f"{kind.__name__}{number}": {"summary": summary, "value": value}
        for number, (summary, value) in enumerate(EXAMPLES.get(kind.__name__, {}).items(), start=1)
    }
