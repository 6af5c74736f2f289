"""The number a customer types at the Paybill: seven digits of a sequence and a Damm check digit (contract §12, Top-ups).

Damm's algorithm (H. M. Damm, "Total anti-symmetrische Quasigruppen", 2004) finds every wrong digit and every swap of
two neighbours, which are what people do when they type on a phone.
"""

# A totally anti-symmetric quasigroup of order 10 with a zero diagonal.
_TABLE = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)
_DIGITS = 8


def account_reference(sequence: int) -> str:
    """`1000001` becomes eight digits, the last of them the check digit. Raises `ValueError` outside seven digits."""
    if not 10 ** (_DIGITS - 2) <= sequence < 10 ** (_DIGITS - 1):
        raise ValueError("account references are made of seven digits")
    return f"{sequence}{_check_digit(str(sequence))}"


def is_account_reference(typed: str) -> bool:
    """True for eight digits whose check digit is right. Spaces and dashes are the caller's to strip."""
    return len(typed) == _DIGITS and typed.isascii() and typed.isdigit() and _check_digit(typed) == 0


def _check_digit(digits: str) -> int:
    interim = 0
    for digit in digits:
        interim = _TABLE[interim][int(digit)]
    return interim
