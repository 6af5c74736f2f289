"""What this installation can do for a flow, beyond what every installation can."""

import msgspec


class Abilities(msgspec.Struct, frozen=True, kw_only=True):
    """`transcription`: the operator has configured an engine for `record.transcribe`."""

    transcription: bool = False


_ABILITIES = [Abilities()]


def install(abilities: Abilities) -> None:
    """Said once, by the composition root of each process: a flow is read in many places, and all must agree."""
    _ABILITIES[0] = abilities


def installed() -> Abilities:
    return _ABILITIES[0]
