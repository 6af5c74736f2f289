"""Calls that come in, from SIPp."""

from sautikitd.calls.outcomes import HangupCause
from sautikitd.voice.sip import sdp
from sautikitd.voice.sip.admission import Admit, DigestVerifier, Refuse, Verdict
from sautikitd.voice.sip.digest import ha1
from sautikitd.voice.sip.events import Acknowledged, Canceled, Lost, Reinvite, RemoteBye
from sautikitd.voice.sip.hops import Transport
from sautikitd.voice.sip.sdp import Direction
from sautikitd.voice.sip.timers import Timers
from sautikitd.voice.sip.wire import Arrival
from voice.sip.far_end import OUR_SDP, SippRunner, user_agent
from voice.sip.parties import Callee, until

HASTY = Timers(t1=0.01, t2=0.04, t4=0.05)


async def test_a_call_is_rung_answered_and_hung_up_by_the_caller(
    run_sipp: SippRunner, transport: Transport
) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        sipp = await run_sipp("uac_bye", transport, to=agent.bound[1])
        call = await callee.call()
        assert (call.called, call.from_.user, call.from_.display) == (
            "+254709000001",
            "+254711000001",
            "Wanjiku",
        )
        assert [str(a) for a in call.asserted_identity] == ["<sip:+254711000001@carrier.example>"]
        assert [a.user for a in call.diversion] == ["+254711000009"]
        assert (call.source.transport, call.source.host) == (transport, "127.0.0.1")
        assert call.offer is not None
        call.ring()
        assert await call.answer(OUR_SDP) == call.state
        await until(call, Acknowledged)
        assert (await until(call, RemoteBye)).cause is HangupCause.NORMAL_CLEARING
        await sipp.succeeded()
        assert agent.gauges.dialogs == 0


async def test_we_hang_an_inbound_call_up(run_sipp: SippRunner, transport: Transport) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        sipp = await run_sipp("uac_waits_for_bye", transport, to=agent.bound[1])
        call = await callee.call()
        call.ring(183, OUR_SDP)
        await call.answer(OUR_SDP)
        await until(call, Acknowledged)
        assert await call.bye() == 200
        await sipp.succeeded()
        assert agent.gauges.dialogs == 0


async def test_a_call_is_refused_as_busy(run_sipp: SippRunner, transport: Transport) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        sipp = await run_sipp("uac_refused", transport, to=agent.bound[1])
        call = await callee.call()
        call.reject(486)
        assert await call.next_event() is None
        await sipp.succeeded()
        assert agent.gauges.dialogs == 0


async def test_a_caller_gives_up_because_another_answered(run_sipp: SippRunner, transport: Transport) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        sipp = await run_sipp("uac_cancels", transport, to=agent.bound[1])
        call = await callee.call()
        call.ring()
        assert (await until(call, Canceled)).cause is HangupCause.LOST_RACE
        assert await call.answer(OUR_SDP) is None
        await sipp.succeeded()
        assert agent.gauges.dialogs == 0


async def test_the_caller_puts_us_on_hold(run_sipp: SippRunner, transport: Transport) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        sipp = await run_sipp("uac_holds", transport, to=agent.bound[1])
        call = await callee.call()
        await call.answer(OUR_SDP)
        assert (await until(call, Reinvite)).direction is Direction.SENDONLY
        await until(call, RemoteBye)
        await sipp.succeeded()


async def test_a_caller_with_odd_headers_moves_his_media_twice_and_himself_and_is_hung_up_on(
    run_sipp: SippRunner, transport: Transport
) -> None:
    """Compact forms, spaces where they may be, a Contact full of parameters; an UPDATE, then a re-INVITE."""
    callee = Callee()
    async with user_agent(on_invite=callee.take) as agent:
        sipp = await run_sipp("uac_odd_and_moving", transport, to=agent.bound[1], first=40_010, second=40_020)
        call = await callee.call()
        assert call.from_.display == 'Wanjiku, "Duka" <ya> Mjini'
        await call.answer(OUR_SDP)
        await until(call, Acknowledged)
        moves = [(await until(call, Reinvite)).offer for _ in range(2)]
        places = [(told.address, told.port) for told in map(sdp.parse, filter(None, moves))]
        assert places == [("127.0.0.1", 40_010), ("127.0.0.2", 40_020)]
        assert await call.bye() == 200
        await sipp.succeeded()
        assert agent.gauges.dialogs == 0


async def test_a_caller_who_never_acknowledges_our_answer_is_hung_up_on(run_sipp: SippRunner) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take, timers=HASTY) as agent:
        sipp = await run_sipp("uac_never_acks", to=agent.bound[1])
        call = await callee.call()
        await call.answer(OUR_SDP)
        assert (await until(call, Lost)).cause is HangupCause.TIMEOUT
        await sipp.succeeded()
        assert agent.gauges.dialogs == 0


class OneSoftphone:
    """Admits `sautikit` / `secret`."""

    def __init__(self) -> None:
        self._verifier = DigestVerifier("sautikit.example")

    async def authenticate(self, request: Arrival) -> Verdict:
        params = self._verifier.read(request)
        if params is None:
            return self._verifier.demand(algorithms=("MD5",))
        if params.get("username") != "sautikit":
            return Refuse()
        secret = ha1("sautikit", "sautikit.example", "secret")
        return self._verifier.check(request, params, {"MD5": secret}) or Admit("sautikit")


async def test_a_challenged_caller_proves_who_he_is(run_sipp: SippRunner, transport: Transport) -> None:
    callee = Callee()
    async with user_agent(on_invite=callee.take, authenticator=OneSoftphone()) as agent:
        sipp = await run_sipp("uac_challenged", transport, to=agent.bound[1])
        call = await callee.call()
        assert call.identity == "sautikit"
        await call.answer(OUR_SDP)
        await until(call, RemoteBye)
        await sipp.succeeded()
