"""Processes that need not import: forked from one that has, for commands that train for a second.

Importing torch and transformers takes several times as long as such a training. A server imports
them once and forks a process for each request, which then is `python -m tidemask ...`, or runs a
script, with the arguments, environment, directory, streams and limit of file sizes of the client: a
small program that stands where the command would (under torchrun, too), passes signals on, and ends
with its status.

    python warm_process.py serve SOCKET              ends when its standard input does
    python warm_process.py SOCKET PROGRAM ARGUMENT...    the program is `tidemask` or a script
"""

from __future__ import annotations

import gc
import json
import os
import resource
import runpy
import select
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

HEAVY = (
    "tidemask.runs.train", "tidemask.runs.creation", "torch._dynamo", "torch.distributed.fsdp",
    "transformers.models.bert.modeling_bert", "typer", "rich.progress", "rich.table",
    "scipy.stats", "matplotlib.figure",
)  # fmt: skip
"""What trainings, pages and commands import; our own command line is left to each process."""

Request = dict[str, Any]


def _client(path: str, arguments: list[str]) -> int:
    """Ask for a process, wait for it, and return its status."""
    request = {
        "arguments": arguments,
        "environment": dict(os.environ),
        "directory": str(Path.cwd()),
        "file_size": resource.getrlimit(resource.RLIMIT_FSIZE),
    }
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    content = json.dumps(request).encode()
    socket.send_fds(connection, [len(content).to_bytes(8, "big")], [0, 1, 2])
    connection.sendall(content)
    answers = connection.makefile()
    worker = int(answers.readline())
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, lambda received, _: os.kill(worker, received))
    status = int(answers.readline() or 1)
    if status < 0:
        if -status != signal.SIGKILL:  # which is never caught
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


def _received(connection: socket.socket) -> Request:
    length, descriptors, _, _ = socket.recv_fds(connection, 8, 3)
    request: Request = json.loads(
        connection.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL)
    )
    return {**request, "streams": descriptors}


def _keep(connection: socket.socket, worker: int) -> None:
    """Tell the client how the worker ends; kill it if the client is no more."""
    connection.sendall(f"{worker}\n".encode())
    ended = os.pidfd_open(worker)
    ready, _, _ = select.select([ended, connection], [], [])
    if ended not in ready:
        os.kill(worker, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    if ended in ready:
        connection.sendall(f"{status}\n".encode())


def _serve(path: str) -> Request | None:
    """Accept requests to the end; in each process forked for one, return the request."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nothing waits for the keepers
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{path}.new")
    listener.listen()
    os.rename(f"{path}.new", path)  # noqa: PTH104  # from now on clients find it
    while sys.stdin not in (ready := select.select([listener, sys.stdin], [], [])[0]):
        assert ready
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            request = _received(connection)
            worker = os.fork()
            if worker == 0:
                connection.close()
                return request
            _keep(connection, worker)
            os._exit(0)
        connection.close()
    return None


def _become(request: Request) -> None:
    """Take over what the client has, and run its program to the end."""
    os.setsid()
    for number, descriptor in enumerate(request["streams"]):
        os.dup2(descriptor, number)
        os.close(descriptor)
    # What the old objects know of their files, such as that they can seek, need not hold.
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(  # noqa: SIM115
        2, "w", buffering=1, errors="backslashreplace", closefd=False
    )
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    resource.setrlimit(resource.RLIMIT_FSIZE, request["file_size"])
    sys.argv = request["arguments"]
    program = sys.argv[0]
    if program == "tidemask":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(program).parent)
        runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    if sys.argv[1] != "serve":
        sys.exit(_client(sys.argv[1], sys.argv[2:]))
    for name in HEAVY:
        import_module(name)
    gc.collect()
    gc.freeze()  # no search for garbage looks at, and so copies, what all processes share
    asked = _serve(sys.argv[2])
    if asked is not None:
        _become(asked)
