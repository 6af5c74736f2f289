"""RFC 3261 §17 by the clock: T1 = 0.5 s, T2 = 4 s, T4 = 5 s."""

import pytest
from sipmessage import Request

from sautikitd.voice.sip.client_transaction import Failure
from sautikitd.voice.sip.dialog import blank_request
from sautikitd.voice.sip.hops import Hop, Source, Transport
from sautikitd.voice.sip.server_transaction import ServerTransaction
from sautikitd.voice.sip.timers import Timers
from sautikitd.voice.sip.transactions import TransactionLayer, reply
from sautikitd.voice.sip.wire import Arrival, write_via
from voice.sip.manual_timers import ManualScheduler, Wire

UDP = Hop(host="192.0.2.1")
TCP = Hop(host="192.0.2.1", transport=Transport.TCP)


class Owner:
    """Both the listener of client transactions and the user of the layer; keeps what it is told."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.failures: list[Failure] = []
        self.requests: list[ServerTransaction] = []
        self.acks: list[Arrival] = []
        self.strays: list[int] = []

    def on_response(self, response: Arrival) -> None:
        self.codes.append(response.response.code)

    def on_failure(self, failure: Failure) -> None:
        self.failures.append(failure)

    def relays(self, message: Arrival) -> bool:
        return False

    def admits(self, request: Arrival) -> bool:
        return True

    def on_request(self, transaction: ServerTransaction) -> None:
        self.requests.append(transaction)

    def on_ack(self, ack: Arrival) -> None:
        self.acks.append(ack)

    def on_stray_response(self, response: Arrival) -> None:
        self.strays.append(response.response.code)


class Bench:
    def __init__(self) -> None:
        self.clock = ManualScheduler()
        self.wire = Wire(self.clock)
        self.owner = Owner()
        self.layer = TransactionLayer(self.owner, self.wire, self.clock, Timers())

    def request(self, method: str, hop: Hop = UDP) -> Request:
        request = blank_request(method, "sip:a@192.0.2.1")
        for name, value in (
            ("Via", write_via(hop.transport, "192.0.2.9", 5060, "z9hG4bKb")),
            ("From", "<sip:me@x>;tag=1"),
            ("To", "<sip:a@x>"),
            ("Call-ID", "c"),
            ("CSeq", f"1 {method}"),
        ):
            request.headers.set(name, value)
        self.layer.request(request, hop, self.owner)
        return request

    def respond(self, code: int, method: str) -> None:
        text = f"SIP/2.0 {code} X\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKb\r\nFrom: <sip:me@x>;tag=1\r\n"
        text += f"To: <sip:a@x>;tag=2\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n\r\n"
        self.layer.receive(text.encode(), Source(Transport.UDP, "192.0.2.1", 5060))

    def arrive(self, method: str, transport: Transport = Transport.UDP, to_tag: str = "") -> None:
        text = f"{method} sip:a@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKs\r\n"
        text += f"From: <sip:me@x>;tag=1\r\nTo: <sip:a@x>{to_tag}\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n\r\n"
        self.layer.receive(text.encode(), Source(transport, "192.0.2.1", 5060))

    def answer(self, code: int) -> None:
        transaction = self.owner.requests[-1]
        transaction.respond(reply(transaction.arrival, code, to_tag="t"))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_an_invite_over_udp_is_repeated_on_timer_a_until_timer_b(bench: Bench) -> None:
    bench.request("INVITE")
    bench.clock.advance(40)
    assert bench.wire.times == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert bench.owner.failures == [Failure.TIMEOUT]
    assert (len(bench.layer), bench.clock.pending) == (0, 0)


def test_an_invite_over_tcp_is_sent_once(bench: Bench) -> None:
    bench.request("INVITE", TCP)
    bench.clock.advance(40)
    assert bench.wire.times == [0]
    assert bench.owner.failures == [Failure.TIMEOUT]


def test_a_provisional_answer_stops_repetitions_and_timer_b(bench: Bench) -> None:
    bench.request("INVITE")
    bench.respond(180, "INVITE")
    bench.clock.advance(300)
    assert (bench.wire.times, bench.owner.failures) == ([0], [])


def test_a_refused_invite_is_acknowledged_each_time_until_timer_d(bench: Bench) -> None:
    bench.request("INVITE")
    bench.respond(486, "INVITE")
    bench.respond(486, "INVITE")
    assert bench.owner.codes == [486]
    assert [line.split()[0] for line in bench.wire.start_lines] == ["INVITE", "ACK", "ACK"]
    assert b"To: <sip:a@x>;tag=2" in bench.wire.sent[1][1]
    bench.clock.advance(31.9)
    assert len(bench.layer) == 1
    bench.clock.advance(0.2)
    assert (len(bench.layer), bench.clock.pending) == (0, 0)


def test_every_2xx_comes_up_until_timer_m(bench: Bench) -> None:
    bench.request("INVITE")
    bench.respond(200, "INVITE")
    bench.respond(200, "INVITE")
    assert bench.owner.codes == [200, 200]
    bench.clock.advance(32)
    bench.respond(200, "INVITE")
    assert (bench.owner.strays, len(bench.layer)) == ([200], 0)


def test_other_requests_are_repeated_up_to_t2(bench: Bench) -> None:
    bench.request("BYE")
    bench.clock.advance(40)
    assert bench.wire.times == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert bench.owner.failures == [Failure.TIMEOUT]


def test_a_final_answer_is_taken_once_and_the_rest_absorbed_until_timer_k(bench: Bench) -> None:
    bench.request("BYE")
    bench.respond(200, "BYE")
    bench.respond(200, "BYE")
    assert (bench.owner.codes, bench.owner.strays) == ([200], [])
    bench.clock.advance(5)
    assert (len(bench.layer), bench.clock.pending) == (0, 0)


def test_what_cannot_be_sent_fails_at_once(bench: Bench) -> None:
    bench.wire.broken = True
    bench.request("INVITE", TCP)
    assert (bench.owner.failures, len(bench.layer)) == ([Failure.TRANSPORT], 0)


def test_a_refusal_of_ours_is_repeated_on_timer_g_until_timer_h(bench: Bench) -> None:
    bench.arrive("INVITE")
    bench.answer(486)
    bench.clock.advance(40)
    assert bench.wire.times == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert (len(bench.layer), bench.clock.pending) == (0, 0)


def test_its_ack_stops_it_and_is_absorbed_until_timer_i(bench: Bench) -> None:
    bench.arrive("INVITE")
    bench.answer(486)
    bench.arrive("ACK", to_tag=";tag=t")
    bench.arrive("ACK", to_tag=";tag=t")
    bench.clock.advance(5)
    assert (bench.wire.times, bench.owner.acks, len(bench.layer)) == ([0], [], 0)


def test_a_repeated_invite_gets_the_latest_provisional_again(bench: Bench) -> None:
    bench.arrive("INVITE")
    bench.arrive("INVITE")
    assert bench.wire.sent == []
    bench.answer(180)
    bench.arrive("INVITE")
    assert bench.wire.start_lines == ["SIP/2.0 180 Ringing"] * 2
    assert len(bench.owner.requests) == 1


def test_an_accepted_invite_absorbs_repetitions_until_timer_l(bench: Bench) -> None:
    bench.arrive("INVITE")
    bench.answer(200)
    bench.arrive("INVITE")
    assert len(bench.wire.sent) == 1
    bench.clock.advance(32)
    assert (len(bench.layer), bench.clock.pending) == (0, 0)


@pytest.mark.parametrize(("transport", "life"), [(Transport.UDP, 32.0), (Transport.TCP, 0.0)])
def test_other_answers_are_repeated_on_request_until_timer_j(
    bench: Bench, transport: Transport, life: float
) -> None:
    bench.arrive("OPTIONS", transport)
    bench.answer(200)
    bench.arrive("OPTIONS", transport)
    assert len(bench.wire.sent) == 2
    bench.clock.advance(life)
    assert (len(bench.layer), bench.clock.pending) == (0, 0)


def test_an_answer_after_the_final_one_is_dropped(bench: Bench) -> None:
    bench.arrive("INVITE")
    bench.answer(486)
    bench.answer(200)
    assert bench.wire.start_lines == ["SIP/2.0 486 Busy Here"]


def test_old_branches_without_the_cookie_still_match(bench: Bench) -> None:
    source = Source(Transport.UDP, "192.0.2.1", 5060)
    for call_id in ("one", "one", "two"):
        text = "OPTIONS sip:a@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=1\r\n"
        text += f"From: <sip:me@x>;tag=1\r\nTo: <sip:a@x>\r\nCall-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\n\r\n"
        bench.layer.receive(text.encode(), source)
    assert len(bench.owner.requests) == 2
