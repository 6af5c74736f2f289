import asyncio
from collections.abc import Sequence
from uuid import UUID

import msgspec
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from flow.doubles import SECRET, Answer, Asked, ScriptedLeg, Story, a_client, a_context, callback_server
from sautikitd.clock import Clock, ManualClock, SystemClock
from sautikitd.egress.client import EgressClient, sent_form
from sautikitd.egress.guard import EgressGuard
from sautikitd.egress.signatures import verify
from sautikitd.flow.callbacks.client import CallbackClient, CallbackFailed
from sautikitd.flow.callbacks.formats import vocabulary_of
from sautikitd.flow.callbacks.log import CallbackOutcome
from sautikitd.flow.callbacks.question import Method, Question, SessionState
from sautikitd.flow.callbacks.request import prepare
from sautikitd.flow.callbacks.vocabulary import Asking
from sautikitd.flow.context import CallbackFormat, CallOutcome, KeptRecording
from sautikitd.flow.interpreter import FlowRunner

OTHER_SECRET = "whsec_OTg3NjU0MzIxMDk4NzY1NDMyMTA5ODc2NTQzMjEwOTg="
CLOCK: Clock = SystemClock()


def asking(url: str, **changes: object) -> Asking:
    question = msgspec.structs.replace(Question(url=url), **changes)
    return Asking(
        context=a_context(client_request_id="order 7"), question=question, state=SessionState.ANSWERED
    )


def now() -> int:
    return int(CLOCK.now().timestamp())


async def failure_of(client: CallbackClient, url: str) -> CallbackFailed:
    with pytest.raises(CallbackFailed) as caught:
        await client.ask(asking(url))
    return caught.value


async def test_a_question_carries_the_fields_of_the_contract() -> None:
    async with callback_server(voice=[[]]) as server, a_client(Story(), CLOCK) as client:
        await client.ask(asking(server.url("/voice?a=b")))
    (asked,) = server.asked
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert asked.raw_query == "a=b&clientRequestId=order%207"
    assert asked.form == {
        "a": "b",
        "callId": "00000000-0000-0000-0000-000000000001",
        "sessionId": "HD_0a8d5911d055",
        "callSessionState": "Answered",
        "isActive": "1",
        "direction": "outbound",
        "callerNumber": "+254207650100",
        "destinationNumber": "+254711000001",
        "From": "+254207650100",
        "To": "+254711000001",
        "clientRequestId": "order 7",
        "durationInSeconds": "0",
    }


async def test_a_post_is_signed_over_its_body_and_a_get_over_its_query() -> None:
    async with callback_server(voice=[[]]) as server, a_client(Story(), CLOCK) as client:
        await client.ask(asking(server.url("/voice")))
        await client.ask(asking(server.url("/voice?x=ü+%2B"), method=Method.GET))
    post, get = server.asked
    verify(post.raw_body, post.headers["X-Sautikit-Signature"], [SECRET], now=now())
    verify(get.raw_query.encode(), get.headers["X-Sautikit-Signature"], [SECRET], now=now())
    assert get.raw_body == b""
    assert get.form["callSessionState"] == "Answered"
    assert get.form["x"] == "ü +"
    assert get.raw_query.count("clientRequestId=") == 1


async def test_every_valid_secret_signs_during_rotation_from_the_next_question_on() -> None:
    secrets = [SECRET]

    async def current() -> Sequence[str]:
        return list(secrets)

    async with callback_server(voice=[[]]) as server, a_client(Story(), CLOCK, current) as client:
        await client.ask(asking(server.url("/voice")))
        secrets.insert(0, OTHER_SECRET)
        await client.ask(asking(server.url("/voice")))
    before, after = (asked.headers["X-Sautikit-Signature"] for asked in server.asked)
    assert (before.count("v1="), after.count("v1=")) == (1, 2)
    verify(server.asked[1].raw_body, after, [OTHER_SECRET], now=now())


async def test_an_answer_that_is_not_2xx_is_no_flow() -> None:
    story = Story()
    redirect = web.Response(status=302, headers={"Location": "/elsewhere"})
    async with callback_server(voice=[redirect]) as server, a_client(story, CLOCK) as client:
        failure = await failure_of(client, server.url("/voice"))
        missing = await failure_of(client, server.url("/missing"))
    assert (failure.outcome, failure.status) == (CallbackOutcome.STATUS, 302)
    assert missing.status == 404
    assert [asked.path for asked in server.asked] == ["/voice", "/missing"]
    assert [entry.outcome for entry in story.callbacks] == ["status", "status"]
    assert story.callbacks[1].response_body == "no such page"


async def test_an_invalid_flow_carries_its_problems() -> None:
    story = Story()
    async with callback_server(voice=[[{"say": {}}]]) as server, a_client(story, CLOCK) as client:
        failure = await failure_of(client, server.url("/voice"))
    assert failure.outcome is CallbackOutcome.INVALID
    assert failure.problems[0].pointer == "/actions/0/say/text"
    assert "text is required" in story.callbacks[0].error


async def test_an_endless_reply_is_too_large() -> None:
    async def endless(asked: Asked) -> web.StreamResponse:
        return web.Response(body=b" " * 1_500_000, content_type="application/json")

    async with callback_server(voice=[endless]) as server, a_client(Story(), CLOCK) as client:
        failure = await failure_of(client, server.url("/voice"))
    assert failure.problems[0].code == "flow.too_large"


