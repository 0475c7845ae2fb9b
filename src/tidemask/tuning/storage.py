"""Where Optuna keeps the record of a search: a journal or a database, opened, and their errors.

A journal is private: the command holds the lock of its directory. A database may be shared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tidemask.errors import UserError, missing_package, one_line
from tidemask.files.lines import drop_unfinished_line
from tidemask.files.paths import check_plain_file
from tidemask.progress import ignore
from tidemask.settings import shown
from tidemask.system_errors import errno_of, raise_out_of_memory

_SECRET = re.compile("pass|pwd|secret|token|key", re.IGNORECASE)
"""In the names of what stands behind the `?` of a URL."""


def check_optuna() -> Any:
    """Optuna's module.

    Raises:
        UserError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise missing_package("tidemask tune", "optuna", extra="tune") from error
    return optuna


@contextmanager
def opened_study(
    journal: Path, storage: str | None, *, name: str, check: Callable[[Any], None] = ignore
) -> Iterator[Any]:
    """Open a study of Optuna, new or as it was.

    Args:
        journal: the file of the record, where no storage is given.
        storage: URL of a database, as Optuna takes it.
        name: of the study in the storage.
        check: called with the study; what it raises is wrong with the record.

    Raises:
        OSError: the system refuses the journal.
        UserError: Optuna is not installed, the storage does not answer, or the journal is damaged;
            also where that happens within the block.
    """
    optuna = check_optuna()
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with ExitStack() as at_end:
            study = _created(optuna, journal, storage, name, at_end, check)
            with _named_errors(optuna, journal, storage):
                yield study
    finally:
        optuna.logging.set_verbosity(before)


def _created(
    optuna: Any,
    journal: Path,
    storage: str | None,
    name: str,
    at_end: ExitStack,
    check: Callable[[Any], None],
) -> Any:
    """Optuna's study; whatever it raises here is about what it reads, or the system's."""
    try:
        study = optuna.create_study(
            storage=_database(optuna, storage, at_end) if storage else _journal(optuna, journal),
            study_name=name,
            direction="minimize",
            load_if_exists=True,
        )
        check(study)
        return study
    except Exception as error:  # of databases, drivers and parsers of any kind
        raise_out_of_memory(error)
        if storage is None and errno_of(error) is not None:
            raise
        raise _refused(journal, storage, error) from error


def _database(optuna: Any, url: str, at_end: ExitStack) -> Any:
    """Optuna's storage in a database, whose connections are closed at the end."""
    database = optuna.storages.RDBStorage(url)
    at_end.callback(database.engine.dispose)
    at_end.callback(database.remove_session)
    return database


def _journal(optuna: Any, path: Path) -> Any:
    """Optuna's journal in a file that no other process uses.

    A process that was killed may have left a line without its end, which the next line would
    continue, and a lock, which would be waited for. Its lock is a file, since some file systems
    have no symbolic links.
    """
    check_plain_file(path)
    if path.is_file():
        drop_unfinished_line(path)
    Path(f"{path}.lock").unlink(missing_ok=True)
    journal = optuna.storages.journal
    backend = journal.JournalFileBackend(str(path), journal.JournalFileOpenLock(str(path)))
    return optuna.storages.JournalStorage(backend)


@contextmanager
def _named_errors(optuna: Any, journal: Path, storage: str | None) -> Iterator[None]:
    """Turn what Optuna and databases raise while a search goes on into one line."""
    import sqlalchemy.exc

    try:
        yield
    except optuna.exceptions.UpdateFinishedTrialError as error:
        raise UserError(
            f"trial that was ended by another command: {one_line(error)}. Give the command again; "
            "a directory that was copied shares its trials, so name a new one as --out."
        ) from error
    except (optuna.exceptions.OptunaError, sqlalchemy.exc.SQLAlchemyError) as error:
        raise _refused(journal, storage, error) from error


def _refused(journal: Path, storage: str | None, error: Exception) -> UserError:
    damaged = "damaged record of a search"
    if storage is None:
        return UserError(
            f"{damaged}: {journal}: {one_line(error)}. Restore it from a copy, or name a new "
            "directory as --out; what is in this one stays as it is."
        )
    if isinstance(error, ValueError | LookupError):  # of a row; those of databases are others
        return UserError(
            f"{damaged}: {without_password(storage)}: {_said(error, storage)}. Restore it from a "
            "copy, or name another database (--storage) and a new directory as --out."
        )
    return UserError(
        f"storage does not answer: {without_password(storage)}: {_said(error, storage)}. Expected "
        "the URL of a database that does, with its driver installed (--storage); what was trained "
        "is kept."
    )


def _said(error: Exception, storage: str) -> str:
    """What an error says, without the secrets that a URL may have."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    said = re.sub(r"//[^/@]*@", "//", one_line(error))
    try:
        url = make_url(storage)
    except ArgumentError:
        return said
    secrets = [url.password, *(str(url.query[name]) for name in url.query if _SECRET.search(name))]
    for secret in filter(None, secrets):
        said = said.replace(secret, "***")
    return said


def without_password(url: str) -> str:
    """A URL of a database without the name and the secrets that it may have."""
    from sqlalchemy.engine import URL, make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except ArgumentError:
        return re.sub(r"//[^/@]*@", "//", url)
    public = {name: parsed.query[name] for name in parsed.query if not _SECRET.search(name)}
    if parsed.username is None and parsed.password is None and public == dict(parsed.query):
        return url
    shown_url: str = URL.create(
        parsed.drivername,
        host=parsed.host,
        port=parsed.port,
        database=parsed.database,
        query=public,
    ).render_as_string()
    return shown_url


def checked_storage(storage: str | None) -> str | None:
    """The URL of a database as a user gave it; the path of a file of SQLite made absolute.

    Raises:
        UserError: it is none, or Optuna is not installed.
    """
    if storage is None:
        return None
    refused = UserError(
        f"no URL of a database: storage={_shown(storage)}. Expected one such as "
        "postgresql://USER@HOST/NAME (--storage)."
    )
    if not (isinstance(storage, str) and "://" in storage):
        raise refused
    check_optuna()
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(storage)
    except (ArgumentError, ValueError) as error:
        raise refused from error
    is_file = url.get_backend_name() == "sqlite"
    if not is_file or not url.database or url.database.startswith((":memory:", "file:")):
        return storage
    place = str(Path(url.database).resolve())
    absolute: str = url.set(database=place).render_as_string(hide_password=False)
    return absolute


def _shown(storage: object) -> str:
    """A value that is no URL; one that looks like it is not repeated with its password."""
    return shown(re.sub(r"//.*@", "//", storage) if isinstance(storage, str) else storage)
