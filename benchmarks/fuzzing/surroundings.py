"""What stands around a command while it is tried: a hub on this machine, runs in one process."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from unittest import mock

from benchmarks import ROOT

_HUB = "hub"
"""Directory of a world with what a command uploaded."""


@contextmanager
def _hub_of_its_own(world: Path) -> Iterator[None]:
    """A stand-in for the hub, with nothing on it; what is uploaded lies in the world at the end."""
    sys.path.append(str(ROOT / "tests" / "support"))
    from huggingface_hub import close_session, constants

    from hub_stand_in import TOKEN, stand_in

    with ExitStack() as stack:
        hub = stack.enter_context(stand_in())
        for name, value in (
            ("ENDPOINT", hub.address), ("HF_HUB_OFFLINE", False), ("HF_HUB_DISABLE_XET", True),
        ):  # fmt: skip
            stack.enter_context(mock.patch.object(constants, name, value))
        stack.enter_context(mock.patch.dict(os.environ, {"HF_TOKEN": TOKEN}))
        close_session()
        try:
            yield
        finally:
            close_session()
            for repository, there in hub.repositories.items():
                for name, content in there.files.items():
                    path = world / _HUB / repository / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)


def pushed(world: Path, _: str) -> object:
    """What a command uploaded: the content of every file by its name; of JSON the value."""
    found = (path for path in (world / _HUB).rglob("*") if path.is_file())
    return {str(path.relative_to(world)): _content(path) for path in found}


def _content(path: Path) -> object:
    """What a file says: of a tokenizer what it does, of other JSON the values, without spaces."""
    content = path.read_bytes()
    if path.name == "tokenizer.json":
        from tidemask.corpus.tokenizing.loading import load_tokenizer
        from tidemask.errors import UserError

        with suppress(UserError):
            return load_tokenizer(path.parent).fingerprint
    if path.suffix == ".json":
        with suppress(ValueError):
            return json.dumps(json.loads(content))
    return content


@contextmanager
def searching_in_this_process(_world: Path) -> Iterator[None]:
    """Runs of a search are trained in this process, and what they take is not measured."""
    sys.path.append(str(ROOT / "tests" / "support"))
    from engine_in_process import studies_in_process
    from tidemask.tuning import tune
    from tidemask.tuning.time_plan import RunCosts

    costs = RunCosts(step_seconds=0.01, other_seconds=0.1, final_seconds=0.1)
    with ExitStack() as stack:

        def put(*place: object) -> None:
            stack.enter_context(mock.patch.object(*place))  # type: ignore[call-overload]

        studies_in_process(put)
        put(tune, "measured_costs", lambda *_, **__: costs)
        yield


AROUND: Mapping[str, Callable[[Path], AbstractContextManager[None]]] = {
    "push": _hub_of_its_own,
    "tune": searching_in_this_process,
}
"""By command; called with the world."""
