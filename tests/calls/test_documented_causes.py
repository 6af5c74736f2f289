"""docs/hangup-causes.md says of every cause what the code does with it."""

from pathlib import Path

from sautikitd.calls.outcomes import FAILURE_CODES, CallStatus, HangupCause
from sautikitd.voice.sip.causes import RULES

PAGE = Path(__file__).parents[2] / "docs" / "hangup-causes.md"


def row(cause: HangupCause) -> str:
    rule = RULES[cause]
    code = "" if rule.outcome is CallStatus.COMPLETED else f"`{FAILURE_CODES.get(cause, cause.value)}`"
    sip, q850 = (", ".join(map(str, codes)) for codes in (rule.sip, rule.q850))
    again = "yes" if rule.retry else "no"
    return f"| `{cause}` | `{rule.outcome}` | {code} | {sip} | {q850} | {again} | {rule.advice} |"


def test_every_cause_stands_on_the_page_as_the_code_has_it() -> None:
    lines = PAGE.read_text().splitlines()
    assert [line for line in lines if line.startswith("| `")] == [row(cause) for cause in HangupCause]
