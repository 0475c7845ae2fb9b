"""One upload to the hub, which arrives whole or not at all; and why one fails.

The transfer itself is that of `huggingface_hub`: which file goes as text and which by content, what
is there already, what is sent again after a fault. The token is never shown.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from huggingface_hub import (
    CommitInfo,
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    ModelInfo,
    get_session,
    get_token,
)
from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # public there

from tidemask.errors import UserError, one_line
from tidemask.hub import causes_of, quiet_retries
from tidemask.progress import NoteCallback, ignore

_ANSWER_SECONDS = 120.0
"""How long the hub may say nothing and take nothing; the library waits for ever."""

_WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "*.bin", "*.bin.index.json")

_OWNER = "Expected USER/NAME, the owner and the name of the model on the hub."

_BY_STATUS = {
    401: "it does not know the token. Log in again by `hf auth login`, or set HF_TOKEN to a token "
    "that is valid",
    402: "it asks for a payment. Look at the account's settings there",
    403: "the token may not write there. Give one with write access, by `hf auth login` or "
    "HF_TOKEN, or name an owner that it may write for",
    404: "it has no such owner or model, or the token may not see it. Check the name",
    409: "something else changed the model at the same time. Give the command again",
    412: "something else changed the model at the same time. Give the command again",
    413: "a file is larger than it takes. Look at its limits",
    429: "it had too many requests. Wait some minutes, then give the command again",
}
"""What an answer of the hub means, and what to do, by its status."""

_BY_KIND = {
    "OfflineModeIsEnabled": "HF_HUB_OFFLINE is set, so that nothing is sent. Unset it",
    "TimeoutException": "it does not answer. Check the network, then give the command again",
    "TransportError": "it cannot be reached. Check the network and HF_ENDPOINT, if that is set, "
    "then give the command again",
    "ConnectionError": "it cannot be reached. Check the network, then give the command again",
}
"""The same by the errors of the libraries that talk to it; the first that fits."""


@dataclass(frozen=True)
class Uploaded:
    """What became of an upload.

    Attributes:
        address: of the model on the hub.
        is_changed: whether anything there was not so before.
    """

    address: str
    is_changed: bool


def upload(
    files: Mapping[str, Path | bytes],
    *,
    to: str | None,
    name: str,
    private: bool,
    message: str,
    on_note: NoteCallback = ignore,
) -> Uploaded:
    """Put files into a model repository, which is made if there is none, in one commit.

    Weights that it has and that are not among the files are removed: they would be loaded in place
    of the new ones. Other files stay.

    Args:
        files: by their names there.
        to: `USER/NAME`; `None` for the token's own user and `name`.
        name: see `to`.
        private: whether a new repository is private; one that is there must be.
        message: of the commit.
        on_note: called with what the hub remarks on the card.

    Raises:
        UserError: there is no token, the name is none, or the hub refuses or cannot be reached.
    """
    if to is not None:
        _check_name(to)
    api = HfApi(token=_token())
    with _told(to or name, api), quiet_retries(), _bounded_waits(), _warnings_as(on_note):
        to = to or f"{api.whoami()['name']}/{name}"
        _check_name(to)
        before = _found(api, to)
        if before is None:
            api.create_repo(to, private=private or None, exist_ok=True)
        elif private and not before.private:
            raise UserError(
                f"not private: {api.endpoint}/{to} is there already, and everybody can see it. "
                "Make it private in its settings first, leave out --private, or choose another "
                "name."
            )
        done = _commit(api, to, files, before, message)
    return Uploaded(f"{api.endpoint}/{to}", before is None or done.oid != before.sha)


def _commit(
    api: HfApi, to: str, files: Mapping[str, Path | bytes], before: ModelInfo | None, message: str
) -> CommitInfo:
    present = [file.rfilename for file in (before.siblings if before else None) or ()]
    left = [name for name in present if name not in files and _is_weights(name)]
    return api.create_commit(
        to,
        [
            *(CommitOperationDelete(name) for name in left),
            *(CommitOperationAdd(name, content) for name, content in files.items()),
        ],
        commit_message=message,
    )


def _is_weights(name: str) -> bool:
    """Whether a file of the repository is weights that a model would be loaded from."""
    return "/" not in name and any(PurePosixPath(name).match(kind) for kind in _WEIGHTS)


def _found(api: HfApi, to: str) -> ModelInfo | None:
    """What the hub knows of a repository; `None` if it has none, or does not show it."""
    try:
        return api.model_info(to, timeout=_ANSWER_SECONDS)  # it does not ask the session
    except RepositoryNotFoundError:
        return None


def _check_name(to: str) -> None:
    try:
        validate_repo_id(to)
    except HFValidationError as error:
        raise UserError(f"not a name on the hub: --to={to}: {one_line(error)}. {_OWNER}") from error
    if "/" not in to:
        raise UserError(f"no owner: --to={to}. {_OWNER}")


def _token() -> str:
    token = get_token()
    if not token:
        raise UserError(
            "not logged in to the hub: there is no token. Give one by `hf auth login`, or in the "
            "environment variable HF_TOKEN; it needs write access."
        )
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise UserError(
            "unusable token: it has spaces or characters that no token has. Copy it again from the "
            "hub's settings, for `hf auth login` or the environment variable HF_TOKEN."
        )
    return token


@contextmanager
def _bounded_waits() -> Iterator[None]:
    """Let an answer of the hub be waited for no longer than `_ANSWER_SECONDS`."""
    session = get_session()
    before = session.timeout
    session.timeout = _ANSWER_SECONDS
    try:
        yield
    finally:
        session.timeout = before


@contextmanager
def _warnings_as(on_note: NoteCallback) -> Iterator[None]:
    """Pass on what the library says to the user as notes, and nothing that it says to us."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        if warning.category is UserWarning and isinstance(warning.message, Warning):
            on_note(one_line(warning.message))


@contextmanager
def _told(name: str, api: HfApi) -> Iterator[None]:
    """Say what the hub refuses, and what becomes of the connection, in one line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # of the hub's libraries, each of which has its own
        if (reason := _reason(error)) is None:
            raise
        what, _, advice = reason.partition(". ")
        said = one_line(RuntimeError(_said(error).replace(str(api.token), "TOKEN")))
        raise UserError(
            f"not pushed: {name} to the hub at {api.endpoint}: {what} ({said}). {advice}."
        ) from error


def _said(error: BaseException) -> str:
    """What the hub says itself, or else the library."""
    from_hub = (getattr(cause, "server_message", None) for cause in causes_of(error))
    if isinstance(error, RuntimeError) and error.__cause__ is not None:
        error = error.__cause__  # which file it was, around what happened to it
    return next(filter(None, from_hub), str(error) or type(error).__name__)


def _reason(error: Exception) -> str | None:
    """What an error of a transfer means, and what to do; `None` for one that is not of it."""
    causes = list(causes_of(error))
    answers = (getattr(cause, "response", None) for cause in causes)
    status = next((answer.status_code for answer in answers if answer is not None), None)
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status is not None and status >= 500:
        return f"it fails by itself, with status {status}. Give the command again later"
    kinds = {kind.__name__ for cause in causes for kind in type(cause).__mro__}
    for kind, reason in _BY_KIND.items():
        if kind in kinds:
            return reason
    if isinstance(error, OSError) and error.errno is not None:
        return None  # of a file here
    if isinstance(error, OSError | ValueError | RuntimeError | LookupError):
        return "its answer is not what was expected. Check HF_ENDPOINT, if it is set, and the card"
    return None
