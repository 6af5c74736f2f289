"""Exit codes: what a script may rely on. `sautikitd --help` shows this list."""

from enum import IntEnum


class Exit(IntEnum):
    OK = 0
    FOUND = 1  # a check found something wrong, or a process failed for good
    USAGE = 2
    TAKEN = 3
    SETTINGS = 4
    DATABASE = 5
    REFUSED = 6


MEANINGS = {
    Exit.OK: "done",
    Exit.FOUND: "a check found something wrong (doctor, ledger audit, trunk check), or a process failed for good",
    Exit.USAGE: "the command line is wrong",
    Exit.TAKEN: "a port or the data folder is in use, by another copy or another program",
    Exit.SETTINGS: "a setting or the master keys are wrong",
    Exit.DATABASE: "the database cannot be reached",
    Exit.REFUSED: "refused: no such workspace, key or trunk, an invalid value, too little money",
}


class Failure(Exception):
    """A command ends without doing what was asked. `code` is stable, for scripts; `exit` one of `Exit`."""

    def __init__(self, code: str, message: str, exit_code: Exit, **details: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.exit_code = exit_code
        self.details = details
