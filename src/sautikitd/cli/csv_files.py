"""CSV files that operators import: read whole, and refused whole with every line that is wrong."""

from collections.abc import Sequence
from typing import TextIO

from sautikitd.cli.exits import Exit, Failure

# More would push the first ones off the screen; --json has them all.
_SHOWN = 20


def lines_of(file: TextIO) -> list[str]:
    """Raises `Failure` for a file that is not UTF-8, as spreadsheets like to save them."""
    try:
        return list(file)
    except UnicodeDecodeError:
        message = f"{file.name} is not UTF-8. Save it again as “CSV UTF-8”."
        raise Failure("file.not_utf8", message, Exit.REFUSED) from None


def refused(code: str, problems: Sequence[tuple[int, str]]) -> Failure:
    """`problems` are line numbers, from 1, and what is wrong there."""
    count = "1 line is" if len(problems) == 1 else f"{len(problems)} lines are"
    shown = [f"  line {line}: {problem}" for line, problem in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        shown.append(f"  and {len(problems) - _SHOWN} more")
    return Failure(
        code,
        "\n".join([f"Nothing was imported: {count} wrong.", *shown]),
        Exit.REFUSED,
        problems=[{"line": line, "problem": problem} for line, problem in problems],
    )
