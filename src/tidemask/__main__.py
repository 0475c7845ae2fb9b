"""The program `tidemask`, also as `python -m tidemask`: the command line.

Signals end it with a line from here on, before the imports of the command line, which take a third
of a second; each command then has its own way to end in good order.
"""

import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import NoReturn


def main() -> NoReturn:
    """Run a command; exit with its status."""
    parent = os.getppid()
    _open_closed_streams()
    if sys.flags.optimize > 1:
        os.write(2, b"tidemask: Python without docstrings (-OO, PYTHONOPTIMIZE=2) cannot import "
                    b"transformers. Expected -O at most. Leave it out.\n")  # fmt: skip
        os._exit(2)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"):
        number = getattr(signal, name, None)  # Windows has the first two alone
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    from tidemask.cli import app

    app.main(parent)


def _open_closed_streams() -> None:
    """Let a stream that the shell closed (`2>&-`) take and give nothing.

    Python has none for it then, `print` takes that for the standard output, and the next file that
    is opened would have its number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            os.set_inheritable(descriptor, True)  # else that of a child would be closed
            setattr(sys, name, os.fdopen(descriptor, mode))


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    """Leave at once, as nothing is under way that would have to be saved.

    A training that a scheduler stops ends with status 0, so that its job goes back into the queue.
    """
    is_training = sys.argv[1:2] in (["pretrain"], ["resume"])
    name = signal.Signals(number).name
    with suppress(OSError):  # the terminal is closed
        os.write(2, f"tidemask: ended by {name}. Give the command again.\n".encode())
    os._exit(0 if is_training and number != signal.SIGINT else 128 + number)


if __name__ == "__main__":
    main()