async def broken_server(replies: list[bytes]) -> tuple[asyncio.Server, int]:
    """Each connection reads a request, sends the next reply and closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(replies.pop(0))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


FLOW = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{"actions":[]}'


async def test_a_broken_connection_is_tried_once_more() -> None:
    story = Story()
    server, port = await broken_server([b"", FLOW])
    async with server, a_client(story, CLOCK) as client:
        reply = await client.ask(asking(f"http://127.0.0.1:{port}/"))
    assert reply.status == 200
    assert [(entry.attempt, entry.outcome) for entry in story.callbacks] == [(1, "reset"), (2, "ok")]


async def test_and_only_once() -> None:
    story = Story()
    server, port = await broken_server([b"", b"", FLOW])
    async with server, a_client(story, CLOCK) as client:
        failure = await failure_of(client, f"http://127.0.0.1:{port}/")
    assert failure.outcome is CallbackOutcome.RESET
    assert len(story.callbacks) == 2


async def test_a_connection_that_breaks_within_the_answer_is_not_tried_again() -> None:
    story = Story()
    server, port = await broken_server([FLOW[:-5], FLOW])
    async with server, a_client(story, CLOCK) as client:
        await failure_of(client, f"http://127.0.0.1:{port}/")
    assert len(story.callbacks) == 1


async def test_silence_is_a_time_out_and_not_tried_again() -> None:
    async def silent(asked: Asked) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async with callback_server(voice=[silent]) as server, a_client(Story(), CLOCK, total_s=0.2) as client:
        failure = await failure_of(client, server.url("/voice"))
    assert failure.outcome is CallbackOutcome.TIMEOUT
    assert len(server.asked) == 1


async def test_a_private_address_is_refused_and_logged() -> None:
    story = Story()
    async with EgressClient(EgressGuard()) as egress:
        client = CallbackClient(
            egress,
            vocabulary=vocabulary_of(CallbackFormat.SAUTIKIT),
            secrets=_no_secrets,
            log=story,
            live=True,
            clock=CLOCK,
        )
        failure = await failure_of(client, "https://10.0.0.1/voice")
    assert failure.outcome is CallbackOutcome.REFUSED
    assert story.callbacks[0].error == "10.0.0.1 is a private address"


async def _no_secrets() -> Sequence[str]:
    return []


async def test_the_log_keeps_four_kibibytes_of_the_response() -> None:
    story = Story()
    actions: list[object] = [{"say": {"text": "é" * 4000}}]
    async with callback_server(voice=[actions]) as server, a_client(story, CLOCK) as client:
        await client.ask(asking(server.url("/voice")))
    (entry,) = story.callbacks
    assert 4000 < len(entry.response_body.encode()) <= 4096
    assert entry.request_body.startswith("callId=")
    assert (entry.method, entry.status, entry.outcome) == ("POST", 200, CallbackOutcome.OK)


async def test_the_last_report_tells_the_outcome_and_its_reply_is_ignored() -> None:
    story, leg = Story(), ScriptedLeg()
    outcome = CallOutcome(
        duration_seconds=21,
        cost_minor=105,
        hangup_cause="normal",
        recording=KeptRecording(id=UUID(int=7), url="https://r.test/1", duration_seconds=20),
    )
    answers: list[Answer] = [[], web.Response(status=500, text="boom")]
    async with callback_server(voice=answers) as server, a_client(story, CLOCK) as client:
        runner = FlowRunner(leg, a_context(voice_callback_url=server.url("/voice")), client, story)
        await runner.run()
        await runner.report_end(outcome)
    form = server.asked[1].form
    assert (form["isActive"], form["callSessionState"]) == ("0", "Completed")
    assert (form["durationInSeconds"], form["amount"], form["currencyCode"]) == ("21", "1.05", "KES")
    assert (form["hangupCause"], form["recordingUrl"]) == ("normal", "https://r.test/1")
    assert story.callbacks[1].outcome is CallbackOutcome.IGNORED
    assert leg.done == ["hang_up"]


async def test_a_call_without_a_voice_callback_reports_to_nobody() -> None:
    story = Story()
    async with a_client(story, ManualClock()) as client:
        runner = FlowRunner(ScriptedLeg(), a_context(), client, story)
        await runner.report_end(CallOutcome(duration_seconds=0, cost_minor=0, hangup_cause="rejected"))
    assert story.callbacks == []


def test_every_format_of_the_contract_has_its_vocabulary() -> None:
    assert [vocabulary_of(wanted).format for wanted in CallbackFormat] == list(CallbackFormat)


def test_a_long_client_request_id_stays_out_of_the_url() -> None:
    fits = prepare("https://e.test/v", Method.POST, [], "a" * 2048)
    too_long = prepare("https://e.test/v", Method.POST, [], "é" * 342)
    assert fits.url.endswith("?clientRequestId=" + "a" * 2048)
    assert too_long.url == "https://e.test/v"
    in_query = prepare(
        "https://e.test/v", Method.GET, [("a", "1"), ("clientRequestId", "é" * 342)], "é" * 342
    )
    assert in_query.url == "https://e.test/v?a=1"


def test_a_client_request_id_already_in_the_url_is_left_alone() -> None:
    prepared = prepare("https://e.test/v?clientRequestId=x", Method.POST, [], "y")
    assert prepared.url == "https://e.test/v?clientRequestId=x"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
@settings(max_examples=200, deadline=None)
def test_what_is_signed_is_what_is_sent(value: str) -> None:
    prepared = prepare("https://e.test/v?q=a%2Bb", Method.GET, [("k", value)], value)
    assert sent_form(prepared.url) == prepared.url
    assert prepared.url.partition("?")[2].encode() == prepared.payload
