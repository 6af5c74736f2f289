"""SIPp, which knows nothing of us, presses keys into a long prompt: it ends at the first, and the flow has them all."""

import time
from pathlib import Path

from flow.doubles import callback_server
from node.switchboard import NUMBER, Switchboard
from sautikitd.calls.outcomes import CallStatus
from voice.sip.far_end import SippRunner

_LONG_S = 15
_PROMPT = "Please listen to all of this, since it goes on and on. " * 8


async def test_the_first_key_ends_the_prompt_and_all_of_1590_hash_is_told(
    board: Switchboard, tmp_path: Path
) -> None:
    digits = {"numDigits": 5, "finishOnKey": "", "timeout": 8, "nested": [{"say": {"text": _PROMPT}}]}
    run_sipp = SippRunner(tmp_path)
    async with callback_server(voice=[[{"getDigits": digits}], []]) as server:
        await board.route(voice_callback_url=server.url("/voice"))
        started = time.monotonic()
        try:
            sipp = await run_sipp("uac_presses_keys", to=board.parts.agent.bound[1], number=NUMBER)
            await sipp.succeeded()  # our BYE came, after the empty flow
        finally:
            await run_sipp.stop()
        assert time.monotonic() - started < _LONG_S  # the prompt alone would have taken longer
        (call,) = await board.until_all(CallStatus.COMPLETED)
    assert [asked.form.get("Digits") for asked in server.asked if asked.form.get("Digits")] == ["1590#"]
    assert call.hangup_by == "platform"
