"""Every exception a command may meet, as a failure with a code, a sentence and an exit code."""

from sautikitd.cli.exits import Exit, Failure
from sautikitd.errors import Invalid, Refusal
from sautikitd.settings import SettingInvalid

# By name, so that a command does not import rooms it never uses just to say how they fail.
_KNOWN: dict[str, tuple[str, Exit]] = {
    "FolderTaken": ("data_dir.taken", Exit.TAKEN),
    "PortTaken": ("port.taken", Exit.TAKEN),
    "AddressUnusable": ("settings.invalid", Exit.SETTINGS),
    "CertificateUnusable": ("settings.invalid", Exit.SETTINGS),
    "MasterKeysMissing": ("master_keys.missing", Exit.SETTINGS),
    "MasterKeyInvalid": ("master_keys.invalid", Exit.SETTINGS),
    "WrongMasterKeys": ("master_keys.wrong", Exit.SETTINGS),
    "CannotDecrypt": ("master_keys.wrong", Exit.SETTINGS),
    "GaveUp": ("process.failed", Exit.FOUND),
    "EmbeddedPostgresFailed": ("database.failed", Exit.DATABASE),
    "DatabaseNotRunning": ("database.unreachable", Exit.DATABASE),
}


def failure_of(exc: BaseException) -> Failure | None:
    """None for what is no expected failure: such an exception is a fault and is shown whole."""
    if isinstance(exc, Failure):
        return exc
    if isinstance(exc, SettingInvalid):
        return Failure("settings.invalid", str(exc), Exit.SETTINGS)
    if isinstance(exc, Refusal):
        fields = [{"pointer": f.pointer, "problem": f.problem} for f in exc.fields]
        # The text of the API speaks of `fields` in a JSON answer.
        text = "This is not valid:" if type(exc) is Invalid and fields else exc.text
        details = {"fields": fields} if fields else {}
        return Failure(exc.code, text, Exit.REFUSED, **details)
    for kind in type(exc).__mro__:
        if kind.__name__ in _KNOWN and kind.__module__.startswith("sautikitd."):
            code, exit_code = _KNOWN[kind.__name__]
            return Failure(code, " ".join(str(exc).split("\n\n")[0].split()) or str(exc), exit_code)
    return _database_failure(exc)


def _database_failure(exc: BaseException) -> Failure | None:
    # A Unix socket that is not there is a file not found without a name.
    gone = isinstance(exc, FileNotFoundError) and exc.filename is None
    drivers = ("asyncpg", "psycopg", "sqlalchemy")
    if not gone and not isinstance(exc, ConnectionError) and not type(exc).__module__.startswith(drivers):
        return None
    if any(kind.__name__ == "DataError" for kind in type(exc).__mro__):
        return Failure("request.invalid", f"A value cannot be stored: {exc}", Exit.REFUSED)
    return Failure(
        "database.unreachable",
        f"The database cannot be used: {str(exc).splitlines()[0] if str(exc) else type(exc).__name__}. "
        "Is it running, and is DATABASE_URL right? `sautikitd doctor` says more.",
        Exit.DATABASE,
    )
