"""A connection to Ray, on a cluster or started on this machine, for all that gives it tasks.

Ray is an optional extra: it is imported when a connection is asked for.
"""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tidemask.errors import UserError, missing_package, one_line
from tidemask.processes import STOP_SIGNALS
from tidemask.settings import shown

HERE = "local"
"""The address of a Ray that is started on this machine, and ends with this process."""

_ANSWER_SECONDS = 10.0


def ray_address(engine: str) -> str | None:
    """The address of the Ray that an engine names, and `None` for processes of this machine.

    Args:
        engine: `local`, `ray` for one that is started here, or `ray:ADDRESS`.

    Raises:
        ValueError: it is none of these.

    Example:
        >>> ray_address("ray:head:6379"), ray_address("ray://head:10001"), ray_address("local")
        ('head:6379', 'ray://head:10001', None)
    """
    if engine == "local":
        return None
    if engine == "ray":
        return HERE
    name, _, address = str(engine).partition(":")
    if name != "ray" or address in ("", "//"):
        raise ValueError(f"engine={shown(engine)}. Expected local, ray or ray:ADDRESS")
    return engine if address.startswith("//") else address


@contextmanager
def connected_ray(address: str, num_cpus: int | None = None) -> Iterator[Any]:
    """The module `ray`, connected; disconnected at the end.

    Args:
        address: such as `head:6379`, `ray://head:10001` or `auto`; `HERE` starts Ray.
        num_cpus: of a Ray that is started; those of this machine if left out.

    Raises:
        UserError: Ray is not installed, or nobody answers at the address.
    """
    try:
        import ray
    except ImportError:
        raise missing_package("--engine ray", "ray", extra="ray") from None
    _check_answers(address)
    try:
        with _signals_kept():
            ray.init(
                address=address,
                num_cpus=num_cpus if address == HERE else None,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except Exception as error:  # Ray has a kind of error for each way to fail
        raise _no_cluster(address, one_line(error)) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def num_cpus(ray: Any) -> int:
    """CPUs of all machines that are there now.

    Args:
        ray: the module, connected.
    """
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep the handlers of this process, which Ray replaces by those that end it at once."""
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                if handler is not None:  # else it was not set from Python
                    signal.signal(number, handler)


def _check_answers(address: str) -> None:
    """Look whether anybody is at an address: Ray itself waits for minutes.

    Raises:
        UserError: nobody is.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdigit()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, one_line(error)) from error


def _no_cluster(address: str, why: str) -> UserError:
    return UserError(
        f"no Ray cluster: {address} does not answer ({why.rstrip('.')}). Start one with "
        "`ray start --head`, or leave out --engine."
    )
