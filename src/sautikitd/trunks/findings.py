"""What a check of a trunk finds, step by step, in words that an operator can act on."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import msgspec


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"  # calls will not go through like this


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One step. `cure` says what to do, where anything is to be done."""

    step: str
    verdict: Verdict = Verdict.OK
    found: str
    cure: str = ""


class OurSide(msgspec.Struct, frozen=True, kw_only=True):
    """How we show ourselves to carriers: the settings of SIP."""

    advertised: str
    authorities: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class TrunkCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome. `code` is the SIP status of the answer to OPTIONS, `milliseconds` its round trip.

    `explanation` is the worst finding with its cure, else what the carrier's answer means.
    """

    name: str
    ok: bool
    addresses: Sequence[str]
    findings: Sequence[Finding]
    code: int | None = None
    milliseconds: float | None = None
    explanation: str


def concluded(
    name: str,
    addresses: Sequence[str],
    findings: Sequence[Finding],
    code: int | None = None,
    seconds: float | None = None,
) -> TrunkCheck:
    worst = next((one for one in findings if one.verdict is Verdict.WRONG), None)
    telling = worst or next((one for one in findings if one.step == "answer"), findings[-1])
    return TrunkCheck(
        name=name,
        ok=worst is None,
        addresses=addresses,
        findings=findings,
        code=code,
        milliseconds=None if seconds is None else round(seconds * 1000, 1),
        explanation=f"{telling.found} {telling.cure}".strip(),
    )
