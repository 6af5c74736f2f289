"""Every code that M-PESA's documents name has a verdict, and every failure words (`mpesa.md` §3.5, written out here)."""

import pytest

from sautikitd.payments.result_codes import WORDS, FailureCode, Verdict, meaning_of, words_of

# code: verdict, failure, whether a query has to confirm it, whether staff must hear of it
TABLE = {
    "0": ("paid", None, False, False),
    "1": ("failed", "insufficient_balance", False, False),
    "2": ("failed", "below_minimum", False, False),
    "3": ("failed", "above_maximum", False, False),
    "4": ("failed", "daily_limit", False, False),
    "8": ("failed", "receiver_limit", False, True),
    "17": ("failed", "same_amount_too_soon", False, False),
    "26": ("failed", "provider_busy", True, False),
    "1001": ("failed", "phone_busy", True, False),
    "1019": ("failed", "expired", False, False),
    "1025": ("failed", "prompt_not_sent", False, True),
    "1032": ("failed", "cancelled", False, False),
    "1037": ("failed", "no_answer", False, False),
    "2001": ("failed", "wrong_pin", False, False),
    "2028": ("failed", "misconfigured", False, True),
    "4999": ("pending", None, False, False),
    "8006": ("failed", "pin_locked", False, False),
    "9999": ("failed", "prompt_not_sent", True, False),
    "SFC_IC0003": ("failed", "misconfigured", False, True),
    "11": ("failed", "account_inactive", False, False),
    **dict.fromkeys(("18", "20", "21", "22", "24", "25", "29"), ("failed", "misconfigured", False, True)),
    "100000010": ("failed", "misconfigured", False, True),
    **dict.fromkeys(
        ("100000001", "100000002", "100000004", "100000007", "100000009", "100000011"),
        ("failed", "provider_busy", True, False),
    ),
}


@pytest.mark.parametrize("code", TABLE)
def test_a_code_means_what_the_table_says(code: str) -> None:
    verdict, failure, doubtful, ours = TABLE[code]
    meaning = meaning_of(code)
    assert (meaning.verdict, meaning.doubtful, meaning.ours) == (verdict, doubtful, ours)
    assert meaning.failure == (f"topup.{failure}" if failure else None)


@pytest.mark.parametrize("code", ["15", "17.0", "", "99", "Request cancelled by user", "00"])
def test_a_code_of_no_table_is_never_guessed(code: str) -> None:
    assert meaning_of(code).verdict is Verdict.UNKNOWN


def test_every_failure_is_told_with_a_reason_and_advice() -> None:
    assert set(WORDS) == set(FailureCode)
    for code in FailureCode:
        words = words_of(code)
        assert words
        assert words.reason.endswith(".")
        assert words.advice.endswith(".")
