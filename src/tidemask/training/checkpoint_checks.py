"""What is wrong with a checkpoint: its files against their list, and then what is in them.

Nothing of a checkpoint is used before all of this has passed, so that a run never changes anything
for one that cannot be loaded.
"""

from __future__ import annotations

import errno
import hashlib
import json
import pickle
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME, TRAINER_STATE_NAME
from transformers.trainer_pt_utils import safe_globals

from tidemask.errors import UserError, one_line
from tidemask.reading import MAX_SEAL_BYTES, parse_json, read_json
from tidemask.system_errors import errno_of, naming_place, raise_out_of_memory
from tidemask.training.checkpoint_state import STATE_FILE, CheckpointState, read_state

SEAL_FILE = "checkpoint.json"
"""File of the step, and of the sizes and SHA-256 digests of all other files."""

_NEEDED = (STATE_FILE, TRAINER_STATE_NAME, OPTIMIZER_NAME, SCHEDULER_NAME)

_READ_ENDINGS = {".json", ".pt", ".pth", ".safetensors"}
"""Endings of what is read again; a file without a digest would be taken as it is."""

_KEYS = {
    OPTIMIZER_NAME: ("state", "param_groups"),
    SCHEDULER_NAME: ("last_epoch",),
    "rng_state": ("python", "numpy", "cpu"),
}
"""What the dictionary in each file of tensors has, by how the file's name begins."""

_MISPLACED = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP}
"""What the system says where a file should be and there is none, or something else."""


@dataclass(frozen=True)
class SealedFile:
    """A file of a checkpoint as it was written: its size and digest."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> SealedFile:
        """Read a file."""
        with naming_place(path), path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(path.stat().st_size, digest)


@dataclass(frozen=True)
class Seal:
    """The content of `SEAL_FILE`; files by their path within the checkpoint."""

    step: int
    files: dict[str, SealedFile]


@dataclass(frozen=True)
class _TrainerState:
    """What the Trainer's own state must hold, with the types that it takes for granted.

    What callbacks have added, such as `stateful_callbacks`, is their own and the Trainer's.
    """

    global_step: int
    max_steps: int
    num_train_epochs: int
    logging_steps: int
    save_steps: int
    train_batch_size: int
    epoch: float
    total_flos: float


def raise_what_passes(error: Exception) -> None:
    """Raise an error again that says nothing of a checkpoint, which may be sound.

    Memory ran out, or the system refuses for now: a drive that does not answer, too many open
    files. Only what is missing or is something else is damage.

    Raises:
        Exception: the error itself.
    """
    if isinstance(error, UserError):
        return
    raise_out_of_memory(error)
    if errno_of(error) not in (_MISPLACED if isinstance(error, OSError) else {None, *_MISPLACED}):
        raise error


def sealed_step(directory: Path) -> int | None:
    """The step that a checkpoint says it is of, unread otherwise; `None` if it does not say."""
    try:
        return read_json(directory / SEAL_FILE, Seal, max_bytes=MAX_SEAL_BYTES).step
    except (UserError, OSError) as error:
        raise_what_passes(error)
        return None


def state_or_problem(directory: Path, step: int) -> CheckpointState | str:
    """Our state of the checkpoint after `step` steps; or what is wrong with it, as a predicate.

    Every file is read once.

    Raises:
        OSError: the system refuses for now, which says nothing of the checkpoint.
        Exception: memory ran out, in the words of Python or of a library.
    """
    if not directory.is_dir():
        return "is not a directory"
    try:
        found = _problem_with_files(directory, step) or _state_or_problem_inside(directory, step)
    except (UserError, OSError) as error:
        raise_what_passes(error)
        found = one_line(error)
    return f"is damaged ({found})" if isinstance(found, str) else found


def _problem_with_files(directory: Path, step: int) -> str | None:
    if not (directory / SEAL_FILE).is_file():
        return f"{SEAL_FILE} is missing"
    seal = read_json(directory / SEAL_FILE, Seal, max_bytes=MAX_SEAL_BYTES, what=SEAL_FILE)
    for name in _NEEDED:
        if name not in seal.files:
            return f"{SEAL_FILE} does not list {name}"
    for name, expected in seal.files.items():
        path = directory / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != expected.bytes:
            return f"{name} has {path.stat().st_size} bytes where {expected.bytes} were written"
        if SealedFile.of(path) != expected:
            return f"{name} is not what was written"
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.suffix in _READ_ENDINGS and name != SEAL_FILE and name not in seal.files:
            return f"{SEAL_FILE} does not list {name}"
    return _another_step(SEAL_FILE, seal.step, step)


def _state_or_problem_inside(directory: Path, step: int) -> CheckpointState | str:
    state = read_state(directory)
    return (
        _another_step(STATE_FILE, state.step, step)
        or _another_step(TRAINER_STATE_NAME, _trainer_state(directory).global_step, step)
        or _problem_with_tensors(directory)
        or state
    )


def _trainer_state(directory: Path) -> _TrainerState:
    """The numbers of the Trainer's own state; the rest of it is any JSON that Python writes."""
    path = directory / TRAINER_STATE_NAME
    try:
        with naming_place(path):
            content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"damaged {TRAINER_STATE_NAME}: {path}: {one_line(error)}.") from error
    if isinstance(content, dict):
        needed = {field.name for field in fields(_TrainerState)}
        content = {name: value for name, value in content.items() if name in needed}
    where = f"{TRAINER_STATE_NAME}: {path}"
    return parse_json(json.dumps(content), _TrainerState, where, may_be_infinite=True)


def _another_step(name: str, found: int, step: int) -> str | None:
    return f"{name} is of step {found}" if found != step else None


def _problem_with_tensors(directory: Path) -> str | None:
    """Whether a file is no tensors; they are not copied into memory, and no pickled code runs.

    They are mapped, and nothing of the map is read, so a file that is cut now is no SIGBUS.
    """
    for path in sorted(directory.glob("*.safetensors")):
        try:
            with safe_open(path, "pt"):
                pass
        except SafetensorError as error:
            raise_what_passes(error)
            return f"{path.name} holds no tensors: {one_line(error)}"
    for path in sorted([*directory.glob("*.pt"), *directory.glob("*.pth")]):
        try:
            with safe_globals():  # type: ignore[no-untyped-call]  # of the generators' states
                content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
        except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            raise_what_passes(error)
            return f"{path.name} holds no tensors: {one_line(error, longest=80)}"
        if not isinstance(content, dict):
            return f"{path.name} holds a {type(content).__name__}, not a dictionary"
        needed = (key for name, keys in _KEYS.items() if path.name.startswith(name) for key in keys)
        if missing := [key for key in needed if key not in content]:
            return f"{path.name} has no {missing[0]}"
    return None
