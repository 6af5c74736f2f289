"""What ended legs have still to do at far ends, as it is kept for another process: `VoiceEngine.end_detached` reads it."""

from collections.abc import Sequence
from typing import Any

import msgspec

from sautikitd.voice.sip.dialog import DialogState
from sautikitd.voice.sip.invites import InviteState, PreparedInvite


def stored_unfinished(
    invites: Sequence[InviteState], dialogs: Sequence[DialogState]
) -> dict[str, Any] | None:
    """`left` are INVITEs to be called off, `dialogs` calls to be hung up, as far as the far end's way outlives us."""
    left = [
        msgspec.to_builtins(PreparedInvite(state=state))
        for state in invites
        if not state.hop.dies_with_process
    ]
    up = [msgspec.to_builtins(state) for state in dialogs if not state.hop.dies_with_process]
    stored = {"left": left, "dialogs": up}
    return {name: some for name, some in stored.items() if some} or None
