"""What `accelerate launch` asks for in the environment, where settings of tidemask decide.

Transformers and Accelerate take precision, compiler and engine from variables that a launcher, or a
configuration of Accelerate, has set. Precision and compilation are settings that run.yaml and
results name, so that no variable may change them; other engines than DDP and FSDP2 are not known.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tidemask.errors import UserError

_PRECISION, _COMPILER = "ACCELERATE_MIXED_PRECISION", "ACCELERATE_DYNAMO_"

_ENGINES = (
    "ACCELERATE_USE_DEEPSPEED",
    "ACCELERATE_USE_MEGATRON_LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG",
)


@contextmanager
def without_launcher_settings() -> Iterator[None]:
    """Hide them from the libraries within the block, in which a Trainer is made."""
    hidden = {name: os.environ.pop(name) for name in [*os.environ] if _is_hidden(name)}
    try:
        yield
    finally:
        os.environ.update(hidden)


def _is_hidden(name: str) -> bool:
    return name.startswith(_COMPILER) or name in (_PRECISION, *_ENGINES)


def check_launcher_engine() -> None:
    """Refuse a launcher that asks for an engine which tidemask does not know.

    Raises:
        UserError: names the variable that says so.
    """
    for name in _ENGINES:
        value = os.environ.get(name, "")
        if value.lower() in ("true", "1", "yes", "on"):
            raise UserError(
                f"engine that tidemask does not know: {name}={value} in the environment. Expected "
                "torchrun, or `accelerate launch` with DDP or FSDP2. Change its configuration, or "
                "unset the variable."
            )


def launcher_notes() -> list[str]:
    """What a launcher asks for and does not get, one sentence; none where it asks for nothing."""
    asked = {name: os.environ.get(name, "") for name in (_PRECISION, f"{_COMPILER}BACKEND")}
    listed = [f"{n}={value}" for n, value in asked.items() if value.lower() not in ("", "no")]
    if not listed:
        return []
    return [
        f"{' and '.join(listed)} of the launcher has no effect: training.precision and "
        "training.compile decide."
    ]
