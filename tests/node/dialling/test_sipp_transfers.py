"""SIPp, which knows nothing of us, is the phone with two calls on two voice nodes, and puts the two others together."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from node.exchange import hung_up
from node.room_party import nothing_left, until_rows
from node.second_node import second_node
from node.softphone import credential
from node.switchboard import Switchboard
from node.two_calls import FIRST, SECOND, THIRD, connected
from sautikitd.calls.outcomes import CallStatus
from sautikitd.devices.models import NewSecret
from simulators.carrier.far_side import Phone
from voice.sip.far_end import Sipp, SippRunner

_WITHIN_S = 60  # several test runs share the machine
_TALKS_MS = 2000
_DIALOG = """
SELECT dialog #>> '{dialog,call_id}' AS call_id, dialog #>> '{dialog,local_tag}' AS ours,
       dialog #>> '{dialog,remote_tag}' AS theirs
FROM calls WHERE to_address = $1 AND (parent_call_id IS NOT NULL) = $2 AND status = 'answered'
"""


class _Desk:
    """One phone's calls, each a SIPp of its own."""

    def __init__(self, board: Switchboard, run_sipp: SippRunner, made: NewSecret) -> None:
        self._board = board
        self._run_sipp = run_sipp
        self._keys: dict[str, Any] = {"user": made.credential.username, "password": made.password}

    async def dials(self, scenario: str, number: str, port: int, **keys: Any) -> tuple[Sipp, Phone]:
        """The call, and who has answered it."""
        self._board.clock.advance(2)  # a call a second
        sipp = await self._run_sipp(
            scenario, to=port, number=number, within_s=_WITHIN_S, **self._keys, **keys
        )
        return sipp, await (await self._board.exchange.ringing(number)).answer()

    async def replaces(self, number: str, *, dialled: bool = False) -> str:
        """The header of a Refer-To that names the call to `number`, as the phone that has called knows it, or (`dialled`)
        as who was called does."""
        (row,) = await until_rows(self._board, 1, _DIALOG, number, dialled)
        value = f"{row['call_id']};to-tag={row['ours']};from-tag={row['theirs']}"
        return f"Replaces={quote(value, safe='')}"


async def test_sipp_puts_two_together_over_two_nodes_and_one_of_them_is_handed_on_by_it_again(
    board: Switchboard, tmp_path: Path
) -> None:
    here, run_sipp = board.parts.agent.bound[1], SippRunner(tmp_path)
    async with second_node(board, tmp_path / "second") as (_, there):
        desk = _Desk(board, run_sipp, await credential(board))
        try:
            beside, second = await desk.dials("uac_device_waits_for_bye", SECOND, there.port)
            refer_to = f"sip:{SECOND}@ignored.example?{await desk.replaces(SECOND)}"
            near, first = await desk.dials(
                "uac_device_transfers", FIRST, here, talks_ms=_TALKS_MS, refer_to=refer_to
            )
            await near.succeeded()
            await beside.succeeded()
            await connected(first, second)
            refer_to = f"sip:{FIRST}@ignored.example?{await desk.replaces(FIRST, dialled=True)}"
            third_of, third = await desk.dials(
                "uac_device_transfers", THIRD, there.port, talks_ms=_TALKS_MS, refer_to=refer_to
            )
            await third_of.succeeded()
            await hung_up(first)
            await connected(third, second)
            await second.sip.bye()
            await hung_up(third)
            await board.until_all(CallStatus.COMPLETED)
            await nothing_left(board)
        finally:
            await run_sipp.stop()
