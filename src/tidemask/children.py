"""Processes that end with the one that started them, however that ends: none writes on unseen.

    python -m tidemask.children PID MODULE ARGUMENT...

is `python -m MODULE ARGUMENT...`, for a process PID to start; `dependent_command` writes it.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import sys
import threading
import time
from typing import NoReturn

from tidemask.processes import STOP_SIGNALS

_LOOK_SECONDS = 0.25
"""How often a process looks whether its parent is still there."""

_OF_TORCHRUN = "TORCHELASTIC_RUN_ID"
"""What torchrun, and launchers that are built on it, tell each of their processes."""


def dependent_command(module: str, *arguments: str) -> list[str]:
    """`python -m MODULE ...` as a command for this process, without which it ends at once.

    Example:
        >>> dependent_command("tidemask", "recipes")
        [..., '-m', 'tidemask.children', ..., 'tidemask', 'recipes']
    """
    return [sys.executable, "-m", "tidemask.children", str(os.getpid()), module, *arguments]


def end_with_launcher(parent: int) -> None:
    """End this process when torchrun, which started it, is gone.

    torchrun ends its processes itself unless it is killed. Other launchers may end before what
    they started, as a shell does, so that their end says nothing.

    Args:
        parent: the process that started this one, asked for before the imports, which take so
            long that it may be gone after them.
    """
    if _OF_TORCHRUN in os.environ:
        _end_without(parent)


def serve_parent(_worker_id: int = 0) -> None:
    """Make this a worker process: it ends with its parent, and leaves all signals to it.

    Schedulers, launchers and terminals signal every process of a job to stop. A worker that died
    of it would fail what is under way; it ends when its parent ends it, by SIGTERM too, or is gone.
    Call it once, in a process of `multiprocessing`.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker has a parent"

    def wait() -> NoReturn:
        parent.join()
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    can_tell = hasattr(signal, "sigwaitinfo")  # not on macOS and Windows: who sent a signal
    awaited = set(STOP_SIGNALS) - {signal.SIGINT}
    if can_tell:  # before the first thread, which has them blocked then, too
        signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
        threading.Thread(target=_await_end, args=(parent.pid, awaited), daemon=True).start()
    threading.Thread(target=wait, daemon=True).start()


def _await_end(parent: int | None, awaited: set[signal.Signals]) -> NoReturn:
    """Wait for the signal by which a parent ends a worker; a fork server may be between the two."""
    while True:
        info = signal.sigwaitinfo(awaited)
        if info.si_pid == parent and info.si_signo == signal.SIGTERM:
            os._exit(0)


def _end_without(parent: int) -> None:
    """End this process once its parent is another than `parent`, which then is gone."""

    def wait() -> NoReturn:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    """Run a module as a program of this process, which ends without the one that is named."""
    parent, module, *arguments = sys.argv[1:]
    _end_without(int(parent))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
