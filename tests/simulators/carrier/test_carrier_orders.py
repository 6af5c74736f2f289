"""Orders as they come over HTTP: what they mean, and which make no sense."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from sautikitd.simulators.carrier.orders import OrderInvalid, read_order
from sautikitd.simulators.carrier.steps import AwaitAnswer, HangUp, Listen, Press, Say, Wait

ORDER: dict[str, Any] = {
    "call_id": "0190c5a2-0000-7000-8000-000000000001",
    "from": "+254722000001",
    "to": "+254200000001",
    "host": "127.0.0.1",
    "port": 5060,
}


def test_without_a_script_the_caller_listens() -> None:
    order, steps = read_order(msgspec.json.encode(ORDER))
    assert order.call_id == UUID(ORDER["call_id"])
    assert (order.from_, order.to, order.port) == ("+254722000001", "+254200000001", 5060)
    assert steps == (AwaitAnswer(), Listen())


def test_a_script_becomes_steps_in_order() -> None:
    script = [
        {"wait": 2},
        {"press": "1w#"},
        {"say": "Hi"},
        {"say": "Ndiyo", "language": "sw-KE"},
        {"listen": 0.5},
    ]
    _, steps = read_order(msgspec.json.encode(ORDER | {"script": [*script, {"hangup": True}]}))
    said = (Say("Hi", "en-KE"), Say("Ndiyo", "sw-KE"))
    assert steps == (AwaitAnswer(), Wait(2), Press("1w#"), *said, Listen(0.5), HangUp(), Listen())


@pytest.mark.parametrize(
    "nonsense",
    [
        {"call_id": "7"},
        {"from": "somebody"},
        {"to": "+254 722"},
        {"to": "1\r\nX-Header: 1"},
        {"host": "a b"},
        {"port": 0},
        {"port": "5060"},
        {"unknown": 1},
        {"script": "press 1"},
        {"script": [{}]},
        {"script": [{"wait": -1}]},
        {"script": [{"wait": 1, "press": "1"}]},
        {"script": [{"press": "one"}]},
        {"script": [{"press": ""}]},
        {"script": [{"say": ""}]},
        {"script": [{"language": "sw-KE"}]},
        {"script": [{"wait": 1, "language": "sw-KE"}]},
        {"script": [{"listen": 1e9}]},
        {"script": [{"hangup": False}]},
        {"script": [{"hangup": True}] * 101},
    ],
)
def test_nonsense_is_refused_with_a_reason(nonsense: dict[str, Any]) -> None:
    with pytest.raises(OrderInvalid, match=r".+"):
        read_order(msgspec.json.encode(ORDER | nonsense))


@pytest.mark.parametrize("missing", ORDER)
def test_everything_but_the_script_is_required(missing: str) -> None:
    with pytest.raises(OrderInvalid, match=missing):
        read_order(msgspec.json.encode({name: value for name, value in ORDER.items() if name != missing}))
