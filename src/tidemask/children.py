"""Processes that end with the one that started them, however that ends: none writes on unseen.

    python -m tidemask.children PID MODULE ARGUMENT...

is `python -m MODULE ARGUMENT...`, for a process PID to start; `dependent_command` writes it.
"""

from __future__ import annotations

import multiprocessing
import os
import pickletools
import re
import runpy
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.reduction import ForkingPickler
from types import ModuleType
from typing import Any, NoReturn, TypeVar

from tidemask.processes import STOP_SIGNALS

_LOOK_SECONDS = 0.25
"""How often a process looks whether its parent is still there."""

_TASKS_PER_WORKER = 2
"""Tasks submitted for each worker: one being worked on, one waiting."""

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")

WHY_WORKERS_DIE = (
    "Perhaps memory ran out, or a script calls this outside `if __name__ == '__main__':`, so that "
    "each worker would call it again. Use fewer workers; workers=1 starts none."
)
"""What a message says of workers that died without a word."""

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


_HAS_SERVER = "forkserver" in multiprocessing.get_all_start_methods()
_Context: Any = type(multiprocessing.get_context("forkserver" if _HAS_SERVER else "spawn"))


class _WithoutScript(_Context.Process):  # type: ignore[misc]
    """A process that does not import the script or module that was started as the program.

    `multiprocessing` lets each process do so, in which a script without a guard runs again.
    """

    @staticmethod
    def _Popen(process: Any) -> Any:  # noqa: N802  # the name of `multiprocessing`
        script, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
        try:
            return _Context.Process._Popen(process)
        finally:
            sys.modules["__main__"] = script


class _ContextWithoutScript(_Context):  # type: ignore[misc]
    Process = _WithoutScript


def worker_pool(
    num_workers: int,
    start: Callable[..., None],
    *arguments: Any,
    preload: Sequence[str] = (),
) -> ProcessPoolExecutor:
    """Workers that are not forked from this process, which may have threads already.

    They import the script that the user started only where the arguments are of a class or
    function that is defined in it.

    Args:
        num_workers: processes.
        start: is called in each with the arguments, and calls `serve_parent`.
        *arguments: for `start`, pickled.
        preload: modules that are imported once, where workers are forked from a server.
    """
    context = _Context() if _names_script(arguments) else _ContextWithoutScript()
    if _HAS_SERVER and preload:
        context.set_forkserver_preload(list(preload))
    return ProcessPoolExecutor(num_workers, context, initializer=start, initargs=arguments)


def _names_script(arguments: object) -> bool:
    """Whether they have the script's name: by itself, as pickle has it, or as a source of values.

    A longer text that has it somewhere, such as the vocabulary of a tokenizer for code, does not.
    """
    content = bytes(ForkingPickler.dumps(arguments))
    texts = (value for _, value, _ in pickletools.genops(content) if isinstance(value, str))
    return any(re.match(r"(python:)?__main__(:|$)", text) for text in texts)


def results_in_order(
    tasks: Iterable[_Task], submit: Callable[[_Task], Callable[[], _Result]], num_workers: int
) -> Iterator[tuple[_Task, _Result]]:
    """Each task with its result, in the order of the tasks, of which a few are read ahead.

    Args:
        tasks: may be endless.
        submit: begins a task; what it returns waits for the result.
        num_workers: that work at once.

    Example:
        >>> list(results_in_order([3, 1], lambda task: lambda: 10 * task, num_workers=1))
        [(3, 30), (1, 10)]
    """
    submitted: deque[tuple[_Task, Callable[[], _Result]]] = deque()
    for task in tasks:
        submitted.append((task, submit(task)))
        if len(submitted) > _TASKS_PER_WORKER * num_workers:
            first, result = submitted.popleft()
            yield first, result()
    while submitted:
        first, result = submitted.popleft()
        yield first, result()


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
