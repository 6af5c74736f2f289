"""Where requests inside a dialog go: odd Contacts, other transports, and Contacts from behind a NAT."""

import pytest

from sautikitd.voice.sip.dialog import DialogState
from sautikitd.voice.sip.hops import Hop, Transport
from sautikitd.voice.sip.stack import SipStack
from voice.sip.far_end import FAST
from voice.sip.manual_timers import ManualScheduler

PUBLIC = Hop(host="8.8.8.8", port=5070)


@pytest.mark.parametrize(
    ("target", "routes", "source", "hop"),
    [
        ("sip:a@1.1.1.1", (), PUBLIC, Hop(host="1.1.1.1", port=5060)),
        (
            "sip:a@1.1.1.1:5080;transport=TCP",
            (),
            PUBLIC,
            Hop(host="1.1.1.1", port=5080, transport=Transport.TCP),
        ),
        ("sip:a@1.1.1.1;transport=sctp", (), PUBLIC, Hop(host="1.1.1.1", port=5060)),
        ("sip:a@192.168.1.7:5061", (), PUBLIC, PUBLIC),
        ("sip:a@100.64.3.7", (), PUBLIC, PUBLIC),
        ("sip:a@192.168.1.7", ("<sip:1.1.1.1;lr>",), PUBLIC, Hop(host="1.1.1.1", port=5060)),
        ("sip:a@192.168.1.7", (), Hop(host="10.0.0.1"), Hop(host="192.168.1.7", port=5060)),
        ("tel:+254711000001", (), PUBLIC, PUBLIC),
        ("sip:a@[2001:4860::1]:5062", (), PUBLIC, Hop(host="2001:4860::1", port=5062)),
    ],
)
async def test_the_next_hop_of_a_dialog(target: str, routes: tuple[str, ...], source: Hop, hop: Hop) -> None:
    stack = SipStack(timers=FAST, scheduler=ManualScheduler(), name="x")
    state = DialogState(
        call_id="c",
        local_tag="1",
        remote_tag="2",
        local="<sip:me@x>",
        remote="<sip:a@x>",
        target=target,
        routes=routes,
        hop=source,
    )
    assert (await stack.locate(state)).hop == hop
